"""Import roots that make a file worth keeping in full: frameworks, model clients, stores, and libraries that act.

Only the first component of a dotted name is compared; detectors compare full names.
"""

from __future__ import annotations

from typing import Final

FRAMEWORK_ROOTS = frozenset({
    "crewai", "crewai_tools", "langgraph", "langgraph_supervisor", "langgraph_swarm", "langchain", "langchain_core",
    "langchain_community", "langchain_experimental", "langchain_classic", "autogen", "pyautogen", "autogen_agentchat",
    "autogen_core", "autogen_ext", "ag2", "agents", "openai", "pydantic_ai", "llama_index", "smolagents",
    "semantic_kernel", "agno", "phi", "phidata", "haystack", "google", "anthropic", "litellm", "mistralai", "groq",
    "cohere", "together", "ollama", "mcp", "fastmcp", "huggingface_hub", "boto3", "vertexai", "mcp_use",
})  # fmt: skip
"""Frameworks and model clients: files that import one are kept as long as there is room."""

ACTING_ROOTS = frozenset({
    "requests", "httpx", "aiohttp", "urllib", "smtplib", "sendgrid", "resend", "slack_sdk", "slack_bolt", "twilio",
    "psycopg", "psycopg2", "sqlalchemy", "pymongo", "motor", "sqlite3", "mysql", "redis", "asyncpg", "subprocess",
    "os", "shutil", "pathlib", "stripe", "paypalrestsdk", "square", "braintree", "adyen", "plaid", "fhirclient", "hl7",
    "hl7apy", "pydicom", "hvac", "azure", "keyring", "chromadb", "pinecone", "weaviate", "qdrant_client", "pgvector",
    "lancedb", "faiss", "pymilvus", "mem0", "zep", "zep_python", "zep_cloud", "langsmith", "langfuse", "arize",
    "phoenix", "galileo", "braintrust", "wandb", "mlflow", "ddtrace", "datadog", "opentelemetry", "openinference",
    "helicone", "agentops", "logfire", "ragas", "deepeval", "promptfoo", "trulens", "trulens_eval", "trl",
    "nemoguardrails", "guardrails", "llm_guard", "rebuff", "presidio_analyzer", "discord", "telegram", "telebot",
    "simple_salesforce", "hubspot", "github", "jira", "wikipedia", "arxiv", "O365", "exchangelib", "imaplib", "poplib",
    "googleapiclient", "bs4", "playwright", "selenium", "tavily", "exa_py", "firecrawl", "duckduckgo_search", "ddgs",
    "serpapi", "pydantic_settings", "docker", "e2b", "e2b_code_interpreter", "ftplib", "paramiko", "pysqlite3",
    "setuptools", "distutils",
})  # fmt: skip
"""Libraries whose calls are facts (capabilities, stores, telemetry, evaluation)."""

HOT_BUILTINS = frozenset({"open", "exec", "eval", "compile"})
"""Builtins whose calls are facts."""

EVERYDAY_ROOTS = frozenset({"os", "pathlib", "shutil", "urllib"})
"""Libraries that nearly every file uses: only some of their calls are facts."""

ACTING_NAMES = frozenset({
    "system", "popen", "remove", "unlink", "rmdir", "removedirs", "rename", "replace", "environ", "getenv", "listdir",
    "walk", "scandir", "execv", "execve", "execvp", "execl", "execlp", "spawnl", "spawnv", "rmtree", "move", "copy",
    "copyfile", "copytree", "urlopen", "urlretrieve", "Request", "write_text", "write_bytes", "read_text", "read_bytes",
    "iterdir", "glob", "rglob", "get", "setdefault", "putenv", "startfile",
})  # fmt: skip
"""Last names of their calls that are facts."""


_MADE_ENDINGS = ("Agent", "Crew", "Team", "Executor", "Workflow", "GroupChat", "Graph", "_agent")


def is_made_name(name: str) -> bool:
    """Whether an imported name may make an agent or crew although a module of the repository hands it on."""
    return name.endswith(_MADE_ENDINGS)


STAR_EXPORTS: Final[dict[str, frozenset[str]]] = {
    "crewai": frozenset({"Agent", "Crew", "Task", "Process", "LLM", "BaseLLM", "Flow", "Knowledge", "Memory"}),
    "crewai.project": frozenset({
        "CrewBase", "agent", "crew", "task", "tool", "llm", "callback", "cache_handler", "output_json",
        "output_pydantic", "before_kickoff", "after_kickoff",
    }),
    "crewai.flow": frozenset({"Flow", "start", "listen", "router", "or_", "and_", "persist"}),
    "crewai.flow.flow": frozenset({"Flow", "start", "listen", "router", "or_", "and_"}),
    "crewai_tools": frozenset({
        "SerperDevTool", "ScrapeWebsiteTool", "WebsiteSearchTool", "FileReadTool", "FileWriterTool",
        "DirectoryReadTool", "DirectorySearchTool", "PDFSearchTool", "TXTSearchTool", "CSVSearchTool", "JSONSearchTool",
        "DOCXSearchTool", "MDXSearchTool", "RagTool", "CodeInterpreterTool", "CodeDocsSearchTool", "GithubSearchTool",
        "EXASearchTool", "YoutubeVideoSearchTool", "YoutubeChannelSearchTool", "PGSearchTool", "NL2SQLTool",
        "MCPServerAdapter",
    }),
    "langgraph.graph": frozenset({"StateGraph", "MessageGraph", "MessagesState", "START", "END", "add_messages"}),
    "agents": frozenset({"Agent", "Runner", "function_tool", "handoff", "trace", "WebSearchTool", "FileSearchTool"}),
    "autogen": frozenset({"AssistantAgent", "UserProxyAgent", "ConversableAgent", "GroupChat", "GroupChatManager"}),
}  # fmt: skip
"""What `from x import *` is known to bring of a framework: the names detectors look for."""


def is_framework_root(root: str) -> bool:
    """Whether an import root is a framework or model client; LangChain's vendor packages by prefix."""
    return root in FRAMEWORK_ROOTS or root.startswith("langchain_")


def is_hot_root(root: str) -> bool:
    """Whether calls rooted in this import are facts."""
    return is_framework_root(root) or root in ACTING_ROOTS
