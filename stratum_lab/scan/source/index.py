"""The index of one Python file: scopes, bindings, functions, classes and calls, made in one pass over its tree.

A file is indexed in full, or in the light form that large trees get for files of little interest: there function bodies
are dropped, and of their calls only those into libraries of the vocabulary and the names of the others stay.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple

from stratum_lab.scan.model import Site
from stratum_lab.scan.source.vocabulary import (
    ACTING_NAMES,
    EVERYDAY_ROOTS,
    HOT_BUILTINS,
    is_framework_root,
    is_hot_root,
    is_made_name,
)

ScopeKind = Literal["module", "class", "function"]
BindingKind = Literal["assign", "add", "import", "function", "class", "param", "for", "with", "unpack"]
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

_FIELDS: Final[dict[type, tuple[str, ...]]] = {
    kind: tuple(field for field in kind._fields if field not in ("ctx", "op", "ops", "kind", "type_comment"))
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}
PROPERTIES = frozenset({"property", "cached_property"})
"""Last names of decorators that make a method an attribute."""
_GROWING = frozenset({"append", "extend", "insert", "add", "update"})
_LIGHT_VALUE = (ast.Call, ast.Name, ast.Attribute, ast.List, ast.Tuple, ast.Constant, ast.BinOp, ast.Set, ast.Dict)
_LIGHT_SPAN = 12
"""Lines a value may span to be kept in the light form."""


class Binding(NamedTuple):
    """One way a name gets a value: `value` is assigned, added, iterated or entered; `at` is its place in a tuple."""

    kind: BindingKind
    line: int
    value: ast.expr | None = None
    dotted: str = ""
    code: Function | Class | None = None
    at: tuple[int, ...] = ()


class Scope:
    """A namespace; `attributes` of a class scope are what its methods assign to `self`."""

    __slots__ = ("attributes", "bindings", "code", "kind", "module", "name", "parent", "qualname")

    def __init__(self, kind: ScopeKind, name: str, parent: Scope | None, module: Module) -> None:
        self.kind: ScopeKind = kind
        self.name = name
        self.parent = parent
        self.module = module
        above = parent.qualname if parent is not None else ""
        self.qualname: str = f"{above}.{name}" if above else name
        self.bindings: dict[str, list[Binding]] = {}
        self.attributes: dict[str, list[tuple[Binding, Scope]]] = {}
        self.code: Function | Class | None = None

    @property
    def node(self) -> ast.AST | None:
        """The definition's syntax node, None for a module and in the light form."""
        return self.code.node if self.code is not None else None

    @property
    def function(self) -> Function | None:
        """The innermost function around, itself included."""
        scope: Scope | None = self
        while scope is not None and scope.kind != "function":
            scope = scope.parent
        return scope.code if scope is not None and isinstance(scope.code, Function) else None

    def bind(self, name: str, binding: Binding) -> None:
        """Record one more binding of a name."""
        self.bindings.setdefault(name, []).append(binding)


class Function:
    """A function, method or lambda of the repository.

    Attributes:
        node: Its syntax; None in the light form.
        returns: Returned expressions, in order; a lambda's body.
        calls: Kept calls in its body, nested functions left out.
        names: Dotted texts of what it calls, as written, for a light file; empty otherwise.
        doc: First line of the documentation string, "" without one.
    """

    __slots__ = ("calls", "cls", "decorators", "doc", "module", "name", "names", "node", "parameters", "qualname",
                 "returns", "scope", "site", "takes_self", "yields")  # fmt: skip

    def __init__(self, name: str, scope: Scope, cls: Class | None, node: FunctionNode) -> None:
        self.name = name
        self.qualname = scope.qualname
        self.module = scope.module
        self.scope = scope
        self.cls = cls
        self.node: FunctionNode | None = node
        self.decorators: list[ast.expr] = [] if isinstance(node, ast.Lambda) else node.decorator_list
        self.returns: list[ast.expr] = []
        self.yields: list[ast.expr] = []
        self.calls: list[Call] = []
        self.names: tuple[str, ...] = ()
        self.doc = ""
        arguments = node.args
        self.parameters: list[str] = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
        self.takes_self = cls is not None and not any(chain(d) == "staticmethod" for d in self.decorators)
        self.site = Site(scope.module.path, node.lineno, node.col_offset)

    @property
    def dotted(self) -> str:
        """Its dotted name in the repository."""
        return f"{self.module.name}.{self.qualname}"

    def __repr__(self) -> str:
        return f"<Function {self.dotted}>"


