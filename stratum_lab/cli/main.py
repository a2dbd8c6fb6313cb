"""The `stratum` command: collects the command groups; each group's module is loaded when it is used.

Groups live in one module each and are listed in GROUPS; importing them all would make every call slow to start.
"""

from __future__ import annotations

import importlib
from typing import Any

import typer
from typer.core import TyperGroup

GROUPS: dict[str, tuple[str, str]] = {
    "archive": ("stratum_lab.cli.archive", "Keep the raw topics as files and refill a broker from them."),
    "dev": ("stratum_lab.cli.dev", "Run broker, streams and sinks together with one status screen."),
    "doctor": ("stratum_lab.cli.doctor", "Check everything this machine needs, each with the fix."),
    "down": ("stratum_lab.cli.broker", "Stop the broker that `up` started."),
    "fleet": ("stratum_lab.cli.fleet", "Compare the newest scan of every repository."),
    "job": ("stratum_lab.cli.job", "Select, submit and follow scan jobs."),
    "ping": ("stratum_lab.cli.ping", "Check pings, look at one, bring recorded ones in."),
    "query": ("stratum_lab.cli.query", "Ask the warehouse a question in SQL."),
    "records": ("stratum_lab.cli.records", "Fold result folders into records, without a broker."),
    "replay": ("stratum_lab.cli.replay", "Rebuild derived topics and tables from the log."),
    "run": ("stratum_lab.cli.run", "Bring recorded runs in."),
    "scan": ("stratum_lab.cli.scan", "Scan one repository here, without a broker, and report."),
    "settings": ("stratum_lab.cli.settings", "Show every setting, its value and its origin."),
    "status": ("stratum_lab.cli.broker", "Show broker, topics and how far every consumer is."),
    "up": ("stratum_lab.cli.broker", "Provide a broker and create the topics."),
    "warehouse": ("stratum_lab.cli.warehouse", "Look after the DuckDB file."),
    "worker": ("stratum_lab.cli.worker", "Run one long-lived part: scan, streams, warehouse, records, archive."),
}
"""Top-level name -> (module, one line). The module has an attribute of that name: a Typer app or a command."""


class LazyGroup(TyperGroup):
    """Loads a command group when it is named. Any: Typer's click classes differ between its versions."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in alphabetical order."""
        return sorted(GROUPS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import the module of one group."""
        if cmd_name not in GROUPS:
            return None
        found: Any = getattr(importlib.import_module(GROUPS[cmd_name][0]), f"{cmd_name}_app")
        command = typer.main.get_command(found)
        command.name = cmd_name
        command.short_help = GROUPS[cmd_name][1]
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the groups without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, GROUPS[name][1]) for name in sorted(GROUPS)])


app = typer.Typer(cls=LazyGroup, no_args_is_help=True, add_completion=True, rich_markup_mode=None)


@app.callback()
def root() -> None:
    """Stratum Lab: scan AI-agent repositories at scale, as a streaming pipeline on Kafka."""


def main() -> None:
    """Entry point of the `stratum` script."""
    app()
