"""The facts that spans of OpenInference and OpenTelemetry tell, read in their favour.

What a span is, its kind, its operation or its name says. A thing that spans of two instrumentations tell (one of a
framework, one of a client library) is one fact. What no span stands for can still be read off others: an agent's span
in another agent's is a delegation, one in none a run, a node's input and output are accesses to a state. Such readings
count where something of the kind took place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.patcher.peer_facts import (
    AGENT,
    ARROW,
    CALL,
    DELEGATION,
    ERROR,
    ROUTE,
    RUN,
    STATE,
    TOKENS,
    TOOL,
    Fact,
    fact,
)

CONTROL_FLOW: Final = frozenset(
    {"GeneratorExit", "CancelledError", "ParentCommand", "GraphInterrupt", "StopIteration", "StopAsyncIteration"}
)
"""Exceptions by which generators, tasks and graphs end in good order; no errors."""
_OPERATIONS: Final = {
    "chat": CALL,
    "text_completion": CALL,
    "completion": CALL,
    "generate_content": CALL,
    "response": CALL,
    "invoke_agent": AGENT,
    "execute_tool": TOOL,
    "invoke_workflow": RUN,
    "goto": ROUTE,
}
_KINDS: Final = {"LLM": CALL, "AGENT": AGENT, "TOOL": TOOL, "WORKFLOW": RUN}
_MODELS: Final = ("gen_ai.request.model", "gen_ai.response.model", "llm.model_name", "llm.request.model_name")
_AGENTS: Final = ("gen_ai.agent.name", "agent.name", "graph.node.id", "crewai.agent.role")
_TOOLS: Final = ("tool.name", "gen_ai.tool.name", "traceloop.entity.name")
_INPUTS: Final = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt")
_OUTPUTS: Final = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion")
_NOT_ASKED: Final = "TypeError"
"""What a client raises for arguments with which it asks no model: there was no call."""
_RUN_NAME: Final = re.compile(r"\.kickoff$|\.workflow$|^Agent workflow$|\.initiate_chat$|^LangGraph$")
_ERROR_NAME: Final = re.compile(r"^(?:\w+\.)*(\w*(?:Error|Exception|Exit|Interrupt|Retry|Command))\b")
_AROUND_NAME: Final = re.compile(
    r"^(?:invoke_agent|execute_tool|execute_task|running tool)[ :]+|\.(?:agent|task|tool|run)$"
)
_HANDS_OVER: Final = re.compile(r"^(?:transfer_to_|handoff to )(.+?)(?:_\d+)?$|\.handoff$", re.IGNORECASE)
_HELPERS: Final = frozenset({"_Group_Tool_Executor", "checking_agent", "speaker_selection_agent"})
"""Agents of ag2's own, by which it runs tools of others and asks who is to speak: no agents of the program."""
_DATE: Final = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_NUMBER: Final = re.compile(r"[0-9a-f-]{8,}|\d+")
_CHAINED: Final = ("direct cause of the following", "During handling of the above")
_GROUPED: Final = (CALL, AGENT, TOOL, DELEGATION)


@dataclass
class Span:
    """One span and what it is.

    Attributes:
        id: Its own.
        parent: Of the span around it.
        scope: The instrumentation.
        name: As given.
        start: In nanoseconds.
        end: In nanoseconds.
        kind: A kind of fact, when it is one.
        names: What the thing is called.
        attributes: As given.
        errors: Names of the exceptions it ended with; "" where there was one without a name.
        wrapping: Those of them that were raised over another exception.
    """

    id: str
    parent: str | None
    scope: str
    name: str
    start: int
    end: int
    kind: str | None
    names: frozenset[str]
    attributes: dict[str, Any] = field(repr=False)
    errors: list[str] = field(default_factory=list)
    wrapping: frozenset[str] = frozenset()

    def overlaps(self, other: Span) -> bool:
        """Whether both were open at one time."""
        return self.start <= other.end and other.start <= self.end


@dataclass(frozen=True)
class Told:
    """What spans tell.

    Attributes:
        facts: Things that spans stand for.
        readings: Things that can be read off them.
        others: Names of the spans that stand for nothing here, numbers in them left out.
    """

    facts: list[Fact]
    readings: list[Fact]
    others: list[str]


def of_spans(lines: Iterable[dict[str, Any]]) -> Told:
    """The facts of a run.

    Args:
        lines: Its spans as exported.
    """
    spans = sorted((_span(line) for line in lines), key=lambda span: (span.start, -span.end))
    by_id = {span.id: span for span in spans}
    runs = [span for span in spans if span.kind == RUN]
    inner = [span for span in runs if _nearest(span, by_id, RUN)]
    agents = [span for span in spans if span.kind == AGENT]
    alone = [span for span in agents if not (_nearest(span, by_id, RUN) or _nearest(span, by_id, AGENT))]
    agents_again = [span.id for span in agents if _goes_on(span, by_id)]
    facts = [fact(RUN)] * (len(runs) - len(inner))
    for group in _grouped([span for span in spans if span.kind in _GROUPED and span.id not in agents_again]):
        kind = group[0].kind or ""
        facts.append(fact(kind, *(name for span in group for name in span.names)))
        if kind == CALL:
            facts += [fact(TOKENS, used) for used in [_tokens(group)] if used]
    sent = _sent(spans)
    readings = _handed_over(spans) + [Fact(DELEGATION, one.names) for one in sent]
    errors, wrapped = _errors(spans)
    others = {_NUMBER.sub("N", " ".join((span.name, *span.errors))) for span in spans if span.kind is None}
    readings += [fact(RUN)] * (len(inner) + len(alone)) + wrapped + _delegated(spans, by_id) + _accessed(spans)
    return Told(facts + sent + errors, readings, sorted(others))


