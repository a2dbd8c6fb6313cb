"""LangGraph savers that any code constructs, by place: `checkpoint_type` counts them wherever they are handed to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stratum_lab.scan.model import Model

if TYPE_CHECKING:
    from stratum_lab.scan.source.project import Project

_IN_MEMORY: Final = frozenset({"MemorySaver", "InMemorySaver"})


def agents(project: Project, model: Model) -> None:
    """Note every saver that is made: of memory, or of anything that outlives the process."""
    for call, value in project.calls_to("langgraph.*", "langgraph_checkpoint_aws.*", "langgraph_checkpoint_cosmosdb.*"):
        parts = (value.origin or "").split(".")
        name = next((part for part in reversed(parts[-2:]) if part.endswith("Saver")), None)
        if name is not None and value.receiver is None:
            model.checkpoints[call.site] = "memory_only" if name in _IN_MEMORY else "durable"
