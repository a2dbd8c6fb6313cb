"""Makes the index of one Python file in one pass over its tree."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Final

from stratum_lab.scan.source.index import Binding, BindingKind, Call, Class, Function, Module, Scope, chain

_FIELDS: Final[dict[type, tuple[str, ...]]] = {
    kind: tuple(field for field in kind._fields if field not in ("ctx", "op", "ops", "kind", "type_comment"))
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}
_GROWING = frozenset({"append", "extend", "insert", "add", "update"})


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