class Class:
    """A class of the repository; `methods` are its own."""

    __slots__ = ("bases", "decorators", "keywords", "methods", "module", "name", "node", "qualname", "scope", "site")

    def __init__(self, name: str, scope: Scope, node: ast.ClassDef) -> None:
        self.name = name
        self.qualname = scope.qualname
        self.module = scope.module
        self.scope = scope
        self.node: ast.ClassDef | None = node
        self.bases: list[ast.expr] = node.bases
        self.keywords = node.keywords
        self.decorators: list[ast.expr] = node.decorator_list
        self.methods: dict[str, Function] = {}
        self.site = Site(scope.module.path, node.lineno, node.col_offset)

    @property
    def dotted(self) -> str:
        """Its dotted name in the repository."""
        return f"{self.module.name}.{self.qualname}"

    def __repr__(self) -> str:
        return f"<Class {self.dotted}>"


class Call:
    """One call expression.

    Attributes:
        function: Innermost enclosing function, None at module or class level.
        in_try: Lexically inside the body of a `try`, be it around a function that holds the call.
        assigned: Name it is assigned to: "x", "self.x" or "" when it is not the whole right side.
        returned: It is a whole returned expression of `function`.
    """

    __slots__ = ("assigned", "function", "in_try", "module", "node", "returned", "scope")

    def __init__(self, node: ast.Call, scope: Scope, function: Function | None, in_try: bool) -> None:
        self.node = node
        self.scope = scope
        self.module = scope.module
        self.function = function
        self.in_try = in_try
        self.assigned = ""
        self.returned = False

    @property
    def site(self) -> Site:
        """Where the call stands."""
        return Site(self.module.path, self.node.lineno, self.node.col_offset)

    def arg(self, name: str | None, position: int | None = None) -> ast.expr | None:
        """An argument by keyword (literal `**{...}` looked into), else by position; None when not given."""
        for keyword in self.node.keywords:
            if keyword.arg == name and name is not None:
                return keyword.value
            if keyword.arg is None and isinstance(keyword.value, ast.Dict):
                for key, value in zip(keyword.value.keys, keyword.value.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == name:
                        return value
        if position is not None and position < len(self.node.args):
            before = self.node.args[: position + 1]
            if not any(isinstance(a, ast.Starred) for a in before):
                return before[-1]
        return None

    def keywords(self) -> list[str]:
        """Names of the keyword arguments, those of literal `**{...}` included."""
        names: list[str] = []
        for keyword in self.node.keywords:
            if keyword.arg is not None:
                names.append(keyword.arg)
            elif isinstance(keyword.value, ast.Dict):
                names += [
                    k.value for k in keyword.value.keys if isinstance(k, ast.Constant) and isinstance(k.value, str)
                ]
        return names

    def __repr__(self) -> str:
        return f"<Call {ast.unparse(self.node.func)} {self.module.path}:{self.node.lineno}>"


class Module:
    """One Python file of the repository.

    Attributes:
        name: Dotted form of its path, packages by their folder.
        excluded: Tests and vendored code: gives no agents, crews, tools or capabilities.
        imports: Local name to dotted origin over every scope; relative ones resolved, with a leading ".".
        roots: First components of absolute imports in any scope.
        calls: Kept calls of every scope in order of place.
        attributes: Assignments to an attribute of another object than `self`: target, value and scope.
        environ: Subscripts of something called `environ`, with their scope and what is assigned to them.
        light: Indexed in the light form.
    """

    __slots__ = ("attributes", "calls", "classes", "environ", "excluded", "functions", "imported", "imports", "light",
                 "name", "path", "roots", "scope", "size", "star_imports")  # fmt: skip

    def __init__(self, path: str, size: int, excluded: bool = False) -> None:
        self.path = path
        self.size = size
        self.excluded = excluded
        parts = path.removesuffix(".py").split("/")
        if parts[-1] == "__init__":
            parts.pop()
        self.name = ".".join(parts) or "__init__"
        self.imports: dict[str, str] = {}
        self.imported: set[str] = set()
        self.star_imports: list[str] = []
        self.roots: set[str] = set()
        self.functions: list[Function] = []
        self.classes: list[Class] = []
        self.calls: list[Call] = []
        self.environ: list[tuple[ast.Subscript, Scope, ast.expr | None]] = []
        self.attributes: list[tuple[ast.Attribute, ast.expr, Scope]] = []
        self.light = False
        self.scope = Scope("module", "", None, self)

    @property
    def frameworks(self) -> set[str]:
        """Import roots that are frameworks or model clients."""
        return {root for root in self.roots if is_framework_root(root)}

    def __repr__(self) -> str:
        return f"<Module {self.path}>"


def chain(node: ast.expr) -> str:
    """Dotted text of a name or attribute chain; "" for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    parts.append(node.id)
    return ".".join(reversed(parts))


def root_name(node: ast.expr) -> str:
    """The name at the root of a chain of attributes, calls and subscripts; "" when there is none."""
    while True:
        if isinstance(node, ast.Attribute | ast.Subscript | ast.Await | ast.Starred):
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        else:
            return node.id if isinstance(node, ast.Name) else ""


class _Indexer:
    """One pass over one file."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.package = module.path.split("/")[:-1]

    def block(
        self, body: list[ast.stmt], scope: Scope, function: Function | None, cls: Class | None, in_try: bool
    ) -> None:
        for node in body:
            handler = _STATEMENTS.get(type(node))
            if handler is not None:
                handler(self, node, scope, function, cls, in_try)
            else:
                self.generic(node, scope, function, cls, in_try)

    def generic(self, node: ast.AST, scope: Scope, function: Function | None, cls: Class | None, in_try: bool) -> None:
        """A statement (or match case, handler) without meaning of its own: its expressions and its blocks."""
        for field in _FIELDS[type(node)]:
            value = getattr(node, field, None)
            if isinstance(value, ast.expr):
                self.expression(value, scope, function, in_try)
            elif isinstance(value, list) and value:
                if isinstance(value[0], ast.stmt):
                    self.block(value, scope, function, cls, in_try)
                else:
                    for item in value:
                        if isinstance(item, ast.expr):
                            self.expression(item, scope, function, in_try)
                        elif isinstance(item, ast.AST):
                            self.generic(item, scope, function, cls, in_try)

    def branch(self, node: ast.If, scope: Scope, function: Function | None, cls: Class | None, in_try: bool) -> None:
        while True:  # a chain of elif is a right-deep tree
            self.expression(node.test, scope, function, in_try)
            self.block(node.body, scope, function, cls, in_try)
            if len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
                node = node.orelse[0]
                continue
            self.block(node.orelse, scope, function, cls, in_try)
            return

    def attempt(self, node: ast.Try, scope: Scope, function: Function | None, cls: Class | None, in_try: bool) -> None:
        self.block(node.body, scope, function, cls, True)
        for handler in node.handlers:
            if handler.type is not None:
                self.expression(handler.type, scope, function, in_try)
            self.block(handler.body, scope, function, cls, in_try)
        self.block(node.orelse, scope, function, cls, in_try)
        self.block(node.finalbody, scope, function, cls, in_try)

    def definition(
        self,
        node: ast.FunctionDef | ast.AsyncFunctionDef,
        scope: Scope,
        function: Function | None,
        cls: Class | None,
        in_try: bool,
    ) -> None:
        for decorator in node.decorator_list:
            self.expression(decorator, scope, function, in_try)
        inner = Scope("function", node.name, scope, self.module)
        owner = scope.code if scope.kind == "class" and isinstance(scope.code, Class) else None
        made = Function(node.name, inner, owner, node)
        inner.code = made
        if node.body and isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant):
            text = node.body[0].value.value
            if isinstance(text, str):
                made.doc = text.strip().partition("\n")[0]
        self.module.functions.append(made)
        if owner is not None:
            owner.methods.setdefault(node.name, made)
        scope.bind(node.name, Binding("function", node.lineno, code=made))
        self.parameters(node.args, inner, scope, function, in_try)
        self.block(node.body, inner, made, cls, in_try)

    def parameters(
        self, args: ast.arguments, inner: Scope, scope: Scope, function: Function | None, in_try: bool
    ) -> None:
        positional = [*args.posonlyargs, *args.args]
        defaults: list[ast.expr | None] = [None] * (len(positional) - len(args.defaults)) + list(args.defaults)
        for argument, default in (
            *zip(positional, defaults, strict=True),
            *zip(args.kwonlyargs, args.kw_defaults, strict=True),
        ):
            inner.bind(argument.arg, Binding("param", argument.lineno, default, code=None))
            if default is not None:
                self.expression(default, scope, function, in_try)
        for extra in (args.vararg, args.kwarg):
            if extra is not None:
                inner.bind(extra.arg, Binding("param", extra.lineno))

    def class_(
        self, node: ast.ClassDef, scope: Scope, function: Function | None, cls: Class | None, in_try: bool
    ) -> None:
        for expression in (*node.decorator_list, *node.bases, *(k.value for k in node.keywords)):
            self.expression(expression, scope, function, in_try)
        inner = Scope("class", node.name, scope, self.module)
        made = Class(node.name, inner, node)
        inner.code = made
        self.module.classes.append(made)
        scope.bind(node.name, Binding("class", node.lineno, code=made))
        self.block(node.body, inner, function, made, in_try)

    def assign(
        self, node: ast.Assign, scope: Scope, function: Function | None, cls: Class | None, in_try: bool
    ) -> None:
        for target in node.targets:
            self.bind_target(target, node.value, scope, cls, node.lineno)
        call = self.expression(node.value, scope, function, in_try)
        if call is not None:
            call.assigned = chain(node.targets[0])

    def annotated(
        self, node: ast.AnnAssign, scope: Scope, function: Function | None, cls: Class | None, in_try: bool
    ) -> None:
        if node.value is not None:
            self.bind_target(node.target, node.value, scope, cls, node.lineno)
            call = self.expression(node.value, scope, function, in_try)
            if call is not None:
                call.assigned = chain(node.target)

    def augmented(
        self, node: ast.AugAssign, scope: Scope, function: Function | None, cls: Class | None, in_try: bool
    ) -> None:
        binding = Binding("add", node.lineno, node.value)
        if isinstance(node.target, ast.Name):
            scope.bind(node.target.id, binding)
        elif cls is not None and chain(node.target).startswith("self.") and isinstance(node.target, ast.Attribute):
            cls.scope.attributes.setdefault(node.target.attr, []).append((binding, scope))
        self.expression(node.value, scope, function, in_try)

    def bind_target(
        self, target: ast.expr, value: ast.expr, scope: Scope, cls: Class | None, line: int,
        kind: BindingKind = "assign", at: tuple[int, ...] = (),
    ) -> None:  # fmt: skip
        if isinstance(target, ast.Name):
            scope.bind(target.id, Binding(kind, line, value, at=at))
        elif isinstance(target, ast.Attribute):
            if cls is not None and isinstance(target.value, ast.Name) and target.value.id in ("self", "cls"):
                cls.scope.attributes.setdefault(target.attr, []).append((Binding(kind, line, value, at=at), scope))
            elif kind == "assign" and not at:
                self.module.attributes.append((target, value, scope))
        elif isinstance(target, ast.Subscript):
            self.environ(target, scope, value)
            if kind == "assign" and isinstance(target.value, ast.Name):  # `x[key] = value` grows the dictionary `x`
                grown = ast.copy_location(ast.Dict(keys=[target.slice], values=[value]), value)
                scope.bind(target.value.id, Binding("add", line, grown))
        elif isinstance(target, ast.Tuple | ast.List):
            inner: BindingKind = "unpack" if kind == "assign" else kind
            for position, part in enumerate(target.elts):
                self.bind_target(part, value, scope, cls, line, inner, (*at, position))
        elif isinstance(target, ast.Starred):
            self.bind_target(target.value, value, scope, cls, line, "unpack", (*at, -1))

    def loop(
        self, node: ast.For | ast.AsyncFor, scope: Scope, function: Function | None, cls: Class | None, in_try: bool
    ) -> None:
        self.bind_target(node.target, node.iter, scope, cls, node.lineno, "for")
        self.expression(node.iter, scope, function, in_try)
        self.block(node.body, scope, function, cls, in_try)
        self.block(node.orelse, scope, function, cls, in_try)

    def entering(
        self, node: ast.With | ast.AsyncWith, scope: Scope, function: Function | None, cls: Class | None, in_try: bool
    ) -> None:
        for item in node.items:
            if item.optional_vars is not None:
                self.bind_target(item.optional_vars, item.context_expr, scope, cls, node.lineno, "with")
            call = self.expression(item.context_expr, scope, function, in_try)
            if call is not None and item.optional_vars is not None:
                call.assigned = chain(item.optional_vars)
        self.block(node.body, scope, function, cls, in_try)

    def returning(
        self, node: ast.Return, scope: Scope, function: Function | None, cls: Class | None, in_try: bool
    ) -> None:
        if node.value is not None:
            if function is not None:
                function.returns.append(node.value)
            call = self.expression(node.value, scope, function, in_try)
            if call is not None:
                call.returned = True

    def statement(
        self, node: ast.Expr, scope: Scope, function: Function | None, cls: Class | None, in_try: bool
    ) -> None:
        value = node.value
        if isinstance(value, ast.Constant):
            return
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in _GROWING:
            self.growth(value, value.func, scope, cls)
        elif isinstance(value, ast.Yield) and value.value is not None and function is not None:
            function.yields.append(value.value)
        self.expression(value, scope, function, in_try)

    def growth(self, call: ast.Call, func: ast.Attribute, scope: Scope, cls: Class | None) -> None:
        """`x.append(y)` and the like grow the list `x`: remembered as additions."""
        if not call.args:
            return
        added = call.args[-1]
        if func.attr in ("append", "insert", "add"):
            added = ast.copy_location(ast.List(elts=[added], ctx=ast.Load()), added)
        binding = Binding("add", call.lineno, added)
        if isinstance(func.value, ast.Name):
            scope.bind(func.value.id, binding)
        elif isinstance(func.value, ast.Attribute) and chain(func.value).startswith("self.") and cls is not None:
            cls.scope.attributes.setdefault(func.value.attr, []).append((binding, scope))

    def import_(
        self, node: ast.Import, scope: Scope, function: Function | None, cls: Class | None, in_try: bool
    ) -> None:
        for alias in node.names:
            root = alias.name.partition(".")[0]
            local = alias.asname or root
            origin = alias.name if alias.asname else root
            self.module.roots.add(root)
            self.module.imported.add(alias.name)
            self.module.imports.setdefault(local, origin)
            scope.bind(local, Binding("import", node.lineno, dotted=origin))

    def import_from(
        self, node: ast.ImportFrom, scope: Scope, function: Function | None, cls: Class | None, in_try: bool
    ) -> None:
        if node.level:
            base = self.package[: len(self.package) - (node.level - 1)] if node.level > 1 else self.package
            prefix = "." + ".".join([*base, *([node.module] if node.module else [])])
        else:
            prefix = node.module or ""
            self.module.roots.add(prefix.partition(".")[0])
            self.module.imported.add(prefix)
        for alias in node.names:
            if alias.name == "*":
                self.module.star_imports.append(prefix)
                continue
            local = alias.asname or alias.name
            origin = f"{prefix}.{alias.name}" if prefix != "." else f".{alias.name}"
            if not node.level:
                self.module.imported.add(origin)
            self.module.imports.setdefault(local, origin)
            scope.bind(local, Binding("import", node.lineno, dotted=origin))

    def expression(self, root: ast.expr, scope: Scope, function: Function | None, in_try: bool) -> Call | None:
        """Collect the calls of an expression; returns the call that the whole expression is, awaited or not."""
        whole = root.value if isinstance(root, ast.Await) else root
        found: Call | None = None
        calls = self.module.calls
        own = function.calls if function is not None else None
        stack: list[ast.AST] = [root]
        while stack:
            node = stack.pop()
            kind = type(node)
            if kind is ast.Name or kind is ast.Constant:
                continue
            if kind is ast.Attribute:
                stack.append(node.value)  # type: ignore[attr-defined]
                continue
            if kind is ast.Call:
                call = Call(node, scope, function, in_try)  # type: ignore[arg-type]
                if node is whole:
                    found = call
                calls.append(call)
                if own is not None:
                    own.append(call)
                stack += [k.value for k in node.keywords]  # type: ignore[attr-defined]
                stack += node.args[::-1]  # type: ignore[attr-defined]
                stack.append(node.func)  # type: ignore[attr-defined]
                continue
            if kind is ast.Lambda:
                self.lambda_(node, scope, function, in_try)  # type: ignore[arg-type]
                continue
            if kind is ast.NamedExpr:
                self.bind_target(node.target, node.value, scope, None, node.lineno)  # type: ignore[attr-defined]
                stack.append(node.value)  # type: ignore[attr-defined]
                continue
            if kind is ast.Subscript:
                self.environ(node, scope)  # type: ignore[arg-type]
            elif kind is ast.comprehension:
                self.bind_target(node.target, node.iter, scope, None, node.target.lineno, "for")  # type: ignore[attr-defined]
            for field in _FIELDS[kind]:
                value = getattr(node, field, None)
                if value.__class__ is list:
                    stack += [item for item in value[::-1] if item is not None and item.__class__ is not str]
                elif isinstance(value, ast.AST):
                    stack.append(value)
        return found

    def environ(self, node: ast.Subscript, scope: Scope, assigned: ast.expr | None = None) -> None:
        """`os.environ["X"]`, by whatever import; the resolver decides later."""
        value = node.value
        last = value.attr if isinstance(value, ast.Attribute) else value.id if isinstance(value, ast.Name) else ""
        if last.endswith("environ") or last == "env":
            self.module.environ.append((node, scope, assigned))

    def lambda_(self, node: ast.Lambda, scope: Scope, function: Function | None, in_try: bool) -> None:
        inner = Scope("function", f"<lambda:{node.lineno}>", scope, self.module)
        made = Function(inner.name, inner, None, node)
        inner.code = made
        made.returns.append(node.body)
        self.module.functions.append(made)
        self.parameters(node.args, inner, scope, function, in_try)
        self.expression(node.body, inner, made, in_try)