def _span(line: dict[str, Any]) -> Span:
    attributes = line["attributes"]
    errors = _failures(line)
    kind = _kind(line["name"], attributes, line["scope"])
    if kind == CALL and errors == [_NOT_ASKED]:
        kind, errors = None, []
    return Span(
        id=line["id"],
        parent=line["parent"],
        scope=line["scope"],
        name=line["name"],
        start=line["start"],
        end=line["end"],
        kind=kind,
        names=_names(kind, line["name"], attributes),
        attributes=attributes,
        errors=errors,
        wrapping=_wrapping(line),
    )


def _node(attributes: dict[str, Any]) -> str | None:
    """The graph node that a span of LangGraph belongs to."""
    metadata = _parsed(attributes.get("metadata"))
    found = metadata.get("langgraph_node") or attributes.get("traceloop.association.properties.langgraph_node")
    return found if isinstance(found, str) else None


def _kind(name: str, attributes: dict[str, Any], scope: str) -> str | None:
    told = (attributes.get("openinference.span.kind") or attributes.get("traceloop.span.kind") or "").upper()
    named = any(attributes.get(key) for key in _AGENTS)
    if _HANDS_OVER.search(_bare(name)):
        return DELEGATION
    if _RUN_NAME.search(name) or "gen_ai.workflow.nodes" in attributes:
        return RUN
    if told == "CHAIN" and name.endswith((".run", ".run_stream")):
        return RUN
    if told == "AGENT" and not named and scope.endswith(".openai_agents"):
        return RUN
    entity = attributes.get("traceloop.entity.name", _bare(name))
    if entity == _node(attributes) and told in ("CHAIN", "TASK", "AGENT"):
        return AGENT
    if attributes.get("agent.name") in _HELPERS and told == "AGENT":
        return None
    if told:
        return _KINDS.get(told)
    if "llm.request.type" in attributes:
        return CALL
    kind = _OPERATIONS.get(attributes.get("gen_ai.operation.name", ""))
    return None if kind == AGENT and not named else kind


def _names(kind: str | None, name: str, attributes: dict[str, Any]) -> frozenset[str]:
    if kind == DELEGATION:
        found_in = _HANDS_OVER.search(_bare(name))
        target = attributes.get("gen_ai.handoff.to_agent") or (found_in and found_in[1])
        return _to(DELEGATION, *([target] if target else ())).names
    keys = {CALL: _MODELS, AGENT: _AGENTS, TOOL: _TOOLS}.get(kind or "", ())
    found = {str(attributes[key]) for key in keys if attributes.get(key)}
    if kind == CALL:
        found |= {_DATE.sub("", name) for name in found}
    if kind in (AGENT, TOOL) and not found and not name.endswith(".run"):
        found = {_bare(name)}
    return fact("", *found).names


def _bare(name: str) -> str:
    """A span's name without the words that say what it is."""
    return _AROUND_NAME.sub("", name)


def _tokens(group: Sequence[Span]) -> str | None:
    """Tokens of a call that any of its spans tells."""
    for span in group:
        used = [
            next((span.attributes[key] for key in keys if key in span.attributes), None) for keys in (_INPUTS, _OUTPUTS)
        ]
        if None not in used:
            return f"{used[0]}+{used[1]}"
    return None


def _grouped(spans: Sequence[Span]) -> list[list[Span]]:
    """Spans of one thing together: of different instrumentations, at one time, under a common name."""
    groups: list[list[Span]] = []
    for span in spans:
        for group in groups:
            if all(_same(span, other) for other in group):
                group.append(span)
                break
        else:
            groups.append([span])
    return groups


def _same(span: Span, other: Span) -> bool:
    if span.kind != other.kind or span.scope == other.scope or not span.overlaps(other):
        return False
    inside = span.start >= other.start and span.end <= other.end
    return bool(span.names & other.names) or not (span.names and other.names) or (span.kind == CALL and inside)


