"""The barest form of a file: its imports, classes and their bases, for files without a fact in very large trees."""

from __future__ import annotations

from stratum_lab.scan.source.index import Module


def strip(module: Module) -> bool:
    """Bring a module of the light form into the barest one, unless it holds facts.

    Dropped are its functions, and what names and attributes are assigned: nothing can be followed through them any
    more. Names that it imports from elsewhere can.

    Returns:
        Whether it was: a file that imports a framework or makes a call of interest stays as it is.
    """
    if module.calls or module.environ or module.attributes or module.frameworks:
        return False
    for function in module.functions:
        # A function and its scope know each other, and the collector is off while a tree is read.
        function.scope.code = None
        function.scope.bindings = {}
    module.functions = []
    for cls in module.classes:
        cls.methods = {}
        cls.decorators = []
        cls.scope.attributes = {}
    for scope in (module.scope, *(cls.scope for cls in module.classes)):
        scope.bindings = {
            name: kept
            for name, bindings in scope.bindings.items()
            if (kept := [b for b in bindings if b.kind in ("import", "class")])
        }
    return True
