"""The light form of a module, which large trees get for files of little interest (docs/adr/0007-static-scanner.md)."""

from __future__ import annotations

import ast

from stratum_lab.scan.source.index import Binding, Call, Function, Module, Scope, chain, root_name
from stratum_lab.scan.source.vocabulary import (
    ACTING_NAMES,
    EVERYDAY_ROOTS,
    HOT_BUILTINS,
    is_hot_root,
    is_made_name,
)

_LIGHT_VALUE = (ast.Call, ast.Name, ast.Attribute, ast.List, ast.Tuple, ast.Constant, ast.BinOp, ast.Set, ast.Dict)
_LIGHT_SPAN = 12
"""Lines a value may span to be kept in the light form."""


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
