"""No text of prompts, answers and tools leaves a program unless captured, then capped; secrets never do."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.support.patcher.endpoint import Endpoint, call, calls, failure, text
from tests.support.patcher.program import BARE, Run, run_program
from tests.support.patcher.wire import Reply

OWN = "swordfish and marmalade"
SECRETS = (
    "sk-proj-Zq8vT3bNw1LmX7cRk2Pd9YhU",
    "Bearer Zx81.kLm-9_QwErTy",
    "AKIAQ7ZXWERTY123PLMN",
    "ghp_Zq8vT3bNw1LmX7cRk2Pd9YhU5sKj",
    OWN,
)
QUOTED = " ".join(SECRETS)
RULES, QUESTION, FOUND, ANSWER, ASKED = (
    f"{marker} {QUOTED}"
    for marker in (
        "Speak as the amber falcon would.",
        "Where does the violet heron nest?",
        "The green otter sleeps at noon.",
        "The crimson lynx walks at dawn.",
        "the golden badger at night",
    )
)
MARKERS = ("amber falcon", "violet heron", "green otter", "crimson lynx", "golden badger")
TEXTS = {"TEXT_RULES": RULES, "TEXT_QUESTION": QUESTION, "TEXT_FOUND": FOUND, "OWN_SERVICE_KEY": OWN}
CAPS = {
    "system_prompt_preview": 200,
    "last_user_message_preview": 200,
    "task_description": 500,
    "agent_goal": 500,
    "output_preview": 8000,
    "output_text": 8000,
    "traceback_tail": 1000,
}

ROUND = (call("look_up", text=ASKED), text(ANSWER), text(ANSWER))
PROGRAMS: list[tuple[str, str, Sequence[Reply]]] = [
    (
        "openai-3",
        "openai_tool",
        (
            calls(("look_up", {"text": ASKED}), (SECRETS[3], {"text": ASKED})),
            text(ANSWER),
            text(ANSWER),
            failure(400, f"refused, as {QUOTED}"),
        ),
    ),
    ("anthropic", "anthropic_tool", ROUND),
    ("litellm", "litellm_tool", ROUND),
    ("langgraph", "langgraph_tool", ROUND),
    ("crewai", "crewai_tool", ROUND),
    ("autogen-0.7", "autogen_tool", ROUND),
    ("pyautogen-0.2", "classic_tool", ROUND),
    ("openai-agents", "agents_tool", ROUND),
    ("pydantic-ai", "pydantic_tool", ROUND),
    ("smolagents", "smolagents_tool", (ROUND[0], call("final_answer", answer=ANSWER))),
]

every_program = pytest.mark.parametrize(("line", "program", "replies"), PROGRAMS, ids=[row[0] for row in PROGRAMS])


def run_of(line: str, program: str, replies: Sequence[Reply], capture: str) -> Run:
    """The program's run, with or without captured content."""
    with Endpoint(replies, always=text("done")) as endpoint:
        run = run_program(
            line,
            f"privacy/{program}.py",
            endpoint=endpoint,
            env={**TEXTS, "STRATUM_CAPTURE_PROMPTS": capture, "OPENAI_DEFAULT_API": "chat"},
        )
    assert run.returncode == 0, run.stderr
    assert MARKERS[1] in str([request.body for request in endpoint.calls])
    return run


def leaks(run: Run, texts: Sequence[str]) -> list[tuple[str, str]]:
    """The texts that stand in an event, each with the event's type."""
    lines = [(event["event_type"], str(event)) for event in run.events]
    return [(kind, each) for kind, line in lines for each in texts if each in line]


@every_program
def test_nothing_of_what_is_said_is_told_when_content_is_not_captured(
    line: str, program: str, replies: Sequence[Reply]
) -> None:
    run = run_of(line, program, replies, "0")
    assert run.of_type("llm.call_end")
    assert leaks(run, MARKERS) == []
    assert leaks(run, SECRETS) == []


@every_program
def test_captured_text_holds_no_secret(line: str, program: str, replies: Sequence[Reply]) -> None:
    run = run_of(line, program, replies, "1")
    assert {each for _, each in leaks(run, MARKERS)} >= {MARKERS[1], MARKERS[3]}
    assert leaks(run, SECRETS) == []
    assert "[secret]" in str(run.events)


@pytest.mark.parametrize("capture", ["0", "1"])
def test_captured_text_is_capped_and_hashes_are_of_the_whole(capture: str) -> None:
    long = "all the birds of the marsh are awake by now, " * 1000
    texts = {f"TEXT_{name}": long for name in ("RULES", "QUESTION", "FOUND")}
    replies = [call("look_up", text=long), text(long)]
    with Endpoint(replies) as endpoint:
        run = run_program(
            "anthropic",
            "privacy/anthropic_tool.py",
            endpoint=endpoint,
            env={**texts, "STRATUM_CAPTURE_PROMPTS": capture},
        )
    assert run.returncode == 0, run.stderr
    kept = {key: len(value) for event in run.events for key, value in event["payload"].items() if key in CAPS}
    assert kept == ({key: CAPS[key] for key in kept} if capture == "1" else {})
    assert bool(kept) == (capture == "1")
    ends = run.of_type("llm.call_end")
    assert ends[1]["payload"]["output_size_bytes"] == len(long)


@pytest.mark.parametrize("capture", ["0", "1"])
def test_errors_and_addresses_hold_no_secret(capture: str) -> None:
    env = {"TEXT_QUOTED": "|".join(SECRETS), "OWN_SERVICE_KEY": OWN, "STRATUM_CAPTURE_PROMPTS": capture}
    run = run_program(BARE, "privacy/errors.py", env=env)
    plain = run_program(BARE, "privacy/errors.py", env=env, patched=False)
    assert (run.returncode, run.stdout, len(run.stderr)) == (plain.returncode, plain.stdout, len(plain.stderr))
    assert {event["payload"]["domain"] for event in run.of_type("external.call")} == {"models.invalid"}
    messages = [event["payload"]["error_message"] for event in run.of_type("error.occurred")]
    assert messages[-1] == "no access with [secret]|[secret]|[secret]|[secret]|[secret]"
    assert leaks(run, [*SECRETS, "hunter22"]) == []
