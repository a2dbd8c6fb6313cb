"""What is kept of an attempt: sufficient statistics per tier, bounded by distinct nodes, edges, keys and seeds.

`step.py` updates them event by event, `snapshot.py` writes and reads them, `record/` derives from them. Nothing here
grows with the number of events except the multiset of delegation latencies, which an exact percentile needs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

MAX_SEEDS = 1000
"""Error seeds kept per attempt and tier; later ones are counted."""
MAX_ERROR_NODES = 1000
"""Nodes whose errors lengthen paths, per attempt and tier; errors of later ones count, but not as part of a path."""
MAX_OPEN_DELEGATIONS = 1000
"""Delegations whose start is remembered until they complete; beyond that the oldest is forgotten."""

CALLS, USES, READS, WRITES, DELEGATES = "calls", "uses", "reads_from", "writes_to", "delegates_to"
"""Types of run-time edges."""

# Where a run-time edge was seen; an edge's value in `RunStats.edges` is the union.
BY_PARENT, BY_INPUT, BY_STACK, BY_TOOL, BY_STATE, BY_DELEGATION, BY_ROUTING, BY_TRAVERSAL = (1 << n for n in range(8))

RETRY_SUCCEEDED, ERROR_BOUNDARY = 0, 1
"""Outcomes of a guard or review node after a seed."""

Edge = tuple[str, str, str]
"""Source, target, type."""


class Seed(NamedTuple):
    """The first error of a node, with the running totals including it.

    Attributes:
        node: Node of the event, or None.
        name: Name of the source node, or None.
        error_type: As in the payload; any JSON value.
        seq: Sequence number of the event.
        errorish: Errorish events so far.
        failed: Failed tasks so far.
        succeeded: Successful tasks so far.
    """

    node: str | None
    name: str | None
    error_type: Any
    seq: int
    errorish: int
    failed: int
    succeeded: int


class RunStats:
    """Sufficient statistics of one attempt in one tier; every mapping is in order of first appearance.

    Attributes:
        events: Events folded.
        seen: Node id -> node type, for ids seen as source or target; the smallest type when an id had several.
        edges: Run-time edge -> where it was seen (union of BY_ bits).
        missing: Edges not recorded for an empty end.
        errorish: Errorish events.
        failed: Tasks that ended `failed` or `error`.
        succeeded: Tasks that ended `success`.
        seeds: First seed of each node, and the seeds without a node.
        seeds_dropped: Seeds past MAX_SEEDS.
        errors_off_path: Errorish events of nodes past MAX_ERROR_NODES.
        error_after: Node -> flat list of pairs (n, seq): seeds below n and not below the previous pair's n saw the
            node's first later errorish event at seq.
        guard_after: Guard or review node -> flat list of pairs (n, outcome), read alike.
        last_success: Source id -> seq of its last successful task end.
        errors: `error.occurred` events.
        open_error: `succeeded` at the last errorish event if that was an `error.occurred`, else -1.
        depth: Current delegation depth.
        max_depth: Largest delegation depth.
        open_to: Target id -> open delegations towards it.
        quiet: Node -> its open tasks that began under such a delegation and do not count for the depth.
        delegated_at: Event id of an open delegation -> its timestamp.
        guarded: Whether a guard, review or human node acted.
        silent: `error.*` events whose error was swallowed in place.
        llm_starts: Model calls begun.
        llm_ends: Model calls ended.
        task_ends: Tasks ended.
        mismatches: Ends of either kind with a schema mismatch.
        tool_attempts: Tool outcomes known, see D3.
        tool_failures: Failed ones.
        tool_timeouts: Timed out ones.
        latencies: Delegation latency in ms -> how often.
        state_keys: State key -> [writes, at most two distinct writers].
        outputs: Node -> at most two distinct output hashes.
        tools: Tool id -> invocations.
        agents: Nodes of `agent.*` events.
        executors: Sources of `execution.*` events: crews, graphs, chat initiators.
        chats: Sources of a speaker selection.
        turns: (previous speaker, chosen agent) of speaker selections.
        open_tools: Tool id -> open invocations.
        contacts: (tool id, domain) of external calls made while the tool was open.
    """

    __slots__ = (
        "agents", "chats", "contacts", "delegated_at", "depth", "edges", "error_after", "errorish",
        "errors", "errors_off_path", "events", "executors", "failed", "guard_after", "guarded",
        "last_success", "latencies", "llm_ends", "llm_starts", "max_depth", "mismatches", "missing",
        "open_error", "open_to", "open_tools", "outputs", "quiet", "seeded", "seeds", "seeds_dropped",
        "seen", "silent", "state_keys", "succeeded", "task_ends", "tool_attempts", "tool_failures",
        "tool_timeouts", "tools", "turns",
    )  # fmt: skip

    def __init__(self) -> None:
        self.events = self.missing = self.errorish = self.failed = self.succeeded = self.seeds_dropped = 0
        self.errors_off_path = 0
        self.errors = self.depth = self.max_depth = self.silent = self.llm_starts = self.llm_ends = 0
        self.task_ends = self.mismatches = self.tool_attempts = self.tool_failures = self.tool_timeouts = 0
        self.open_error = -1
        self.guarded = False
        self.seen: dict[str, str] = {}
        self.edges: dict[Edge, int] = {}
        self.seeds: list[Seed] = []
        self.seeded: set[str] = set()  # nodes of `seeds`, for membership only
        self.error_after: dict[str, list[int]] = {}
        self.guard_after: dict[str, list[int]] = {}
        self.last_success: dict[str, int] = {}
        self.open_to: dict[str, int] = {}
        self.quiet: dict[str, int] = {}
        self.delegated_at: dict[str, int] = {}
        self.latencies: dict[float, int] = {}
        self.state_keys: dict[str, list[Any]] = {}  # [int, str, str]: a list because it grows in place
        self.outputs: dict[str, list[str]] = {}
        self.tools: dict[str, int] = {}
        self.agents: dict[str, None] = {}
        self.executors: dict[str, None] = {}
        self.chats: dict[str, None] = {}
        self.turns: dict[tuple[str, str], None] = {}
        self.open_tools: dict[str, int] = {}
        self.contacts: dict[tuple[str, str], None] = {}


class AttemptState:
    """Mutable state of one attempt of one run.

    Attributes:
        last_seq: Highest sequence number folded, 0 at the start; everything up to it has been folded.
        tiers: Tier -> its statistics.
    """

    __slots__ = ("last_seq", "tiers")

    def __init__(self) -> None:
        self.last_seq = 0
        self.tiers: dict[int, RunStats] = {}


def value_at(pairs: list[int], seed: int) -> int | None:
    """Look a seed up in a flat list of pairs (n, value): the value of the first pair with n above the seed's index."""
    low, high = 0, len(pairs) // 2
    while low < high:
        middle = (low + high) // 2
        if pairs[2 * middle] > seed:
            high = middle
        else:
            low = middle + 1
    return pairs[2 * low + 1] if 2 * low < len(pairs) else None
