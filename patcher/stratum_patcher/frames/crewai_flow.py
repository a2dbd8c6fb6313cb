"""CrewAI flows: their runs, routers and state. A flow's methods are no agents; they enclose the agents they run."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from .. import facts, nodes, spans, wrap
from ..frame import Frame, Hook
from ..nodes import Node
from ..wrap import Call, Watch
from . import crewai_names as names

_OPERATORS = ("OR", "AND", "or", "and")
_OWN = "crewai."
"""Classes of crewai itself: later versions run each agent, and their memory, as a flow."""


def _internal(flow: Any) -> bool:
    return type(flow).__module__.startswith(_OWN)


def flow_node(flow: Any) -> Node:
    """The node of a flow: its class, where that is defined."""
    found = nodes.known(flow)
    if found is None:
        name = names.text(names.field(flow, "name")) or type(flow).__name__
        found = nodes.remember(flow, nodes.node(names.FAMILY, name, nodes.place_of(type(flow))))
    return found


def method_node(flow: Any, name: str) -> Node:
    """The node of a flow's method, where it is defined."""
    found = getattr(type(flow), name, None)
    return nodes.node(names.FAMILY, name, nodes.place_of(found))


def _kickoff(call: Call) -> Watch | None:
    flow = call.instance
    if _internal(flow) or names.field(flow, "stream"):
        return None
    node = flow_node(flow)
    payload = {"flow_name": node.name, "input_shape": facts.shape(call.get("inputs", 0))}
    return spans.Execution(FRAME, node, payload)


class _Method(Watch):
    """A method of a flow at work."""

    def __init__(self, flow: Any, name: str) -> None:
        self.flow = flow
        self.name = name
        self.node = method_node(flow, name)
        self.before = _state(flow)
        self.span = spans.Scope(FRAME, self.node)
        self.error: BaseException | None = None

    def done(self, result: Any) -> Any:
        for key, digest in _state(self.flow).items():
            if self.before.get(key) != digest:
                spans.state(FRAME, self.node, key, "write", _values(self.flow).get(key))
        if _is_router(self.flow, self.name):
            self._route(result[0] if type(result) is tuple and len(result) == 2 else result)
        self.span.close()
        return result

    def failed(self, error: BaseException) -> None:
        self.span.close()
        if spans.status_of(FRAME, error) in (spans.ERROR, spans.TIMEOUT):
            listener = _LISTENER.get()
            if listener is not None and listener.name == self.name:
                listener.fell, self.error = self, error  # whether it is raised is known when the listener ends
            else:
                self.tell(error, "raised")

    def tell(self, error: BaseException, handling: str) -> None:
        """The method failed; this is what became of it."""
        spans.error(FRAME, self.node, error, handling=handling, parent=self.span)

    def _route(self, result: Any) -> None:
        label = names.text(names.field(result, "_value_", result))
        if label is None:
            return
        waiting = _waiting(self.flow)
        chosen = [name for name, waits in waiting.items() if label in waits]
        labels = set(_labels(self.flow, self.name)) or {
            wait for waits in waiting.values() for wait in waits if not hasattr(type(self.flow), wait)
        }
        candidates = [name for name, waits in waiting.items() if labels.intersection(waits)]
        targets: list[Node | None] = [method_node(self.flow, name) for name in chosen]
        for target in targets or [None]:
            spans.route(FRAME, self.node, target, "conditional_edge", "state", candidates=candidates or None)


class _Listener(Watch):
    """A listener of a flow. Until 0.108 crewai prints its error and goes on."""

    def __init__(self, name: Any) -> None:
        self.name = name
        self.fell: _Method | None = None
        self.before = _LISTENER.get()
        _LISTENER.set(self)

    def done(self, result: Any) -> Any:
        _LISTENER.set(self.before)
        if self.fell is not None and self.fell.error is not None:
            self.fell.tell(self.fell.error, "caught_silent")
        return result

    def failed(self, error: BaseException) -> None:
        _LISTENER.set(self.before)
        if self.fell is not None:
            self.fell.tell(error, "raised")


_LISTENER: ContextVar[_Listener | None] = ContextVar("stratum_crewai_listener", default=None)


def _listen(call: Call) -> Watch | None:
    return None if _internal(call.instance) else _Listener(call.get("listener_name", 0))


def _method(call: Call) -> Watch | None:
    name = call.get("method_name", 0)
    if _internal(call.instance) or not isinstance(name, str):
        return None
    return _Method(call.instance, str.__str__(name))


def _values(flow: Any) -> dict[str, Any]:
    """The state's keys and values, as they are stored."""
    state = names.field(flow, "_state")
    if type(state) is dict:
        return {key: value for key, value in state.items() if isinstance(key, str)}
    try:
        held = object.__getattribute__(state, "__dict__")
    except AttributeError:
        return {}
    return dict(held)


def _state(flow: Any) -> dict[str, str | None]:
    return {key: facts.hashed(value) for key, value in _values(flow).items()}


def _definitions(flow: Any) -> dict[str, Any]:
    """Definitions of the methods, of versions that keep a flow's definition as data."""
    methods = names.field(names.field(flow, "_definition"), "methods")
    return methods if isinstance(methods, dict) else {}


def _is_router(flow: Any, name: str) -> bool:
    defined = _definitions(flow)
    if name in defined:
        return names.field(defined[name], "router") is True
    routers = getattr(type(flow), "_routers", None)
    if isinstance(routers, dict):  # 0.80: method it waits for -> router
        return name in routers.values()
    return isinstance(routers, (set, frozenset)) and name in routers


def _labels(flow: Any, name: str) -> list[str]:
    """What a router may answer, where its return statements or its declaration tell."""
    defined = _definitions(flow)
    paths = names.field(defined[name], "emit") if name in defined else None
    if paths is None:
        table = getattr(type(flow), "_router_paths", None)
        paths = table.get(name) if isinstance(table, dict) else None
    return [path for path in paths or () if isinstance(path, str)]


def _waiting(flow: Any) -> dict[str, list[str]]:
    """Methods -> labels and methods that they wait for."""
    defined = _definitions(flow)
    if defined:
        return {str(name): _named(names.field(entry, "listen")) for name, entry in defined.items()}
    listeners = getattr(type(flow), "_listeners", None)
    return {name: _named(condition) for name, condition in listeners.items()} if isinstance(listeners, dict) else {}


def _named(condition: Any, depth: int = 0) -> list[str]:
    """Every name in a condition, whatever it is nested in."""
    if isinstance(condition, str):
        return [] if condition in _OPERATORS else [str.__str__(condition)]
    parts = condition.values() if type(condition) is dict else condition if isinstance(condition, (list, tuple)) else ()
    return [name for part in parts for name in _named(part, depth + 1)] if depth < 20 else []


def _flows(module: Any) -> None:
    wrap.method(module.Flow, "kickoff_async", _kickoff)
    wrap.method(module.Flow, "_execute_method", _method)
    wrap.method(module.Flow, "_execute_single_listener", _listen)


FRAME = Frame(
    "crewai_flow",
    names.FAMILY,
    "crewai",
    (
        Hook("crewai.flow", "crewai.flow.runtime", _flows),
        Hook("crewai.flow@0.121", "crewai.flow.flow", _flows),
    ),
    benign={"HumanFeedbackPending": spans.SUCCESS},
)
