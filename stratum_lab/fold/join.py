"""The join key: when a run-time node and a structural node are the same one (events.md section 2.1).

Ids are equal in most cases; the key covers what differs between source text and run time: lines, aliases of one
framework, roles that are filled in late.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from stratum_lab.fold.services import services

MAX_NAME = 120
"""Characters of a name that are compared."""
FAMILIES = frozenset({
    "crewai", "langgraph", "langchain", "autogen", "openai_agents", "pydantic_ai", "smolagents", "llama_index",
    "semantic_kernel", "agno", "haystack", "google_adk", "openai", "anthropic", "litellm", "generic",
})  # fmt: skip
"""The closed list of families."""
MODEL_FAMILIES = frozenset({"openai", "anthropic", "litellm"})
"""Families whose capabilities are model endpoints, which have no structural counterpart."""
_ALIASES = {
    "ag2": "autogen",
    "pyautogen": "autogen",
    "autogen_agentchat": "autogen",
    "autogen_core": "autogen",
    "autogen_ext": "autogen",
    "langchain.agents.create_agent": "langgraph",  # LangGraph runs it
}
_BY_SERVICE = frozenset({"data_store", "external"})
_NO_FAMILY = frozenset({"capability", "data_store", "external"})
_LIKE_AGENT = frozenset({"step", "group_chat"})
"""Structural types that run time shows as agents."""
_SPACE = re.compile(r"\s+")
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")


class NodeId(NamedTuple):
    """The parts of an id `framework:Name:file:line`, read from the right; missing parts are empty."""

    framework: str
    name: str
    file: str
    line: str


class NodeKey(NamedTuple):
    """What two ids of the same node have in common."""

    family: str
    node_type: str
    name: str


def parse_id(node_id: str) -> NodeId:
    """Take an id apart; names may hold colons, so the last part is the line and the first the framework."""
    parts = node_id.rsplit(":", 2)
    if len(parts) == 3 and ":" in parts[0]:
        framework, name = parts[0].split(":", 1)
        return NodeId(framework, name, parts[1], parts[2].partition("#")[0])
    return NodeId("", node_id, "", "")


def family_of(framework: str) -> str:
    """The family of a framework or of the dotted constructor that an id names."""
    low = framework.strip().casefold()
    return _ALIASES.get(low, low)


def normal_name(name: str, limit: int | None = MAX_NAME) -> str:
    """The form in which names are compared."""
    text = _SPACE.sub(" ", unicodedata.normalize("NFC", name).strip())
    return text.replace(":", "_").casefold()[:limit].rstrip()


def node_key(node_id: str, node_type: str, *, name: str | None = None, service: str | None = None) -> NodeKey:
    """The join key of a node.

    Args:
        node_id: Id as the scanner or the patcher wrote it.
        node_type: Its type.
        name: Name, where it is known apart from the id.
        service: Canonical service, where the scanner knows it.
    """
    parts = parse_id(node_id)
    text = name or parts.name
    if node_type in _BY_SERVICE:
        text = service or services().of_name(text, hosts=node_type == "external")
    family = "" if node_type in _NO_FAMILY else family_of(parts.framework)
    return NodeKey(family, node_type, normal_name(text))


def comparable(key: NodeKey) -> NodeKey:
    """The key under which a node is looked up: steps and group chats show at run time as agents."""
    return key._replace(node_type="agent") if key.node_type in _LIKE_AGENT else key


class NamePattern:
    """A name with placeholders: each stands for any non-empty text."""

    def __init__(self, name: str) -> None:
        self._pieces = _PLACEHOLDER.split(normal_name(name, None))

    @staticmethod
    def in_name(name: str) -> bool:
        """Whether a name has placeholders."""
        return _PLACEHOLDER.search(name) is not None

    def matches(self, name: str) -> bool:
        """Whether a run-time name is an instance. Leftmost search decides, so hostile names cost linear time."""
        text, (first, *middle, last) = normal_name(name, None), self._pieces
        if not text.startswith(first):
            return False
        at = len(first)
        for piece in middle:
            found = text.find(piece, at + 1)
            if found < 0:
                return False
            at = found + len(piece)
        return len(text) - len(last) > at and text.endswith(last)
