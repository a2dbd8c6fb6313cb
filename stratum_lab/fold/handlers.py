"""What each event type does to the statistics; the rules are those of behavioral-record.md sections 2 and 9 (D10-D16).

A handler sees one event of a batch. It never raises: fields of an unexpected type count as absent.
"""

from __future__ import annotations

from collections.abc import Callable

from stratum_lab.contract.events.run import EventBatch
from stratum_lab.fold.payload import Payload, duration, parse, storable, text_of
from stratum_lab.fold.state import (
    BY_DELEGATION,
    BY_INPUT,
    BY_PARENT,
    BY_ROUTING,
    BY_STACK,
    BY_STATE,
    BY_TOOL,
    BY_TRAVERSAL,
    CALLS,
    DELEGATES,
    ERROR_BOUNDARY,
    MAX_ERROR_NODES,
    MAX_OPEN_DELEGATIONS,
    MAX_SEEDS,
    READS,
    RETRY_SUCCEEDED,
    USES,
    WRITES,
    RunStats,
    Seed,
)

END = "__end__"
"""Target of a route to the end."""
_BAD = ("error", "failed")
_SILENT = ("caught_silent", "caught_default", "fail_silent")
_NS_PER_MS = 1_000_000


class Columns:
    """The columns of a batch that handlers read; `ids` ends with None, so that index -1 means no node."""

    __slots__ = ("event_id", "first_seq", "ids", "nodes", "parent", "payload", "source", "stamp", "target")

    def __init__(self, batch: EventBatch, ids: list[str | None]) -> None:
        self.ids, self.nodes = ids, batch.nodes
        self.source, self.target = batch.source_node, batch.target_node
        self.payload, self.event_id, self.parent = batch.payload, batch.event_id, batch.parent_event_id
        self.stamp, self.first_seq = batch.timestamp_ns, batch.first_seq


Handler = Callable[[RunStats, Columns, int], None]


def handler_of(event_type: str) -> Handler | None:
    """The handler of an event type; None for types that only count."""
    handler = _HANDLERS.get(event_type)
    if handler is None:
        if event_type.startswith("agent."):
            return _other_agent
        if event_type.startswith("error."):
            return _other_error
    return handler


def guard_event(s: RunStats, c: Columns, i: int, node: str, task_end: bool) -> None:
    """An event whose source is a guard or review node: the first one after a seed decides for that seed."""
    seeds, pairs = len(s.seeds), s.guard_after.get(node)
    if seeds and (pairs is None or pairs[-2] < seeds):
        good = task_end and task_status(parse(c.payload[i])) == "success"
        s.guard_after.setdefault(node, []).extend((seeds, RETRY_SUCCEEDED if good else ERROR_BOUNDARY))


def task_status(p: Payload) -> object:
    """Status of a task end; late streams send a boolean `success` instead (D14)."""
    status = p.get("status")
    if status is None:
        success = p.get("success")
        if success is True:
            return "success"
        if success is False:
            return "error"
    return status


def _edge(s: RunStats, source: str | None, target: str | None, kind: str, origin: int) -> None:
    if source and target:
        key = (source, target, kind)
        s.edges[key] = s.edges.get(key, 0) | origin
    else:
        s.missing += 1


def _errorish(s: RunStats, node: str | None, seq: int) -> None:
    """Count, and extend the path of every seed opened since this node's last errorish event."""
    s.errorish += 1
    s.open_error = -1
    seeds = len(s.seeds)
    if node and seeds:
        pairs = s.error_after.get(node)
        if pairs is None:
            if len(s.error_after) < MAX_ERROR_NODES:
                s.error_after[node] = [seeds, seq]
            else:
                s.errors_off_path += 1
        elif pairs[-2] < seeds:
            pairs += (seeds, seq)


def _seed(s: RunStats, c: Columns, i: int, node: str | None, p: Payload) -> None:
    if node in s.seeded:
        return
    if len(s.seeds) >= MAX_SEEDS:
        s.seeds_dropped += 1
        return
    if node:
        s.seeded.add(node)
    n = c.source[i]
    name = c.nodes[n]["node_name"] if n >= 0 else None
    kind = storable(p.get("error_type") or p.get("error", "unknown"))
    s.seeds.append(Seed(node, name, kind, c.first_seq + i, s.errorish, s.failed, s.succeeded))


def _down(s: RunStats) -> None:
    if s.depth:
        s.depth -= 1


def _up(s: RunStats) -> None:
    s.depth += 1
    if s.depth > s.max_depth:
        s.max_depth = s.depth


