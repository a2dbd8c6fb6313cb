"""What agents of AutoGen 0.4 to 0.7 use: tools, agents and teams as tools, workbenches, memory, model clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import nodes, spans, wrap
from ..nodes import Node
from ..stored import held
from .autogen_agentchat_agents import IDENTITY, Making, name_of
from .autogen_agentchat_groups import asks_model

if TYPE_CHECKING:
    from ..wrap import Call, Watch

CODE = "code_exec"
"""Name of the tool that code executors are, as the scanner calls the capability."""
_LIBRARY = ("autogen_core", "autogen_ext")
_ROLES = {"SystemMessage": "system", "UserMessage": "user", "AssistantMessage": "assistant"}


class MakingTool(Making):
    """A tool's constructor. One that an agent makes of a function stands where the function is defined."""

    def __init__(self, tool: Any) -> None:
        super().__init__(tool, "capability")
        self.by_agent = nodes.caller(_LIBRARY)[0].startswith("autogen_agentchat/")

    def done(self, result: Any) -> Any:
        """See `Watch`."""
        if self.by_agent:
            defined = nodes.place_of(held(self.thing, "_func"))
            self.place = self.place if defined == nodes.NOWHERE else defined
        return super().done(result)


class Use(spans.Tool):
    """A use of a tool; of one that stands for an agent or team, the delegation to it too."""

    delegation: spans.Delegation | None = None

    def delegate(self, target: Node, task: Any) -> None:
        """Tell that the tool hands the task to an agent or team."""
        if self.agent_id:
            self.delegation = spans.Delegation(IDENTITY, self.user, target, "explicit", task=task)

    def fail(self, error: BaseException, *, handling: str | None = None, **told: Any) -> None:
        """See `Span`. Agents give the words of the error to their model."""
        super().fail(error, handling=handling or ("caught_default" if self.agent_id else None), **told)

    def close(self, status: str = spans.SUCCESS, **told: Any) -> None:
        """See `Span`."""
        if self.delegation is not None:
            known = {key: told[key] for key in ("error", "error_type") if key in told}
            self.delegation.close(status, **known)
        super().close(status, **told)


class WorkbenchUse(spans.Tool):
    """A use of a tool that a workbench runs in its own way; it tells failures in its result."""

    def done(self, result: Any) -> Any:
        """See `Watch`."""
        if held(result, "is_error") is True:
            parts = held(result, "result") or ()
            text = " ".join(part for part in (held(each, "content") for each in parts) if isinstance(part, str))
            self.fail_text("ToolError", text, handling="caught_default")
        return super().done(result)


class CodeRun(spans.Tool):
    """Generated code at work; that it failed stands in its exit code."""

    def done(self, result: Any) -> Any:
        """See `Watch`."""
        code = held(result, "exit_code")
        if type(code) is int and code != 0:
            self.fail_text("CodeExecutionError", f"exit code {code}", handling="caught_default")
        return super().done(result)


class ModelCall(spans.Llm):
    """A call of a model client; it speaks only when no transport below it does."""

    def item(self, value: Any) -> None:
        """See `Watch`."""
        self._read(value)

    def done(self, result: Any) -> Any:
        """See `Watch`."""
        self._read(result)
        return super().done(result)

    def _read(self, result: Any) -> None:
        usage, content = held(result, "usage"), held(result, "content")
        if usage is None:
            return
        self.usage(held(usage, "prompt_tokens"), held(usage, "completion_tokens"))
        self.finish(held(result, "finish_reason"))
        if isinstance(content, str):
            self.answer(content)
        elif isinstance(content, list):
            self.tools_called([(held(call, "name"), held(call, "arguments")) for call in content])


def watch_making(module: Any) -> None:
    """Apply to `autogen_core.tools._base`."""
    wrap.every_subclass(module.BaseTool, "__init__", lambda call: MakingTool(call.instance))


def watch_tools(module: Any) -> None:
    """Apply to the same module; tools that stream came with 0.6."""
    wrap.every_subclass(module.BaseTool, "run_json", _use)
    if hasattr(module, "BaseStreamTool"):
        wrap.every_subclass(module.BaseStreamTool, "run_json_stream", _use)


def watch_workbenches(module: Any) -> None:
    """Apply to `autogen_core.tools._workbench`."""
    wrap.every_subclass(module.Workbench, "call_tool", _call_tool)


def watch_executors(module: Any) -> None:
    """Apply to `autogen_core.code_executor._base`."""
    wrap.every_subclass(module.CodeExecutor, "execute_code_blocks", _run_code)


def watch_memory(module: Any) -> None:
    """Apply to `autogen_core.memory._base_memory`."""
    for name, access in (("update_context", "read"), ("query", "read"), ("add", "write")):
        wrap.every_subclass(module.Memory, name, lambda call, access=access: _remember(call, access))  # type: ignore[misc]


def watch_models(module: Any) -> None:
    """Apply to `autogen_core.models._model_client`."""
    wrap.every_subclass(module.ChatCompletionClient, "create", _ask)
    wrap.every_subclass(module.ChatCompletionClient, "create_stream", _ask)


def _use(call: Call) -> Watch | None:
    tool, arguments = call.instance, call.get("args", 0)
    name = name_of(tool)
    use = Use(IDENTITY, nodes.of(tool, "autogen", name, "capability"), tool_name=name, keywords=_plain(arguments))
    for part in ("_task_runner", "_agent", "_team"):
        target = nodes.known(held(tool, part))
        if target is not None:
            use.delegate(target, arguments.get("task") if isinstance(arguments, dict) else None)
            break
    return use


def _plain(arguments: Any) -> Any:
    return arguments if isinstance(arguments, dict) else None


def _call_tool(call: Call) -> Watch | None:
    name = call.get("name", 0)
    if any(kind.__name__ == "StaticWorkbench" for kind in type(call.instance).__mro__) or not isinstance(name, str):
        return None  # its tools speak for themselves
    node = nodes.named("autogen", name, "capability") or nodes.node("autogen", name, nodes.NOWHERE, "capability")
    return WorkbenchUse(IDENTITY, node, tool_name=name, keywords=_plain(call.get("arguments", 1)))


def _run_code(call: Call) -> Watch:
    node = nodes.node("autogen", CODE, nodes.NOWHERE, "capability")
    return CodeRun(IDENTITY, node, tool_name=CODE, arguments=call.get("code_blocks", 0))


def _remember(call: Call, access: str) -> Watch:
    user = spans.agent()
    spans.state(IDENTITY, nodes.program() if user is None else user.node, name_of(call.instance), access)
    return spans.quiet("state")


def _ask(call: Call) -> Watch | None:
    asks_model()
    client = call.instance
    settings = held(client, "_create_args")
    requested = settings.get("model") if isinstance(settings, dict) else None
    given = call.get("messages", 0)
    messages = None
    if isinstance(given, (list, tuple)):
        messages = [{"role": _ROLES.get(type(each).__name__), "content": held(each, "content")} for each in given]
    return ModelCall(
        IDENTITY,
        nodes.node("autogen", type(client).__name__, nodes.caller((*_LIBRARY, "autogen_agentchat")), "capability"),
        requested=requested or type(client).__name__,
        messages=messages,
        tools=bool(call.get("tools", -1)),
        tentative=True,
    )
