"""The patcher beside the instrumentations of OpenInference and OpenTelemetry: nothing they see escapes it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.support.patcher import peer_page, side_by_side
from tests.support.patcher.lines import PEERS
from tests.support.patcher.peer_cases import CASES, Case
from tests.support.patcher.peer_facts import CALL, DELEGATION, ERROR, KINDS, RUN, TOKENS, TOOL, fact, missing, of_events
from tests.support.patcher.spans_of_peers import of_spans

CHEAP = ("openai/tools.py", "openai/streams.py", "openai/errors.py")
"""Programs that take no more than a client library: the others are run by the command that writes the page."""
ROWS = side_by_side.read()["rows"]


@pytest.mark.parametrize("case", [case for case in CASES if case.program in CHEAP], ids=lambda case: case.program)
def test_programs_give_the_facts_that_the_page_tells(case: Case) -> None:
    [committed] = [row for row in ROWS if (row["line"], row["program"]) == (case.line, case.name)]
    assert side_by_side.compared(case) == committed


def test_the_page_shows_the_committed_result() -> None:
    assert side_by_side.PAGE.read_text() == peer_page.rendered(side_by_side.read())


def test_every_program_of_every_line_has_its_row_and_every_line_the_pinned_versions() -> None:
    assert [(row["line"], row["program"], row["shows"]) for row in ROWS] == [(c.line, c.name, c.shows) for c in CASES]
    lines = {case.line for case in CASES}
    assert {f"peers-{line}" for line in lines} == PEERS.keys()
    assert side_by_side.read()["versions"] == {line: side_by_side.versions(line) for line in lines}


def test_the_patcher_misses_nothing_that_the_others_see() -> None:
    assert [row["missing"] for row in ROWS] == [{family: [] for family in peer_page.PEERS}] * len(ROWS)
    for row in ROWS:
        ours = row["facts"][peer_page.OURS]
        for family in peer_page.PEERS:
            assert all(row["facts"][family][kind] <= ours[kind] for kind in KINDS), row


def test_only_numbers_of_tokens_that_no_answer_had_are_called_wrong() -> None:
    told = {wrong for row in ROWS for facts in row["wrong"].values() for wrong in facts}
    assert all(wrong.startswith(f"{TOKENS} ") for wrong in told)


def test_a_fact_that_the_patcher_lacks_is_listed_on_the_page() -> None:
    result = copy.deepcopy(side_by_side.read())
    result["rows"][0]["missing"]["openinference"] = ["tool add"]
    assert f"- OpenInference, `{ROWS[0]['program']}` ({ROWS[0]['line']}): tool add" in peer_page.rendered(result)


def test_facts_are_paired_one_to_one_so_that_as_many_as_possible_agree() -> None:
    add, either, any_tool = fact(TOOL, "add"), fact(TOOL, "Add", "divide"), fact(TOOL)
    assert missing([either, add], [add, fact(TOOL, "divide")]) == []
    assert missing([any_tool, add], [add, fact(TOOL, "divide")]) == []
    assert missing([add, add], [add, fact(TOOL, "divide")]) == [add]
    assert missing([fact(CALL, "add")], [add]) == [fact(CALL, "add")]


def span(number: int, name: str, parent: int | None = None, **more: Any) -> dict[str, Any]:
    """A span as it is exported; those with a parent lie within it."""
    return {
        "id": str(number),
        "parent": str(parent) if parent is not None else None,
        "scope": more.pop("scope", "one"),
        "name": name,
        "start": number,
        "end": 100 - number,
        "status": "ERROR" if "raised" in more else "OK",
        "description": None,
        "events": [
            {"name": "exception", "attributes": {"exception.type": kind, "exception.stacktrace": trace}}
            for kind, trace in more.pop("raised", ())
        ],
        "attributes": more.pop("attributes", {}),
    }


def of_kind(kind: str, **more: str) -> dict[str, str]:
    return {"openinference.span.kind": kind, **{key.replace("__", "."): value for key, value in more.items()}}


def test_a_call_that_two_instrumentations_tell_is_one_fact_under_both_names() -> None:
    told = of_spans(
        [
            span(1, "Client.create", attributes=of_kind("LLM", llm__model_name="gpt-4o")),
            span(
                2, "chat", 1, scope="two", attributes={"gen_ai.operation.name": "chat", "gen_ai.request.model": "own"}
            ),
        ]
    )
    assert told.facts == [fact(CALL, "gpt-4o", "own")]


def test_an_exception_that_crosses_spans_is_one_error_and_one_that_wraps_it_a_reading() -> None:
    plain, wrapped = (
        ("own.BadError", "Traceback"),
        ("lib.OuterError", "... direct cause of the following exception ..."),
    )
    told = of_spans(
        [
            span(1, "run", attributes=of_kind("AGENT", agent__name="a"), raised=[wrapped]),
            span(2, "tool", 1, attributes=of_kind("TOOL", tool__name="t"), raised=[plain]),
            span(3, "call", 2, attributes=of_kind("LLM"), raised=[plain]),
        ]
    )
    assert [one for one in told.facts if one.kind == ERROR] == [fact(ERROR, "BadError")]
    assert fact(ERROR, "OuterError") in told.readings


def test_an_agent_inside_another_one_is_read_as_a_delegation_the_outer_as_a_run_and_a_handoff_is_one() -> None:
    inside = of_spans(
        [
            span(1, "boss", attributes=of_kind("AGENT", agent__name="boss")),
            span(2, "clerk", 1, attributes=of_kind("AGENT", agent__name="clerk")),
        ]
    )
    assert fact(DELEGATION, "> clerk") in inside.readings
    assert inside.readings.count(fact(RUN)) == 1
    handoff = of_spans([span(1, "handoff to clerk", attributes=of_kind("TOOL"))])
    assert handoff.facts == [fact(DELEGATION, "> clerk")]
    ours = of_events([delegation("boss", "clerk")])
    assert missing(handoff.facts, ours) == []
    assert missing(handoff.facts, of_events([delegation("boss", "cook")])) == handoff.facts


def delegation(source: str, target: str) -> dict[str, Any]:
    return {
        "event_type": "delegation.initiated",
        "source_node": {"node_name": source},
        "target_node": {"node_name": target},
        "payload": {},
    }
