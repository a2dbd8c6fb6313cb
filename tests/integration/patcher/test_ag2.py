"""ag2 1.x on the real library: agents, tools, agents as tools, subtasks, and turns in a network."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.patcher.endpoint import call, calls, chunks, failure, text
from tests.support.patcher.program import Run
from tests.support.patcher.scanned import static_ids
from tests.support.patcher.scripted import run_scripted
from tests.support.patcher.stories import alone, asked, handed, ids, reads, refused, task, used, writes
from tests.support.patcher.wire import Reply

LINE = "ag2-1"


def run_of(name: str, *replies: Reply, **options: Any) -> Run:
    """Run a program to its good end."""
    return run_scripted(LINE, f"ag2/{name}.py", *replies, **options)


def answer(agent: str, *inside: str) -> list[str]:
    """A participant reads what was said, answers, and everybody has its words."""
    return [
        *reads(agent, "messages"),
        *task(agent, *inside),
        *writes(agent, "messages"),
    ]


def turn(channel: str, agent: str, basis: str, *inside: str, giver: str | None = None) -> list[str]:
    """A turn in a channel: the choice, the delegation, the answer."""
    kind = "speaker_selection" if giver is None else "handoff"
    return [
        f"routing.decision {channel} > {agent} {kind} {basis}",
        *handed(giver or channel, agent, kind, *answer(agent, *inside)),
    ]


def test_turns_and_tools_are_seen_and_the_agents_middleware_stays_as_it_is() -> None:
    run = run_of("agent", call("add", a=1, b=2), text("Three."), call("broken", reason="worn"), text("Sorry."))
    assert run.stdout.splitlines()[-1] == "0"
    failed = "error.occurred broken LookupError caught_default"
    assert run.story == [
        *alone("alice", *asked("alice"), *used("alice", "add"), *asked("alice")),
        *alone("alice", *asked("alice"), *used("alice", "broken", failed, status="error"), *asked("alice")),
    ]
    assert set(ids(run, "agent.task_start", "source_node")) == {"autogen:alice:agent.py:19"}
    assert ids(run, "tool.invoked", "target_node") == ["autogen:add:agent.py:9", "autogen:broken:agent.py:14"]


def test_tools_that_run_at_the_same_time_belong_to_their_agent() -> None:
    run = run_of(
        "agent",
        calls(("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4})),
        *(text("Three and seven."), text("Nothing.")),
    )
    first, second = alone("alice", *asked("alice")), run.story[:-6]
    assert run.story[-6:] == first
    assert sorted(second) == sorted(alone("alice", *asked("alice"), *(used("alice", "add") * 2), *asked("alice")))


def test_an_agent_as_a_tool_and_a_subtask_are_delegations() -> None:
    run = run_of(
        "as_tool",
        *(call("task_bob", objective="Help."), text("Bob helps.")),
        *(call("run_subtask", task="Half."), text("Half is done."), text("All done.")),
    )
    bob = handed("alice", "bob", "explicit", *task("bob", *asked("bob"), within="alice"))
    part = "alice subtask"
    half = handed("alice", part, "explicit", *task(part, *asked(part), within="alice"))
    assert run.story == alone(
        "alice",
        *asked("alice"),
        *used("alice", "task_bob", *bob),
        *asked("alice"),
        *used("alice", "run_subtask", *half),
        *asked("alice"),
    )
    assert set(ids(run, "delegation.initiated", "target_node")) < set(ids(run, "agent.task_start", "source_node"))


def test_a_failed_model_call_passes_the_agent_and_ends_a_delegation() -> None:
    run = run_of(
        "failing", failure(400, "boom"), call("task_bob", objective="Help."), failure(400, "boom"), text("No.")
    )
    bob = handed(
        "alice",
        "bob",
        "explicit",
        *task("bob", *refused("bob"), "error.propagated bob BadRequestError", within="alice", status="error"),
        status="error",
    )
    assert run.story == [
        *alone("bob", *refused("bob"), "error.propagated bob BadRequestError", status="error"),
        *alone("alice", *asked("alice"), *used("alice", "task_bob", *bob), *asked("alice")),
    ]


def test_a_model_client_without_a_transport_tells_its_calls_and_variables_are_state() -> None:
    run = run_of("scripted")
    calls_seen = ["llm.call_start TestClient", "llm.call_end TestClient success by nomad"]
    assert run.story == alone(
        "nomad", *calls_seen, *used("nomad", "move", "state.access nomad write city"), *calls_seen
    )


def test_a_turn_that_is_left_is_cancelled_with_its_tool() -> None:
    run = run_of("abandoned", call("wait"))
    assert run.story == alone("slow", *asked("slow"), *used("slow", "wait", status="cancelled"), status="cancelled")


def test_a_streamed_answer_is_one_model_call() -> None:
    run = run_of("streaming", chunks("Now", " then."))
    assert run.story == alone("speaker", *asked("speaker"))


def test_a_workflow_routes_by_its_graph_and_hands_over_by_a_tool() -> None:
    run = run_of("workflow", call("ask_carol", reason="She knows."), text("Carol knows."), text("No idea."))
    assert run.story == [
        "state.access asker write messages",
        *turn("channel", "bob", "state", *asked("bob"), *used("bob", "ask_carol"), *asked("bob")),
        *turn("channel", "carol", "llm_output", *asked("carol"), giver="bob"),
        "routing.decision channel > __end__ speaker_selection state",
    ]
    assert ids(run, "delegation.initiated", "target_node") == ids(run, "agent.task_start", "source_node")
    assert static_ids("ag2/workflow.py") == set(ids(run, "state.access", "source_node"))
    decided = [event["payload"] for event in run.of_type("routing.decision")]
    assert [told.get("previous_speaker") for told in decided] == ["asker", "bob", "carol"]
    assert {tuple(told["candidates"]) for told in decided} == {("asker", "bob", "carol")}


def test_a_discussion_goes_round_and_a_turn_that_never_came_is_aborted() -> None:
    run = run_of("discussion", text("Ann."), text("Ben."), text("Ann again."), text("Ben again."))
    agents = (line for agent in ("ann", "ben") for line in turn("panel", agent, "round_robin", *asked(agent)))
    around = list(agents)
    chosen = "panel > cleo speaker_selection"
    cleo = [f"routing.decision {chosen} round_robin", f"delegation.initiated {chosen}"]
    assert run.story == [
        "state.access cleo write messages",
        *around,
        *cleo,
        "agent.task_start cleo",
        "state.access cleo write messages",
        "agent.task_end cleo success",
        "delegation.completed panel > cleo success",
        *around,
        *cleo,
        *task("cleo", status="aborted"),
        "delegation.completed panel > cleo aborted",
    ]
    assert set(ids(run, "routing.decision", "source_node")) == {"autogen:panel:discussion.py:19"}


def test_where_anybody_may_speak_nobody_is_chosen() -> None:
    run = run_of("human", text("North."))
    assert run.story == ["state.access visitor write messages", *answer("guide", *asked("guide"))]


def test_the_delegate_tool_is_an_explicit_delegation_to_the_one_consulted() -> None:
    run = run_of("delegate", call("delegate", target="clerk", prompt="Well?"), text("Aye."), text("The clerk agrees."))
    consulted = handed("boss", "clerk", "explicit", *answer("clerk", *asked("clerk")))
    inside = used("boss", "delegate", "state.access boss write messages", *consulted)
    assert run.story == alone("boss", *asked("boss"), *inside, *asked("boss"))


def test_a_failed_turn_in_a_network_fails_its_delegation_and_variables_are_state() -> None:
    run = run_of("network_failing", failure(400, "boom"))
    assert run.story == [
        *(["state.access asker write topic"] * 2),
        "state.access asker write messages",
        "routing.decision desk > bob speaker_selection state",
        *handed(
            "desk",
            "bob",
            "speaker_selection",
            "state.access bob read messages",
            *task("bob", *refused("bob"), "error.propagated bob BadRequestError", status="error"),
            status="error",
        ),
    ]
    assert set(ids(run, "routing.decision", "source_node")) == {"autogen:desk:network_failing.py:42"}


@pytest.mark.parametrize("capture", [None, "1"], ids=["off", "on"])
def test_words_of_a_conversation_are_told_only_when_they_are_asked_for(capture: str | None) -> None:
    replies = [call("ask_carol", reason="PARSNIPS"), text("TURNIPS"), text("LEEKS")]
    run = run_of("workflow", *replies, env={"STRATUM_CAPTURE_PROMPTS": capture})
    words = ("TURNIPS", "LEEKS", "You are Bob.")
    assert [word.encode() in run.raw for word in words] == [capture is not None] * len(words)


def shown(run: Run) -> tuple[int, str, str]:
    """What a user sees, without where libraries and program lie numbers of the hub and addresses."""

    def same(words: str) -> str:
        return re.sub(r"[0-9a-f]{32}|0x[0-9a-f]+", "<id>", re.sub(r"/\S*/(site-packages|app)/", r"<\1>/", words))

    return run.returncode, same(run.stdout), same(run.stderr)


@pytest.mark.parametrize(
    ("name", "replies"),
    [
        ("introspection", []),
        ("scripted", []),
        ("network_failing", [failure(400, "boom")]),
        ("as_tool", [call("task_bob", objective="Help."), failure(400, "boom"), text("No.")]),
    ],
    ids=["introspection", "scripted", "network", "tool"],
)
def test_a_program_sees_the_same_with_and_without_the_patcher(name: str, replies: list[Reply]) -> None:
    assert shown(run_of(name, *replies)) == shown(run_of(name, *replies, patched=False))


def test_every_hook_is_applied() -> None:
    run = run_of("workflow", call("ask_carol", reason="She knows."), text("Carol knows."), text("No idea."))
    ours = {hook: status for hook, status in run.hooks.items() if hook.startswith("ag2.")}
    assert set(ours.values()) == {"applied"}
    names = "turns agent_places models tools tool_places subtasks speakers participants humans answers"
    assert {hook.partition(".")[2] for hook in ours} == set(names.split())
