"""Structured logs: one set-up per process, console lines on a terminal and JSON elsewhere, always on stderr."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog

from stratum_lab.settings import LogSettings

_SECRET = re.compile(r"(token|password|secret|sasl)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def _mask(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    return {k: "***" if _SECRET.search(k) else v for k, v in event.items()}


def clean(text: str) -> str:
    """Text from outside made safe for a terminal: control characters become visible escapes."""
    return _CONTROL.sub(lambda m: f"\\x{ord(m.group()):02x}", text)


def configure(settings: LogSettings) -> None:
    """Set up structlog and the standard library's logging; later calls replace earlier ones."""
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    console = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _mask,
    ]
    renderer = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Looked up for each line: whoever replaces the stream may close it later.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))


def get(name: str) -> structlog.stdlib.BoundLogger:
    """A logger that carries the name of its part as `part`."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(part=name)
    return logger
