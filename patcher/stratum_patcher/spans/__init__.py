"""Facts as frames tell them: spans with an event at each end, moments with one, and errors (events.md section 3)."""

from .context import agent, current, enclosing, inside, silent, stack, switch
from .errors import (
    ABANDONED,
    ABORTED,
    CANCELLED,
    ERROR,
    SUCCESS,
    TIMEOUT,
    error,
    error_facts,
    error_text,
    forget,
    report,
    stands_for,
    status_of,
    told,
    trace,
)
from .models import Llm
from .moments import route, state
from .span import Quiet, Scope, Span, quiet
from .tools import External, Tool
from .work import Agent, Delegation, Execution, at_exit, output_facts

__all__ = [
    "ABANDONED",
    "ABORTED",
    "CANCELLED",
    "ERROR",
    "SUCCESS",
    "TIMEOUT",
    "Agent",
    "Delegation",
    "Execution",
    "External",
    "Llm",
    "Quiet",
    "Scope",
    "Span",
    "Tool",
    "agent",
    "at_exit",
    "current",
    "enclosing",
    "error",
    "error_facts",
    "error_text",
    "forget",
    "inside",
    "output_facts",
    "quiet",
    "report",
    "route",
    "silent",
    "stack",
    "stands_for",
    "state",
    "status_of",
    "switch",
    "told",
    "trace",
]
