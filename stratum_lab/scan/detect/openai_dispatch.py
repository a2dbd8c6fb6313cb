"""Whether code acts on the tool calls that a model returned (A7), and does not merely read, print or convert them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.source.index import Function, Module, chain

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Scope
    from stratum_lab.scan.source.project import Project

_READ_ATTRIBUTES: Final = frozenset({"tool_calls", "function_call", "function_calls"})
_READ_TEXTS: Final = frozenset({"tool_calls", "function_call", "tool_use", "toolUse", "functionCall"})
_RESULT_TEXTS: Final = frozenset({"tool_result", "toolResult", "function_call_output", "functionResponse"})
_RESULT_ROLES: Final = frozenset({"tool", "function"})
_RESULT_MAKERS: Final = frozenset({"from_function_response", "FunctionResponse", "ToolMessage", "ToolResultBlockParam"})
_RUNNING = re.compile(r"call_tool|tool|function|execute|dispatch|invoke|run|call|handle|handler", re.IGNORECASE)
_MAX_DEPTH: Final = 3


class Dispatch:
    """Answers for one project, remembered by function."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._known: dict[Function, bool] = {}
        self._acting: dict[Function, bool] = {}

    def of_function(self, function: Function) -> bool:
        """Whether a function, nested ones included, reads the tool calls of an answer and acts on them."""
        known = self._known.get(function)
        if known is None:
            nodes = list(ast.walk(function.node)) if function.node is not None else []
            known = any(map(reads_calls, nodes)) and self._acts(nodes, function.scope, _MAX_DEPTH)
            self._known[function] = known
        return known

    def of_script(self, module: Module) -> bool:
        """The same for code at module level, as far as it is assigned, looped over or passed to calls."""
        expressions: list[ast.expr] = [
            binding.value
            for bindings in module.scope.bindings.values()
            for binding in bindings
            if binding.value is not None and binding.kind in ("assign", "for", "add", "with")
        ]
        expressions += [call.node for call in module.calls if call.function is None]
        nodes = [node for expr in expressions for node in ast.walk(expr)]
        return any(map(reads_calls, nodes)) and self._acts(nodes, module.scope, _MAX_DEPTH)

    def _acts(self, nodes: Iterable[ast.AST], scope: Scope, depth: int) -> bool:
        return any(self._is_act(node, scope, depth) for node in nodes)

    def _is_act(self, node: ast.AST, scope: Scope, depth: int) -> bool:
        if isinstance(node, ast.Dict):
            return any(_is_result(key, value) for key, value in zip(node.keys, node.values, strict=True))
        if isinstance(node, ast.Compare):
            return _compares_name(node)
        if isinstance(node, ast.Match):
            return chain(node.subject).rpartition(".")[2].endswith("name")
        if isinstance(node, ast.Call):
            return self._runs(node, scope, depth)
        return False

    def _runs(self, node: ast.Call, scope: Scope, depth: int) -> bool:
        func = node.func
        last = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
        if last in _RESULT_MAKERS:
            return True
        if isinstance(func, ast.Subscript) or (isinstance(func, ast.Call) and chain(func.func) == "getattr"):
            return True
        if isinstance(func, ast.Name) and _looked_up(func.id, scope):
            return True
        if not any(_names_call(part, scope) for given in _given(node) for part in ast.walk(given)):
            return False
        callee = self.project.resolver.resolve(func, scope)
        if callee.function is not None:
            return depth > 0 and self._function_acts(callee.function, depth - 1)
        if callee.cls is not None and callee.kind == "class":
            return False
        known = callee.kind == "external" and callee.receiver is None
        return not known and _RUNNING.search(last) is not None and last not in ("call_args", "run_id")

    def _function_acts(self, function: Function, depth: int) -> bool:
        """Whether a function that is given a tool call acts on it."""
        if function not in self._acting:
            self._acting[function] = False  # cuts a cycle
            nodes = list(ast.walk(function.node)) if function.node is not None else []
            self._acting[function] = self._acts(nodes, function.scope, depth)
        return self._acting[function]


def reads_calls(node: ast.AST) -> bool:
    """Whether a syntax node reads the tool calls of an answer: attribute, key, type or stop reason."""
    if isinstance(node, ast.Attribute):
        return node.attr in _READ_ATTRIBUTES and isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant) and _text(node.slice) in _READ_TEXTS
    if isinstance(node, ast.Compare):
        return any(_text(side) in _READ_TEXTS for side in (node.left, *node.comparators))
    if isinstance(node, ast.Call):
        last = node.func.attr if isinstance(node.func, ast.Attribute) else chain(node.func)
        return last in ("get", "getattr", "hasattr") and any(_text(given) in _READ_TEXTS for given in node.args)
    return isinstance(node, ast.MatchValue) and _text(node.value) in _READ_TEXTS


def _text(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _is_result(key: ast.expr | None, value: ast.expr) -> bool:
    """A message that carries a tool's result back."""
    name = _text(key) if key is not None else ""
    return (name == "role" and _text(value) in _RESULT_ROLES) or (name == "type" and _text(value) in _RESULT_TEXTS)


def _compares_name(node: ast.Compare) -> bool:
    """`name == "get_weather"`, `call.function.name in ("a", "b")`."""
    sides = (node.left, *node.comparators)
    named = any(_is_name(side) for side in sides)
    literal = any(_text(side) or isinstance(side, ast.List | ast.Tuple | ast.Set) for side in sides)
    return named and literal and not any(_text(side) == "__main__" for side in sides)


def _is_name(node: ast.expr) -> bool:
    if isinstance(node, ast.Subscript):
        return _text(node.slice) == "name"
    return chain(node).rpartition(".")[2].endswith("name")


def _given(node: ast.Call) -> Iterator[ast.expr]:
    yield from node.args
    yield from (keyword.value for keyword in node.keywords)


def _names_call(node: ast.AST, scope: Scope) -> bool:
    """A tool call, its name or its arguments: read here, or a loop's variable over tool calls."""
    if reads_calls(node):
        return True
    if isinstance(node, ast.Attribute):
        text = chain(node)
        return text.endswith((".function.name", ".function.arguments")) or node.attr in ("input", "arguments")
    if isinstance(node, ast.Name):
        for binding in scope.bindings.get(node.id, ()):
            if binding.value is not None and any(
                reads_calls(part) or chain_ends(part) for part in ast.walk(binding.value)
            ):
                return True
    return False


def chain_ends(node: ast.AST) -> bool:
    """`call.function.name` and the like."""
    return isinstance(node, ast.Attribute) and chain(node).endswith((".function.name", ".function.arguments"))


def _looked_up(name: str, scope: Scope) -> bool:
    """Whether a called name holds something looked up in a table or on an object."""
    for binding in scope.bindings.get(name, ()):
        value = binding.value
        if isinstance(value, ast.Subscript):
            return True
        if isinstance(value, ast.Call):
            last = value.func.attr if isinstance(value.func, ast.Attribute) else chain(value.func)
            if last in ("get", "getattr"):
                return True
    return False
