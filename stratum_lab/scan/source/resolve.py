"""The resolver: what an expression of the scanned source is, followed through imports, assignments and calls.

It evaluates nothing. What cannot be followed is `unknown`; it is never guessed from a name.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.source.callgraph import CallGraph
from stratum_lab.scan.source.index import PROPERTIES, Binding, Call, Class, Function, Scope, chain
from stratum_lab.scan.source.lists import ListReader
from stratum_lab.scan.source.literals import LiteralReader
from stratum_lab.scan.source.symbol import symbol_of
from stratum_lab.scan.source.value import NOTHING, UNKNOWN, Items, Value, ValueKind
from stratum_lab.scan.source.vocabulary import STAR_EXPORTS

if TYPE_CHECKING:
    from stratum_lab.scan.source.modules import ModuleTable

MAX_DEPTH: Final = 24
"""Steps of one resolution before it gives up."""
MAX_STEPS: Final = 4_000
"""Expressions that one question may look at; hostile sources would ask for millions."""
MAX_CALLERS: Final = 16
"""Calls of one function that are compared to learn what a parameter is; a function with more is general."""
MAX_RETURNS: Final = 4
"""Repo functions one resolution goes through by their return values."""
_MAX_LINEAGE: Final = 200
"""Bases of one class that are looked at; a chain of thousands would cost their number squared for each of them."""
_BUILTINS = frozenset({"open", "exec", "eval", "compile", "list", "tuple", "set", "dict", "sorted", "reversed", "str",
                       "getattr", "isinstance", "super", "print", "input", "map", "filter"})  # fmt: skip


class Resolver:
    """Resolves expressions of one project. Answers are remembered by syntax node."""

    def __init__(self, modules: ModuleTable) -> None:
        self.modules = modules
        self._known: dict[int, Value] = {}
        self._nodes: list[ast.expr] = []  # keeps the nodes of `_known` alive, so that an id names one node
        self._running: set[int] = set()
        self._tried: set[int] = set()  # unknown within the running question, because of a cycle or for good
        self._steps = 0
        self._lists = ListReader(self)
        self._literals = LiteralReader(self)
        self._graph = CallGraph(self)
        self._calls: dict[int, Call] = {}
        self._bases: dict[Class, list[str]] = {}
        self._direct: dict[Class, list[Class | str]] = {}

    # -- expressions ---------------------------------------------------------------------------------------------

    def resolve(self, expr: ast.expr, scope: Scope) -> Value:
        """What an expression standing in a scope is."""
        key = id(expr)
        known = self._known.get(key)
        if known is not None:
            return known
        if not self.busy:
            self.begin()
        if key in self._running or key in self._tried or len(self._running) >= MAX_DEPTH or self.spent():
            return NOTHING
        self._running.add(key)
        try:
            value = self._resolve(expr, scope)
        finally:
            self._running.discard(key)
        if value.known or not self.busy:  # an unknown inside a cycle may be known from elsewhere
            self._known[key] = value
            self._nodes.append(expr)
        else:
            self._tried.add(key)
        return value

    @property
    def busy(self) -> bool:
        """A question is being answered, of which this one is a part."""
        return bool(self._running) or self._lists.busy

    def begin(self) -> None:
        """Start a question: all steps are left, nothing has been tried."""
        self._steps = 0
        self._tried.clear()

    def spent(self) -> bool:
        """Count one step; True when the question has used up its steps."""
        self._steps += 1
        return self._steps > MAX_STEPS

    def origin(self, expr: ast.expr, scope: Scope) -> str | None:
        """Dotted origin of an expression, None when unknown."""
        return self.resolve(expr, scope).origin

    def _resolve(self, expr: ast.expr, scope: Scope) -> Value:
        handler = _HANDLERS.get(type(expr))
        return handler(self, expr, scope) if handler is not None else Value("unknown", node=expr, scope=scope)

    def _name(self, expr: ast.Name, scope: Scope) -> Value:
        return self.name(expr.id, scope, expr.lineno)

    def name(self, text: str, scope: Scope, line: int | None = None) -> Value:
        """What a name is in a scope; with a line, the last assignment before it when bound in the same scope."""
        seen: Scope | None = scope
        while seen is not None:
            if seen.kind == "class" and seen is not scope:  # class names are not seen from its methods
                seen = seen.parent
                continue
            bindings = [b for b in seen.bindings.get(text, ()) if b.kind != "add"]
            if line is not None and seen is scope and all(b.kind == "for" and b.line > line for b in bindings):
                bindings = []  # the variable of a later comprehension hides nothing
            if bindings:
                return self._bound(bindings, text, seen, line if seen is scope else None)
            if seen.kind == "module":
                break
            seen = seen.parent
        for starred in scope.module.star_imports:
            value = self.modules.member(starred, text, scope.module, self)
            if value.known and not (value.origin or "").startswith("builtins."):
                return value
            if text in STAR_EXPORTS.get(starred, ()) and self.modules.find(starred, scope.module) is None:
                return Value("external", f"{starred}.{text}")
        return Value("external", f"builtins.{text}") if text in _BUILTINS else NOTHING

    def _bound(self, bindings: list[Binding], text: str, scope: Scope, line: int | None) -> Value:
        before = [b for b in bindings if line is None or b.line < line or (b.line == line and b.kind == "param")]
        best = NOTHING
        for binding in reversed(before or bindings):
            value = self.binding(binding, text, scope)
            if value.known and value.kind != "none":
                return value
            if best.kind == "unknown":
                best = value
        return best

    def binding(self, binding: Binding, text: str, scope: Scope) -> Value:
        """What one binding of a name gives."""
        kind, value = binding.kind, binding.value
        if kind == "import":
            return self.modules.imported(binding.dotted, scope.module, self)
        if kind in ("function", "class") and binding.code is not None:
            return self.value_of(binding.code)
        if kind == "param":
            return self._parameter(binding, text, scope)
        if value is None:
            return NOTHING
        if kind in ("assign", "with"):
            return self.resolve(value, scope)
        if kind == "unpack":
            return self._unpacked(value, scope, binding.at)
        if kind == "for":
            return NOTHING if binding.at else self._lists.only(value, scope) or NOTHING
        return NOTHING

    def _unpacked(self, value: ast.expr, scope: Scope, at: tuple[int, ...]) -> Value:
        node, where = value, scope
        if not isinstance(node, ast.Tuple | ast.List):
            found = self.resolve(value, scope)
            if found.kind != "list" or found.node is None or found.scope is None:
                return NOTHING
            node, where = found.node, found.scope
        for place in at:
            if not isinstance(node, ast.Tuple | ast.List) or not 0 <= place < len(node.elts):
                return NOTHING
            node = node.elts[place]
        return self.resolve(node, where)

    def _parameter(self, binding: Binding, text: str, scope: Scope) -> Value:
        function = scope.code
        if not isinstance(function, Function):
            return NOTHING
        static = any(chain(d) == "staticmethod" for d in function.decorators)
        if function.cls is not None and function.parameters[:1] == [text] and not static:
            cls_method = any(chain(d) == "classmethod" for d in function.decorators)
            return Value("class" if cls_method else "instance", function.cls.dotted, cls=function.cls)
        passed = self._passed(function, text)
        if passed.known:
            return passed
        if binding.value is not None:
            default = self.resolve(binding.value, scope.parent or scope)
            if default.known and default.kind != "none":
                return default
        return self._annotated(function, text)

    def _passed(self, function: Function, text: str) -> Value:
        """What every call of a repo function passes for a parameter, when all agree on one thing."""
        found: list[Value] = []
        callers = self.callers(function)
        for call in callers if len(callers) <= MAX_CALLERS else ():
            given = self.argument(call, function, text)
            if given is not None:
                found.append(self.resolve(given, call.scope))
        if found and all(v.known for v in found):
            first = found[0]
            same = all((v.kind, v.origin, v.text, v.call, v.function) ==
                       (first.kind, first.origin, first.text, first.call, first.function) for v in found)  # fmt: skip
            return first if same else NOTHING
        return NOTHING

    def argument(self, call: Call, function: Function, text: str) -> ast.expr | None:
        """The expression a call passes for a parameter of a repo function."""
        names = function.parameters
        position = names.index(text) - function.takes_self if text in names else None
        return call.arg(text, position if position is None or position >= 0 else None)

    def _annotated(self, function: Function, text: str) -> Value:
        """A parameter annotated with a class is an instance of it."""
        node = function.node
        if node is None or isinstance(node, ast.Lambda):
            return NOTHING
        arguments = node.args
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            if argument.arg == text and argument.annotation is not None:
                typed = self._typed(argument.annotation, function.scope.parent or function.scope)
                if typed.known:
                    return typed
        return NOTHING

    def _typed(self, annotation: ast.expr, scope: Scope) -> Value:
        """An instance of the class that an annotation names."""
        value = self._annotation(annotation, scope)
        named = value.kind in ("external", "class") and value.origin is not None and value.origin not in _ANYTHING
        return Value("instance", value.origin, cls=value.cls) if named else NOTHING

    def _declared(self, cls: Class, name: str) -> Value:
        """A field that a class body declares with a type: `model: ChatOpenAI`, with or without a default."""
        for statement in cls.node.body if cls.node is not None else ():
            if isinstance(statement, ast.AnnAssign) and chain(statement.target) == name:
                return self._typed(statement.annotation, cls.scope)
        return NOTHING

    def _annotation(self, node: ast.expr, scope: Scope) -> Value:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                node = ast.parse(node.value, mode="eval").body
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return NOTHING
            return self._resolve(node, scope)
        if isinstance(node, ast.BinOp):  # X | None
            left = self._annotation(node.left, scope)
            return left if left.kind != "none" and left.known else self._annotation(node.right, scope)
        if isinstance(node, ast.Subscript):
            outer = chain(node.value).rpartition(".")[2]
            if outer in ("Optional", "Annotated", "SkipValidation", "InstanceOf", "ClassVar", "Final", "Union"):
                inner = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) and node.slice.elts else node.slice
                return self._annotation(inner, scope)
            if outer.lower() in ("list", "sequence", "iterable", "dict", "type", "callable", "literal"):
                return NOTHING
            return self._annotation(node.value, scope)
        return self.resolve(node, scope)

    def value_of(self, code: Function | Class) -> Value:
        """The value that a function or class of the repository is."""
        if isinstance(code, Function):
            return Value("function", code.dotted, function=code)
        return Value("class", code.dotted, cls=code)

    # -- attributes ----------------------------------------------------------------------------------------------

    def _attribute(self, expr: ast.Attribute, scope: Scope) -> Value:
        return self.attribute(self.resolve(expr.value, scope), expr.attr)

    def attribute(self, base: Value, name: str) -> Value:
        """What an attribute of a value is."""
        if base.kind == "module" and base.module is not None:
            return self.modules.attribute(base.module, name, self)
        if base.cls is not None and base.kind in ("class", "instance"):
            return self._member(base, base.cls, name)
        if base.kind in ("external", "instance") and base.origin is not None:
            receiver = base if base.kind == "instance" else base.receiver
            return Value("external", f"{base.origin}.{name}", receiver=receiver, calls=base.calls, via=base.via)
        return Value("unknown", receiver=base if base.known else None)

    def _member(self, base: Value, cls: Class, name: str) -> Value:
        """An attribute or method of a repo class or of an instance of one, inherited ones included."""
        external: str | None = None
        for owner in self.lineage(cls):
            if isinstance(owner, str):
                external = external or owner
                continue
            found = self._own_member(base, owner, name)
            if found.known:
                return found
        if external is not None:
            return Value("external", f"{external}.{name}", receiver=base)
        return Value("unknown", receiver=base)

    def _own_member(self, base: Value, owner: Class, name: str) -> Value:
        method = owner.methods.get(name)
        if method is not None:
            if any(chain(d).rpartition(".")[2] in PROPERTIES for d in method.decorators):
                return self.returned(method, ())
            return Value("function", method.dotted, function=method, receiver=base)
        best = NOTHING
        for binding, where in owner.scope.attributes.get(name, ()):
            if binding.kind != "add":
                value = self.binding(binding, name, where)
                if value.known and value.kind != "none":
                    return value
                best = value if not best.known else best
        bindings = [b for b in owner.scope.bindings.get(name, ()) if b.kind != "add"]
        if bindings:
            value = self._bound(bindings, name, owner.scope, None)
            if value.known and value.kind != "none" and value.origin not in _FIELDS:
                return value
            best = value if value.known else best
        given = best.known and best.kind != "none" and best.origin not in _FIELDS
        declared = NOTHING if given else self._declared(owner, name)
        return declared if declared.known else best

    def lineage(self, cls: Class) -> list[Class | str]:
        """A class, then its bases in order of lookup: repo classes, and dotted origins of the others."""
        out: dict[Class | str, None] = {}
        todo: list[Class | str] = [cls]
        while todo and len(out) < _MAX_LINEAGE:
            current = todo.pop()
            if current in out:
                continue
            out[current] = None
            if isinstance(current, Class):
                todo += reversed(self._above(current))
        return list(out)

    def _above(self, cls: Class) -> list[Class | str]:
        """The direct bases of a class that are known."""
        above = self._direct.get(cls)
        if above is None:
            values = [self.resolve(base, cls.scope.parent or cls.scope) for base in cls.bases]
            found = [value.cls if value.cls is not None else value.origin for value in values]
            above = [base for base in found if base is not None]
            if not self._running:  # within a question a base may be unknown for the time being
                self._direct[cls] = above
        return above

    def bases(self, cls: Class) -> list[str]:
        """Dotted origins of all direct and indirect bases, repo ones included."""
        known = self._bases.get(cls)
        if known is None:
            known = [b if isinstance(b, str) else b.dotted for b in self.lineage(cls)[1:]]
            self._bases[cls] = known
        return known

    def find_method(self, cls: Class, name: str) -> Function | None:
        """A method of a repo class or of its repo bases."""
        for owner in self.lineage(cls):
            if isinstance(owner, Class) and name in owner.methods:
                return owner.methods[name]
        return None

    # -- calls ---------------------------------------------------------------------------------------------------

    def call_of(self, node: ast.Call, scope: Scope) -> Call:
        """The indexed call of a syntax node."""
        if not self._calls:
            for module in self.modules.all:
                for call in module.calls:
                    self._calls[id(call.node)] = call
        found = self._calls.get(id(node))
        if found is None:
            found = self._calls[id(node)] = Call(node, scope, scope.function, False)
            self._nodes.append(node)
        return found

    def _super(self, scope: Scope) -> Value:
        """What `super()` stands for in a method: an instance of the next class of the repository above its own."""
        function = scope.function
        while function is not None and function.cls is None:
            function = function.scope.parent.function if function.scope.parent is not None else None
        if function is None or function.cls is None:
            return NOTHING
        above = self.lineage(function.cls)[1:2]
        if above and isinstance(above[0], Class):
            return Value("instance", above[0].dotted, cls=above[0])
        return Value("external", "builtins.super")

    def _call(self, expr: ast.Call, scope: Scope) -> Value:
        callee = self.resolve(expr.func, scope)
        if callee.origin == "builtins.super" and not expr.args:
            return self._super(scope)
        call = self.call_of(expr, scope)
        if callee.kind == "class" and callee.cls is not None:
            return Value("instance", callee.origin, expr, scope, cls=callee.cls, call=call, calls=(call,))
        if callee.kind == "function" and callee.function is not None:
            return self._through(callee, call, expr, scope)
        if callee.origin in ("builtins.list", "builtins.tuple", "builtins.set", "builtins.sorted", "builtins.reversed"):
            return Value("list", node=expr, scope=scope)
        if callee.kind in ("external", "instance") and callee.origin is not None:
            receiver = callee.receiver if callee.kind == "external" else callee
            return Value(
                "instance", callee.origin, expr, scope, call=call,
                calls=(call, *callee.calls), via=callee.via, receiver=receiver,
            )  # fmt: skip
        return Value("unknown", None, expr, scope, call=call, calls=(call,), receiver=callee.receiver)

    def _through(self, callee: Value, call: Call, expr: ast.Call, scope: Scope) -> Value:
        function = callee.function
        assert function is not None
        if isinstance(function.node, ast.Lambda):
            return self.returned(function, (call,))
        value = self.returned(function, (call,))
        if value.known:
            return value
        return Value(
            "unknown",
            None,
            expr,
            scope,
            function=None,
            call=call,
            calls=(call,),
            via=(function,),
            receiver=callee.receiver,
        )

    def returned(self, function: Function, calls: tuple[Call, ...]) -> Value:
        """What a call of a repo function gives: the first of its returned expressions that resolves."""
        best = NOTHING
        for expr in function.returns:
            value = self.resolve(expr, function.scope)
            if len(value.via) >= MAX_RETURNS:
                continue
            if value.known and value.kind != "none":
                return replace(value, calls=(*value.calls, *calls), via=(*value.via, function))
            if not best.known:
                best = value
        if best.known or best.call is not None:
            return replace(best, calls=(*best.calls, *calls), via=(*best.via, function))
        return NOTHING

    # -- other expressions ---------------------------------------------------------------------------------------

    def _inner(self, expr: ast.Await | ast.NamedExpr | ast.Starred, scope: Scope) -> Value:
        return self.resolve(expr.value, scope)

    def _either(self, expr: ast.BoolOp | ast.IfExp, scope: Scope) -> Value:
        options = expr.values if isinstance(expr, ast.BoolOp) else [expr.body, expr.orelse]
        best = NOTHING
        for option in options:
            value = self.resolve(option, scope)
            if value.known and value.kind != "none":
                return value
            best = value if not best.known else best
        return best

    def _constant(self, expr: ast.Constant, scope: Scope) -> Value:
        value = expr.value
        if isinstance(value, str):
            return Value("text", node=expr, scope=scope, text=value)
        if value is None:
            return Value("none", node=expr, scope=scope)
        if isinstance(value, bool):
            return Value("bool", node=expr, scope=scope, text=str(value))
        if isinstance(value, int | float):
            return Value("number", node=expr, scope=scope, text=str(value))
        return Value("unknown", node=expr, scope=scope)

    def _container(self, expr: ast.expr, scope: Scope) -> Value:
        kind: ValueKind = "dict" if isinstance(expr, ast.Dict | ast.DictComp) else "list"
        return Value(kind, node=expr, scope=scope)

    def _joined(self, expr: ast.JoinedStr, scope: Scope) -> Value:
        return Value("text", node=expr, scope=scope, text=self.text(expr, scope))

    def _operation(self, expr: ast.BinOp, scope: Scope) -> Value:
        text = self.text(expr, scope)
        if text is not None:
            return Value("text", node=expr, scope=scope, text=text)
        if isinstance(expr.op, ast.Add):
            left, right = self.resolve(expr.left, scope), self.resolve(expr.right, scope)
            if "list" in (left.kind, right.kind):
                return Value("list", node=expr, scope=scope)
        if isinstance(expr.op, ast.BitOr):
            first, second = self.resolve(expr.left, scope), self.resolve(expr.right, scope)
            if _names_type(first) and (second.kind == "none" or _names_type(second)):
                return first  # a type alias stands for the first of its types
        return Value("unknown", node=expr, scope=scope)

    def _lambda(self, expr: ast.Lambda, scope: Scope) -> Value:
        for function in scope.module.functions:
            if function.node is expr:
                return Value("function", function.dotted, node=expr, scope=scope, function=function)
        return Value("unknown", node=expr, scope=scope)

    def _subscript(self, expr: ast.Subscript, scope: Scope) -> Value:
        base = self.resolve(expr.value, scope)
        if base.kind in ("dict", "list") and base.node is not None and base.scope is not None:
            key = self.literal(expr.slice, scope)
            found = self._element(base.node, base.scope, key) or self._set_element(expr.value, scope, key)
            if found is not None:
                return self.resolve(*found)
            return NOTHING
        if base.kind in ("external", "class"):  # Agent[Deps], os.environ["X"]
            return base
        if base.kind == "instance" and (base.origin or "").rpartition(".")[2] in _KEYED:
            return self.attribute(base, "__getitem__")
        return Value("unknown", node=expr, scope=scope, receiver=base if base.known else None)

    def _element(self, node: ast.expr, scope: Scope, key: object) -> tuple[ast.expr, Scope] | None:
        if isinstance(node, ast.Dict):
            for name, value in zip(node.keys, node.values, strict=True):
                if isinstance(name, ast.Constant) and name.value == key and type(name.value) is type(key):
                    return value, scope
        if isinstance(node, ast.List | ast.Tuple) and isinstance(key, int) and -len(node.elts) <= key < len(node.elts):
            return node.elts[key], scope
        return None

    def _set_element(self, base: ast.expr, scope: Scope, key: object) -> tuple[ast.expr, Scope] | None:
        """What `name[key] = value` gave a dictionary in the scope that holds it; the last one."""
        where: Scope | None = scope
        while isinstance(base, ast.Name) and where is not None and base.id not in where.bindings:
            where = where.parent
        if not isinstance(base, ast.Name) or where is None:
            return None
        for binding in reversed(where.bindings[base.id]):
            if binding.kind == "add" and isinstance(binding.value, ast.Dict):
                found = self._element(binding.value, where, key)
                if found is not None:
                    return found
        return None

    # -- other readers, each with a module of its own ---------------------------------------------------------------

    def text(self, expr: ast.expr, scope: Scope) -> str | None:
        """A literal text; parts that are not literal stand as {placeholders}. None when it is no text."""
        return self._literals.text(expr, scope)

    def literal(self, expr: ast.expr, scope: Scope) -> object:
        """A literal's Python value (text, number, bool, None, list, dict of such), else UNKNOWN."""
        return self._literals.literal(expr, scope)

    def mapping(self, expr: ast.expr, scope: Scope) -> dict[str, tuple[ast.expr, Scope]]:
        """A dict literal with text keys, followed through names; `dict(a=1)` counts. Values stand in their scope."""
        return self._literals.mapping(expr, scope)

    def items(self, expr: ast.expr, scope: Scope) -> Items:
        """The elements of a list expression, in order, each resolved."""
        return self._lists.items(expr, scope)

    def called(self, function: Function) -> list[Function]:
        """Repo functions and methods a function calls or hands on, nested functions' calls included."""
        return self._graph.called(function)

    def reachable(self, function: Function) -> frozenset[Function]:
        """A function and every repo function it calls, at any depth; cycles are cut."""
        return self._graph.reachable(function)

    def callers(self, function: Function) -> list[Call]:
        """Kept calls in the repository whose last name is this function's (or its class's) and that resolve to it."""
        return self._graph.callers(function)

    def dotted(self, text: str, scope: Scope) -> Value:
        """What a dotted text such as "self.db.query" is in a scope."""
        first, *rest = text.split(".")
        value = self.name(first, scope)
        for part in rest:
            value = self.attribute(value, part)
        return value

    def symbol_of(self, call: Call) -> str:
        """The symbol of what a call makes: assigned name, "Class.attr", enclosing factory, else "<file>:<line>"."""
        return symbol_of(call)


