"""The modules of a project by dotted name, and what an import of one of them gives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from stratum_lab.scan.source.index import Module, Scope
from stratum_lab.scan.source.vocabulary import is_framework_root, is_hot_root

if TYPE_CHECKING:
    from stratum_lab.scan.source.resolve import Resolver, Value

_LOCAL_NAMES_WIN = frozenset({"agents"})
"""Framework roots that are also everyday folder names: there the repository's own package wins."""
_LAYOUT_FOLDERS = ("", "src", "lib", "app", "backend", "python")


class ModuleTable:
    """Finds the repository's module that an import means, as Python would from the importing file's place.

    An absolute import is looked up from the importing file's folder and the folders around it, and from a `src` folder
    in each. Frameworks are external, even in a repository that holds a framework's own source, except inside it.
    """

    def __init__(self, modules: Iterable[Module]) -> None:
        self.all: list[Module] = sorted(modules, key=lambda m: m.path)
        self.by_name: dict[str, Module] = {}
        self.by_path: dict[str, Module] = {m.path: m for m in self.all}
        self._by_last: dict[str, list[Module]] = {}
        self._packages: set[str] = set()
        for module in self.all:
            self.by_name.setdefault(module.name, module)
            self._by_last.setdefault(module.name.rpartition(".")[2], []).append(module)
            if module.path.endswith("__init__.py"):
                self._packages.add(module.path.rpartition("/")[0])
        self._found: dict[tuple[str, str], Module | None] = {}
        self._running: set[tuple[str, str]] = set()

    def find(self, dotted: str, importer: Module) -> Module | None:
        """The repository's module of exactly this name, seen from an importing module; None when it is external."""
        if dotted.startswith("."):
            return self.by_name.get(dotted[1:])
        folder = importer.path.rpartition("/")[0]
        key = (folder, dotted)
        if key not in self._found:
            self._found[key] = self._find(dotted, folder, importer)
        return self._found[key]

    def _find(self, dotted: str, folder: str, importer: Module) -> Module | None:
        root = dotted.partition(".")[0]
        parts = folder.split("/") if folder else []
        if is_framework_root(root) and root not in _LOCAL_NAMES_WIN and root not in parts:
            return None
        for depth in range(len(parts), -1, -1):
            base = "/".join(parts[:depth])
            for layout in _LAYOUT_FOLDERS:
                above = "/".join(p for p in (base, layout) if p)
                inside = depth == len(parts) and root not in _LOCAL_NAMES_WIN
                if depth and not layout and above in self._packages and inside:
                    continue  # inside a package an absolute import does not see its siblings
                name = ".".join(p for p in (above.replace("/", "."), dotted) if p)
                module = self.by_name.get(name)
                if module is not None and module is not importer:
                    return module
        beside = self.by_name.get(".".join((*parts, dotted)))  # a script that is run from its own package's folder
        if beside is not None and beside is not importer:
            return beside
        if is_hot_root(root):
            return None
        ends = "." + dotted
        candidates = [m for m in self._by_last.get(dotted.rpartition(".")[2], ()) if m.name.endswith(ends)]
        return candidates[0] if len(candidates) == 1 and "." in dotted else None

    def imported(self, dotted: str, importer: Module, resolver: Resolver) -> Value:
        """What `dotted` is when a module imports it."""
        from stratum_lab.scan.source.resolve import NOTHING, Value  # the two refer to each other

        bound = None if dotted.partition(".")[0] in _LOCAL_NAMES_WIN else self._bound(dotted, importer, resolver)
        if bound is not None:
            return bound
        text = dotted
        rest: list[str] = []
        while text and text != ".":
            module = self.find(text, importer)
            if module is not None:
                value = self._descend(module, rest, resolver)
                if rest and self._leaves_library(module, importer, dotted, value.known):
                    return Value("external", dotted)
                return value
            text, _, last = text.rpartition(".")
            rest.insert(0, last)
        if dotted.startswith("."):
            return NOTHING
        return Value("external", dotted)

    def _bound(self, dotted: str, importer: Module, resolver: Resolver) -> Value | None:
        """What a package binds under a submodule's name (`from .triage import triage`): it hides the submodule."""
        prefix, _, last = dotted.rpartition(".")
        package = self.find(prefix, importer) if prefix.strip(".") else None
        if package is None or package is importer or last not in package.scope.bindings:
            return None
        value = self.attribute(package, last, resolver)
        return value if value.known and value.kind != "module" else None

    def _leaves_library(self, module: Module, importer: Module, dotted: str, defines: bool) -> bool:
        """Whether a local `agents` inside a package leaves the library of that name importable (`app/agents/`).

        It hides the library only from files beside it, which may run as scripts, and only what it defines.
        """
        folder = module.path.removesuffix("/__init__.py").rpartition("/")[0]
        if dotted.partition(".")[0] not in _LOCAL_NAMES_WIN or folder not in self._packages:
            return False
        return not defines or importer.path.rpartition("/")[0] != folder

    def _descend(self, module: Module, rest: list[str], resolver: Resolver) -> Value:
        from stratum_lab.scan.source.resolve import Value  # the two refer to each other

        value = Value("module", module.name, module=module)
        for name in rest:
            value = resolver.attribute(value, name)
        return value

    def attribute(self, module: Module, name: str, resolver: Resolver) -> Value:
        """A name of a module: a binding, else a submodule."""
        from stratum_lab.scan.source.resolve import NOTHING, Value  # the two refer to each other

        key = (module.path, name)
        if key in self._running:
            return NOTHING
        self._running.add(key)
        try:
            value = resolver.name(name, module.scope)
        finally:
            self._running.discard(key)
        if value.known and not (value.origin or "").startswith("builtins."):
            return value
        sub = self.by_name.get(f"{module.name}.{name}") if module.path.endswith("__init__.py") else None
        return Value("module", sub.name, module=sub) if sub is not None else value

    def member(self, prefix: str, name: str, importer: Module, resolver: Resolver) -> Value:
        """A name that a star import of `prefix` may bring; external prefixes bring nothing that is known."""
        from stratum_lab.scan.source.resolve import NOTHING  # the two refer to each other

        module = self.find(prefix, importer)
        if module is None or module is importer:
            return NOTHING
        return self.attribute(module, name, resolver)

    def assignment(self, dotted: str, importer: Module) -> tuple[str, Scope] | None:
        """The name and module scope that an imported dotted name stands for, followed through re-exports."""
        for _ in range(8):
            prefix, _, name = dotted.rpartition(".")
            module = self.find(prefix, importer) if prefix else None
            if module is None or name not in module.scope.bindings:
                return None
            binding = module.scope.bindings[name][-1]
            if binding.kind != "import":
                return name, module.scope
            dotted, importer = binding.dotted, module
        return None
