"""LangChain, core 0.3 to 1.x: tools, models, retrievers and `AgentExecutor`; what LangGraph runs is `langgraph`'s.

Its callbacks are not used: a handler for all runs shows in the callbacks that the program's own code is given, and
says nothing of who catches an error.
"""

from __future__ import annotations

from typing import Any

from ..frame import Frame, Hook
from . import langchain_agents as agents
from . import langchain_models as models
from . import langchain_retrieval as retrieval
from . import langchain_tools as tools


def _tools(module: Any) -> None:
    tools.watch_tools(FRAME, module)


def _tool_node(module: Any) -> None:
    tools.watch_tool_node(FRAME, module)


def _chat_models(module: Any) -> None:
    models.watch_chat_models(FRAME, module)


def _text_models(module: Any) -> None:
    models.watch_text_models(FRAME, module)


def _retrievers(module: Any) -> None:
    retrieval.watch_retrievers(FRAME, module)


def _executor(module: Any) -> None:
    agents.watch_executor(FRAME, module)


FRAME = Frame(
    name="langchain",
    family="langchain",
    library="langchain-core",
    hooks=(
        Hook("langchain.tools", "langchain_core.tools.base", _tools),
        Hook("langchain.tool_node", "langgraph.prebuilt.tool_node", _tool_node, library="langgraph"),
        Hook("langchain.chat_models", "langchain_core.language_models.chat_models", _chat_models),
        Hook("langchain.text_models", "langchain_core.language_models.llms", _text_models),
        Hook("langchain.retrievers", "langchain_core.retrievers", _retrievers),
        Hook("langchain.executor", "langchain.agents.agent", _executor, library="langchain"),
        Hook("langchain.executor@classic", "langchain_classic.agents.agent", _executor, library="langchain-classic"),
    ),
    benign={"GraphInterrupt": "cancelled", "NodeInterrupt": "cancelled", "GraphBubbleUp": "cancelled"},
)