def _take(counts: dict[str, int], key: str) -> bool:
    """Lower a counter, dropping it at zero; False when there was none."""
    n = counts.get(key, 0)
    if n > 1:
        counts[key] = n - 1
    elif n:
        del counts[key]
    return n > 0


def _end_facts(s: RunStats, node: str | None, p: Payload) -> None:
    """What task ends and model call ends have in common: output hash and schema mismatch."""
    if p.get("schema_mismatch") or p.get("validation_error"):
        s.mismatches += 1
    output = text_of(p, "output_hash")
    if output and node:
        known = s.outputs.get(node)
        if known is None:
            s.outputs[node] = [output]
        elif len(known) < 2 and known[0] != output:
            known.append(output)


def _task_start(s: RunStats, c: Columns, i: int) -> None:
    p = parse(c.payload[i])
    source = c.ids[c.source[i]]
    node = source or text_of(p, "node_id")
    parent, origin = text_of(p, "parent_node_id"), text_of(p, "input_source")
    if parent:
        _edge(s, parent, source, DELEGATES, BY_PARENT)
    if origin:
        _edge(s, origin, source, READS, BY_INPUT)
    if node:
        s.agents[node] = None
        if node in s.open_to:
            s.quiet[node] = s.quiet.get(node, 0) + 1
            return
    if parent:
        _up(s)


def _task_end(s: RunStats, c: Columns, i: int) -> None:
    p = parse(c.payload[i])
    source = c.ids[c.source[i]]
    node = source or text_of(p, "node_id") or None
    status = task_status(p)
    s.task_ends += 1
    if node:
        s.agents[node] = None
    if not (node and s.quiet and _take(s.quiet, node)):
        _down(s)
    if status == "success":
        s.succeeded += 1
        if source:
            s.last_success[source] = c.first_seq + i
    elif status in _BAD:
        s.failed += 1
        _errorish(s, node, c.first_seq + i)
        if status == "error":
            _seed(s, c, i, node, p)
    _end_facts(s, node, p)


def _llm_end(s: RunStats, c: Columns, i: int) -> None:
    p = parse(c.payload[i])
    source = c.ids[c.source[i]]
    s.llm_ends += 1
    stack = p.get("active_node_stack")
    if stack and type(stack) is list:
        caller = stack[-1]
        _edge(s, caller if type(caller) is str else None, source, CALLS, BY_STACK)
    _end_facts(s, source or text_of(p, "node_id") or None, p)


def _error_occurred(s: RunStats, c: Columns, i: int) -> None:
    _error(s, c, i)
    s.errors += 1
    s.open_error = s.succeeded


def _error(s: RunStats, c: Columns, i: int) -> None:
    p = parse(c.payload[i])
    node = c.ids[c.source[i]] or text_of(p, "node_id") or None
    if p.get("error_handling") in _SILENT:
        s.silent += 1
    _errorish(s, node, c.first_seq + i)
    _seed(s, c, i, node, p)


def _other_error(s: RunStats, c: Columns, i: int) -> None:
    if parse(c.payload[i]).get("error_handling") in _SILENT:
        s.silent += 1


def _other_agent(s: RunStats, c: Columns, i: int) -> None:
    node = c.ids[c.source[i]] or text_of(parse(c.payload[i]), "node_id")
    if node:
        s.agents[node] = None


def _tool_id(c: Columns, i: int, p: Payload) -> tuple[str | None, str | None]:
    """Tool and its user (D12): in old streams the tool itself is the source."""
    n = c.source[i]
    source = c.ids[n]
    tool = text_of(p, "tool_node_id") or c.ids[c.target[i]]
    if not tool and n >= 0 and c.nodes[n]["node_type"] == "capability":
        return source, text_of(p, "agent_node_id")
    return tool, source


def _tool_invoked(s: RunStats, c: Columns, i: int) -> None:
    p = parse(c.payload[i])
    tool, user = _tool_id(c, i, p)
    _edge(s, user, tool, USES, BY_TOOL)
    if tool:
        s.tools[tool] = s.tools.get(tool, 0) + 1
        s.open_tools[tool] = s.open_tools.get(tool, 0) + 1
    status = p.get("status")
    if status is not None and status != "":
        s.tool_attempts += 1
        _tool_outcome(s, status, p)


