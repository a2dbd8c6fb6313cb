"""The classic AutoGen API on pyautogen 0.2 and ag2 0.x: chats, tools, code, groups with every way to choose."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.fold import baseline, record
from tests.support.patcher.endpoint import Endpoint, call, failure, raw_arguments, text
from tests.support.patcher.program import Run, run_program
from tests.support.patcher.scripted import run_scripted
from tests.support.patcher.stories import asked, executed, handed, reads, refused, task, used, writes

PYAUTOGEN, AG2 = "pyautogen-0.2", "ag2-0"

VARIES = re.compile(r"/\S+/(lib|app)/|[0-9a-f]{8}-[0-9a-f-]{27}|\d\d-\d\d \d\d:\d\d:\d\d")
"""Folders, run ids and times in what a program prints."""

every_line = pytest.mark.parametrize("line", (PYAUTOGEN, AG2))


def run(line: str, program: str, *replies: Any, **options: Any) -> Run:
    """One of the programs, to its end."""
    return run_scripted(line, f"autogen/{program}.py", *replies, **options)


def chat(source: str, target: str, *within: str, status: str = "success") -> list[str]:
    """A chat of two."""
    return executed(source, *handed(source, target, "explicit", *within, status=status), status=status)


def group(initiator: str, manager: str, *within: str) -> list[str]:
    """A chat that a group takes over."""
    return executed(initiator, *task(manager, *writes(initiator, "messages"), *within))


def turn(manager: str, agent: str, basis: str, *within: str, by: str = "", said: bool = True) -> list[str]:
    """A turn in a group chat; `by` is the agent that hands over."""
    kind = "handoff" if by else "speaker_selection"
    return [
        f"routing.decision {manager} > {agent} {kind} {basis}",
        *handed(by or manager, agent, kind, *task(agent, *reads(agent, "messages"), *within, within=manager)),
        *(writes(agent, "messages") if said else ()),
    ]


def tool(agent: str, name: str, error: str = "") -> list[str]:
    """A tool that an agent uses; an error becomes its answer."""
    told = [f"error.occurred {name} {error} caught_default"] if error else []
    return used(agent, name, *told, status="error" if error else "success")


@every_line
def test_two_agents_talk_and_a_summary_by_model_belongs_to_the_agent_asked(line: str) -> None:
    ran = run(line, "two_agents", text("Fine."), text("Better."), text("Summed up."))
    assert ran.story == chat(
        "user", "critic",
        *task("critic", *asked("critic")), *task("user"), *task("critic", *asked("critic")), *asked("critic"),
    )  # fmt: skip
    starts = ran.of_type("agent.task_start")
    assert [event["payload"].get("input_source") for event in starts] == [
        "autogen:user:two_agents.py:13",
        "autogen:critic:two_agents.py:14",
        "autogen:user:two_agents.py:13",
    ]
    assert ran.of_type("execution.start")[0]["payload"] == {
        "initiator": "user",
        "recipient": "critic",
        "message_shape": "str(len=12)",
        "async": False,
    }
    assert all(status == "applied" for hook, status in ran.hooks.items() if hook.startswith("autogen."))


@every_line
def test_the_caller_of_a_tool_uses_it_and_failures_that_become_answers_are_errors(line: str) -> None:
    ran = run(
        line, "tools",
        call("add", a=1, b=2), call("divide", a=1, b=0), call("nothing"), raw_arguments("add", "not json"),
        text("DONE"),
    )  # fmt: skip
    answered = task("assistant", *asked("assistant"))
    mistaken = [*answered[:2], "tool.call_failure add invalid_arguments_json", *answered[2:]]
    assert ran.story == chat(
        "user", "assistant",
        *answered, *task("user", *tool("assistant", "add")),
        *answered, *task("user", *tool("assistant", "divide", "ZeroDivisionError")),
        *answered, *task("user", *tool("assistant", "nothing", "FunctionNotFound")),
        *mistaken, *task("user", *tool("assistant", "add", "JSONDecodeError")),
        *answered, *task("user"),
    )  # fmt: skip
    invoked = ran.of_type("tool.invoked")
    assert [event["payload"]["tool_node_id"] for event in invoked] == [
        "autogen:add:tools.py:15",
        "autogen:divide:tools.py:20",
        "autogen:nothing:-:0",
        "autogen:add:tools.py:15",
    ]
    assert invoked[0]["payload"]["kwargs_shape"] == "dict(keys=['a', 'b'], len=2)"
    assert invoked[0]["payload"]["agent_node_id"] == "autogen:assistant:tools.py:6"


@every_line
def test_async_tools_of_a_sync_chat_are_the_callers_whichever_thread_runs_them(line: str) -> None:
    replies = (call("ask", question="why"), text("because"), call("fail", question="what"), text("DONE"))
    ran = run(line, "async_tools", *replies)
    answered = task("assistant", *asked("assistant"))
    within = ["llm.call_start gpt-4.1", "llm.call_end gpt-4.1 success 5+3 by user"]
    begun, done = tool("assistant", "ask")
    assert ran.story == chat(
        "user", "assistant",
        *answered, *task("user", begun, *within, done),
        *answered, *task("user", *tool("assistant", "fail", "LookupError")),
        *answered, *task("user"),
    )  # fmt: skip


@every_line
def test_asynchronous_chats_tell_the_same_though_models_are_asked_in_threads(line: str) -> None:
    ran = run(line, "async_chat", call("lookup", word="x"), text("DONE"), text("hi"), text("ho"))
    answered = task("assistant", *asked("assistant"))
    assert ran.story == [
        *chat("user", "assistant", *answered, *task("user", *tool("assistant", "lookup")), *answered, *task("user")),
        *group(
            "user", "leader",
            *turn("leader", "bob", "round_robin", *asked("bob")),
            *turn("leader", "cat", "round_robin", *asked("cat")),
        ),
    ]  # fmt: skip
    assert [event["payload"]["async"] for event in ran.of_type("execution.start")] == [True, True]


@every_line
def test_a_model_chooses_speakers_and_its_calls_belong_to_the_manager(line: str) -> None:
    said = ("alice", "A.", "bob", "B.", "nobody", "cat", "C.", "alice", "AA.")
    ran = run(line, "group_auto", *map(text, said))
    chosen = asked("chat_manager")

    def speaks(agent: str) -> list[str]:
        return turn("chat_manager", agent, "llm_output", *asked(agent))

    assert ran.story == group(
        "user", "chat_manager",
        *chosen, *speaks("alice"), *chosen, *speaks("bob"), *chosen, *chosen, *speaks("cat"), *chosen, *speaks("alice"),
    )  # fmt: skip
    routes = [event["payload"] for event in ran.of_type("routing.decision")]
    assert [route["previous_speaker"] for route in routes] == ["user", "alice", "bob", "cat"]
    assert all(route["candidates"] == ["alice", "bob", "cat"] for route in routes)
    sources = [event["payload"]["input_source"].split(":")[1] for event in ran.of_type("agent.task_start")]
    assert sources == ["user", "user", "alice", "bob", "cat"]
    tasks = {
        event["source_node"]["node_name"]: event["source_node"]["node_id"] for event in ran.of_type("agent.task_start")
    }
    for delegation in ran.of_type("delegation.initiated"):
        assert delegation["target_node"]["node_id"] == tasks[delegation["payload"]["delegate"]]
        assert delegation["source_node"]["node_id"] == tasks["chat_manager"]


@every_line
def test_three_agents_in_four_turns_are_four_delegations_three_edges_and_depth_one(line: str) -> None:
    said = ("alice", "A.", "bob", "B.", "cat", "C.", "alice", "AA.")
    ran = run(line, "group_auto", *map(text, said))
    begun, done = ran.of_type("delegation.initiated"), ran.of_type("delegation.completed")
    assert (len(begun), len(done)) == (4, 4)
    assert [event["event_id"] for event in begun] == [event["parent_event_id"] for event in done]
    folded = record(ran.events)
    assert baseline(folded, "max_delegation_depth")["observed_baseline"] == 1.0
    rates = folded["edge_validation"]["activation_rates"].values()
    pairs = [(edge["source"], edge["target"]) for edge in rates if edge["edge_type"] == "delegates_to"]
    manager = begun[0]["source_node"]["node_id"]
    assert pairs == [(manager, event["target_node"]["node_id"]) for event in begun[:3]]


@every_line
@pytest.mark.parametrize(
    ("how", "story"),
    [
        pytest.param(
            "round_robin", [("alice", "round_robin"), ("bob", "round_robin"), ("cat", "round_robin")], id="order"
        ),
        pytest.param(
            "function", [("alice", "explicit"), ("cat", "explicit"), ("bob", "explicit"), None], id="function"
        ),
        pytest.param("graph", [("alice", "round_robin"), ("bob", "round_robin"), None], id="graph"),
    ],
)
def test_speakers_chosen_without_a_model_and_a_choice_of_nobody_that_ends_the_chat(
    line: str, how: str, story: list[tuple[str, str] | None]
) -> None:
    ran = run(line, "group_methods", args=(how,))
    basis = "round_robin" if how == "graph" else "explicit"
    told = [
        turn("leader", *each) if each else [f"routing.decision leader > __end__ speaker_selection {basis}"]
        for each in story
    ]
    assert ran.story == group("user", "leader", *(line for part in told for line in part))


@every_line
def test_a_speaker_chosen_by_lot_is_told_as_such(line: str) -> None:
    ran = run(line, "group_methods", args=("random",))
    chosen = [event["payload"]["delegate"] for event in ran.of_type("delegation.initiated")]
    assert len(chosen) == 3
    assert ran.story == group("user", "leader", *(line for agent in chosen for line in turn("leader", agent, "random")))


@every_line
def test_a_selection_of_the_program_that_yields_nobody_is_an_error_and_no_delegation(line: str) -> None:
    ran = run(line, "group_methods", args=("subclass",), ends=1)
    consequence = {PYAUTOGEN: "AttributeError", AG2: "ValidationError"}[line]
    assert ran.story == [
        "execution.start user",
        "agent.task_start leader",
        *writes("user", "messages"),
        *turn("leader", "alice", "round_robin"),
        "error.occurred leader NoSpeakerSelected raised",
        f"error.occurred leader {consequence} raised",
        "agent.task_end leader error",
        f"error.propagated user {consequence}",
        "execution.end user error",
    ]


@every_line
def test_nested_chats_are_delegations_of_the_agent_that_opens_them_and_queues_one_execution_each(line: str) -> None:
    ran = run(line, "nested")
    vote = ["delegation.initiated writer > chair explicit", *task(
        "chair", *writes("writer", "messages"), *turn("chair", "ann", "round_robin"), within="writer"
    ), "delegation.completed writer > chair success"]  # fmt: skip
    assert ran.story == [
        *chat(
            "user", "writer",
            *task(
                "writer",
                *chat("writer", "critic", *task("critic", within="writer")),
                "execution.start writer", *vote, "execution.end writer success",
            ),
        ),
        *chat("user", "critic", *task("critic")),
        *chat("user", "ann", *task("ann")),
    ]  # fmt: skip


@every_line
def test_chats_that_wait_for_one_another_are_an_execution_each(line: str) -> None:
    ran = run(line, "chat_queue")
    assert ran.story == [*chat("user", "ann", *task("ann")), *chat("user", "ben", *task("ben"))]


def test_chats_that_the_library_runs_in_its_threads_tell_the_same() -> None:
    ran = run(AG2, "runs", text("hi"), text("A."), text("B."), text("ho"))
    assert ran.story == [
        *chat("user", "alice", *task("alice", *asked("alice"))),
        *group(
            "_User", "chat_manager",
            *turn("chat_manager", "alice", "round_robin", *asked("alice")),
            *turn("chat_manager", "bob", "round_robin", *asked("bob")),
        ),
        *chat("user", "bob", *task("bob", *asked("bob"))),
    ]  # fmt: skip


@every_line
def test_generated_code_is_a_tool_of_the_agent_that_runs_it(line: str) -> None:
    ran = run(line, "code")
    story = [each for each in ran.story if not each.startswith("file.")]
    assert story == [
        each
        for agent in ("runner", "old")
        for error in ("", "CodeExecutionError")
        for each in chat("writer", agent, *task(agent, *tool(agent, "code_exec", error)))
    ]
    assert ran.hooks["autogen.executor@local"] == "applied"


@every_line
def test_a_refused_model_call_is_told_where_it_arose_and_propagates_to_everybody_around(line: str) -> None:
    ran = run(line, "failing", always=failure(400, "boom"))
    assert ran.story == [
        "execution.start user",
        "agent.task_start chat_manager",
        *writes("user", "messages"),
        "routing.decision chat_manager > bob speaker_selection round_robin",
        "delegation.initiated chat_manager > bob speaker_selection",
        "agent.task_start bob in chat_manager",
        "state.access bob read messages",
        *refused("bob", "ChatCompletion"),
        "error.propagated bob BadRequestError",
        "agent.task_end bob error",
        "delegation.completed chat_manager > bob error",
        "error.propagated chat_manager BadRequestError",
        "agent.task_end chat_manager error",
        "error.propagated user BadRequestError",
        "execution.end user error",
    ]
    origin = ran.of_type("error.occurred")[0]["event_id"]
    assert {event["payload"]["origin_event_id"] for event in ran.of_type("error.propagated")} == {origin}


def test_a_client_of_the_program_is_a_model_call_and_a_cached_answer_is_none() -> None:
    ran = run(PYAUTOGEN, "own_model")
    own = asked("bob", "house-model", "2+4")
    assert ran.story == [*chat("user", "bob", *task("bob", *own)), *chat("user", "bob", *task("bob"))]


@pytest.mark.parametrize("how", ["sync", "async"])
def test_agents_hand_over_by_model_tool_condition_and_after_work_without_the_executors_hop(how: str) -> None:
    replies = (call("transfer_to_bob_1"), call("book", seat="7A"), text("dan here"), text("eve here"))
    ran = run(AG2, "handoffs", *replies, args=(how,))
    boss = "chat_manager"
    assert ran.story == group(
        "_User", boss,
        *turn(boss, "alice", "explicit", *asked("alice")), *writes("alice", "messages"),
        *turn(boss, "bob", "llm_output", *asked("bob"), by="alice"),
        "tool.invoked bob > book", "state.access bob write seat", "tool.completed bob > book success",
        "state.access bob write seat", *writes("bob", "messages"),
        *turn(boss, "clerk", "explicit", "state.access clerk read seat", by="bob"),
        *turn(boss, "dan", "state", *asked("dan"), by="clerk"),
        *turn(boss, "eve", "explicit", *asked("eve"), by="dan"),
        f"routing.decision {boss} > __end__ speaker_selection explicit",
    )  # fmt: skip
    routes = [event["payload"] for event in ran.of_type("routing.decision")]
    assert [route["previous_speaker"] for route in routes] == ["_User", "alice", "bob", "clerk", "dan", "eve"]
    assert all("_Group_Tool_Executor" not in route.get("candidates", ()) for route in routes)


@pytest.mark.parametrize("how", ["auto", "round_robin", "random"])
def test_a_pattern_chooses_for_its_group(how: str) -> None:
    said = {"auto": ("A.", "bob", "B.", "cat", "C.")}.get(how, ("A.", "B.", "C."))
    ran = run(AG2, "patterns", *map(text, said), args=(how,))
    boss = "chat_manager"
    chosen = [event["payload"]["delegate"] for event in ran.of_type("delegation.initiated")]
    assert chosen[0] == "alice" and len(chosen) == 3
    assert how == "random" or chosen == ["alice", "bob", "cat"]
    first = "explicit" if how == "auto" else how
    story = turn(boss, "alice", first, *asked("alice"))
    for agent in chosen[1:]:
        if how == "auto":
            story += asked(boss) + turn(boss, agent, "llm_output", *asked(agent))
        else:
            story += turn(boss, agent, how, *asked(agent))
    assert ran.story == group("_User", boss, *story)


TOOLS = (call("add", a=1, b=2), call("divide", a=1, b=0), call("nothing"), text("DONE"))
SPOKEN = (
    text("alice"),
    text("A."),
    text("nobody"),
    text("bob"),
    text("B."),
    text("cat"),
    text("C."),
    text("bob"),
    text(""),
)


@pytest.mark.parametrize(
    ("line", "program", "args", "replies"),
    [
        pytest.param(PYAUTOGEN, "tools", (), TOOLS, id="tools"),
        pytest.param(PYAUTOGEN, "group_methods", ("subclass",), (), id="uncaught error"),
        pytest.param(AG2, "tools", (), TOOLS, id="tools of ag2"),
        pytest.param(AG2, "group_auto", (), SPOKEN, id="group chat"),
        pytest.param(AG2, "group_methods", ("subclass",), (), id="uncaught error of ag2"),
    ],
)
def test_a_program_prints_and_ends_the_same_without_the_patcher(
    line: str, program: str, args: tuple[str, ...], replies: tuple[Any, ...]
) -> None:
    seen = []
    for patched in (True, False):
        with Endpoint(replies) as endpoint:
            ran = run_program(
                line,
                f"autogen/{program}.py",
                endpoint=endpoint,
                args=args,
                patched=patched,
                env={"STRATUM_VLLM_MODEL": None},  # the library warns of prices it does not know, by model name
            )
        seen.append((ran.returncode, *(VARIES.sub("~", said) for said in (ran.stdout, ran.stderr))))
    assert seen[0] == seen[1]
