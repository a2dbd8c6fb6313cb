"""What the index of one Python file holds: scopes, bindings, functions, classes and calls.

A file is indexed in full (`indexer`), and in large trees brought into the light form (`light`): there function bodies
are dropped, and of their calls only those into libraries of the vocabulary and the names of the others stay.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Literal, NamedTuple

from stratum_lab.scan.model import Site
from stratum_lab.scan.source.vocabulary import (
    is_framework_root,
)

ScopeKind = Literal["module", "class", "function"]
BindingKind = Literal["assign", "add", "import", "function", "class", "param", "for", "with", "unpack"]
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

PROPERTIES = frozenset({"property", "cached_property"})
"""Last names of decorators that make a method an attribute."""


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
