"""Rules STRATUM-001 to -003 and -007 to -010 over hand-made models."""

from __future__ import annotations

import pytest

from stratum_lab.scan.model import CallSite, Capability, Confidence, Link
from tests.support.rules import fired
from tests.support.static_models import ModelMaker


def mailbox(make: ModelMaker, name: str = "support", **kinds: Confidence) -> tuple[Capability, Capability]:
    """An agent in a crew that reads Gmail and posts to the web."""
    agent = make.agent(f"{name} agent")
    make.crew(name, agent)
    reader = make.capability(f"{name}.read", "data_access", "gmail", agent, **kinds)
    return reader, make.capability(f"{name}.post", "outbound", "web", agent)


def call(make: ModelMaker, *, in_try: bool = False, timed: bool | None = None, validated: bool = False) -> CallSite:
    return CallSite(make.site(), "requests.post", "post", in_try, timed, validated, "")


def test_personal_data_to_an_external_sink_without_review_is_critical() -> None:
    make = ModelMaker()
    mailbox(make)
    finding = fired(make.model)["STRATUM-001"]
    assert (finding.severity, finding.adjusted, finding.confidence.label) == ("CRITICAL", "CRITICAL", "confirmed")
    (instance,) = finding.instances
    assert instance.crew is make.model.crews[0]
    assert instance.site == make.model.capabilities[1].sites[0]


def test_a_probable_link_in_a_path_caps_it_at_high() -> None:
    make = ModelMaker()
    mailbox(make, confidence=Confidence.PROBABLE)
    finding = fired(make.model)["STRATUM-001"]
    assert (finding.severity, finding.confidence.label) == ("HIGH", "probable")


@pytest.mark.parametrize("kind", ["hitl", "output_filter"])
def test_a_review_or_an_output_filter_ends_the_path_finding(kind: str) -> None:
    make = ModelMaker()
    mailbox(make)
    make.guard(kind, make.model.agents[0])  # type: ignore[arg-type]
    assert "STRATUM-001" not in fired(make.model)


def test_an_inactive_guardrail_ends_nothing() -> None:
    make = ModelMaker()
    mailbox(make)
    make.guard("hitl", make.model.agents[0], active=False)
    assert "STRATUM-001" in fired(make.model)


def test_one_of_two_crews_guarded_takes_one_level_off_and_is_recorded() -> None:
    make = ModelMaker()
    mailbox(make, "first")
    mailbox(make, "second")
    make.guard("hitl", make.model.agents[0])
    finding = fired(make.model)["STRATUM-001"]
    assert finding.coverage == (2, 1, 50)
    assert (finding.severity, finding.adjusted) == ("CRITICAL", "HIGH")


def test_a_tool_class_is_shown_where_the_agent_concerned_got_it() -> None:
    make = ModelMaker()
    first, second = make.agent("first"), make.agent("second")
    make.crew("one", first)
    make.crew("two", second)
    tools = (make.tool("WriteTool", first), make.tool("WriteTool", second))
    made = make.capability("WriteTool", "destructive", "local_files", first, second, tools=tools)
    made.sites = [tool.site for tool in tools]
    instances = fired(make.model)["STRATUM-002"].instances
    assert [(instance.crew and instance.crew.name, instance.site) for instance in instances] == [
        ("one", tools[0].site),
        ("two", tools[1].site),
    ]


def test_instances_of_no_crew_come_first_and_the_others_by_place_of_their_crew() -> None:
    make = ModelMaker()
    late, early, alone = make.agent("late"), make.agent("early"), make.agent("alone")
    first = make.crew("first", early)
    second = make.crew("second", late)
    for agent in (late, early, alone):
        make.capability(f"wipe for {agent.name}", "destructive", "sqlite", agent)
    assert [instance.crew for instance in fired(make.model)["STRATUM-002"].instances] == [None, first, second]


def test_paths_of_agents_in_no_crew_are_covered_agent_by_agent() -> None:
    make = ModelMaker()
    for i in range(3):
        agent = make.agent(f"agent {i}")
        make.capability(f"read {i}", "data_access", "gmail", agent)
        make.capability(f"post {i}", "outbound", "web", agent)
    make.guard("output_filter", make.model.agents[0])
    finding = fired(make.model)["STRATUM-001"]
    assert finding.coverage == (3, 1, 33)
    assert {instance.crew for instance in finding.instances} == {None}


def test_nothing_guarded_leaves_no_coverage_entry() -> None:
    make = ModelMaker()
    mailbox(make, "first")
    assert fired(make.model)["STRATUM-001"].coverage is None


@pytest.mark.parametrize(("elsewhere", "severity"), [(False, "CRITICAL"), (True, "HIGH")])
def test_destruction_is_milder_where_the_unit_knows_approvals(elsewhere: bool, severity: str) -> None:
    make = ModelMaker()
    cleaner, other = make.agent("cleaner"), make.agent("other")
    make.capability("wipe", "destructive", "sqlite", cleaner)
    if elsewhere:
        make.guard("hitl", other)
    assert fired(make.model)["STRATUM-002"].severity == severity


def test_an_approved_tool_does_not_fire_for_its_holder_but_for_the_other() -> None:
    make = ModelMaker()
    approved, free = make.agent("approved"), make.agent("free")
    make.crew("cleaning", approved, free)
    make.capability("wipe", "destructive", "sqlite", approved, free)
    make.guard("hitl", approved)
    (instance,) = fired(make.model)["STRATUM-002"].instances
    assert instance.subjects == ("free",)


def test_a_capability_out_of_every_agents_reach_does_not_fire() -> None:
    make = ModelMaker()
    make.agent("bystander")
    for kind in ("destructive", "code_exec", "financial"):
        make.capability(f"script_{kind}", kind, "sqlite")  # type: ignore[arg-type]
    assert not {"STRATUM-002", "STRATUM-003", "STRATUM-007", "STRATUM-BR02"} & set(fired(make.model))