def _tool_completed(s: RunStats, c: Columns, i: int) -> None:
    p = parse(c.payload[i])
    status = p.get("status")
    s.tool_attempts += 1
    _tool_outcome(s, status, p)
    tool, _ = _tool_id(c, i, p)
    if tool:
        _take(s.open_tools, tool)
    if status in _BAD:
        node = c.ids[c.source[i]] or text_of(p, "node_id") or None
        _errorish(s, node, c.first_seq + i)
        if status == "error":
            _seed(s, c, i, node, p)


def _tool_outcome(s: RunStats, status: object, p: Payload) -> None:
    """Failure and timeout are disjoint (D3)."""
    if status == "timeout" or (status in _BAD and p.get("error_type") == "timeout"):
        s.tool_timeouts += 1
    elif status in _BAD:
        s.tool_failures += 1


def _call_failure(s: RunStats, c: Columns, i: int) -> None:
    s.tool_attempts += 1
    s.tool_failures += 1


def _state_access(s: RunStats, c: Columns, i: int) -> None:
    p = parse(c.payload[i])
    accessor = text_of(p, "accessor_node") or text_of(p, "node_id") or c.ids[c.source[i]]
    key, write = text_of(p, "state_key"), p.get("access_type") == "write"
    _edge(s, accessor, key, WRITES if write else READS, BY_STATE)
    if key:
        entry = s.state_keys.setdefault(key, [0])
        if write:
            entry[0] += 1
            if accessor and len(entry) < 3 and accessor not in entry:
                entry.append(accessor)


def _delegation_initiated(s: RunStats, c: Columns, i: int) -> None:
    _up(s)
    source, target = c.ids[c.source[i]], c.ids[c.target[i]]
    if c.target[i] >= 0:
        _edge(s, source, target, DELEGATES, BY_DELEGATION)
    if target:
        s.open_to[target] = s.open_to.get(target, 0) + 1
    if source and source not in s.chats and _chooses(parse(c.payload[i]).get("delegation_type")):
        s.chats[source] = None
    s.delegated_at[c.event_id[i]] = c.stamp[i]
    if len(s.delegated_at) > MAX_OPEN_DELEGATIONS:
        del s.delegated_at[next(iter(s.delegated_at))]


def _delegation_completed(s: RunStats, c: Columns, i: int) -> None:
    _down(s)
    target = c.ids[c.target[i]]
    if target:
        _take(s.open_to, target)
    begun = s.delegated_at.pop(c.parent[i], None)
    latency = duration(parse(c.payload[i]).get("latency_ms"))
    if latency is None and begun is not None:
        latency = max(0, c.stamp[i] - begun) / _NS_PER_MS
    if latency is not None:
        s.latencies[latency] = s.latencies.get(latency, 0) + 1


def _chooses(kind: object) -> bool:
    return kind == "speaker_selection"


def _routing(s: RunStats, c: Columns, i: int) -> None:
    p = parse(c.payload[i])
    target = text_of(p, "selected_target") or text_of(p, "target_node")
    if target == END:
        return
    source = text_of(p, "source_node")
    _edge(s, source, target, DELEGATES, BY_ROUTING)
    if _chooses(p.get("routing_type")):
        if source:
            s.chats[source] = None
        previous = text_of(p, "previous_speaker")
        if previous and target:
            s.turns[previous, target] = None


def _traversed(s: RunStats, c: Columns, i: int) -> None:
    if c.source[i] >= 0 and c.target[i] >= 0:
        _edge(s, c.ids[c.source[i]], c.ids[c.target[i]], DELEGATES, BY_TRAVERSAL)


def _execution(s: RunStats, c: Columns, i: int) -> None:
    source = c.ids[c.source[i]]
    if source:
        s.executors[source] = None


def _external_call(s: RunStats, c: Columns, i: int) -> None:
    if s.open_tools:
        domain = text_of(parse(c.payload[i]), "domain")
        if domain:
            for tool in s.open_tools:
                s.contacts[tool, domain] = None


_HANDLERS: dict[str, Handler] = {
    "agent.task_end": _task_end,
    "agent.task_start": _task_start,
    "delegation.completed": _delegation_completed,
    "delegation.initiated": _delegation_initiated,
    "edge.traversed": _traversed,
    "error.occurred": _error_occurred,
    "error.propagated": _error,
    "execution.end": _execution,
    "execution.start": _execution,
    "external.call": _external_call,
    "llm.call_end": _llm_end,
    "routing.decision": _routing,
    "state.access": _state_access,
    "tool.call_failure": _call_failure,
    "tool.completed": _tool_completed,
    "tool.invoked": _tool_invoked,
}
