"""Stratum Lab: an event-sourced streaming pipeline that scans AI-agent repositories.

Public names are loaded when they are used, so that `import stratum_lab` needs neither DuckDB nor Arrow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stratum_lab.errors import StratumError
    from stratum_lab.settings import Settings, load
    from stratum_lab.warehouse import Answer, Reader, open_warehouse

__all__ = ["Answer", "Reader", "Settings", "StratumError", "load", "open_warehouse"]

_HOME = {
    "Answer": "stratum_lab.warehouse",
    "Reader": "stratum_lab.warehouse",
    "Settings": "stratum_lab.settings",
    "StratumError": "stratum_lab.errors",
    "load": "stratum_lab.settings",
    "open_warehouse": "stratum_lab.warehouse",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
