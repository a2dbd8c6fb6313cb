"""AutoGen AgentChat on the real library, 0.4 and 0.7: teams of every kind, nested ones, tools, memory, errors."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest

from stratum_lab.contract.events.lines import parse_line
from tests.support.fold import state_of
from tests.support.patcher.endpoint import Endpoint, call, chunks, failure, text
from tests.support.patcher.program import Run, run_program
from tests.support.patcher.scanned import static_ids
from tests.support.patcher.scripted import run_scripted
from tests.support.patcher.stories import asked, executed, handed, ids, reads, refused, task, used, writes
from tests.support.patcher.wire import Reply

LINES = OLD, NEW = ("autogen-0.4", "autogen-0.7")
every_line = pytest.mark.parametrize("line", LINES)


def run_of(line: str, name: str, *replies: Reply, **options: Any) -> Run:
    """Run a program to its good end."""
    return run_scripted(line, f"autogen_agentchat/{name}.py", *replies, **options)


def turn(group: str, agent: str, basis: str, *inside: str, within: str = "", giver: str | None = None) -> list[str]:
    """A turn in a group chat: the choice, the delegation, the work, the message that all share."""
    kind = "speaker_selection" if giver is None else "handoff"
    return [
        f"routing.decision {group} > {agent} {kind} {basis}",
        *handed(
            giver or group,
            agent,
            kind,
            *reads(agent, "messages"),
            *task(agent, *inside, within=within),
            *writes(agent, "messages"),
        ),
    ]


def said_in_turn(group: str, agent: str, *, within: str = "") -> list[str]:
    """A turn of a round robin in which the agent asks its model."""
    return turn(group, agent, "round_robin", *asked(agent), within=within)


def team_story(name: str, *inside: str, status: str = "success") -> list[str]:
    """A run of a team that is given a task."""
    return executed(name, *writes(name, "messages"), *inside, status=status)


def payloads(run: Run, event_type: str, *keys: str) -> list[tuple[Any, ...]]:
    """Some payload values of all events of a type."""
    return [tuple(event["payload"].get(key) for key in keys) for event in run.of_type(event_type)]


@every_line
def test_three_agents_take_four_turns_in_order(line: str) -> None:
    run = run_of(line, "round_robin", *(text(word) for word in ("Plan.", "Draft.", "Better.", "Plan again.")))
    order = ("planner", "writer", "critic", "planner")
    assert run.story == team_story("panel", *(line for agent in order for line in said_in_turn("panel", agent)))


@every_line
def test_four_turns_are_four_delegations_one_edge_a_pair_and_depth_one_in_the_fold(line: str) -> None:
    run = run_of(line, "round_robin", *(text(word) for word in ("Plan.", "Draft.", "Better.", "Plan again.")))
    assert len(run.of_type("delegation.initiated")) == len(run.of_type("delegation.completed")) == 4
    panel = "autogen:panel:round_robin.py:16"
    agents = [f"autogen:{name}:round_robin.py:{at}" for name, at in (("planner", 10), ("writer", 11), ("critic", 12))]
    state = state_of([parse_line(json.dumps(event).encode()) for event in run.events])
    (stats,) = state.tiers.values()
    assert {(a, b) for a, b, kind in stats.edges if kind == "delegates_to"} == {(panel, agent) for agent in agents}
    assert stats.max_depth == 1
    assert set(stats.chats) == {panel}


@every_line
def test_the_chosen_agent_has_the_id_of_its_own_task_and_follows_the_one_before(line: str) -> None:
    run = run_of(line, "round_robin", *(text(word) for word in ("Plan.", "Draft.", "Better.", "Plan again.")))
    chosen = ids(run, "routing.decision", "target_node")
    assert chosen == ids(run, "delegation.initiated", "target_node") == ids(run, "agent.task_start", "source_node")
    assert payloads(run, "agent.task_start", "input_source") == [(None,), *((agent,) for agent in chosen[:-1])]
    everybody = ["planner", "writer", "critic"]
    assert payloads(run, "routing.decision", "candidates", "previous_speaker") == [
        (everybody, None),
        (everybody, "planner"),
        (everybody, "writer"),
        (everybody, "critic"),
    ]


@every_line
def test_the_model_call_that_selects_belongs_to_the_team(line: str) -> None:
    run = run_of(line, "selector", text("alice"), text("A plan."), text("STOP"))
    assert run.story == team_story(
        "team",
        *asked("team"),
        *turn("team", "alice", "llm_output", *asked("alice")),
        *turn("team", "bob", "only_candidate", *asked("bob")),
    )


@every_line
def test_a_selector_function_decides_where_it_gives_a_name(line: str) -> None:
    run = run_of(line, "selector_function", text("B."), text("alice"), text("A."))
    assert run.story == team_story(
        "team",
        *turn("team", "bob", "explicit", *asked("bob")),
        *asked("team"),
        *turn("team", "alice", "llm_output", *asked("alice")),
    )


@every_line
def test_a_handoff_is_one_delegation_from_the_agent_that_hands_over(line: str) -> None:
    run = run_of(line, "swarm", call("transfer_to_refunds"), text("DONE"))
    assert run.story == team_story(
        "desk",
        *turn("desk", "triage", "state", *asked("triage"), *used("triage", "transfer_to_refunds")),
        *turn("desk", "refunds", "llm_output", *asked("refunds"), giver="triage"),
    )


def ledger(speaker: str, *, done: bool = False) -> Reply:
    """What the orchestrator of Magentic-One thinks."""
    answers: dict[str, Any] = {
        "is_request_satisfied": done,
        "is_in_loop": False,
        "is_progress_being_made": True,
        "next_speaker": speaker,
        "instruction_or_question": "Go on.",
    }
    return text(json.dumps({key: {"reason": "So.", "answer": answer} for key, answer in answers.items()}))


@every_line
def test_the_orchestrator_of_magentic_one_chooses_by_its_model(line: str) -> None:
    run = run_of(
        line,
        "magentic",
        *(text("Facts."), text("Plan."), ledger("coder"), text("Code."), ledger("tester"), text("Tested.")),
        *(ledger("coder", done=True), text("All done.")),
    )
    assert run.story == team_story(
        "lab",
        *(asked("lab") * 3),
        *turn("lab", "coder", "llm_output", *asked("coder")),
        *asked("lab"),
        *turn("lab", "tester", "llm_output", *asked("tester")),
        *(asked("lab") * 2),
    )


def test_a_graph_of_agents_delegates_to_several_at_once() -> None:
    said = {f"You are {name}.": [text(f"{name} did.")] for name in ("start", "left", "right", "join")}
    with Endpoint(when=said) as endpoint:
        run = run_program(NEW, "autogen_agentchat/graph_flow.py", endpoint=endpoint)
    assert run.returncode == 0, run.stderr
    story = run.story
    first = team_story("flow", *turn("flow", "start", "state", *asked("start")))[:-1]
    last = [*turn("flow", "join", "state", *asked("join")), "execution.end flow success"]
    assert story[: len(first)] == first
    assert story[-len(last) :] == last
    middle = story[len(first) : -len(last)]
    both = [line for agent in ("left", "right") for line in turn("flow", agent, "state", *asked(agent))]
    assert sorted(middle) == sorted(both)
    starts = [middle.index(f"delegation.initiated flow > {agent} speaker_selection") for agent in ("left", "right")]
    ends = [middle.index(f"delegation.completed flow > {agent} success") for agent in ("left", "right")]
    assert max(starts) < min(ends)


def test_a_team_in_a_team_is_an_agent_of_the_outer_one() -> None:
    run = run_of(NEW, "nested", text("Lead."), text("One."), text("Two."))
    inner = [line for agent in ("one", "two") for line in said_in_turn("inner", agent, within="inner")]
    assert run.story == team_story(
        "outer",
        *turn("outer", "lead", "round_robin", *asked("lead")),
        *turn("outer", "inner", "round_robin", "state.access inner write messages", *inner),
    )


def inner_team(within: str, source: str, team: str, kind: str, agents: Sequence[str]) -> list[str]:
    """A team at work for an agent."""
    turns = [line for agent in agents for line in said_in_turn(team, agent, within=team)]
    shared = f"state.access {team} write messages"
    return handed(source, team, kind, *task(team, shared, *turns, within=within))


@every_line
def test_an_agent_that_is_a_society_delegates_to_its_team(line: str) -> None:
    run = run_of(line, "society", text("One."), text("Two."), text("We."))
    inside = inner_team("society", "society", "inner", "hierarchical", ["one", "two"])
    assert run.story == executed("society", *task("society", *inside, *asked("society")))


def test_an_agent_and_a_team_as_tools_are_delegations() -> None:
    run = run_of(
        NEW,
        "agent_tool",
        *(call("poet", task="Roses."), text("Red."), text("Here: red.")),
        *(call("ask_board", task="Vote."), text("Aye."), text("The board says aye.")),
    )
    poet = handed("boss", "poet", "explicit", *task("poet", *asked("poet"), within="boss"))
    board = inner_team("boss", "boss", "board", "explicit", ["one"])
    assert run.story == [
        *executed("boss", *task("boss", *asked("boss"), *used("boss", "poet", *poet), *asked("boss"))),
        *executed("boss", *task("boss", *asked("boss"), *used("boss", "ask_board", *board), *asked("boss"))),
    ]


@every_line
def test_agents_and_teams_that_an_agent_runs_itself_are_delegations(line: str) -> None:
    run = run_of(line, "nested_runs")
    helper = handed("lead", "helper", "hierarchical", *task("helper", within="lead"))
    voice = turn("crowd", "voice", "round_robin", within="crowd")
    crowd = handed(
        "lead", "crowd", "hierarchical", *task("crowd", "state.access crowd write messages", *voice, within="lead")
    )
    assert run.story == executed("lead", *task("lead", *helper, *crowd))


@every_line
def test_functions_are_tools_and_a_failing_one_is_an_error_that_the_model_is_told(line: str) -> None:
    run = run_of(line, "tools", call("add", a=1, b=2), call("broken", reason="worn"), call("total", a=1, b=2))
    failed = "error.occurred broken LookupError caught_default"
    assert run.story == [
        *executed("clerk", *task("clerk", *asked("clerk"), *used("clerk", "add"))),
        *executed("clerk", *task("clerk", *asked("clerk"), *used("clerk", "broken", failed, status="error"))),
        *executed("clerk", *task("clerk", *asked("clerk"), *used("clerk", "total"))),
    ]
    assert ids(run, "tool.invoked", "target_node") == [
        "autogen:add:tools.py:10",
        "autogen:broken:tools.py:15",
        "autogen:total:tools.py:20",
    ]


def test_tools_of_a_workbench_are_seen_and_its_errors_are_told() -> None:
    run = run_of(NEW, "workbench", *(call(tool, title="Emma") for tool in ("find", "lend", "burn")))
    failed = "error.occurred lend ToolError caught_default"
    assert run.story == [
        *executed("librarian", *task("librarian", *asked("librarian"), *used("librarian", "find"))),
        *executed(
            "librarian", *task("librarian", *asked("librarian"), *used("librarian", "lend", failed, status="error"))
        ),
        *executed("librarian", *task("librarian", *asked("librarian"))),
    ]


def test_code_that_an_agent_runs_is_a_tool_whose_exit_code_tells_its_failure() -> None:
    run = run_of(NEW, "code")
    failed = "error.occurred code_exec CodeExecutionError caught_default"
    assert run.story == [
        *task("runner", *used("runner", "code_exec")),
        *task("runner", *used("runner", "code_exec", failed, status="error")),
    ]


def test_memory_is_read_and_written_by_who_is_at_work() -> None:
    run = run_of(NEW, "memory", text("Tea."))
    assert run.story == [
        "state.access program write likes",
        *executed("host", *task("host", "state.access host read likes", *asked("host"))),
        "state.access program read likes",
    ]


def test_a_model_client_without_a_transport_tells_its_calls_itself() -> None:
    run = run_of(NEW, "replay")
    client = "ReplayChatCompletionClient"
    calls = [f"llm.call_start {client}", f"llm.call_end {client} success 7+1 by parrot"]
    assert run.story == executed("parrot", *task("parrot", *calls))


def test_a_streamed_answer_is_one_model_call() -> None:
    run = run_of(NEW, "streaming", chunks("Now", " then."))
    calls = asked("speaker", tokens="")
    assert run.story == executed("speaker", *task("speaker", *calls))


@every_line
def test_agents_of_the_program_have_one_task_a_turn_whichever_method_they_define(line: str) -> None:
    run = run_of(line, "custom_agent")
    once = team_story("team", *turn("team", "echo", "round_robin"), *turn("team", "loud", "round_robin"))
    assert run.story == once * 2
    assert set(ids(run, "agent.task_start", "source_node")) == {
        "autogen:echo:custom_agent.py:38",
        "autogen:loud:custom_agent.py:38",
    }


@every_line
def test_a_failed_model_call_passes_the_agent_and_the_team(line: str) -> None:
    run = run_of(line, "failing", *(failure(400, "boom") for _ in range(3)))
    passed = ["error.propagated alice BadRequestError"]
    alone = executed("alice", *task("alice", *refused("alice"), *passed, status="error"), status="error")
    turn_of_alice = [
        "routing.decision pair > alice speaker_selection round_robin",
        *handed(
            "pair",
            "alice",
            "speaker_selection",
            "state.access alice read messages",
            *task("alice", *refused("alice"), *passed, status="error"),
            status="error",
        ),
    ]
    # 0.4 swallows what an agent raises, 0.7 quotes it in an error of its own
    pair = (
        team_story("pair", *turn_of_alice)
        if line == OLD
        else team_story("pair", *turn_of_alice, "error.propagated pair RuntimeError", status="error")
    )
    panel = team_story("panel", *refused("panel"), "error.propagated panel BadRequestError", status="error")
    assert run.story == [*alone, *pair, *panel]


@every_line
def test_a_choice_of_somebody_who_takes_no_part_is_an_error_and_no_delegation(line: str) -> None:
    run = run_of(line, "nobody")
    told = "error.occurred team " + ("NoSpeakerSelected raised" if line == OLD else "ValueError raised")
    assert run.story == team_story("team", told, status="success" if line == OLD else "error")


def test_a_manager_that_chooses_nobody_is_an_error_and_no_delegation() -> None:
    run = run_of(NEW, "mute")
    assert run.story == team_story("team", "error.occurred team NoSpeakerSelected raised")


@every_line
def test_streams_that_are_left_early_are_abandoned_runs(line: str) -> None:
    run = run_of(line, "abandoned", text("A."), text("B."))
    assert run.story == [
        *executed("alice", status="abandoned"),
        *team_story(
            "pair",
            *turn("pair", "alice", "round_robin", *asked("alice")),
            *turn("pair", "bob", "round_robin", *asked("bob")),
            status="abandoned",
        ),
    ]


@every_line
def test_a_stream_that_is_forgotten_ends_later_and_is_not_around_the_next_run(line: str) -> None:
    *story, end = run_of(line, "forgotten").story
    assert story == [*team_story("team", *turn("team", "eva", "round_robin"))[:-1], *executed("alone", *task("alone"))]
    assert end in ("execution.end team abandoned", "execution.end team cancelled")  # as the event loop closes it


@every_line
def test_a_cancelled_run_cancels_the_turn_and_is_no_error(line: str) -> None:
    run = run_of(line, "cancelled")
    team = "RoundRobinGroupChat"
    assert run.story == team_story(
        team,
        f"routing.decision {team} > sleeper speaker_selection round_robin",
        *handed(
            team,
            "sleeper",
            "speaker_selection",
            "state.access sleeper read messages",
            *task("sleeper", status="cancelled"),
            status="cancelled",
        ),
        status="cancelled",
    )


def test_teams_in_a_runtime_of_the_program_keep_their_turns_apart() -> None:
    run = run_of(NEW, "own_runtime")
    east = team_story("east", *turn("east", "eva", "round_robin"), *turn("east", "eric", "round_robin"))
    west = team_story("west", *turn("west", "wim", "round_robin"))
    assert [line for line in run.story if any(name in line for name in ("west", "wim"))] == west
    assert [line for line in run.story if not any(name in line for name in ("west", "wim"))] == east


@pytest.mark.parametrize(
    ("name", "replies"),
    [("selector", [text("alice"), text("A plan."), text("STOP")]), ("core", [text("Yes.")])],
    ids=["selector", "core"],
)
def test_agents_and_group_chats_have_the_ids_that_the_scanner_gives_them(name: str, replies: list[Reply]) -> None:
    run = run_of(NEW, name, *replies)
    seen = {event["source_node"]["node_id"] for event in run.events if "source_node" in event}
    static = static_ids(f"autogen_agentchat/{name}.py")
    assert static and static <= seen


@pytest.mark.parametrize("capture", [None, "1"], ids=["off", "on"])
def test_words_of_a_conversation_are_told_only_when_they_are_asked_for(capture: str | None) -> None:
    replies = [call("poet", task="PARSNIPS"), text("TURNIPS"), text("LEEKS"), text("BEETS")]
    run = run_of(NEW, "agent_tool", *replies, env={"STRATUM_CAPTURE_PROMPTS": capture})
    words = ("TURNIPS", "LEEKS", "BEETS", "A poem.")
    assert [word.encode() in run.raw for word in words] == [capture is not None] * len(words)


def shown(run: Run) -> tuple[int, str, str]:
    """What a user sees, without where libraries and program lie and what the team was numbered."""

    def same(words: str) -> str:
        words = re.sub(r"/\S*/(site-packages|app)/", r"<\1>/", words)
        return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<uuid>", words)

    return run.returncode, same(run.stdout), same(run.stderr)


@every_line
@pytest.mark.parametrize("name", ["introspection", "cancelled", "custom_agent", "nobody"])
def test_a_program_sees_the_same_with_and_without_the_patcher(line: str, name: str) -> None:
    assert shown(run_of(line, name)) == shown(run_of(line, name, patched=False))


@every_line
def test_agents_of_the_core_alone_are_seen_and_requests_among_them_are_delegations(line: str) -> None:
    run = run_of(line, "core", text("Yes."))
    writer = handed("editor", "writer", "explicit", *task("writer", *asked("writer")))
    assert run.story == task("editor", *writer, *task("reader"))
    editor, author, reader = (
        f"autogen:{name}:core.py:{at}" for name, at in (("editor", 69), ("writer", 70), ("reader", 71))
    )
    assert payloads(run, "agent.task_start", "node_id", "input_source") == [
        (editor, None),
        (author, editor),
        (reader, author),
    ]


@every_line
def test_every_hook_of_an_installed_module_is_applied(line: str) -> None:
    run = run_of(line, "round_robin", *(text("Word.") for _ in range(4)))
    ours = {hook: status for hook, status in run.hooks.items() if hook.startswith("autogen_agentchat.")}
    assert set(ours.values()) == {"applied"}
    missing = {"workbenches", "memory"} if line == OLD else set()
    places = "agent_places team_places tool_places core_places"
    names = f"{places} agents teams turns speakers tools workbenches executors memory models"
    assert {hook.partition(".")[2] for hook in ours} == set(names.split()) - missing
