"""Which frameworks a repository uses (A2), how many of its files import each, and the version it asks for.

Tests and vendored copies are no evidence: what only they import is not what the repository is built on.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final, NamedTuple

from stratum_lab.scan.detect.dependencies import dependencies, lowest
from stratum_lab.scan.source.loader import is_excluded

if TYPE_CHECKING:
    from stratum_lab.scan.model import Model
    from stratum_lab.scan.source.index import Module
    from stratum_lab.scan.source.project import Project


class Framework(NamedTuple):
    """One row of A2.

    Attributes:
        module: Its detector's name, as agents carry it.
        display: Its name in a ping.
        prefixes: Dotted module prefixes whose import is evidence.
        distributions: Distributions that bring it, the one that gives its version first.
        by_dependency: A dependency on one of them is evidence by itself.
    """

    module: str
    display: str
    prefixes: tuple[str, ...]
    distributions: tuple[str, ...]
    by_dependency: bool = False


_LANGCHAIN = ("langchain", "langchain_core", "langchain_community", "langchain_experimental", "langchain_classic")
_AUTOGEN = ("autogen", "pyautogen", "autogen_agentchat", "autogen_core", "autogen_ext", "ag2")
FRAMEWORKS: Final = (
    Framework("crewai", "CrewAI", ("crewai", "crewai_tools"), ("crewai", "crewai-tools"), by_dependency=True),
    Framework("langgraph", "LangGraph", ("langgraph", "langgraph_supervisor", "langgraph_swarm"),
              ("langgraph", "langgraph-supervisor", "langgraph-swarm")),
    Framework("langchain", "LangChain", _LANGCHAIN, tuple(n.replace("_", "-") for n in _LANGCHAIN), by_dependency=True),
    Framework("autogen", "AutoGen", _AUTOGEN, ("autogen-agentchat", "pyautogen", "ag2", "autogen", "autogen-core",
                                               "autogen-ext")),
    Framework("openai_agents", "OpenAI Agents SDK", ("agents",), ("openai-agents",), by_dependency=True),
    Framework("openai", "OpenAI", ("openai",), ("openai",)),
    Framework("pydantic_ai", "PydanticAI", ("pydantic_ai",), ("pydantic-ai", "pydantic-ai-slim")),
    Framework("llama_index", "LlamaIndex", ("llama_index",), ("llama-index", "llama-index-core")),
    Framework("smolagents", "SmolAgents", ("smolagents",), ("smolagents",)),
    Framework("semantic_kernel", "Semantic Kernel", ("semantic_kernel",), ("semantic-kernel",)),
    Framework("agno", "Agno", ("agno", "phi", "phidata"), ("agno", "phidata")),
    Framework("haystack", "Haystack", ("haystack",), ("haystack-ai", "farm-haystack")),
    Framework("google_adk", "Google ADK", ("google.adk",), ("google-adk",)),
)  # fmt: skip
"""Every framework, in the order of A2."""
DISPLAY: Final = {framework.module: framework.display for framework in FRAMEWORKS}
_SDK_NAMES: Final = frozenset({f"agents.{name}" for name in ("Agent", "Runner", "function_tool", "handoff", "trace")})


def last(project: Project, model: Model) -> None:
    """Fill frameworks and versions, once it is known what agents are built on."""
    asked = dependencies(project)
    named = {dependency.name for dependency in asked}
    built_on = {agent.framework for agent in model.agents}
    evident = _by_files(project)
    for framework in FRAMEWORKS:
        count = len(_importing(project, framework))
        depends = framework.by_dependency and any(_names(framework, name) for name in named)
        if framework.module == "openai":
            # A client alone is a provider; only agents built on it make it a framework.
            if framework.module not in built_on:
                continue
        elif not (count or depends or framework.module in evident or framework.module in built_on):
            continue
        model.frameworks[framework.display] = count
        model.framework_versions[framework.display] = lowest(asked, framework.distributions)


def _names(framework: Framework, distribution: str) -> bool:
    vendor = framework.module == "langchain" and distribution.startswith("langchain-")
    return distribution in framework.distributions or vendor


def _importing(project: Project, framework: Framework) -> list[Module]:
    """Files that import a framework in any scope, tests and vendored copies left out."""
    prefixes = framework.prefixes
    if framework.module == "langchain":
        prefixes += tuple({r for m in project.modules for r in m.roots if r.startswith("langchain_")})
    found = [module for module in project.modules_importing(*prefixes) if not module.excluded]
    if framework.module == "openai_agents":
        found = [module for module in found if _imports_agents(project, module)]
    return found


def _imports_agents(project: Project, module: Module) -> bool:
    """`agents` is the SDK when one of its own names comes from it and the repository has no package of that name."""
    if project.table.find("agents", module) is not None:
        return False
    if any(origin in _SDK_NAMES for origin in module.imports.values()):
        return True
    origins = (project.callee(call).origin or "" for call in module.calls) if "agents" in module.imported else ()
    return any(".".join(origin.split(".")[:2]) in _SDK_NAMES for origin in origins)


def _by_files(project: Project) -> set[str]:
    """Frameworks that a configuration file gives away: an agents and tasks pair, langgraph.json, OAI_CONFIG_LIST."""
    found: set[str] = set()
    for path in project.paths:
        if is_excluded(path):
            continue
        folder, name = posixpath.split(path)
        if name == "langgraph.json":
            found.add("langgraph")
        elif name == "OAI_CONFIG_LIST" or name.startswith("OAI_CONFIG_LIST."):
            found.add("autogen")
        elif name in ("agents.yaml", "agents.yml") and any(
            posixpath.join(folder, tasks) in project.paths for tasks in ("tasks.yaml", "tasks.yml")
        ):
            found.add("crewai")
    return found