_STATEMENTS: Final[dict[type, Callable[..., None]]] = {
    ast.FunctionDef: _Indexer.definition,
    ast.AsyncFunctionDef: _Indexer.definition,
    ast.ClassDef: _Indexer.class_,
    ast.Assign: _Indexer.assign,
    ast.AnnAssign: _Indexer.annotated,
    ast.AugAssign: _Indexer.augmented,
    ast.For: _Indexer.loop,
    ast.AsyncFor: _Indexer.loop,
    ast.With: _Indexer.entering,
    ast.AsyncWith: _Indexer.entering,
    ast.If: _Indexer.branch,
    ast.Try: _Indexer.attempt,
    ast.TryStar: _Indexer.attempt,
    ast.Return: _Indexer.returning,
    ast.Expr: _Indexer.statement,
    ast.Import: _Indexer.import_,
    ast.ImportFrom: _Indexer.import_from,
}


def index(tree: ast.Module, module: Module) -> Module:
    """Fill a module from its tree."""
    _Indexer(module).block(tree.body, module.scope, None, None, False)
    return module


def lighten(module: Module) -> Module:
    """Bring a module into the light form: drop function bodies and what only they need.

    Kept are imports, definitions, module and class bindings of small value, small returned expressions, calls whose
    root is an import of the vocabulary, one that may make an agent, or a builtin that acts, and whole functions that
    hold such a call.
    """
    hot = {
        local
        for local, origin in module.imports.items()
        if is_hot_root(origin.partition(".")[0])
        or is_made_name(origin.rpartition(".")[2])
        or (origin == "pydantic.Field" and "pydantic_settings" in module.roots)
    } | HOT_BUILTINS
    hot |= {cls.name for cls in module.classes if any(root_name(base) in hot for base in cls.bases)}
    hot |= {f.name for f in module.functions if any(_makes(value, hot) for value in f.returns)}
    kept_functions: set[Function] = set()
    calls: list[Call] = []
    imports_hot = any(is_hot_root(root) for root in module.roots)
    for call in module.calls:
        root = root_name(call.node.func)
        if (root in hot and _acts(call.node.func, module)) or (
            imports_hot and isinstance(call.node.func, ast.Attribute) and _bound_hot(call.node.func, call.scope, hot)
        ):
            calls.append(call)
            if call.function is not None:
                kept_functions.add(call.function)
    for function in module.functions:
        function.names = tuple(sorted({text for call in function.calls if (text := chain(call.node.func))}))
        if function in kept_functions:
            continue
        function.node = None
        function.calls = []
        function.returns = [_bare(v, hot) for v in function.returns if _small(v) and _followed(v, function)]
        function.decorators = [_bare(decorator, hot) for decorator in function.decorators]
        function.yields = []
        function.scope.bindings = (
            {name: [b for b in bindings if b.kind == "param"] for name, bindings in function.scope.bindings.items()}
            if function.returns
            else {}
        )
    for scope in (module.scope, *(cls.scope for cls in module.classes)):
        scope.bindings = {
            name: kept
            for name, bindings in scope.bindings.items()
            if (kept := [b for b in bindings if b.value is None or _small(b.value)])
        }
        scope.attributes = {
            name: kept_attributes
            for name, attributes in scope.attributes.items()
            if (
                kept_attributes := [
                    (_bare_binding(b, hot), s) for b, s in attributes if b.value is None or _small(b.value)
                ]
            )
        }
    for cls in module.classes:
        cls.node = None
    module.attributes = [a for a in module.attributes if root_name(a[1]) in hot]
    module.calls = calls
    module.light = True
    return module


