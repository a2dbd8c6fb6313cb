"""Frames: what is watched in one framework. A frame declares its hooks; this module applies and undoes them."""

from __future__ import annotations

import importlib
import sys

from . import emit, wrap
from .wrap import NotApplied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType
    from typing import Any, Callable


class Hook:
    """One place where a frame listens.

    Attributes:
        name: Name in `patcher.hook_status`, for example `openai.post`.
        module: Import name of the module after whose import the hook is applied.
        apply: Patches that module; raises `NotApplied` when what it needs is not there.
        library: Distribution whose version is reported; None: the frame's.
    """

    __slots__ = ("apply", "library", "module", "name")

    def __init__(self, name: str, module: str, apply: Callable[[Any], None], library: str | None = None) -> None:
        self.name = name
        self.module = module
        self.apply = apply
        self.library = library


class Frame:
    """What is watched in one framework.

    Attributes:
        name: Name of the frame's module in `frames`.
        family: The `framework` field of its events (events.md section 1).
        library: Distribution it watches.
        hooks: Its hooks.
        suppresses: Kind of fact (`llm`, `tool`, ...) -> frames whose facts of that kind are the same fact when they
            are seen inside one of this frame; they stay silent then.
        benign: Name of an exception class that is control flow -> status of the span that it ends.
    """

    __slots__ = ("benign", "family", "hooks", "library", "name", "suppresses")

    def __init__(
        self,
        name: str,
        family: str,
        library: str,
        hooks: tuple[Hook, ...] = (),
        suppresses: Mapping[str, tuple[str, ...]] | None = None,
        benign: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.family = family
        self.library = library
        self.hooks = hooks
        self.suppresses = suppresses or {}
        self.benign = benign or {}

    def with_hooks(self, hooks: tuple[Hook, ...]) -> Frame:
        """The same frame with its hooks, where what they patch refers to the frame itself."""
        return Frame(self.name, self.family, self.library, hooks, self.suppresses, self.benign)


_told: set[tuple[str, str]] = set()


def apply(frame_module: str, name: str, module: ModuleType) -> None:
    """Apply the hooks that one frame has for a module, and tell what came of each.

    Args:
        frame_module: Name of the module in `frames`.
        name: Import name of the watched module.
        module: The module, imported.
    """
    loaded = wrap.guarded("frame." + frame_module, importlib.import_module, f"{__package__}.frames.{frame_module}")
    if loaded is None:
        return
    frame: Frame = loaded.FRAME
    for hook in frame.hooks:
        if hook.module == name:
            wrap.guarded("hook." + hook.name, _apply, frame, hook, module)


def undo(frame_module: str) -> None:
    """Take back everything that a frame patched."""
    loaded = sys.modules.get(f"{__package__}.frames.{frame_module}")
    if loaded is not None:
        frame: Frame = loaded.FRAME
        for hook in frame.hooks:
            wrap.undo(hook.name)
            _told.difference_update({told for told in _told if told[0] == hook.name})


def _apply(frame: Frame, hook: Hook, module: ModuleType) -> None:
    status, reason = "applied", None
    with wrap.owned_by(hook.name):
        outcome = wrap.attempt(hook.apply, module)
    if isinstance(outcome, (NotApplied, AttributeError, ImportError)):
        status, reason = "not_applied", str(outcome)[:300]
    elif outcome is not None:
        status, reason = "failed", type(outcome).__name__
    if (hook.name, status) in _told:
        return
    _told.add((hook.name, status))
    library = hook.library or frame.library
    payload = {
        "hook": hook.name,
        "target": hook.module,
        "status": status,
        "reason": reason,
        "library": library,
        "version": _version(library, module),
    }
    emit.emit(frame, "patcher.hook_status", payload={k: v for k, v in payload.items() if v is not None})


def _version(library: str, module: ModuleType) -> str | None:
    """Version of a distribution: what the package says of itself, else what is installed."""
    if library == "python":  # the standard library; its modules may be imported by `importlib.metadata` itself
        return "%d.%d.%d" % sys.version_info[:3]
    root = sys.modules.get(module.__name__.partition(".")[0])
    said = getattr(root, "__dict__", {}).get("__version__")
    if isinstance(said, str):
        return said[:100]
    from importlib import metadata

    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None