def test_code_on_the_host_fires_and_in_a_container_or_approved_does_not() -> None:
    make = ModelMaker()
    coder, sandboxed, asked = make.agent("coder"), make.agent("sandboxed"), make.agent("asked")
    make.capability("run", "code_exec", "", coder)
    make.capability("run_in_docker", "code_exec", "", sandboxed).trust = "restricted"
    make.capability("run_asked", "code_exec", "", asked)
    make.guard("hitl", asked)
    assert [i.subjects for i in fired(make.model)["STRATUM-003"].instances] == [("coder",)]


def test_code_execution_by_configuration_fires_without_a_capability() -> None:
    make = ModelMaker()
    make.agent("coder").code_execution = "local"
    make.agent("contained").code_execution = "docker"
    (instance,) = fired(make.model)["STRATUM-003"].instances
    assert instance.site == make.model.agents[0].site


def test_money_on_validated_input_does_not_fire_and_one_unchecked_call_does() -> None:
    make = ModelMaker()
    payer = make.agent("payer")
    refund = make.capability("refund", "financial", "stripe", payer)
    refund.calls.append(call(make, validated=True))
    assert "STRATUM-007" not in fired(make.model)
    refund.calls.append(call(make))
    assert fired(make.model)["STRATUM-007"].severity == "HIGH"


def test_money_is_milder_where_the_unit_validates_something() -> None:
    make = ModelMaker()
    payer, other = make.agent("payer"), make.agent("other")
    make.capability("refund", "financial", "stripe", payer)
    make.guard("validation", other)
    assert fired(make.model)["STRATUM-007"].severity == "MEDIUM"


@pytest.mark.parametrize(("bare", "fires"), [(1, False), (2, True)])
def test_error_handling_is_asked_for_from_two_bare_calls_in_a_unit(bare: int, fires: bool) -> None:
    make = ModelMaker()
    make.agent("caller")
    script = make.capability("sync", "outbound", "web")
    script.calls += [call(make) for _ in range(bare)] + [call(make, in_try=True)]
    found = fired(make.model)
    assert ("STRATUM-008" in found) is fires
    if fires:
        assert len(found["STRATUM-008"].instances) == 2
        assert all(instance.crew is None for instance in found["STRATUM-008"].instances)


def test_bare_calls_of_two_units_are_not_added_up() -> None:
    make = ModelMaker()
    make.agent("caller")
    for unit in ("one", "two"):
        make.capability("sync", "outbound", "web", unit=unit).calls.append(call(make))
    assert "STRATUM-008" not in fired(make.model)


def test_a_chain_of_calls_is_one_place() -> None:
    make = ModelMaker()
    make.agent("caller")
    first = call(make)
    make.capability("sync", "data_access", "sqlite").calls += [first, first._replace(library="sqlite3.connect.execute")]
    assert "STRATUM-008" not in fired(make.model)


def test_a_path_between_two_agents_names_both_and_both_ways_through_a_third_are_one_place() -> None:
    make = ModelMaker()
    reader, left, right, sender = (make.agent(name) for name in ("reader", "left", "right", "sender"))
    crew = make.crew("diamond", reader, left, right, sender, process="graph", ordered=False)
    for source, target in ((reader, left), (reader, right), (left, sender), (right, sender)):
        make.model.links.append(Link(source, target, "feeds_into", crew))
    make.capability("read", "data_access", "gmail", reader)
    make.capability("post", "outbound", "web", sender)
    (instance,) = fired(make.model)["STRATUM-001"].instances
    assert instance.subjects == ("reader", "sender")
    assert instance.text.startswith("reader reads personal data from gmail, and sender can send it to web")


def test_a_probable_call_site_does_not_count_as_unhandled() -> None:
    make = ModelMaker()
    make.agent("caller")
    script = make.capability("sync", "outbound", "web", confidence=Confidence.PROBABLE)
    script.calls += [call(make), call(make)]
    assert "STRATUM-008" not in fired(make.model)


@pytest.mark.parametrize(("timed", "fires"), [(False, True), (True, False), (None, False)])
def test_only_calls_without_effective_timeout_can_hang(timed: bool | None, fires: bool) -> None:
    make = ModelMaker()
    agent = make.agent("caller")
    crew = make.crew("callers", agent)
    script = make.capability("sync", "outbound", "web", agent)
    script.calls += [call(make, timed=timed), call(make, timed=timed)]
    found = fired(make.model)
    assert ("STRATUM-009" in found) is fires
    if fires:
        assert {instance.crew for instance in found["STRATUM-009"].instances} == {crew}


@pytest.mark.parametrize(
    ("checkpoint", "memory", "fires"),
    [("none", False, True), ("memory_only", False, True), ("durable", False, False), ("none", True, False)],
)
def test_acting_crews_need_durable_state(checkpoint: str, memory: bool, fires: bool) -> None:
    make = ModelMaker()
    first, second = make.agent("first"), make.agent("second")
    crew = make.crew("pair", first, second)
    crew.checkpoint, crew.memory = checkpoint, memory  # type: ignore[assignment]
    make.capability("post", "outbound", "web", second)
    found = fired(make.model)
    assert ("STRATUM-010" in found) is fires
    if fires:
        assert ("process memory only" in found["STRATUM-010"].instances[0].text) is (checkpoint == "memory_only")


def test_a_single_agent_needs_no_durable_state() -> None:
    make = ModelMaker()
    agent = make.agent("alone")
    make.crew("one", agent)
    make.capability("post", "outbound", "web", agent)
    assert "STRATUM-010" not in fired(make.model)
