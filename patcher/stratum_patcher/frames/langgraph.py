"""LangGraph, 0.2 to 1.x: runs of graphs, turns of their nodes, state, routes and hand-overs.

A callback handler for all runs would be the official way. It is not taken: it shows in `config["callbacks"]`, which
node functions are given, it does not know which graph a node belongs to, and in asynchronous graphs it is told of ends
in another context. What it would hear is read where it is said: at `Pregel`, `run_with_retry`, `Branch._finish`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from ..frame import Frame, Hook
from . import langgraph_graphs as graphs
from . import langgraph_routes as routes
from . import langgraph_runs as runs
from . import langgraph_turns as turns


def _runs(module: Any) -> None:
    runs.watch_runs(FRAME, module)


def _turns(module: Any) -> None:
    turns.watch_turns(FRAME, module)


def _attempts(module: Any) -> None:
    turns.watch_attempts(FRAME, module)


def _control(module: Any) -> None:
    routes.watch_control(FRAME, module)


def _branch(class_name: str, module: Any) -> None:
    routes.watch_branch(FRAME, class_name, module)


FRAME = Frame(
    name="langgraph",
    family="langgraph",
    library="langgraph",
    hooks=(
        Hook("langgraph.graphs", "langgraph.graph.state", graphs.watch_builder),
        Hook("langgraph.graphs@plain", "langgraph.graph.graph", graphs.watch_plain_builder),
        Hook("langgraph.prebuilt", "langgraph.prebuilt.chat_agent_executor", graphs.watch_prebuilt),
        Hook("langgraph.create_agent", "langchain.agents.factory", graphs.watch_created, library="langchain"),
        Hook("langgraph.runs", "langgraph.pregel.main", _runs),
        Hook("langgraph.runs@0.2", "langgraph.pregel", _runs),
        Hook("langgraph.turns", "langgraph.pregel._retry", _turns),
        Hook("langgraph.turns@0.2", "langgraph.pregel.retry", _turns),
        Hook("langgraph.attempts", "langgraph._internal._runnable", _attempts),
        Hook("langgraph.attempts@0.2", "langgraph.utils.runnable", _attempts),
        Hook("langgraph.branch", "langgraph.graph._branch", partial(_branch, "BranchSpec")),
        Hook("langgraph.branch@0.3", "langgraph.graph.branch", partial(_branch, "Branch")),
        Hook("langgraph.branch@0.2", "langgraph.graph.graph", partial(_branch, "Branch")),
        Hook("langgraph.commands", "langgraph.graph.state", _control),
    ),
    benign={
        "ParentCommand": "success",
        "GraphInterrupt": "cancelled",
        "NodeInterrupt": "cancelled",
        "GraphBubbleUp": "cancelled",
    },
)
