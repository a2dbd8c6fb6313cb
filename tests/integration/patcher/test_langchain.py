"""LangChain on the real library, core 0.3 and current: tools, models of no watched client, retrievers, executors."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.patcher import langgraph_stories
from tests.support.patcher.endpoint import Endpoint, call, text
from tests.support.patcher.program import Run, prepared, run_program
from tests.support.patcher.stories import asked, called, used
from tests.support.patcher.wire import Reply

OLD, CURRENT, CLASSIC = "langgraph-0.2", "langgraph", "langgraph-teams"
every_line = pytest.mark.parametrize("line", [OLD, CURRENT])
SCRIPTS: dict[str, list[Reply]] = {
    "retrieval": [text("yes")],
    "executor": [call("add", a=1, b=2), text("3"), call("add", a=2, b=2), text("4")],
    "mistaken": [text("no action at all"), text("Action: fly\nAction Input: up"), text("Final Answer: done")],
}
"""Program -> what the model says."""


def run(line: str, program: str, **options: Any) -> Run:
    """Run one of the programs with its script."""
    with Endpoint(SCRIPTS.get(program, ())) as endpoint:
        return run_program(line, f"langchain/{program}.py", endpoint=endpoint, **options)


def made(program: str, name: str, code: str, family: str = "langchain") -> str:
    """The id of a node that is made where a program's text goes on with some code."""
    return langgraph_stories.made(program, name, code, family, "langchain")


@every_line
def test_tools_are_seen_wherever_they_are_called_from_with_what_becomes_of_their_errors(line: str) -> None:
    told = run(line, "tools")
    assert told.story == [
        *used("-", "add"),
        *used("-", "search", "error.occurred search ToolException caught_default", status="error"),
        *used("-", "strict_search", "error.occurred strict_search ToolException raised", status="error"),
        *used("-", "add", "error.occurred add ValidationError raised", status="error"),
        *used("-", "reverse"),
    ]
    ids = [event["target_node"]["node_id"] for event in told.of_type("tool.invoked")]
    assert ids == [
        made("tools", "add", "@tool"),
        made("tools", "search", "search ="),
        made("tools", "strict_search", "strict ="),
        made("tools", "add", "@tool"),
        made("tools", "reverse", "reverse ="),
    ]
    shapes = [
        (event["payload"]["args_shape"], event["payload"]["kwargs_shape"]) for event in told.of_type("tool.invoked")
    ]
    assert shapes[:2] == [("None", "dict(keys=['a', 'b'], len=2)"), ("list(len=1, inner=str(len=4))", "None")]


@every_line
def test_models_that_no_watched_client_serves_are_told_by_langchain(line: str) -> None:
    told = run(line, "models")
    assert told.story == [
        *called("native-1", tokens="7+2"),
        *called("native-1", "error.occurred Native RuntimeError raised", status="error", tokens=""),
        *called("GenericFakeChatModel", tokens=""),
        *called("GenericFakeChatModel", status="abandoned", tokens=""),
        *called("native-1", tokens="7+2"),
        *called("FakeListLLM", tokens=""),
    ]
    starts = [event["payload"] for event in told.of_type("llm.call_start")]
    assert [start["message_count"] for start in starts] == [2, 1, 1, 1, 1, 1]
    assert "system_prompt_hash" in starts[0]
    ends = [event["payload"] for event in told.of_type("llm.call_end")]
    assert [end.get("output_size_bytes") for end in ends] == [4, None, 13, 3, 4, 4]
    assert ends[0]["finish_reason"] == "stop"
    assert told.of_type("llm.call_start")[0]["source_node"]["node_id"] == made(
        "models", "Native", "print(native.invoke([System"
    )


@every_line
def test_a_retriever_reads_its_store_and_the_client_library_tells_the_model_call(line: str) -> None:
    told = run(line, "retrieval")
    assert told.story == [
        "state.access program read Shelf",
        *called(),
        "state.access program read Shelf",
        "error.occurred Broken LookupError raised",
    ]
    [failed] = told.of_type("error.occurred")
    assert failed["source_node"]["node_type"] == "data_store"


@pytest.mark.parametrize("line", [OLD, CLASSIC])
def test_an_agent_executor_is_an_agent_whose_tools_and_model_calls_are_its_own(line: str) -> None:
    told = run(line, "executor")
    one = [
        "agent.task_start executor",
        *asked("executor", tokens=""),
        *used("executor", "add"),
        *asked("executor", tokens=""),
        "agent.task_end executor success",
    ]
    assert told.story == one * 2
    [start, _] = told.of_type("agent.task_start")
    assert start["source_node"]["node_id"] == made("executor", "executor", "executor =")
    assert start["payload"]["tools_available"] == ["add"]
    assert [event["payload"]["output_size_bytes"] for event in told.of_type("agent.task_end")] == [1, 1]


@pytest.mark.parametrize("line", [OLD, CLASSIC])
def test_what_the_model_says_wrongly_is_an_error_that_the_executor_caught(line: str) -> None:
    told = run(line, "mistaken")
    assert told.story == [
        "agent.task_start reasoner",
        *asked("reasoner", tokens=""),
        "error.occurred reasoner OutputParserException caught_default",
        *asked("reasoner", tokens=""),
        "error.occurred reasoner InvalidTool caught_default",
        *asked("reasoner", tokens=""),
        "agent.task_end reasoner success",
    ]


@pytest.mark.parametrize(
    ("line", "program"),
    [
        *((line, program) for line in (OLD, CURRENT) for program in ("tools", "models", "retrieval")),
        *((line, program) for line in (OLD, CLASSIC) for program in ("executor", "mistaken")),
    ],
)
def test_programs_behave_the_same_with_and_without_the_patcher(line: str, program: str) -> None:
    seen = []
    for patched in (False, True):
        with (
            Endpoint(SCRIPTS.get(program, ())) as endpoint,
            prepared(line, f"langchain/{program}.py", endpoint=endpoint, patched=patched) as ready,
        ):
            ended = ready.ended(ready.start())
            bodies = [
                {key: value for key, value in request.body.items() if key != "model"} for request in endpoint.requests
            ]
            seen.append((ended.returncode, ended.stdout, re.sub(r"/\S*/", "/", ended.stderr), bodies))
    assert seen[0][0] == 0
    assert seen[0] == seen[1]
