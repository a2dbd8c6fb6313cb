"""What tests expect a story to tell, in parts: model calls, tools, tasks, delegations, runs and state.

A part is a list of story lines (`story.py` says what a line is); what happens inside it is given as lines or parts.
"""

from __future__ import annotations

from typing import Any

from tests.support.patcher.program import Run

GPT = "gpt-4o-mini"
"""The model that most fixture programs ask."""

Told = str | list[str]


def called(model: str = GPT, *inside: Told, status: str = "success", tokens: str = "5+3", by: str = "") -> list[str]:
    """A model call.

    Args:
        model: As the program names it.
        inside: What happens before it ends.
        status: How it ends.
        tokens: What goes in and out; empty where nobody knows.
        by: Who asks; empty where nothing is at work around the call.
    """
    end = ("llm.call_end", model, status, tokens, by and f"by {by}")
    return [f"llm.call_start {model}", *_lines(inside), " ".join(word for word in end if word)]


def asked(by: str, model: str = GPT, tokens: str = "5+3") -> list[str]:
    """A model call of an agent, or of whoever is at work."""
    return called(model, tokens=tokens, by=by)


def refused(by: str, source: str = "AsyncChatCompletion", model: str = GPT) -> list[str]:
    """A model call that the endpoint refuses; `source` is the client's node."""
    return called(model, f"error.occurred {source} BadRequestError raised", status="error", tokens="", by=by)


def used(agent: str, tool: str, *inside: Told, status: str = "success") -> list[str]:
    """A use of a tool; an agent "-" is nobody."""
    return [f"tool.invoked {agent} > {tool}", *_lines(inside), f"tool.completed {agent} > {tool} {status}"]


def task(agent: str, *inside: Told, within: str = "", status: str = "success") -> list[str]:
    """A task of an agent, or a turn of a node; `within` names what is at work around it."""
    around = f" in {within}" if within else ""
    return [f"agent.task_start {agent}{around}", *_lines(inside), f"agent.task_end {agent} {status}"]


def handed(source: str, target: str, kind: str, *inside: Told, status: str = "success") -> list[str]:
    """A delegation, from the handing over to the answer."""
    pair = f"{source} > {target}"
    return [f"delegation.initiated {pair} {kind}", *_lines(inside), f"delegation.completed {pair} {status}"]


def executed(name: str, *inside: Told, status: str = "success") -> list[str]:
    """A run that the program asks for."""
    return [f"execution.start {name}", *_lines(inside), f"execution.end {name} {status}"]


def alone(agent: str, *inside: Told, status: str = "success") -> list[str]:
    """A run of one agent."""
    return executed(agent, task(agent, *inside, status=status), status=status)


def reads(node: str, *keys: str) -> list[str]:
    """Reading state."""
    return [f"state.access {node} read {key}" for key in keys]


def writes(node: str, *keys: str) -> list[str]:
    """Changing state."""
    return [f"state.access {node} write {key}" for key in keys]


def ids(run: Run, event_type: str, which: str) -> list[str]:
    """Ids of the source or target node of all events of a type."""
    return [event[which]["node_id"] for event in run.of_type(event_type)]


def starts(run: Run) -> list[dict[str, Any]]:
    """Payloads of the opening events of a run's model calls."""
    return [event["payload"] for event in run.of_type("llm.call_start")]


def ends(run: Run) -> list[dict[str, Any]]:
    """Payloads of the closing events of a run's model calls."""
    return [event["payload"] for event in run.of_type("llm.call_end")]


def _lines(told: tuple[Told, ...]) -> list[str]:
    return [line for part in told for line in ([part] if isinstance(part, str) else part)]
