"""Whether code reaches a chat model: by its own calls, or through functions of the repository at any depth.

What a name suggests never decides. A model is a class, client or call of a known library, an object built around one
(a chain, a bound model), or a call path that only model clients have (`chat.completions.create`).
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from stratum_lab.scan.source.index import Call, Class, Function, Scope, chain

if TYPE_CHECKING:
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.resolve import Value

INVOKING: Final = frozenset({
    "invoke", "ainvoke", "stream", "astream", "batch", "abatch", "astream_events", "astream_log", "predict", "apredict",
    "predict_messages", "apredict_messages", "run", "arun", "run_sync", "run_stream", "generate", "agenerate", "call",
    "acall", "complete", "acomplete", "stream_complete", "chat", "achat", "stream_chat", "astream_chat", "create",
    "create_stream", "structured_predict", "astructured_predict", "generate_content", "generate_content_async", "apply",
    "transform", "query", "aquery", "get_chat_message_content", "get_chat_message_contents", "forward", "__call__",
    "send_message", "kickoff", "kickoff_async", "akickoff", "generate_prompt", "agenerate_prompt", "converse",
})  # fmt: skip
"""Methods that run a model, or something that holds one."""
_KEEPING: Final = frozenset({
    "bind", "bind_tools", "bind_functions", "with_structured_output", "with_config", "with_retry", "with_fallbacks",
    "with_types", "with_listeners", "with_alisteners", "configurable_fields", "configurable_alternatives", "assign",
    "pipe", "pick", "map", "from_llm", "copy",
})  # fmt: skip
"""Methods of a runnable that give a runnable."""
_BINDING: Final = frozenset({"bind_tools", "with_structured_output"})
"""Methods that only chat models have."""
_LANGCHAIN_MODELS: Final = frozenset({
    "OpenAI", "AzureOpenAI", "Ollama", "OllamaLLM", "Anthropic", "AnthropicLLM", "Bedrock", "BedrockLLM", "BedrockChat",
    "HuggingFaceHub", "HuggingFacePipeline", "HuggingFaceEndpoint", "VertexAI", "GoogleGenerativeAI", "GooglePalm",
    "Cohere", "Replicate", "Together", "Fireworks", "Tongyi", "LlamaCpp", "GPT4All", "WatsonxLLM", "BaseChatModel",
    "BaseLanguageModel", "BaseLLM", "LLM", "SimpleChatModel", "QianfanChatEndpoint", "init_chat_model", "MistralAI",
    "FakeListChatModel", "GenericFakeChatModel", "LanguageModelLike", "VLLM", "VLLMOpenAI", "Xinference",
})  # fmt: skip
_RUNNING_TYPES: Final = frozenset({"CompiledStateGraph", "CompiledGraph", "Pregel", "RemoteGraph", "AgentExecutor"})
"""Annotations of what a function is given: a compiled graph or an executor is an agent, whichever it will be."""
_CHAT_CLASS = re.compile(r"^(Azure|AI21|Jina|Quantized)?Chat[A-Z0-9]\w*$|^\w+Chat(Model|Completion)?$")
_NO_MODEL = re.compile(
    r"^Chat(Prompt|Message|Generation|Result|Loader|Session|History|Request|Response|Completion(Message|Chunk)|Interface)"
)
_CLIENT_CALLS: Final[dict[str, re.Pattern[str]]] = {
    root: re.compile(pattern)
    for root, pattern in {
        "openai": r"(completions|responses|ChatCompletion|Completion|threads|runs)(\.\w+)*"
        r"\.(create|acreate|parse|stream|create_and_poll|create_and_run|create_and_run_poll)$",
        "anthropic": r"(messages|completions)\.(create|stream|parse)$",
        "litellm": r"(^|\.)(a?completion|a?text_completion|a?responses|batch_completion|completion_with_retries)$",
        "groq": r"completions\.create$",
        "together": r"completions\.create$|Complete\.create$",
        "cerebras": r"completions\.create$",
        "fireworks": r"completions\.create$",
        "mistralai": r"(chat|agents)\.(complete|stream|parse)(_async)?$|\.chat(_stream)?$",
        "cohere": r"\.(chat|generate|chat_stream|v2\.chat)$",
        "ollama": r"(^|\.)(chat|generate)$",
        "google": r"(generate_content|send_message|generate_text|predict)(_async|_stream)?$",
        "vertexai": r"(generate_content|send_message|predict)(_async|_streaming)?$",
        "huggingface_hub": r"(chat_completion|text_generation|completions\.create)$",
        "boto3": r"(converse|converse_stream|invoke_model|invoke_model_with_response_stream)$",
        "replicate": r"(^|\.)(run|stream|async_run)$",
        "zhipuai": r"completions\.create$",
        "dashscope": r"\.call$",
        "autogen_ext": r"^models\..*\.(create|create_stream)$",
        "autogen_core": r"^models\..*\.(create|create_stream)$",
        "agents": r"Runner\.(run|run_sync|run_streamed)$",
        "pydantic_ai": r"Agent\.(run|run_sync|run_stream|iter)$",
        "crewai": r"LLM\.a?call$|\.a?kickoff\w*$|Agent\.execute_task$",
        "llama_index": r"(^|\.)llms\..*\.\w*(chat|complete|predict|predict_and_call)\w*$|\.(query|aquery)$",
        "agno": r"\.(Agent|Team)\.(a?run|a?print_response)$|\.models\..*\.(a?invoke|a?response)\w*$",
        "semantic_kernel": r"(get_(streaming_)?chat_message_contents?|Kernel\.invoke(_prompt)?(_stream)?)$",
        "smolagents": r"Agent\.run$|Model\.(generate|__call__)$",
        "dspy": r"\.(Predict|ChainOfThought|ReAct)$",
    }.items()
}
"""Calls of client libraries that ask a model, matched on the origin after its root."""
_CLIENT_PATH = re.compile(
    r"(^|\.)(chat\.completions\.(create|parse|stream)|responses\.(create|parse)|models\.generate_content(_stream)?|"
    r"generate_content_async|generate_content)$"
)
"""Call paths that only model clients have, whatever the client is."""
_CLIENT_CLASSES: Final = ("crewai.LLM", "crewai.llm.LLM", "crewai.BaseLLM")
_MAX_DEPTH = 10


def reaches_model(project: Project, function: Function) -> bool:
    """Whether a function of the repository asks a chat model, itself or through functions it calls or hands on.

    `bind_tools` counts as asking. A call of a prebuilt agent or chain that holds a model counts too.
    """
    return _of(project).reaches(function)


def class_reaches_model(project: Project, cls: Class) -> bool:
    """Whether any method of a repo class, those of its repo bases included, reaches a chat model."""
    seeker = _of(project)
    return any(
        seeker.reaches(method)
        for owner in project.resolver.lineage(cls)
        if not isinstance(owner, str)
        for method in owner.methods.values()
    )


def holds_model(project: Project, expr: ast.expr, scope: Scope) -> bool:
    """Whether an expression is a chat model or something built around one: `prompt | model`, a bound model, a chain."""
    return _of(project).holds(expr, scope, _MAX_DEPTH)


def asks_model(project: Project, call: Call) -> bool:
    """Whether one call asks a chat model directly."""
    return _of(project).direct(call)


def is_model(origin: str) -> bool:
    """Whether a dotted origin names a chat model class of a library, or a method's result of one."""
    root, _, rest = origin.partition(".")
    parts = rest.split(".")
    if root.startswith("langchain") or root == "langgraph":
        return any(_is_model_name(part) for part in parts) or parts[-1] in _RUNNING_TYPES
    if root == "llama_index":
        return len(parts) > 2 and "llms" in parts[:-1] and parts[-1][:1].isupper()
    if root in ("autogen_ext", "autogen_core"):
        return "models" in parts and any(part.endswith("Client") for part in parts)
    return any(origin == c or origin.startswith(c + ".") for c in _CLIENT_CLASSES)


