"""Runs of compiled graphs: `execution.start/end`, and for agents that the library built a task of the agent itself."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .. import facts, nodes, spans, wrap
from ..wrap import Watch
from . import langgraph_graphs as graphs
from . import langgraph_names as names

if TYPE_CHECKING:
    from ..frame import Frame
    from ..wrap import Call


class Run(spans.Execution):
    """One run of a graph, and what its nodes have to know of each other.

    Attributes:
        graph: What is known of the graph.
        identity: `id` of the compiled graph.
        agent: The agent for which the graph's nodes work, when the library built the graph.
        handed: Node name -> delegations to that node that are open.
        sources: Node name -> (step, names of the nodes of that step whose output led there).
    """

    def __init__(
        self, frame: Frame, graph: names.Graph, node: nodes.Node, identity: int, payload: dict[str, Any]
    ) -> None:
        self.graph = graph
        self.identity = identity
        self.handed: dict[str, list[spans.Delegation]] = {}
        self.sources: dict[str, tuple[Any, list[str]]] = {}
        around = spans.current()
        self.within = around if isinstance(around, spans.Agent) and around.node is node else None
        self.agent: nodes.Node | None = node if graph.prebuilt else None
        super().__init__(frame, node, payload)

    def _begin(self, payload: Any) -> None:
        """A graph that is itself the node that runs it is told by that node's task alone."""
        if self.within is not None:
            self.speaks = False
        super()._begin(payload)

    def close(self, status: str = spans.SUCCESS, **told: Any) -> None:
        """See `Span`. What was handed to nodes that never ran ends with the run."""
        for delegations in self.handed.values():
            for delegation in delegations:
                delegation.close(spans.ABORTED)
        self.handed.clear()
        super().close(status, **told)

    def leads(self, source: str, target: str, step: Any) -> None:
        """Note that the output of one node is the input of another.

        Args:
            source: Name of the node that ran.
            target: Name of the node that follows.
            step: Number of the step in which it ran.
        """
        before = self.sources.get(target)
        if before is None or before[0] != step:
            self.sources[target] = (step, [source])
        elif source not in before[1]:
            before[1].append(source)

    def source_of(self, name: str) -> str | None:
        """Id of the node whose output is the input of a node; of several the one that was added last."""
        found = self.sources.get(name)
        if found is None:
            return None
        order = list(self.graph.members)
        last = max(found[1], key=lambda each: order.index(each) if each in order else -1)
        return self.graph.member(last).id


class _Both(Watch):
    """A run of an agent that the library built: the graph and the agent begin and end together."""

    __slots__ = ("run", "task")

    def __init__(self, run: Run, task: spans.Agent) -> None:
        self.run = run
        self.task = task

    def done(self, result: Any) -> Any:
        self.task.done(result)
        return self.run.done(result)

    def failed(self, error: BaseException) -> None:
        self.task.failed(error)
        self.run.failed(error)

    def item(self, value: Any) -> None:
        self.run.item(value)

    def pause(self) -> None:
        self.task.leave()
        self.run.leave()

    def resume(self) -> None:
        self.run.enter()
        self.task.enter()


def run_around() -> Run | None:
    """The innermost run of a graph around here."""
    span = spans.current()
    while span is not None and not (isinstance(span, Run) and not span.closed):
        span = span.parent
    return span


def _start(frame: Frame, mode: str, asynchronous: bool, call: Call) -> Watch | None:
    runnable = call.instance
    around = spans.current()
    inner = around.parent if isinstance(around, spans.Agent) and isinstance(around.parent, Run) else around
    if isinstance(inner, Run) and inner.identity == id(runnable):
        return None
    graph = names.graph_of(names.owner_of(runnable))
    node = graphs.node_of(graph, runnable)
    given = call.get("input", 0)
    config = call.get("config", 1)
    members = [name for name in getattr(runnable, "nodes", ()) if name != names.START]
    run = Run(
        frame,
        graph,
        node,
        id(runnable),
        {
            "graph_name": node.name,
            "input_shape": facts.shape(given),
            "mode": mode,
            "async": True if asynchronous else None,
            "node_count": len(members),
            "node_names": [nodes.clean(name) for name in members[:20]],
            "config_keys": sorted(key for key in config if isinstance(key, str))[:10]
            if isinstance(config, dict)
            else [],
        },
    )
    if not graph.prebuilt or run.within is not None:
        return run
    task = spans.Agent(frame, run.node, tools=graph.all_tools(), payload={"input_shape": facts.shape(given)})
    return _Both(run, task)


def watch_runs(frame: Frame, module: Any) -> None:
    """Hook of the modules that may define `Pregel`.

    Args:
        frame: Who emits.
        module: The module.
    """
    wrap.method(module.Pregel, "invoke", partial(_start, frame, "sync", False))
    wrap.method(module.Pregel, "ainvoke", partial(_start, frame, "async", True))
    wrap.method(module.Pregel, "stream", partial(_start, frame, "stream", False))
    wrap.method(module.Pregel, "astream", partial(_start, frame, "stream", True))
