"""Nodes and their ids: `framework:Name:file:line`, the same object the same id (events.md section 2)."""

from __future__ import annotations

import os
import sys
import weakref
from types import CodeType, FunctionType

from ._start import SETTINGS
from .emit import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Place = tuple[str, int]
"""A repository-relative file and a line; what `NOWHERE` says when there is none."""
NOWHERE: Place = ("-", 0)
MAX_NAME = 120
"""Characters of a name in an id."""
_SECRET_LENGTH = 8
"""Shorter names hold no secret."""
_KEPT = 20_000
"""How many nodes, names and files are remembered."""
_HELD = 1000
"""How many objects that allow no weak reference are remembered; only these are kept alive."""

_WRAPPED = 20
"""Decorators around a function that are looked behind."""
_ASKED = ("__getattr__", "__getattribute__", "__wrapped__", "__func__", "__code__")

_PACKAGE = os.path.dirname(os.path.abspath(__file__))


def _under(folder: str) -> str:
    return folder.rstrip(os.sep) + os.sep


def _root() -> str:
    return _under(os.path.realpath(SETTINGS.get("STRATUM_REPO_ROOT") or SETTINGS.get("start_directory") or os.getcwd()))


ROOT = _root()
"""The repository's folder, with a slash at its end."""
_STANDARD = _under(os.path.realpath(os.path.dirname(os.__file__)))
_INSTALLED = ("site-packages" + os.sep, "dist-packages" + os.sep)


class Node:
    """A node of an event.

    Attributes:
        id: `framework:Name:file:line`.
        type: `agent`, `capability`, `data_store`, `external`, `mcp_server` or `guardrail`.
        name: The object's name, whitespace collapsed.
        json: The three as JSON text.
    """

    __slots__ = ("id", "json", "name", "type")

    def __init__(self, identity: str, node_type: str, name: str) -> None:
        self.id = identity
        self.type = node_type
        self.name = name
        kind, shown = quote(node_type), quote(name)
        self.json = f'{{"node_type":{kind},"node_id":{quote(identity)},"node_name":{shown}}}'

    def __repr__(self) -> str:
        return f"Node({self.id!r}, {self.type!r})"


_nodes: dict[tuple[str, str, Place, str], Node] = {}
_of_object: dict[int, tuple[Any, Node]] = {}
_of_held: dict[int, tuple[Any, Node]] = {}
_of_name: dict[tuple[str, str, str], dict[str, Node]] = {}
_of_file: dict[str, str | None] = {}
_of_library: dict[str, tuple[str, str] | None] = {}


def clean(name: object) -> str:
    """A name as ids hold it, the colons still in it: NFC, whitespace collapsed, at most 120 characters."""
    text = name if type(name) is str else str.__str__(name) if isinstance(name, str) else type(name).__name__
    if len(text) > 100 * MAX_NAME:
        text = text[: 100 * MAX_NAME]
    if not text.isascii():
        from unicodedata import normalize

        text = normalize("NFC", text)
    text = " ".join(text.split())
    if len(text) >= _SECRET_LENGTH:
        from .scrubbing import scrub_name

        text = scrub_name(text[: 2 * MAX_NAME])
    return text[:MAX_NAME].rstrip()


def node(family: str, name: object, place: Place = NOWHERE, node_type: str = "agent") -> Node:
    """The node of that name and place.

    Args:
        family: Framework of the id.
        name: Name as the framework knows it.
        place: Where it is constructed or defined in the repository.
        node_type: Type of the node.
    """
    key = (family, name if type(name) is str else clean(name), place, node_type)
    found = _nodes.get(key)
    if found is None:
        shown = clean(name) or "unnamed"
        found = Node(f"{family}:{shown.replace(':', '_')}:{place[0]}:{place[1]}", node_type, shown)
        if len(_nodes) > _KEPT:
            _nodes.clear()
        _nodes[key] = found
    return found


def here() -> Place:
    """The innermost frame inside the repository, or `NOWHERE`."""
    frame = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        file = _of_file[path] if path in _of_file else _repository_file(path)
        if file is not None:
            return file, frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]
    return NOWHERE


def caller(packages: tuple[str, ...]) -> Place:
    """The nearest frame outside the named packages, ours and the standard library.

    Args:
        packages: Top-level names of the client library and what it stands on.

    Returns:
        File relative to the repository, else to the folder of packages it lies in.
    """
    frame = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        file = _of_file[path] if path in _of_file else _repository_file(path)
        if file is not None:
            return file, frame.f_lineno
        library = _of_library[path] if path in _of_library else _library_file(path)
        if library is not None and library[0] not in packages:
            return library[1], frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]
    return NOWHERE