def _is_model_name(name: str) -> bool:
    return name in _LANGCHAIN_MODELS or (_CHAT_CLASS.match(name) is not None and _NO_MODEL.match(name) is None)


_SEEKERS: WeakKeyDictionary[Project, _Seeker]


class _Seeker:
    """Answers for one project, remembered by function."""

    def __init__(self, project: Project) -> None:
        self.resolver = project.resolver  # not the project itself: it is the weak key of this object
        self._asks: dict[Function, bool] = {}
        self._reaches: dict[Function, bool] = {}
        self._active: set[int] = set()
        self._handed: dict[tuple[Function | Class, str], bool] = {}  # parameters and attributes that hold a model

    def reaches(self, function: Function) -> bool:
        known = self._reaches.get(function)
        if known is not None:
            return known
        self._reaches[function] = False  # cuts a cycle through an object that holds this very function
        seen = {function}
        todo = [function]
        found = False
        while todo and not found:
            current = todo.pop()
            found = self._reaches.get(current, False) or self.asks(current)
            for further in self._further(current) if not found else ():
                if further not in seen:
                    seen.add(further)
                    todo.append(further)
        self._reaches[function] = found
        return found

    def _further(self, function: Function) -> list[Function]:
        """What a function calls, and the functions it hands on as arguments."""
        out = list(self.resolver.called(function))
        for call in function.calls:
            for given in (*call.node.args, *(k.value for k in call.node.keywords)):
                if isinstance(given, ast.Name | ast.Attribute):
                    value = self.resolver.resolve(given, call.scope)
                    if value.kind == "function" and value.function is not None:
                        out.append(value.function)
        return out

    def asks(self, function: Function) -> bool:
        known = self._asks.get(function)
        if known is None:
            self._asks[function] = False
            known = self._asks[function] = any(self.direct(call) for call in function.calls)
        return known

    def direct(self, call: Call) -> bool:
        func = call.node.func
        if isinstance(func, ast.Attribute):
            if func.attr == "bind_tools" or _CLIENT_PATH.search(chain(func)):
                return True
            if func.attr in INVOKING and self.holds(func.value, call.scope, _MAX_DEPTH):
                return True
        elif self.resolver.resolve(func, call.scope).kind in ("instance", "unknown") and self.holds(
            func, call.scope, 4
        ):
            return True
        origin = self.resolver.origin(func, call.scope)
        if origin is not None:
            root, _, rest = origin.partition(".")
            pattern = _CLIENT_CALLS.get(root)
            if (pattern is not None and pattern.search(rest)) or _CLIENT_PATH.search(origin):
                return True
        return any(
            isinstance(given, ast.Attribute)
            and given.attr in INVOKING
            and self.holds(given.value, call.scope, _MAX_DEPTH)
            for given in call.node.args
        )

    def holds(self, expr: ast.expr, scope: Scope, depth: int) -> bool:
        if depth <= 0 or id(expr) in self._active:
            return False
        self._active.add(id(expr))
        try:
            return self._holds(expr, scope, depth - 1)
        finally:
            self._active.discard(id(expr))

    def _holds(self, expr: ast.expr, scope: Scope, depth: int) -> bool:
        if isinstance(expr, ast.BinOp):
            return isinstance(expr.op, ast.BitOr) and (
                self.holds(expr.left, scope, depth)
                or self.holds(expr.right, scope, depth)
                or self._prompts(expr, scope)
            )
        if isinstance(expr, ast.Await | ast.NamedExpr | ast.Starred):
            return self.holds(expr.value, scope, depth)
        if isinstance(expr, ast.Dict):
            return any(self.holds(value, scope, depth) for value in expr.values)
        if isinstance(expr, ast.List | ast.Tuple):
            return any(self.holds(value, scope, depth) for value in expr.elts)
        if isinstance(expr, ast.IfExp):
            return self.holds(expr.body, scope, depth) or self.holds(expr.orelse, scope, depth)
        if isinstance(expr, ast.Call) and isinstance(expr.func, ast.Attribute) and expr.func.attr in _BINDING:
            return True
        value = self.resolver.resolve(expr, scope)
        if self._is_model_value(value):
            return True
        if value.kind == "function" and value.function is not None:
            return depth > 0 and isinstance(expr, ast.Name | ast.Attribute | ast.Lambda) and self._in_chain(value)
        if value.kind == "instance" and value.cls is None and value.call is not None and value.origin is not None:
            return self._built_around(value.call, value.origin, depth)
        return self._underlying(expr, scope, value, depth)

    def _prompts(self, piped: ast.BinOp, scope: Scope) -> bool:
        """Whether a prompt goes into something unknown, or an output parser reads it: that can only be a model."""
        left = piped.left.right if isinstance(piped.left, ast.BinOp) else piped.left
        for side, unknown, ending in (
            (left, piped.right, "PromptTemplate"),
            (piped.right, left, "OutputParser"),
        ):
            value = self.resolver.resolve(side, scope)
            origins = self.resolver.bases(value.cls) if value.cls is not None else [value.origin or ""]
            if any(o.startswith("langchain") and any(p.endswith(ending) for p in o.split(".")) for o in origins):
                return not self.resolver.resolve(unknown, scope).known
        return False

    def _in_chain(self, value: Value) -> bool:
        return value.function is not None and self.reaches(value.function)

    def _is_model_value(self, value: Value) -> bool:
        if value.origin is not None and value.kind in ("instance", "external") and value.cls is None:
            return is_model(value.origin)
        if value.cls is not None and value.kind == "instance":
            return any(is_model(base) for base in self.resolver.bases(value.cls) if "." in base)
        return False

    def _built_around(self, call: Call, origin: str, depth: int) -> bool:
        """An object of a library that was given a model: a chain, an engine, an executor, a bound runnable."""
        root = origin.partition(".")[0]
        if root == "langgraph" and origin.endswith((".ToolNode", ".compile")):
            return False
        func = call.node.func
        if isinstance(func, ast.Attribute) and func.attr in _KEEPING and self.holds(func.value, call.scope, depth):
            return True
        given = (
            *call.node.args,
            *(k.value for k in call.node.keywords if k.arg not in ("tools", "memory", "retriever")),
        )
        return any(self.holds(argument, call.scope, depth) for argument in given)

    def _underlying(self, expr: ast.expr, scope: Scope, value: Value, depth: int) -> bool:
        """Follow what the resolver could not name to the expressions it stands for."""
        if isinstance(expr, ast.Name):
            where: Scope | None = scope
            while where is not None and (
                expr.id not in where.bindings or (where.kind == "class" and where is not scope)
            ):
                where = where.parent
            bound = where.bindings[expr.id] if where is not None else []
            if where is not None and any(b.kind == "param" for b in bound) and self._passed(expr.id, where, depth):
                return True
            if where is not None and any(
                b.value is not None and b.kind in ("assign", "with") and self.holds(b.value, where, depth)
                for b in bound
            ):
                return True
        elif isinstance(expr, ast.Attribute):
            return self._attribute(expr, scope, depth)
        elif isinstance(expr, ast.Subscript):
            return self.holds(expr.value, scope, depth)
        elif isinstance(expr, ast.Call):
            func = expr.func
            if isinstance(func, ast.Attribute) and func.attr in _KEEPING and self.holds(func.value, scope, depth):
                return True
            return any(
                self.holds(returned, function.scope, depth) for function in value.via for returned in function.returns
            )
        if value.node is not None and value.node is not expr and value.scope is not None:
            return self.holds(value.node, value.scope, depth)
        return False

    def _passed(self, name: str, scope: Scope, depth: int) -> bool:
        """Whether any call of the repository passes a model for a parameter."""
        function = scope.code
        if not isinstance(function, Function):
            return False
        known = self._handed.get((function, name))
        if known is None:
            self._handed[(function, name)] = False  # cuts a cycle of functions that hand it to each other
            given = (
                (call, argument)
                for call in self.resolver.callers(function)
                if (argument := self.resolver.argument(call, function, name)) is not None
            )
            known = self._handed[(function, name)] = any(
                self.holds(argument, call.scope, _MAX_DEPTH) for call, argument in given
            )
        return known

    def _attribute(self, expr: ast.Attribute, scope: Scope, depth: int) -> bool:
        base = self.resolver.resolve(expr.value, scope)
        if base.cls is not None:
            known = self._handed.get((base.cls, expr.attr))
            if known is None:
                self._handed[(base.cls, expr.attr)] = False
                known = self._handed[(base.cls, expr.attr)] = self._member(base.cls, expr.attr)
            return known
        if base.kind == "module" and base.module is not None:
            bound = [(b, base.module.scope) for b in base.module.scope.bindings.get(expr.attr, ())]
            return any(b.value is not None and self.holds(b.value, s, depth) for b, s in bound)
        return False

    def _member(self, cls: Class, name: str) -> bool:
        """Whether an attribute or property of a repo class holds a model."""
        for owner in self.resolver.lineage(cls):
            if isinstance(owner, str):
                continue
            bound = [(b, s) for b, s in owner.scope.attributes.get(name, ()) if b.kind == "assign"]
            bound += [(b, owner.scope) for b in owner.scope.bindings.get(name, ()) if b.kind == "assign"]
            if any(b.value is not None and self.holds(b.value, s, _MAX_DEPTH) for b, s in bound):
                return True
            method = owner.methods.get(name)
            if method is not None and method.decorators:
                return any(self.holds(returned, method.scope, _MAX_DEPTH) for returned in method.returns)
        return False


_SEEKERS = WeakKeyDictionary()


def _of(project: Project) -> _Seeker:
    seeker = _SEEKERS.get(project)
    if seeker is None:
        seeker = _SEEKERS[project] = _Seeker(project)
    return seeker
