"""Which repo function calls which, and from where."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from stratum_lab.scan.source.index import Call, Function
from stratum_lab.scan.source.value import Value

if TYPE_CHECKING:
    from stratum_lab.scan.source.resolve import Resolver


class CallGraph:
    """Answers with a resolver; each answer is remembered."""

    def __init__(self, resolver: Resolver) -> None:
        self._r = resolver
        self._called: dict[Function, list[Function]] = {}
        self._reachable: dict[Function, frozenset[Function]] = {}
        self._callers: dict[Function, list[Call]] | None = None
        self._inits: dict[Function, list[str]] | None = None

    def called(self, function: Function) -> list[Function]:
        """Repo functions and methods a function calls or hands on, nested functions' calls included."""
        known = self._called.get(function)
        if known is None:
            found: dict[Function, None] = {}
            for call in function.calls:
                value = self._r.resolve(call.node.func, call.scope)
                self._add_called(value, found)
            for text in function.names:
                self._add_called(self._r.dotted(text, function.scope), found)
            for inner in function.module.functions:
                if inner.scope.parent is function.scope:
                    found.setdefault(inner)
            known = self._called[function] = [f for f in found if f is not function]
        return known

    def _add_called(self, value: Value, found: dict[Function, None]) -> None:
        if value.function is not None:
            found.setdefault(value.function)
        elif value.kind == "class" and value.cls is not None:
            made = self._r.find_method(value.cls, "__init__")
            if made is not None:
                found.setdefault(made)
        elif value.kind == "instance" and value.cls is not None:
            for name in ("__call__", "forward"):
                method = self._r.find_method(value.cls, name)
                if method is not None:
                    found.setdefault(method)

    def reachable(self, function: Function) -> frozenset[Function]:
        """A function and every repo function it calls, at any depth; cycles are cut."""
        known = self._reachable.get(function)
        if known is None:
            found: set[Function] = {function}
            todo = [function]
            while todo:
                for next_one in self.called(todo.pop()):
                    if next_one not in found:
                        found.add(next_one)
                        todo.append(next_one)
            known = self._reachable[function] = frozenset(found)
        return known

    def callers(self, function: Function) -> list[Call]:
        """Kept calls in the repository whose last name is this function's (or its class's) and that resolve to it."""
        if self._callers is None:
            self._callers = {}
            self._by_name: dict[str, list[Call]] = {}
            for module in self._r.modules.all:
                for call in module.calls:
                    func = call.node.func
                    last = (
                        func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
                    )
                    self._by_name.setdefault(last, []).append(call)
        known = self._callers.get(function)
        if known is None:
            self._callers[function] = known = []  # a call that asks for its own callers finds none
            makes = function.name == "__init__" and function.cls is not None
            names = [*self._made_by().get(function, ()), "cls", "__init__"] if makes else [function.name]
            for call in (c for name in names for c in self._by_name.get(name, ())):
                value = self._r.resolve(call.node.func, call.scope)
                made = value.cls is not None and value.kind == "class" and makes
                if value.function is function or (
                    made and value.cls is not None and self._r.find_method(value.cls, "__init__") is function
                ):
                    known.append(call)
        return known

    def _made_by(self) -> dict[Function, list[str]]:
        """Names of the classes that each `__init__` makes: its own and those that inherit it."""
        if self._inits is None:
            self._inits = {}
            for module in self._r.modules.all:
                for cls in module.classes:
                    made = cls.methods.get("__init__") or (self._r.find_method(cls, "__init__") if cls.bases else None)
                    if made is not None:
                        self._inits.setdefault(made, []).append(cls.name)
        return self._inits
