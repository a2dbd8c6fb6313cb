"""The record straight from the definitions, over all events of all runs: slow, and sharing no code with the fold.

Only for inferred graphs. Used to check the incremental fold on random streams.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from typing import Any

from stratum_lab.contract.events.lines import Event
from stratum_lab.fold import RunFacts

BAD = ("error", "failed")
FINDINGS = [
    ("STRAT-DC-001", "Unsupervised delegation chain", "Cascading errors through unsupervised delegation chain"),
    ("STRAT-SI-001", "Error laundering", "Error silently swallowed, downstream agents process corrupted data"),
    ("STRAT-AB-001", "Autonomous behavior drift", "Agent behavior drifts from intended scope without detection"),
    ("STRAT-OC-002", "Concurrent state conflict", "Multiple agents write to shared state without coordination"),
    ("STRAT-EA-001", "External API dependency failure", "Agent fails due to external tool/API unavailability"),
]


class Ev:
    """One event as the definitions speak of it."""

    def __init__(self, event: Event) -> None:
        payload = json.loads(event.payload) if event.payload else {}
        self.type, self.p = event.event_type, payload if isinstance(payload, dict) else {}
        self.has_source, self.has_target = event.source_node is not None, event.target_node is not None
        self.source = (event.source_node.node_id or "") if event.source_node else ""
        self.source_type = event.source_node.node_type if event.source_node else None
        self.source_name = event.source_node.node_name if event.source_node else None
        self.target = (event.target_node.node_id or "") if event.target_node else ""
        self.node = self.source or self.text("node_id")
        self.id, self.parent, self.ns = event.event_id, event.parent_event_id, event.timestamp_ns

    def text(self, key: str) -> str:
        value = self.p.get(key)
        return value if isinstance(value, str) else ""

    @property
    def status(self) -> Any:
        status = self.p.get("status")
        if self.type == "agent.task_end" and status is None and isinstance(self.p.get("success"), bool):
            return "success" if self.p["success"] else "error"
        return status

    @property
    def errorish(self) -> bool:
        closing = self.type in ("agent.task_end", "tool.completed") and self.status in BAD
        return self.type in ("error.occurred", "error.propagated") or closing

    @property
    def seeds(self) -> bool:
        return self.errorish and (self.type.startswith("error.") or self.status == "error")

    @property
    def succeeds(self) -> bool:
        return self.type == "agent.task_end" and self.status == "success"

    @property
    def tool(self) -> tuple[str, str]:
        tool = self.text("tool_node_id") or self.target
        if tool or self.source_type != "capability":
            return self.source, tool
        return self.text("agent_node_id"), self.source

    @property
    def accessor(self) -> str:
        return self.text("accessor_node") or self.text("node_id") or self.source

    def edges(self) -> list[tuple[str, str, str]]:
        found = []
        if self.type == "agent.task_start":
            if self.text("parent_node_id"):
                found.append((self.text("parent_node_id"), self.source, "delegates_to"))
            if self.text("input_source"):
                found.append((self.text("input_source"), self.source, "reads_from"))
        elif self.type == "llm.call_end":
            stack = self.p.get("active_node_stack")
            if isinstance(stack, list) and stack:
                found.append((stack[-1] if isinstance(stack[-1], str) else "", self.source, "calls"))
        elif self.type == "tool.invoked":
            found.append((*self.tool, "uses"))
        elif self.type == "state.access":
            kind = "writes_to" if self.p.get("access_type") == "write" else "reads_from"
            found.append((self.accessor, self.text("state_key"), kind))
        elif self.type == "delegation.initiated" and self.has_target:
            found.append((self.source, self.target, "delegates_to"))
        elif self.type == "routing.decision":
            target = self.text("selected_target") or self.text("target_node")
            if target != "__end__":
                found.append((self.text("source_node"), target, "delegates_to"))
        elif self.type == "edge.traversed" and self.has_source and self.has_target:
            found.append((self.source, self.target, "delegates_to"))
        return found


def unique(items: Any) -> list[Any]:
    return list(dict.fromkeys(items))


def triples(run: list[Ev]) -> list[tuple[str, str, str]]:
    return unique(e for ev in run for e in ev.edges() if e[0] and e[1])


def missing(run: list[Ev]) -> int:
    return sum(not (e[0] and e[1]) for ev in run for e in ev.edges())


def seen(run: list[Ev]) -> set[str]:
    return {i for ev in run for i in (ev.source, ev.target) if i}


def named(text: str | None, *words: str) -> bool:
    return any(w in (text or "").lower() for w in words)


def swallowed_after(run: list[Ev], at: int) -> bool:
    rest = run[at + 1 :]
    return not any(e.errorish for e in rest) and any(e.succeeds for e in rest)


def traces(run: list[Ev], edges: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
    out, known = [], set()
    for at, ev in enumerate(run):
        if not ev.seeds or (ev.node and ev.node in known):
            continue
        known.add(ev.node)
        rest = run[at + 1 :]
        path = unique([n for n in [ev.node] if n] + [e.node for e in rest if e.errorish and e.node])
        predicted = [ev.node] if ev.node else []
        for node in predicted:  # grows while it is walked: breadth first
            predicted += unique(t for s, t, _ in edges if s == node and t not in predicted)
        stop = "no_propagation"
        if path:
            stop, acts = "end_of_chain", [e for e in rest if e.source == path[-1]]
            if named(path[-1], "guard", "review"):
                if acts:
                    stop = "retry_succeeded" if acts[0].succeeds else "error_boundary"
            elif any(e.succeeds for e in acts):
                stop = "retry_succeeded"
        depth = max(0, len(path) - 1)
        out.append(
            {
                "error_source_node": ev.source_name or "unknown",
                "error_type": ev.p.get("error_type") or ev.p.get("error", "unknown"),
                "structural_predicted_path": predicted,
                "actual_observed_path": path,
                "propagation_stopped_by": path[-1] if path else "unknown",
                "stop_mechanism": stop,
                "downstream_impact": {
                    "nodes_affected": depth,
                    "cascade_depth": depth,
                    "downstream_errors": sum(e.errorish for e in rest),
                    "downstream_tasks_failed": sum(e.type == "agent.task_end" and e.status in BAD for e in rest),
                },
                "swallowed": swallowed_after(run, at),
            }
        )
    return out


def max_depth(run: list[Ev]) -> int:
    depth = top = 0
    for at, ev in enumerate(run):
        before = run[:at]
        if ev.type == "delegation.initiated":
            depth += 1
        elif ev.type == "delegation.completed":
            depth = max(0, depth - 1)
        elif ev.type == "agent.task_start":
            if ev.text("parent_node_id") and not open_towards(before, ev.node):
                depth += 1
        elif ev.type == "agent.task_end" and not quiet(before, ev.node):
            depth = max(0, depth - 1)
        top = max(top, depth)
    return top


def open_towards(before: list[Ev], node: str) -> bool:
    count = 0
    for ev in before:
        if node and ev.target == node:
            if ev.type == "delegation.initiated":
                count += 1
            elif ev.type == "delegation.completed":
                count = max(0, count - 1)
    return count > 0


def quiet(before: list[Ev], node: str) -> bool:
    """Whether a task of the node is open that began under an open delegation towards it."""
    count = 0
    for at, ev in enumerate(before):
        if node and ev.node == node:
            if ev.type == "agent.task_start" and open_towards(before[:at], node):
                count += 1
            elif ev.type == "agent.task_end":
                count = max(0, count - 1)
    return count > 0


def tool_outcomes(run: list[Ev]) -> tuple[int, int, int]:
    """Attempts, failures, timeouts."""
    attempts = failures = timeouts = 0
    for ev in run:
        carries = ev.type == "tool.invoked" and ev.p.get("status") not in (None, "")
        if ev.type == "tool.call_failure":
            attempts, failures = attempts + 1, failures + 1
        elif ev.type == "tool.completed" or carries:
            attempts += 1
            if ev.status == "timeout" or (ev.status in BAD and ev.p.get("error_type") == "timeout"):
                timeouts += 1
            elif ev.status in BAD:
                failures += 1
    return attempts, failures, timeouts


def writes(run: list[Ev]) -> dict[str, list[str]]:
    """State key -> writer of each write."""
    out: dict[str, list[str]] = {}
    for ev in run:
        if ev.type == "state.access" and ev.text("state_key") and ev.p.get("access_type") == "write":
            out.setdefault(ev.text("state_key"), []).append(ev.accessor)
    return out


def concurrent(run: list[Ev]) -> int:
    return sum(len({w for w in who if w}) > 1 for who in writes(run).values())


def sane(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1e15


def p95(run: list[Ev]) -> float | None:
    values = []
    begun: dict[str, int] = {}
    for ev in run:
        if ev.type == "delegation.initiated":
            begun[ev.id] = ev.ns
        elif ev.type == "delegation.completed":
            start = begun.pop(ev.parent or "", None)
            if sane(ev.p.get("latency_ms")):
                values.append(float(ev.p["latency_ms"]))
            elif start is not None:
                values.append(max(0, ev.ns - start) / 1e6)
    return sorted(values)[min(math.floor(0.95 * len(values)), len(values) - 1)] if values else None


def values_of(run: list[Ev]) -> list[float | None]:
    occurred = [at for at, ev in enumerate(run) if ev.type == "error.occurred"]
    starts, ends = (sum(ev.type == f"llm.call_{w}" for ev in run) for w in ("start", "end"))
    attempts, failures, timeouts = tool_outcomes(run)
    closing = [ev for ev in run if ev.type in ("agent.task_end", "llm.call_end")]
    return [
        float(max_depth(run)),
        sum(swallowed_after(run, at) for at in occurred) / len(occurred) if occurred else 0.0,
        float((starts + ends) // 2 or ends),
        concurrent(run) / max(sum(map(len, writes(run).values())), 1),
        (failures + timeouts) / attempts if attempts else 0.0,
        p95(run),
        sum(bool(e.p.get("schema_mismatch") or e.p.get("validation_error")) for e in closing) / max(len(closing), 1),
    ]


METRICS = [
    ("max_delegation_depth", "STRAT-DC-001"),
    ("error_swallow_rate", "STRAT-SI-001"),
    ("total_llm_calls_per_run", "STRAT-AB-001"),
    ("concurrent_state_write_rate", "STRAT-OC-002"),
    ("tool_call_failure_rate", "STRAT-EA-001"),
    ("delegation_latency_p95_ms", "STRAT-DC-002"),
    ("schema_mismatch_rate", "STRAT-SI-004"),
]


def signals(runs: list[list[Ev]], swallowed: int) -> list[dict[str, int]]:
    gated = [
        any(named(e.source_name, "guard", "review", "human") for e in r if e.type != "error.occurred") for r in runs
    ]
    depths = [max_depth(r) for r in runs]
    outputs: dict[str, set[str]] = {}
    for ev in (e for r in runs for e in r):
        if ev.type in ("agent.task_end", "llm.call_end") and ev.node and ev.text("output_hash"):
            outputs.setdefault(ev.node, set()).add(ev.text("output_hash"))
    used = [[e.tool[1] for e in r if e.type == "tool.invoked" and e.tool[1]] for r in runs]
    silent = ("caught_silent", "caught_default", "fail_silent")
    return [
        {
            "no_human_gate_activation": sum(d >= 1 and not g for d, g in zip(depths, gated, strict=True)),
            "delegation_depth_>=3": sum(d >= 3 for d in depths),
        },
        {
            "silent_error_handling": sum(
                e.type.startswith("error.") and e.p.get("error_handling") in silent for r in runs for e in r
            ),
            "error_swallowed": swallowed,
        },
        {
            "output_divergence": sum(len(h) > 1 for h in outputs.values()) if len(runs) > 1 else 0,
            "unexpected_tool_usage": sum(t not in used[0] for r in used[1:] for t in r),
        },
        {
            "concurrent_state_writes": sum(map(concurrent, runs)),
            "state_overwrite": sum(len(w) > 1 for r in runs for w in writes(r).values()),
        },
        {
            "tool_call_failure": sum(tool_outcomes(r)[1] for r in runs),
            "api_timeout": sum(tool_outcomes(r)[2] for r in runs),
        },
    ]


def topology_hash(facts: RunFacts, run: list[Ev]) -> str:
    edges = [e for e in triples(run) if e[0] != e[1]]
    agents = unique(e.node for e in run if e.type.startswith("agent.") and e.node)
    kinds = [e[2] for e in edges]
    degrees = sorted((sum(e[0] == a for e in edges) for a in agents), reverse=True)
    parts = [
        ",".join(sorted(facts.frameworks)),
        len(agents),
        len({e.tool[1] for e in run if e.type == "tool.invoked" and e.tool[1]}),
        len({e.text("state_key") for e in run if e.type == "state.access" and e.text("state_key")}),
        ",".join(sorted(f"{k}:{kinds.count(k)}" for k in set(kinds))),
        ",".join(map(str, degrees)),
    ]
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:12]


def record_of(repo_id: str, given: Sequence[tuple[RunFacts, Sequence[Event]]]) -> dict[str, Any]:
    """The nine keys for runs given in any order."""
    given = sorted(given, key=lambda g: g[0].run_number)
    facts, runs = [g[0] for g in given], [[Ev(e) for e in g[1]] for g in given]
    n = len(runs)
    edges = triples(runs[0])
    ever, always = set().union(*map(seen, runs)), set.intersection(*map(seen, runs))
    propagation = [t for r in runs for t in traces(r, edges)]
    durations = [f.duration for f in facts if f.duration is not None]
    good = ("SUCCESS", "PARTIAL_SUCCESS", "TIER2_SUCCESS")
    rates = {}
    for number, edge in enumerate(edges, 1):
        count = sum(edge in triples(r) for r in runs)
        rates[f"e{number}"] = {
            "traversal_count": count,
            "activation_rate": round(count / n, 4),
            "never_activated": count == 0,
            "source": edge[0],
            "target": edge[1],
            "edge_type": edge[2],
        }
    pairs = {e[:2] for e in edges}
    emergent = []
    for edge in unique(e for r in runs for e in triples(r) if e[:2] not in pairs):
        count = sum(edge in triples(r) for r in runs)
        emergent.append(
            {
                "source": edge[0],
                "target": edge[1],
                "edge_type": edge[2],
                "observed_in_runs": count,
                "observation_rate": round(count / n, 4),
                "classification": "consistent" if count == n else "intermittent",
            }
        )
    emergent.sort(key=lambda e: -e["observed_in_runs"])
    modes = []
    found = signals(runs, sum(t["swallowed"] for t in propagation))
    for (finding, name, kind), counts in zip(FINDINGS, found, strict=True):
        total = sum(counts.values())
        mode = {
            "finding_id": finding,
            "finding_name": name,
            "manifestation_observed": total > 0,
            "failure_type": kind,
            "occurrences": total,
            "downstream_impact": total > 0,
        }
        if total:
            names = ", ".join(k for k, v in counts.items() if v)
            mode["failure_description"] = f"Observed {total} instances across signals: {names}"
        modes.append(mode)
    baselines = []
    for (metric, finding), column in zip(METRICS, zip(*map(values_of, runs), strict=True), strict=True):
        values = [v for v in column if v is not None]
        if values:
            mean = sum(values) / len(values)
            spread = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
            baselines.append(
                {
                    "metric": metric,
                    "finding_id": finding,
                    "observed_baseline": round(mean, 4),
                    "observed_stddev": round(spread, 4),
                    "suggested_threshold": round(mean + 2 * spread, 4),
                    "confidence": "medium" if len(values) >= 3 else "low",
                    "sample_size": len(values),
                }
            )
    return {
        "repo_full_name": facts[0].repo_full_name or repo_id,
        "schema_version": "v6",
        "execution_metadata": {
            "total_runs": n,
            "total_events": sum(map(len, runs)),
            "success_rate": round(sum(f.status in good for f in facts) / n, 4),
            "mean_duration_seconds": round(sum(durations) / len(durations), 2) if durations else None,
            "frameworks_detected": sorted({x for f in facts for x in f.frameworks}),
            "statuses": [f.status for f in facts],
            "model_name": facts[0].model,
            "model_tier": "weak",
            "topology_hash": topology_hash(facts[0], runs[0]),
        },
        "edge_validation": {
            "structural_edges_total": len(edges),
            "structural_edges_activated": len(edges),
            "activation_rates": rates,
            "dead_edges": [],
        },
        "emergent_edges": emergent,
        "node_activation": {
            "always_active": sorted(always),
            "conditional": sorted(ever - always),
            "never_active": [],
            "structural_prediction_match_rate": 1.0 if ever else 0.0,
        },
        "error_propagation": propagation,
        "failure_modes": modes,
        "monitoring_baselines": baselines,
    }
