"""`stratum settings`: every setting with its value, secrets masked."""

from __future__ import annotations

from typing import Any

import typer
from rich.table import Table

from stratum_lab.cli.output import JsonFlag, command, emit_json, settings, stdout
from stratum_lab.settings import Settings, env_name, known_keys

settings_app = typer.Typer(add_completion=False)


def _value(loaded: Settings, key: str) -> Any:
    area, _, leaf = key.rpartition(".")
    value = getattr(getattr(loaded, area) if area else loaded, leaf)
    if key == "kafka.security":
        return dict.fromkeys(value, "***")
    return value


@settings_app.command()
@command
def show(as_json: JsonFlag = False) -> None:
    """Show every setting, its environment variable and its value; secrets are masked."""
    loaded = settings()
    rows = {key: _value(loaded, key) for key in known_keys()}
    if as_json:
        emit_json({"settings": {key: {"value": value, "env": env_name(key)} for key, value in rows.items()}})
        return
    table = Table("setting", "value", "environment")
    for key, value in rows.items():
        table.add_row(key, str(value), env_name(key))
    stdout.print(table)