def _bound_hot(func: ast.Attribute, scope: Scope, hot: frozenset[str] | set[str]) -> bool:
    """Whether what a method is called on is bound to something made by a hot import: a name, or `self.x`."""
    root = root_name(func)
    named = chain(func).split(".")
    seen: Scope | None = scope
    while seen is not None:
        for binding in seen.bindings.get(root, ()):
            if binding.value is not None and _rooted(binding.value, scope.module.scope, hot):
                return True
        if len(named) > 2 and root in ("self", "cls") and seen.kind == "class":
            made = seen.attributes.get(named[1], ())
            return any(binding.value is not None and root_name(binding.value) in hot for binding, _ in made)
        seen = seen.parent
    return False


def _rooted(value: ast.expr, module: Scope, hot: frozenset[str] | set[str]) -> bool:
    """Whether a value starts at a hot import, or at a name of the module that does: a collection of a client."""
    root = root_name(value)
    if root in hot:
        return True
    return any(b.value is not None and root_name(b.value) in hot for b in module.bindings.get(root, ()))


def _is_class_name(func: ast.expr) -> bool:
    """Whether the last name of what is called is written like a class."""
    return chain(func).rpartition(".")[2][:1].isupper()


def _makes(value: ast.expr, hot: set[str]) -> bool:
    """Whether a returned expression constructs something of a hot import: its function is a factory."""
    return isinstance(value, ast.Call) and root_name(value) in hot and _is_class_name(value.func)


