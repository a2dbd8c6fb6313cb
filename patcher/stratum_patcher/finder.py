"""The import finder: when a module that a frame watches has been imported, the frame's hooks are applied to it."""

import sys

TYPE_CHECKING = False  # `typing` itself costs more than the rest of the start
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, Optional


class Finder:
    """First entry of `sys.meta_path`; answers only for the watched modules, by asking the finders after it."""

    stratum = True

    def __init__(self, targets: "dict[str, tuple[str, ...]]") -> None:
        self._targets = targets
        self._asking: set[str] = set()

    def find_spec(
        self, name: str, path: "Optional[Sequence[str]]" = None, target: "Optional[ModuleType]" = None
    ) -> "Optional[ModuleSpec]":
        """The spec that the other finders give, with a loader that tells when the module is there."""
        if name not in self._targets or name in self._asking:
            return None
        self._asking.add(name)
        try:
            for finder in list(sys.meta_path):
                if finder is self:
                    continue
                find = getattr(finder, "find_spec", None)
                spec: Optional[ModuleSpec] = find(name, path, target) if find is not None else None
                if spec is not None:
                    if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                        spec.loader = Loader(spec.loader, self._targets[name])  # type: ignore[assignment]
                    return spec
        finally:
            self._asking.discard(name)
        return None

    def look_at_loaded(self) -> None:
        """Apply the hooks of modules that were imported before this finder was there."""
        for name in self._targets:
            if name in sys.modules:
                _arrived(sys.modules[name], name, self._targets[name])


class Loader:
    """A module's own loader; applies hooks after the module ran, then gives the module its own loader back."""

    def __init__(self, loader: "Any", frames: "Iterable[str]") -> None:
        self._loader = loader
        self._frames = frames

    def create_module(self, spec: "ModuleSpec") -> "Optional[ModuleType]":
        """What the own loader creates."""
        return self._loader.create_module(spec) if hasattr(self._loader, "create_module") else None

    def exec_module(self, module: "ModuleType") -> None:
        """Run the module by its own loader, then apply the hooks."""
        spec = module.__spec__
        if spec is not None:
            spec.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        _arrived(sys.modules.get(module.__name__, module), module.__name__, self._frames)

    def __getattr__(self, name: str) -> "Any":
        if name == "_loader":  # a copy under construction has none yet
            raise AttributeError(name)
        return getattr(self._loader, name)


Loader.exec_module.__code__ = Loader.exec_module.__code__.replace(co_filename="<frozen importlib._bootstrap_external>")
"""Python cuts the frames of its own importing out of tracebacks and does not count them for a warning's `stacklevel`;
it knows them by this file name."""


def _arrived(module: "ModuleType", name: str, frames: "Iterable[str]") -> None:
    if name == "threading":  # in almost every program, some at start: the frames are not loaded for it
        from .threads import watch

        if watch(module):
            return
    try:
        from .frame import apply
    except ImportError:  # the program forbids imports
        return
    for frame in frames:
        apply(frame, name, module)