_FIELDS = frozenset({"pydantic.Field", "pydantic.fields.Field", "dataclasses.field", "attr.ib", "attrs.field"})
"""Calls that describe a field of a class; what it holds is its annotation's."""
_ANYTHING = frozenset({"typing.Any", "typing_extensions.Any", "builtins.object"})
"""Annotations that say nothing about a parameter."""
_KEYED = frozenset({
    "MongoClient", "AsyncMongoClient", "AsyncIOMotorClient", "MotorClient", "Database", "AsyncDatabase",
    "AsyncIOMotorDatabase", "get_database", "get_default_database",
})  # fmt: skip
"""Clients and databases of which an item is a database or a collection: `client["db"]["rows"]`."""


def _names_type(value: Value) -> bool:
    return value.kind in ("external", "class") and (value.origin or "").rpartition(".")[2][:1].isupper()


_HANDLERS: dict[type[ast.expr], Callable[..., Value]] = {
    ast.Name: Resolver._name,
    ast.Attribute: Resolver._attribute,
    ast.Call: Resolver._call,
    ast.Await: Resolver._inner,
    ast.NamedExpr: Resolver._inner,
    ast.Starred: Resolver._inner,
    ast.BoolOp: Resolver._either,
    ast.IfExp: Resolver._either,
    ast.Constant: Resolver._constant,
    ast.List: Resolver._container,
    ast.Tuple: Resolver._container,
    ast.Set: Resolver._container,
    ast.ListComp: Resolver._container,
    ast.SetComp: Resolver._container,
    ast.GeneratorExp: Resolver._container,
    ast.Dict: Resolver._container,
    ast.DictComp: Resolver._container,
    ast.JoinedStr: Resolver._joined,
    ast.BinOp: Resolver._operation,
    ast.Lambda: Resolver._lambda,
    ast.Subscript: Resolver._subscript,
}


__all__ = ["NOTHING", "UNKNOWN", "Items", "Resolver", "Value", "same_component"]


def same_component(origin: str, prefixes: Iterable[str]) -> bool:
    """Whether a dotted origin is one of the prefixes or lies under one, at a component boundary."""
    return any(origin == prefix or origin.startswith(prefix + ".") for prefix in prefixes)