def place_of(thing: Any) -> Place:
    """Where a function or class is defined, if inside the repository; decorated functions by what they wrap."""
    for _ in range(_WRAPPED):
        if issubclass(type(thing), type):
            return _class_place(thing)
        if _answers_itself(thing):
            return NOWHERE
        inner = getattr(thing, "__wrapped__", None)
        inner = getattr(thing, "__func__", None) if inner is None else inner
        if inner is None:
            break
        thing = inner
    code = getattr(thing, "__code__", None)
    if not isinstance(code, CodeType):
        return NOWHERE
    file = _repository_file(code.co_filename)
    return NOWHERE if file is None else (file, code.co_firstlineno)


def _answers_itself(thing: Any) -> bool:
    """Whether asking an object for an attribute would run code of its class: proxies, mocks, tools that are objects."""
    return any(
        isinstance(vars(cls).get(name), (FunctionType, property)) for cls in type(thing).__mro__ for name in _ASKED
    )


def _class_place(thing: type) -> Place:
    module = sys.modules.get(thing.__module__)
    file = relative(getattr(module, "__file__", None) or "")
    if file is None:
        return NOWHERE
    line = vars(thing).get("__firstlineno__")
    if not isinstance(line, int):
        import inspect

        try:
            line = inspect.getsourcelines(thing)[1]
        except (OSError, TypeError, IndexError, SyntaxError):
            line = 0
    return file, line


def relative(path: str) -> str | None:
    """A file's path relative to the repository; None when it is no source of the repository."""
    if not path or path.startswith("<"):
        return None
    if not path.startswith(ROOT):
        path = os.path.realpath(path)
        if not path.startswith(ROOT):
            return None
    if path.startswith((_PACKAGE + os.sep, _STANDARD)) or any(part in path for part in _INSTALLED):
        return None
    return path[len(ROOT) :].replace(os.sep, "/")


def _repository_file(path: str) -> str | None:
    file = relative(path)
    if len(_of_file) > _KEPT:
        _of_file.clear()
    _of_file[path] = file
    return file


def _library_file(path: str) -> tuple[str, str] | None:
    """Top-level package and package-relative path of a library's file; None for the standard library and ours."""
    found = None
    if not path.startswith(("<", _PACKAGE + os.sep)):
        shown = path.replace(os.sep, "/")
        for part in _INSTALLED:
            at = shown.rfind("/" + part)
            if at >= 0:
                shown = shown[at + 1 + len(part) :]
                found = (shown.partition("/")[0].partition(".")[0], shown)
                break
        else:
            if not os.path.realpath(path).startswith(_STANDARD):
                found = ("", shown.rpartition("/")[2])
    if len(_of_library) > _KEPT:
        _of_library.clear()
    _of_library[path] = found
    return found


def remember(thing: Any, found: Node) -> Node:
    """Note the node of an object for as long as the object lives.

    Args:
        thing: The object; it is not kept alive, unless it allows no weak reference (the last 1,000 such are kept).
        found: Its node.

    Returns:
        The node.
    """
    identity = id(thing)

    def forget(_: Any, identity: int = identity) -> None:
        _of_object.pop(identity, None)

    try:
        _of_object[identity] = (weakref.ref(thing, forget), found)
    except TypeError:
        _of_held.pop(identity, None)
        if len(_of_held) >= _HELD:
            _of_held.pop(next(iter(list(_of_held))), None)  # a copy: other threads may add meanwhile
        _of_held[identity] = (thing, found)
    family = found.id.partition(":")[0]
    if len(_of_name) > _KEPT:
        _of_name.clear()
    _of_name.setdefault((family, found.type, found.name), {})[found.id] = found
    return found


def known(thing: Any) -> Node | None:
    """The remembered node of an object."""
    entry = _of_object.get(id(thing))
    if entry is not None and entry[0]() is thing:
        return entry[1]
    kept = _of_held.get(id(thing))
    return kept[1] if kept is not None and kept[0] is thing else None


def named(family: str, name: object, node_type: str = "agent") -> Node | None:
    """The only remembered node of that name; None when there is none, or several."""
    found = _of_name.get((family, node_type, clean(name)))
    return next(iter(found.values())) if found is not None and len(found) == 1 else None


def of(thing: Any, family: str, name: object, node_type: str = "agent") -> Node:
    """The node of an object: the remembered one, else the only one of that name, else one without a place."""
    return known(thing) or named(family, name, node_type) or node(family, name, NOWHERE, node_type)


def program() -> Node:
    """The program itself: who uses a tool that no agent uses."""
    main = getattr(sys.modules.get("__main__"), "__file__", None) or ""
    return node("generic", "program", (relative(main) or "-", 0))
