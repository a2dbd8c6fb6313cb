"""Hooks of frameworks on modules that lack what they need, as those of a version to come may."""

from __future__ import annotations

from types import ModuleType

import pytest
from stratum_patcher import frame as frames
from stratum_patcher.frames import ag2, autogen_agentchat, autogen_classic, pydantic_ai, smolagents

from .conftest import Events

FRAMES = (ag2.FRAME, autogen_agentchat.FRAME, autogen_classic.FRAME, pydantic_ai.FRAME, smolagents.FRAME)
HOOKS = [pytest.param(frame, hook, id=hook.name) for frame in FRAMES for hook in frame.hooks]


@pytest.mark.parametrize(("frame", "hook"), HOOKS)
def test_a_module_without_what_a_hook_needs_is_told_and_not_an_error(
    events: Events, frame: frames.Frame, hook: frames.Hook
) -> None:
    frames.undo(frame.name)
    frames.apply(frame.name, hook.module, ModuleType(hook.module))
    told = [event["payload"] for event in events() if event["payload"].get("hook") == hook.name]
    frames.undo(frame.name)
    assert [payload["status"] for payload in told] == ["not_applied"]
    assert told[0]["reason"]
