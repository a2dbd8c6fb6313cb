"""What every command shares: streams, envelope, exit codes; and that every command and option is documented."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from stratum_lab import errors
from stratum_lab.cli.main import GROUPS, app
from stratum_lab.cli.output import JsonFlag, command, emit_json
from stratum_lab.cli.reference import walk

ROOT = Path(__file__).parents[3]
ERRORS = [
    c
    for c in vars(errors).values()
    if isinstance(c, type) and issubclass(c, errors.StratumError) and c not in (errors.DecodeError, errors.InvalidLine)
]


def failing(exc: BaseException) -> typer.Typer:
    made = typer.Typer()

    @made.command()
    @command
    def run(as_json: JsonFlag = False) -> None:
        """Fail."""
        raise exc

    return made


@pytest.mark.parametrize("kind", ERRORS, ids=lambda c: c.__name__)
def test_every_error_has_an_envelope_and_an_exit_code_of_the_table(kind: type[errors.StratumError]) -> None:
    done = CliRunner().invoke(failing(kind("it broke", remedy="mend it")), ["--json"])
    assert done.exit_code == kind.exit_code
    assert kind.exit_code in (0, 1, 2, 3, 75, 78, 130)
    assert json.loads(done.stdout) == {"error": {"kind": kind.kind, "message": "it broke", "remedy": "mend it"}}
    assert kind.kind in errors.ERROR_KINDS
    assert "it broke" in done.stderr


def test_without_json_an_error_leaves_stdout_empty() -> None:
    done = CliRunner().invoke(failing(errors.UsageError("bad \x1b[31m thing", remedy="do [this]")), [])
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "bad \\x1b[31m thing" in done.stderr
    assert "fix: do [this]" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupt_ends_with_130() -> None:
    assert CliRunner().invoke(failing(KeyboardInterrupt()), []).exit_code == 130


def test_an_error_nobody_expected_is_not_hidden() -> None:
    done = CliRunner().invoke(failing(ZeroDivisionError("defect")), [])
    assert isinstance(done.exception, ZeroDivisionError)


def test_every_error_is_either_transient_or_terminal_and_transient_means_75() -> None:
    for kind in ERRORS:
        if kind is not errors.StratumError:
            assert issubclass(kind, errors.Transient) != issubclass(kind, errors.Terminal)
            assert (kind.exit_code == errors.EXIT_TRY_LATER) is issubclass(kind, errors.Transient)


def test_text_that_is_no_utf8_is_escaped_rather_than_stop_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    emit_json({"file": os.fsdecode(b"bad\xff"), "name": "äöü"})
    out = capsys.readouterr().out
    assert "bad\\udcff" in out
    assert "äöü" in out


def test_a_closed_pipe_ends_silently() -> None:
    code = (
        "import typer, sys\n"
        "from stratum_lab.cli.output import command, emit_json\n"
        "app = typer.Typer()\n"
        "@app.command()\n"
        "@command\n"
        "def run() -> None:\n"
        "    for _ in range(100000):\n"
        "        emit_json({'a': 'x' * 1000})\n"
        "app()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=60), said) == (0, b"")


LEAVES = list(walk())
NAMES = [" ".join(path) for path, _ in LEAVES]


def test_every_group_has_a_command() -> None:
    assert {path[0] for path, _ in LEAVES} == set(GROUPS)


@pytest.mark.parametrize(("path", "leaf"), LEAVES, ids=NAMES)
def test_every_command_has_help_and_every_option_an_environment_name(path: tuple[str, ...], leaf: Any) -> None:
    assert (leaf.help or "").strip(), "a command without help"
    options = [p for p in leaf.params if p.name != "help"]
    for param in options:
        assert (getattr(param, "help", None) or "").strip(), f"{param.name} has no help"
        assert param.envvar, f"{param.name} has no environment name"
        for name in [param.envvar] if isinstance(param.envvar, str) else param.envvar:
            assert name.startswith("STRATUM_")
            assert name == name.upper()


@pytest.mark.parametrize(("path", "leaf"), LEAVES, ids=NAMES)
def test_every_command_speaks_json(path: tuple[str, ...], leaf: Any) -> None:
    assert "--json" in {o for p in leaf.params for o in p.opts}


@pytest.mark.parametrize("path", [p for p, _ in LEAVES], ids=NAMES)
def test_every_command_prints_its_help(path: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*path, "--help"])
    assert done.exit_code == 0
    assert "Usage" in done.stdout


def test_an_unknown_command_is_a_usage_error() -> None:
    assert CliRunner().invoke(app, ["nonsense"]).exit_code == 2
