"""Runs, tasks and hand-overs: who works on what, and for whom."""

from __future__ import annotations

from .. import facts, nodes
from ..wrap import guarded
from .context import enclosing, unset
from .errors import ABORTED, SUCCESS
from .span import Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ..frame import Frame
    from ..nodes import Node
    from .span import Describe

_open_delegations: dict[str, Delegation] = {}


class Execution(Span):
    """A run of a crew, graph, chat or runner: `execution.start` and `execution.end`."""

    kind, opening, closing = "execution", "execution.start", "execution.end"

    def __init__(
        self,
        frame: Frame,
        node: Node,
        payload: Mapping[str, Any],
        describe: Describe | None = None,
        *,
        parent: Any = unset,
    ) -> None:
        super().__init__(frame, node, parent=parent, describe=describe)
        outer = enclosing("execution")
        if outer is not None and outer.node is node and outer.frame is frame:
            self.speaks = False
        self._begin(payload)

    def end_facts(self) -> Mapping[str, Any]:
        """Chunks that were yielded, for streams."""
        return {"chunks_yielded": self.items} if self.items else {}


class Agent(Span):
    """An agent at a task, or a node of a graph: `agent.task_start` and `agent.task_end`."""

    kind, opening, closing, counts = "agent", "agent.task_start", "agent.task_end", True

    def __init__(
        self,
        frame: Frame,
        node: Node,
        *,
        task_name: str | None = None,
        description: str | None = None,
        goal: str | None = None,
        role: str | None = None,
        tools: Sequence[str] = (),
        input_source: str | None = None,
        payload: Mapping[str, Any] | None = None,
        describe: Describe | None = None,
        parent: Any = unset,
    ) -> None:
        super().__init__(frame, node, parent=parent, describe=describe)
        self.attempt = 1
        self.task_parent = self._around()
        told: dict[str, Any] = {
            "node_id": node.id,
            "parent_node_id": self.task_parent,
            "agent_name": node.name,
            "agent_role": None if role is None else nodes.clean(role),
            "task_name": None if task_name is None else nodes.clean(task_name),
            "tools_available": [nodes.clean(tool) for tool in tools],
            "input_source": input_source,
            "attempt": self.attempt if self.attempt > 1 else None,
        }
        if isinstance(description, str):
            told["task_description_hash"] = facts.sha(description)
            told["task_description"] = facts.captured(description, 500)
        if isinstance(goal, str):
            told["agent_goal_hash"] = facts.sha(goal)
            told["agent_goal"] = facts.captured(goal, 500)
        self._begin({**told, **(payload or {})})

    def _around(self) -> str:
        """Id of the agent around this one; an agent that enters itself again keeps the one around its first entry."""
        span = self.parent
        while span is not None and (span.closed or not isinstance(span, Agent)):
            span = span.parent
        if span is None:
            return ""
        if span.node.id == self.node.id:
            self.attempt = span.attempt + 1
            return span.task_parent
        return span.node.id

    def result_facts(self, result: Any) -> Mapping[str, Any]:
        """Hash, type and size of the output."""
        return output_facts(result)

    def end_facts(self) -> Mapping[str, Any]:
        """The node once more (events.md 3.3)."""
        return {"node_id": self.node.id}


def output_facts(result: Any) -> dict[str, Any]:
    """The facts of an agent's output (events.md 3.3): pass its text or structure."""
    told = facts.output(result)
    if told:
        told["output_data_hash"] = told["output_hash"]
        told["result_shape"] = facts.shape(result)
        if isinstance(result, str):
            told["output_text"] = facts.captured(result, facts.PREVIEW_CHARACTERS)
    return told


class Delegation(Span):
    """Work handed from one agent to another: `delegation.initiated` and `delegation.completed`.

    It is not current by itself: whoever opened it closes it when the delegate's turn ends. One that is open when the
    program ends is closed as `aborted`.
    """

    kind, opening, closing = "delegation", "delegation.initiated", "delegation.completed"
    edge = "delegates_to"

    def __init__(
        self,
        frame: Frame,
        source: Node,
        target: Node,
        kind: str,
        *,
        task: Any = None,
        context: Any = None,
        payload: Mapping[str, Any] | None = None,
        describe: Describe | None = None,
    ) -> None:
        self.delegate = target
        super().__init__(frame, source, describe=describe)
        told: dict[str, Any] = {**self.end_facts(), "delegation_type": kind}
        if task is not None:
            told["task_hash"] = told["input_data_hash"] = facts.hashed(task)
        if context is not None:
            seen = facts.output(context)
            told["context_hash"] = seen.get("output_hash")
            told["context_type"] = seen.get("output_type")
            told["context_size_bytes"] = seen.get("output_size_bytes")
        self._begin({**told, **(payload or {})})
        if self.speaks:
            _open_delegations[self.event_id] = self

    def enter(self) -> None:
        """Nothing: a delegation is not current."""

    def target(self) -> Node | None:
        """The delegate."""
        return self.delegate

    def close(self, status: str = SUCCESS, **told: Any) -> None:
        """See `Span`."""
        _open_delegations.pop(self.event_id, None)
        super().close(status, **told)

    def end_facts(self) -> Mapping[str, Any]:
        """Both nodes, on both events."""
        return {
            "delegator": self.node.name,
            "delegate": self.delegate.name,
            "source_node_id": self.node.id,
            "target_node_id": self.delegate.id,
        }


def at_exit() -> None:
    """Close the delegations that are open when the program ends."""
    for delegation in list(_open_delegations.values()):
        guarded("delegation.completed", delegation.close, ABORTED)