def _raised(line: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and traceback of each exception that a span recorded."""
    told = [event["attributes"] for event in line["events"] if event["name"] == "exception"]
    return [
        (str(one.get("exception.type", "")).rpartition(".")[2], str(one.get("exception.stacktrace", "")))
        for one in told
    ]


def _wrapping(line: dict[str, Any]) -> frozenset[str]:
    return frozenset(name for name, trace in _raised(line) if any(mark in trace for mark in _CHAINED))


def _failures(line: dict[str, Any]) -> list[str]:
    names = [name for name, _ in _raised(line)]
    if not names and line["status"] == "ERROR":
        told = line["attributes"].get("error.type") or line["description"] or ""
        found = _ERROR_NAME.match(str(told))
        names = [found[1] if found and found[1] != "Error" else ""]
    return list(dict.fromkeys(name for name in names if name not in CONTROL_FLOW))


def _errors(spans: Sequence[Span]) -> tuple[list[Fact], list[Fact]]:
    """Each exception once, however many spans it crossed, and apart those that are no more than readings.

    These wrap another exception, or ended only spans that stand for nothing.
    """
    known: list[tuple[str, list[Span]]] = []
    told = [(name, span) for span in spans for name in span.errors]
    for name, span in sorted(told, key=lambda one: (not one[0], one[1].end, -one[1].start)):
        for other, crossed in known:
            if (not name or name == other) and any(span.overlaps(one) for one in crossed):
                crossed.append(span)
                break
        else:
            known.append((name, [span]))
    plain: list[Fact] = []
    readings: list[Fact] = []
    for name, crossed in known:
        wraps = any(name in span.wrapping for span in crossed)
        own = any(span.kind for span in crossed) and not wraps
        (plain if own else readings).append(fact(ERROR, name))
    return plain, readings


def _around(span: Span, by_id: dict[str, Span]) -> Iterable[Span]:
    """The spans around one, innermost first."""
    parent = by_id.get(span.parent or "")
    while parent is not None:
        yield parent
        parent = by_id.get(parent.parent or "")


def _nearest(span: Span, by_id: dict[str, Span], kind: str) -> Span | None:
    """The innermost span of a kind around one."""
    return next((one for one in _around(span, by_id) if one.kind == kind), None)


def _goes_on(span: Span, by_id: dict[str, Span]) -> bool:
    """Whether an agent's span is a graph's that the node of that name, whose span is around it, runs."""
    around = _nearest(span, by_id, AGENT)
    return around is not None and around.scope == span.scope and bool(span.names) and around.names == span.names


def _sent(spans: Sequence[Span]) -> list[Fact]:
    """Where nodes sent the work on: each target once for a turn of the node, the last that began before."""
    sent = {}
    turns: dict[str, str] = {}
    for span in spans:
        if span.kind == AGENT:
            turns |= dict.fromkeys(span.names, span.id)
        elif span.kind == ROUTE:
            ends = (span.attributes.get(f"langgraph.command.{end}_node") for end in ("source", "goto"))
            source, target = map(str, ends)
            sent[turns.get(source, ""), target] = fact(ROUTE, f"{source}{ARROW}{target}", f"{ARROW}{target}")
    return list(sent.values())


def _delegated(spans: Sequence[Span], by_id: dict[str, Span]) -> list[Fact]:
    """An agent at work inside another one's span, or named as the next one, has its work from that one."""
    found = []
    for span in spans:
        if span.kind != AGENT:
            continue
        giver = next((one for one in _around(span, by_id) if one.kind == AGENT and one.names != span.names), None)
        if giver is not None or span.attributes.get("graph.node.parent_id"):
            found += [_to(kind, *span.names) for kind in (DELEGATION, ROUTE)]
    return found


def _handed_over(spans: Sequence[Span]) -> list[Fact]:
    """A handover is also a route, and the use of the tool it is made by; a coworker that is named gets work."""
    found = []
    for span in spans:
        coworker = _parsed(span.attributes.get("input.value")).get("coworker")
        if span.kind == DELEGATION:
            found += [Fact(ROUTE, span.names), fact(TOOL, _bare(span.name))]
        elif isinstance(coworker, str):
            found += [_to(kind, coworker) for kind in (DELEGATION, ROUTE)]
        elif span.kind is None and _node(span.attributes):
            found.append(fact(ROUTE, f"{_node(span.attributes)}{ARROW}"))
    return found


def _to(kind: str, *targets: str) -> Fact:
    return fact(kind, *(f"{ARROW}{target.replace('_', ' ')}" for target in targets), *(ARROW + one for one in targets))


def _accessed(spans: Sequence[Span]) -> list[Fact]:
    """Keys of what went into a node and of what came out of it."""
    found = []
    for span in spans:
        if span.kind == AGENT and _node(span.attributes):
            given = span.attributes.get("input.value") or span.attributes.get("traceloop.entity.input")
            made = span.attributes.get("output.value") or span.attributes.get("traceloop.entity.output")
            for access, value in (("read", given), ("write", made)):
                keys = _parsed(value)
                keys = keys.get("inputs" if access == "read" else "outputs", keys)
                found += [fact(STATE, f"{access} {key}") for key in (keys if isinstance(keys, dict) else ())]
    return found


def _parsed(text: object) -> dict[str, Any]:
    """A JSON object; empty where there is none."""
    try:
        value = json.loads(text) if isinstance(text, str) else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
