"""Model calls of the OpenAI Agents SDK that pass no client library of ours: the program's own models and the like."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .. import nodes, spans, wrap
from ..stored import held
from ..wrap import Call, Watch
from . import openai_agents_run as run
from .openai_agents_run import FAMILY

if TYPE_CHECKING:
    from ..frame import Frame


class Generation(spans.Llm):
    """One model call, whole or streamed."""

    def done(self, result: Any) -> Any:
        """The model answered, or its stream ended."""
        if result is not None:
            self._tell(result)
        return super().done(result)

    def item(self, value: Any) -> None:
        """An event of a streamed answer; the last one holds the whole."""
        response = held(value, "response")
        if held(value, "type") == "response.completed" and response is not None:
            self._tell(response)

    def _tell(self, response: Any) -> None:
        usage, output = held(response, "usage"), held(response, "output")
        self.usage(held(usage, "input_tokens"), held(usage, "output_tokens"))
        if not isinstance(output, (list, tuple)):
            return
        calls = [each for each in output if held(each, "type") == "function_call"]
        self.tools_called([(held(each, "name"), held(each, "arguments")) for each in calls])
        parts = [part for each in output for part in held(each, "content") or () if held(part, "type") == "output_text"]
        texts = [held(part, "text") for part in parts]
        self.answer("".join(text for text in texts if isinstance(text, str)) if texts else None)


def _begin(frame: Frame, call: Call) -> Watch | None:
    going = run.current()
    if going is not None:
        going.answering()
    model = call.instance
    instructions, given = call.get("system_instructions", 0), call.get("input", 1)
    messages = [{"role": "user", "content": given}] if isinstance(given, str) else given
    if isinstance(instructions, str) and isinstance(messages, list):
        messages = [{"role": "system", "content": instructions}, *messages]
    tools = call.get("tools", 3) or call.get("handoffs", 5)
    node = nodes.node(FAMILY, type(model).__name__, nodes.caller(("agents",)), "capability")
    name = held(model, "model")
    return Generation(
        frame,
        node,
        requested=name if isinstance(name, str) else type(model).__name__,
        messages=messages,
        tools=isinstance(tools, list) and bool(tools),
        tentative=True,
    )


def watch_models(frame: Frame, module: Any) -> None:
    """Apply to `agents.models.interface`."""
    for name in ("get_response", "stream_response"):
        wrap.every_subclass(module.Model, name, partial(_begin, frame))
