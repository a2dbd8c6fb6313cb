"""Data paths against an enumeration of every walk that the definition allows."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given, settings

from stratum_lab.scan.graph import DataPath, Severity, Topology
from stratum_lab.scan.model import Agent, Capability, Confidence, Crew, GuardrailKind, Link, Model, Sensitivity
from stratum_lab.scan.paths import missing_controls, path_severity
from stratum_lab.scan.sensitivity import sensitivity_of
from stratum_lab.scan.topology import build
from tests.support.static_models import ModelMaker, models


class Walk(NamedTuple):
    """What is compared of a path."""

    store: str
    sender: Capability
    sink: str
    last: Agent
    hops: int
    missing: frozenset[str]
    guarded: bool
    crew: Crew | None


def enumerate_walks(model: Model) -> set[Walk]:
    """Every store, reader, agents, sender and sink that the definition joins, one by one."""

    def has(agents: list[Agent], kind: GuardrailKind) -> bool:
        return any(g.active and g.kind == kind and set(g.targets) & set(agents) for g in model.guardrails)

    found: set[Walk] = set()
    readers = [c for c in model.capabilities if c.kind == "data_access"]
    senders = [c for c in model.capabilities if c.kind in ("outbound", "financial")]
    both = {c.service for c in model.capabilities if c.kind in ("data_access", "destructive")}
    for reader in readers:
        level = sensitivity_of(reader.service)
        if level in ("public", "unknown"):
            continue
        for sender in senders:
            for crew, way in _ways(model):
                if way[0] not in reader.agents or way[-1] not in sender.agents:
                    continue
                filtered, human, checked = (
                    has(way, "output_filter"),
                    has(way, "hitl"),
                    has(way[-1:], "validation"),
                )
                missing = set() if filtered else {"output_filter"}
                if level in ("personal", "health", "financial", "credentials") and not human:
                    missing.add("hitl")
                if level == "financial" and not checked:
                    missing.add("validation")
                found.add(
                    Walk(
                        f"generic:{reader.service}:-:0",
                        sender,
                        f"generic:{sender.service}:-:0" + ("#external" if sender.service in both else ""),
                        way[-1],
                        3 if len(way) == 1 else 3 + len(way),
                        frozenset(missing),
                        has(way[-1:], "hitl") or filtered,
                        crew,
                    )
                )
    return found


def _ways(model: Model) -> list[tuple[Crew | None, list[Agent]]]:
    """Agents a path may run through: one agent, or a route of at most two edges within a crew."""
    ways: list[tuple[Crew | None, list[Agent]]] = []
    for agent in model.agents:
        ways += [(crew, [agent]) for crew in model.crews if agent in crew.members] or [(None, [agent])]
    for crew in model.crews:
        edges = {(link.source, link.target) for link in model.links if link.crew is crew}
        if crew.ordered:
            edges |= set(pairwise(crew.members))
        for a, b in edges:
            if a is not b:
                ways.append((crew, [a, b]))
            ways += [(crew, [a, b, d]) for c, d in edges if b is c and len({a, b, d}) == 3]
    return ways


def walks_of(path: DataPath) -> set[Walk]:
    crews: tuple[Crew | None, ...] = path.crews or (None,)
    last = path.agents[-1]
    return {
        Walk(path.nodes[0], path.sender, path.nodes[-1], last, path.hops, path.missing, path.guarded, crew)
        for crew in crews
    }


@settings(max_examples=300, deadline=None)
@given(models())
def test_paths_are_those_of_the_definition(model: Model) -> None:
    topology = build(model)
    expected = enumerate_walks(model)
    got = [walk for path in topology.paths for walk in walks_of(path)]
    assert set(got) == expected
    pairs = {(w.store, w.sink) for w in expected if w.missing}
    assert {(p.nodes[0], p.nodes[-1]) for p in topology.uncontrolled} == pairs
    assert max((p.hops for p in topology.uncontrolled), default=0) == max(
        (w.hops for w in expected if w.missing), default=0
    )


@settings(max_examples=100, deadline=None)
@given(models())
def test_a_path_is_a_way_through_the_graph_with_one_virtual_hop_at_most(model: Model) -> None:
    topology = build(model)
    edges = {(e.source, e.target) for e in topology.edges}
    for path in topology.paths:
        assert path.hops == len(path.nodes) - 1 <= 6
        absent = [pair for pair in pairwise(path.nodes) if pair not in edges]
        last = path.nodes[-3:-1]
        assert absent == ([] if path.hops == 3 else [last])
        assert (path.severity is None) == (not path.missing)
        for crew in path.crews:
            assert set(path.agents) <= set(crew.members)


def two_agents(*, guarded: bool = False) -> Topology:
    make = ModelMaker()
    reader, sender = make.agent("reader"), make.agent("sender")
    make.capability("inbox", "data_access", "gmail", reader)
    make.capability("post", "outbound", "web", sender)
    make.crew("mail", reader, sender)
    if guarded:
        make.guard("hitl", sender)
    return build(make.model)


def test_a_path_across_two_agents_counts_the_virtual_hop() -> None:
    (path,) = two_agents().paths
    assert path.nodes == (
        "generic:gmail:-:0",
        "generic:inbox:app.py:3#data_access",
        "crewai:reader:app.py:1",
        "crewai:sender:app.py:2",
        "generic:post:app.py:4#outbound",
        "generic:web:-:0",
    )
    assert (path.hops, path.severity, path.missing) == (5, "CRITICAL", {"output_filter", "hitl"})
    assert [crew.name for crew in path.crews] == ["mail"]


def test_a_human_at_the_sender_guards_a_path_but_filters_nothing() -> None:
    (path,) = two_agents(guarded=True).paths
    assert path.guarded and path.missing == {"output_filter"} and path.severity == "CRITICAL"


def chain_of_three(kind: GuardrailKind, covered: int) -> DataPath:
    make = ModelMaker()
    agents = [make.agent(name) for name in ("reader", "middle", "sender")]
    make.capability("inbox", "data_access", "gmail", agents[0])
    make.capability("post", "outbound", "web", agents[2])
    make.crew("mail", *agents)
    make.guard(kind, agents[covered])
    (path,) = build(make.model).paths
    return path


@pytest.mark.parametrize("covered", [0, 1, 2])
def test_a_control_anywhere_on_the_way_is_not_missing(covered: int) -> None:
    reviewed, filtered = chain_of_three("hitl", covered), chain_of_three("output_filter", covered)
    assert reviewed.hops == filtered.hops == 6
    assert reviewed.missing == {"output_filter"} and reviewed.guarded is (covered == 2)
    assert filtered.missing == {"hitl"} and filtered.guarded


def test_a_route_lies_inside_its_crew() -> None:
    make = ModelMaker()
    reader, sender, other = make.agent("reader"), make.agent("sender"), make.agent("other")
    make.capability("inbox", "data_access", "gmail", reader)
    make.capability("post", "outbound", "web", sender)
    inside = make.crew("pair", reader, other, ordered=False)
    make.crew("both", reader, sender, ordered=False)
    make.model.links.append(Link(reader, sender, "delegates_to", inside))  # its target is no member
    make.model.links.append(Link(reader, sender, "feeds_into", flow=True))  # passes between crews
    assert build(make.model).paths == []
    make.model.links.append(Link(reader, sender, "feeds_into"))  # in whichever crew holds both
    assert [[crew.name for crew in path.crews] for path in build(make.model).paths] == [["both"]]


def test_agents_without_a_common_crew_share_no_path() -> None:
    make = ModelMaker()
    reader, sender = make.agent("reader"), make.agent("sender")
    make.capability("inbox", "data_access", "gmail", reader)
    make.capability("post", "outbound", "web", sender)
    make.crew("one", reader)
    make.crew("two", sender)
    make.model.links.append(Link(reader, sender, "feeds_into", flow=True))
    topology = build(make.model)
    assert topology.paths == [] and any(e.flow_link for e in topology.edges)


def test_of_equal_paths_the_one_with_the_surest_reader_is_kept() -> None:
    make = ModelMaker()
    first, second, last = make.agent("first"), make.agent("second"), make.agent("last")
    make.capability("guess", "data_access", "gmail", first, confidence=Confidence.HEURISTIC)
    make.capability("known", "data_access", "gmail", second)
    make.capability("post", "outbound", "web", last)
    crew = make.crew("mail", first, second, last, ordered=False)
    make.model.links += [Link(a, last, "delegates_to", crew) for a in (first, second)]
    assert [path.agents[0].name for path in build(make.model).paths] == ["second"]


def test_a_crew_in_which_everyone_passes_through_a_supervisor_stays_small() -> None:
    make = ModelMaker()
    boss, *workers = [make.agent(f"a{n}") for n in range(400)]
    make.capability("inbox", "data_access", "gmail", *workers)
    make.capability("post", "outbound", "web", *workers)
    crew = make.crew("all", boss, *workers, process="graph", ordered=False)
    for worker in workers:
        make.model.links += [Link(worker, boss, "feeds_into", crew), Link(boss, worker, "delegates_to", crew)]
    paths = build(make.model).paths
    assert sum(path.hops == 3 for path in paths) == len(workers)
    assert sum(path.hops == 6 for path in paths) == len(workers)


@pytest.mark.parametrize(
    ("sensitivity", "external", "controls", "expected"),
    [
        ("personal", True, "", "CRITICAL"),
        ("health", True, "", "CRITICAL"),
        ("credentials", True, "hitl", "CRITICAL"),
        ("personal", True, "output_filter", "MEDIUM"),
        ("financial", True, "output_filter", "CRITICAL"),
        ("financial", True, "hitl", "HIGH"),
        ("financial", True, "hitl output_filter", "MEDIUM"),
        ("financial", True, "hitl output_filter validation", None),
        ("personal", False, "", "HIGH"),
        ("credentials", False, "", "MEDIUM"),
        ("internal", True, "", "HIGH"),
        ("internal", False, "", "MEDIUM"),
        ("internal", True, "output_filter", None),
    ],
)
def test_the_first_row_that_fits_gives_the_severity(
    sensitivity: Sensitivity, external: bool, controls: str, expected: Severity | None
) -> None:
    given_controls = controls.split()
    missing = missing_controls(
        sensitivity,
        output_filter="output_filter" in given_controls,
        hitl="hitl" in given_controls,
        validation="validation" in given_controls,
    )
    assert path_severity(sensitivity, external, missing) == expected
