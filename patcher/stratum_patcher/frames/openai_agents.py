"""The OpenAI Agents SDK, 0.0 to current: runs, agents, tools, handoffs, agents as tools, guardrails, sessions.

The SDK's spans say when agents, tools and handoffs begin and end, also where tracing is switched off; what they lack
(the objects, arguments, answers) is taken where the run makes it. A trace is an execution. A handoff is a routing
decision and a delegation. A guardrail that trips is no error but a routing decision to the end, and the agent's task
ends `cancelled`; that the exception leaves the program is told as any other, if it does.
"""

from __future__ import annotations

import os
from typing import Any, Callable

from ..frame import Frame, Hook
from ..wrap import NotApplied
from . import openai_agents_models, openai_agents_run, openai_agents_spans

TRIPWIRES = (
    "InputGuardrailTripwireTriggered",
    "OutputGuardrailTripwireTriggered",
    "ToolInputGuardrailTripwireTriggered",
    "ToolOutputGuardrailTripwireTriggered",
)
"""Exceptions by which guardrails end a run."""


def _sdk(apply: Callable[[Any], None]) -> Callable[[Any], None]:
    """A hook that leaves alone what else may be called `agents`: many programs have a package of that name."""

    def applied(module: Any) -> None:
        root = str(module.__file__).rpartition("/agents/")[0]
        if not os.path.exists(f"{root}/agents/tracing/processor_interface.py"):
            raise NotApplied("not the package of the SDK")
        apply(module)

    return applied


def _framed(apply: Callable[[Frame, Any], None]) -> Callable[[Any], None]:
    return _sdk(lambda module: apply(FRAME, module))


FRAME = Frame(
    "openai_agents",
    openai_agents_run.FAMILY,
    "openai-agents",
    (
        Hook("openai_agents.agent", "agents.agent", _sdk(openai_agents_run.watch_agents)),
        Hook("openai_agents.tool", "agents.tool", _sdk(openai_agents_run.watch_function_tools)),
        Hook("openai_agents.run", "agents.run", _framed(openai_agents_run.watch_runner)),
        Hook("openai_agents.handoff", "agents.items", _sdk(openai_agents_run.watch_items)),
        Hook("openai_agents.step", "agents.run_internal.run_steps", _sdk(openai_agents_run.watch_steps)),
        Hook("openai_agents.step@0.0", "agents._run_impl", _sdk(openai_agents_run.watch_steps)),
        Hook("openai_agents.session", "agents.memory.session", _framed(openai_agents_run.watch_sessions)),
        Hook("openai_agents.span", "agents.tracing.spans", _framed(openai_agents_spans.watch_spans)),
        Hook("openai_agents.trace", "agents.tracing.traces", _framed(openai_agents_spans.watch_traces)),
        Hook("openai_agents.trace_name", "agents.tracing.provider", _sdk(openai_agents_spans.watch_provider)),
        Hook("openai_agents.export", "agents.tracing.processors", _sdk(openai_agents_spans.watch_exporter)),
        Hook("openai_agents.model", "agents.models.interface", _framed(openai_agents_models.watch_models)),
    ),
    benign=dict.fromkeys(TRIPWIRES, "cancelled"),
)
