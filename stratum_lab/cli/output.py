"""What every command shares: data on stdout, talk on stderr, `--json`, one error envelope, one exit-code table."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, NoReturn, ParamSpec, TypeVar

import typer
from rich.console import Console

from stratum_lab import errors
from stratum_lab.observe import logs
from stratum_lab.settings import Settings, load

P = ParamSpec("P")
R = TypeVar("R")

JsonFlag = Annotated[
    bool,
    typer.Option("--json", envvar="STRATUM_JSON", help="Print one JSON document on stdout instead of text."),
]

PIPE_WIDTH = 240
"""Columns of what goes into a pipe or a file: tables are read whole there, and nobody's window is that narrow."""

stderr = Console(stderr=True, highlight=False)
stdout = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH)


def settings(**overrides: Any) -> Settings:
    """Settings of this command; flags that were not given (None) do not override.

    Args:
        **overrides: Settings keys with `__` for the dot, such as `broker__port`.
    """
    loaded = load(overrides={k.replace("__", "."): v for k, v in overrides.items() if v is not None})
    logs.configure(loaded.log)
    return loaded


def emit_json(data: Any) -> None:
    """Print the one JSON document of a command."""
    text = json.dumps(data, indent=2, default=str, ensure_ascii=False)
    # File names may hold bytes that are no UTF-8; they are shown escaped rather than stop the output.
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode() + "\n")


def say(text: str) -> None:
    """Talk to the person on stderr; text from outside must be cleaned by the caller."""
    stderr.print(text, markup=False, soft_wrap=True)


def fail(exc: errors.StratumError, as_json: bool) -> NoReturn:
    """Report one error and leave with its exit code."""
    if as_json:
        emit_json({"error": {"kind": exc.kind, "message": exc.message, "remedy": exc.remedy}})
    stderr.print(f"error: {logs.clean(exc.message)}", style="red", markup=False, soft_wrap=True)
    if exc.remedy:
        stderr.print(f"  fix: {logs.clean(exc.remedy)}", markup=False, soft_wrap=True)
    raise typer.Exit(exc.exit_code)


def command(func: Callable[P, R]) -> Callable[P, R]:
    """Wrap a command: known errors become one line and an exit code, a closed pipe ends silently."""

    @wraps(func)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        as_json = bool(kwargs.get("as_json", False))
        try:
            return func(*args, **kwargs)
        except errors.StratumError as exc:
            fail(exc, as_json)
        except KeyboardInterrupt:
            stderr.print("interrupted", markup=False)
            raise typer.Exit(errors.EXIT_INTERRUPTED) from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None

    return run
