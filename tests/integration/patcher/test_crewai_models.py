"""Models of crewai: the program's own ones, streams, and models of any provider led to the run's endpoint."""

from __future__ import annotations

import pytest

from tests.support.patcher.crewai_scenarios import CURRENT, LINES, MIDDLE, asked, events, final, part
from tests.support.patcher.endpoint import Endpoint
from tests.support.patcher.program import run_program
from tests.support.patcher.stories import called, executed, task, writes
from tests.support.patcher.wire import SERVED

PROVIDERS = (
    "anthropic/claude-3-5-sonnet-20241022",
    "groq/llama3-8b-8192",
    "ollama/llama3",
    "gemini/gemini-1.5-pro",
    "openai/model-of-tomorrow",
    "gpt-4o",
)

every_line = pytest.mark.parametrize("line", LINES)


def one_task(crew: str, agent: str, name: str, *inside: str) -> list[str]:
    """The story of a crew of one agent with one task."""
    return executed(crew, task(agent, *inside), writes(agent, f"task:{name}"))


@every_line
def test_a_model_that_no_transport_knows_is_told_by_its_own_name(line: str) -> None:
    calls = called("parrot-1", tokens="", by="Host")
    assert part(line, "own_model") == one_task("lobby", "Host", "greet", *calls)
    [start] = events(line, "own_model", "llm.call_start")
    assert start["source_node"]["node_name"] == "Parrot"
    assert start["payload"]["message_count"] == 2
    [end] = events(line, "own_model", "llm.call_end")
    assert end["payload"]["output_size_bytes"] == len("Thought: I know\nFinal Answer: hello")


@pytest.mark.parametrize("line", (MIDDLE, CURRENT))
def test_a_streamed_answer_is_one_call(line: str) -> None:
    assert part(line, "streaming") == one_task("stage", "Singer", "sing", *asked("Singer"))


def test_a_crew_that_streams_runs_once() -> None:
    assert part(CURRENT, "crew_stream") == one_task("live", "Reporter", "report", *asked("Reporter"))


@every_line
def test_models_of_every_provider_reach_the_endpoint_under_the_name_the_program_gave(line: str) -> None:
    texts = [f"{name}=text" for name in PROVIDERS[:4]]
    with Endpoint(always=final("yes")) as endpoint:
        run = run_program(line, "crewai/providers.py", endpoint=endpoint, args=[*PROVIDERS, *texts])
    assert run.returncode == 0, run.stderr
    models = [*PROVIDERS, *PROVIDERS[:4]]
    assert [request.body["model"] for request in endpoint.calls] == [SERVED] * len(models)
    assert run.story == [
        row for model in models for row in one_task("crew", "Asker", "ask", *called(model, by="Asker"))
    ]
    for call in run.of_type("llm.call_start"):
        assert (call["payload"]["model_actual"], call["payload"]["model_mapped"]) == (SERVED, True)
