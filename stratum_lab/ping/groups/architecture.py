"""Fields of group architecture: agents, crews and the archetype."""

from __future__ import annotations

from stratum_lab.ping.counting import descending
from stratum_lab.ping.crews import crews
from stratum_lab.scan.model import Capability
from stratum_lab.scan.result import Scan

_MAIL = frozenset({"gmail", "o365", "slack", "email"})
_DATABASES = frozenset({
    "chroma", "faiss", "lancedb", "milvus", "mongodb", "mysql", "pgvector", "pinecone", "postgresql", "qdrant", "redis",
    "sql", "sqlite", "vector_store", "weaviate",
})  # fmt: skip
"""Services that are a database or a vector store."""


def agent_count(scan: Scan) -> int:
    """Distinct definition sites."""
    return len(scan.model.agents)


def crew_count(scan: Scan) -> int:
    """Groups of at least one agent."""
    return len(crews(scan))


def crew_size_distribution(scan: Scan) -> list[int]:
    """Agents per crew."""
    return descending(len(set(crew.members)) for crew in crews(scan))


def _reads(capability: Capability, services: frozenset[str]) -> bool:
    return capability.kind == "data_access" and not services.isdisjoint(capability.all_services)


def archetype_class(scan: Scan) -> str:
    """First rule that fits (finding_rules.md D2); custom without agents."""
    agents, capabilities = agent_count(scan), scan.model.capabilities
    if not agents:
        return "custom"
    outbound = any(c.kind == "outbound" for c in capabilities)
    stores = any(_reads(c, _DATABASES) for c in capabilities)
    rules = (
        ("multi_agent_orchestrator", agents >= 2),
        ("code_agent", any(c.kind == "code_exec" for c in capabilities)),
        ("email_processor", outbound and any(_reads(c, _MAIL) for c in capabilities)),
        ("data_pipeline", outbound and stores),
        ("rag_chatbot", stores),
        ("research_agent", outbound and all(c.kind == "outbound" for c in capabilities)),
    )
    return next((name for name, fits in rules if fits), "custom")