def _bare(value: ast.expr, hot: frozenset[str] | set[str]) -> ast.expr:
    """A call of no interest without its arguments: what is called still leads on."""
    if not isinstance(value, ast.Call) or root_name(value) in hot or not (value.args or value.keywords):
        return value
    return ast.copy_location(ast.Call(func=value.func, args=[], keywords=[]), value)


def _bare_binding(binding: Binding, hot: frozenset[str] | set[str]) -> Binding:
    return binding if binding.value is None else binding._replace(value=_bare(binding.value, hot))


def _acts(callee: ast.expr, module: Module) -> bool:
    """Whether a call into a library of everyday use is one of those that act; all calls into others do."""
    text = chain(callee)
    root, _, rest = text.partition(".")
    origin = module.imports.get(root, root)
    library = origin.partition(".")[0]
    if library not in EVERYDAY_ROOTS:
        return True
    last = (rest or origin).rpartition(".")[2]
    return not text or last in ACTING_NAMES


def _followed(value: ast.expr, function: Function) -> bool:
    """Whether what a function returns can be followed without its body."""
    if isinstance(value, ast.Call | ast.Name | ast.Attribute):
        root = root_name(value)
        module = function.module
        return root in module.scope.bindings or root in module.imports or root in function.parameters
    return not isinstance(value, ast.BinOp)


def _small(value: ast.expr) -> bool:
    return isinstance(value, _LIGHT_VALUE) and (value.end_lineno or value.lineno) - value.lineno < _LIGHT_SPAN


def walk_scope(function: Function) -> Iterator[ast.AST]:
    """Every syntax node in a function's own body, nested functions and classes left out."""
    node = function.node
    if node is None:
        return
    stack: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(reversed(node.body))
    while stack:
        current = stack.pop()
        yield current
        if isinstance(current, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        stack.extend(reversed(list(ast.iter_child_nodes(current))))
