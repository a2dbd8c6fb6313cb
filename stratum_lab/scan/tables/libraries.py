"""Libraries whose calls are capabilities: which method of which library does what, and to which canonical service.

Services that the table of services knows by library are not repeated here. Only the origin of a call decides, that is
the import it was resolved to; arguments are the business of `capabilities_calls`.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from stratum_lab.fold.services import services
from stratum_lab.scan.model import CapabilityKind

Argument = Literal["", "url", "sql", "mode", "written", "host"]


class Use(NamedTuple):
    """What one call does.

    Attributes:
        kind: Kind of capability.
        service: Canonical service, "" when there is none.
        argument: What its arguments still decide: an address, an SQL text, a file mode or a mail host;
            "written" is a file opened for writing in any case.
        channel: People-facing channel it sends through.
        draft: It only drafts.
        fetches: It brings untrusted content in.
    """

    kind: CapabilityKind
    service: str = ""
    argument: Argument = ""
    channel: str = ""
    draft: bool = False
    fetches: bool = False


class Library(NamedTuple):
    """The methods of one library that matter; `service` overrides the table of services."""

    methods: tuple[tuple[re.Pattern[str], Use], ...]
    service: str = ""


def _library(service: str = "", **rows: str) -> Library:
    uses = {
        "outbound": Use("outbound"),
        "fetch": Use("outbound", fetches=True),
        "read": Use("data_access"),
        "sql": Use("data_access", argument="sql"),
        "destroy": Use("destructive"),
        "pay": Use("financial"),
        "run": Use("code_exec"),
        "list": Use("file_system"),
        "email": Use("outbound", channel="email"),
        "draft": Use("outbound", channel="email", draft=True),
        "slack": Use("outbound", channel="slack"),
        "sms": Use("outbound", channel="sms"),
        "discord": Use("outbound", channel="discord"),
        "telegram": Use("outbound", channel="telegram"),
        "http": Use("outbound", argument="url"),
        "get": Use("outbound", argument="url", fetches=True),
        "mode": Use("file_system", argument="mode"),
        "write": Use("file_system", argument="written"),
        "mailbox": Use("data_access", argument="host"),
    }
    return Library(tuple((re.compile(pattern), uses[row]) for row, pattern in rows.items()), service)


_HTTP = _library(
    "web",
    get=r"(get|request|urlopen|urlretrieve|stream|send|ws_connect)$",
    http=r"(post|put|patch|delete|head)$",
)
_SQL = _library(
    sql=r"execute\w*$",
    read=r"(query|find|fetch|connect|aggregate|scalar|count_documents|distinct)\w*$",
    destroy=r"(delete|drop|remove)\w*$",
)
_REDIS = _library(
    read=r"(m?get|hm?get|hgetall|[lz]range|smembers|keys|scan\w*|xread|query|find|fetch\w*|connect|execute_command)$",
    destroy=r"(delete|unlink|hdel|flushdb|flushall|srem|zrem)$",
)
_VECTORS = _library(
    read=r"(query\w*|a?search\w*|a?similarity_search\w*|a?max_marginal_relevance_search\w*|retrieve|as_retriever|get|"
    r"get_relevant_documents|scroll|as_query_engine|peek|fetch_objects|near_text|hybrid|bm25)$",
    destroy=r"(delete\w*|drop\w*|remove\w*|reset)$",
)
_PAY = _library(
    read=r"(\w+_)?(list|retrieve|get|search|find|all|auto_paging_iter)(_\w+)?$",
    pay=r"(\w+_)?(create|confirm|capture|cancel|refund\w*|pay|payments?|transfer|charge|update|modify|delete|execute|"
    r"sale|send|submit\w*|void|approve|authorize|payouts?|reverse|finalize\w*|complete|process|order)(_\w+)?$",
)
_HEALTH = _library(read=r"(read\w*|dcmread|parse\w*|search|perform\w*|get|where|fetch\w*|load\w*)$")
_SECRETS = _library(read=r"(read\w*|get\w*|list\w*|access_secret_version)$")
_CRM = _library(
    read=r"(query\w*|get\w*|search\w*|list\w*|find\w*|describe\w*)$",
    outbound=r"(create\w*|update\w*|upsert\w*|post|send\w*)$",
)
_TRACKER = _library(
    read=r"(get_\w+|search\w*|issues?|projects?)$",
    outbound=r"(create_\w+|add_\w+|edit|merge|transition_issue|post\w*)$",
)
_SEARCH = _library(
    fetch=r"(search\w*|text|news|images|videos|answers|get_search_context|qna_search|extract|crawl\w*|scrape\w*|map_url|"
    r"get_dict|get_json|find_similar\w*|get_contents|results|summary|page|invoke|run|get_transcript|fetch)$",
)
_FILES = _library(
    "local_files",
    destroy=r"(remove|unlink|rmdir|removedirs|rmtree)$",
    mode=r"open$",
    write=r"write_(text|bytes)$",
    list=r"(listdir|walk|scandir|i?glob|rglob|iterdir|read_(text|bytes))$",
    run=r"(system|popen|exec[lv]p?e?|spawn\w+|posix_spawnp?)$",
)
_SLACK = _library(
    slack=r"(chat_\w+|files_upload\w*|send\w*|post|request|api_call|say)$",
    read=r"(conversations_(history|replies|list|members|info)|users_\w+|search_\w+|files_(list|info))$",
)
_MAILBOX = _library(
    email=r"(send\w*|reply\w*|forward)$",
    draft=r"save_draft$",
    read=r"(get_\w+|all|filter|list_\w+|search\w*)$",
)

LIBRARIES: Final[dict[str, Library]] = {
    "requests": _HTTP,
    "httpx": _HTTP,
    "aiohttp": _HTTP,
    "urllib.request": _HTTP,
    "smtplib": _library(email=r"(sendmail|send_message)$"),
    "sendgrid": _library(email=r"(send|post)$"),
    "resend": _library(email=r"(send|create)$"),
    "slack_sdk": _SLACK,
    "slack_bolt": _SLACK,
    "twilio": _library(sms=r"(create|send\w*)$"),
    "discord": _library(discord=r"send\w*$"),
    "telegram": _library(telegram=r"(send_\w+|reply_\w+)$"),
    "telebot": _library(telegram=r"(send_\w+|reply_\w+)$"),
    "telethon": _library(telegram=r"send_\w+$"),
    "psycopg": _SQL,
    "psycopg2": _SQL,
    "sqlalchemy": _SQL,
    "pymongo": _SQL,
    "motor": _SQL,
    "sqlite3": _SQL,
    "mysql.connector": _SQL,
    "pymysql": _SQL,
    "asyncpg": _SQL,
    "redis": _REDIS,
    "chromadb": _VECTORS,
    "pinecone": _VECTORS,
    "weaviate": _VECTORS,
    "qdrant_client": _VECTORS,
    "pgvector": _VECTORS,
    "lancedb": _VECTORS,
    "faiss": _VECTORS,
    "pymilvus": _VECTORS,
    "langchain_chroma": _VECTORS,
    "langchain_pinecone": _VECTORS,
    "langchain_qdrant": _VECTORS,
    "langchain_weaviate": _VECTORS,
    "langchain_milvus": _VECTORS,
    "langchain_postgres": _VECTORS,
    "langchain.vectorstores": _VECTORS,
    "langchain_community.vectorstores": _VECTORS,
    "langchain_core.vectorstores": _VECTORS,
    "llama_index.vector_stores": _VECTORS,
    "llama_index.core": _library("vector_store", read=r"(as_query_engine|as_retriever|as_chat_engine|query|retrieve)$"),
    "stripe": _PAY,
    "paypalrestsdk": _PAY,
    "square": _PAY,
    "braintree": _PAY,
    "adyen": _PAY,
    "Adyen": _PAY,
    "plaid": _PAY,
    "fhirclient": _HEALTH,
    "hl7": _HEALTH,
    "hl7apy": _HEALTH,
    "pydicom": _HEALTH,
    "hvac": _SECRETS,
    "google.cloud.secretmanager": _SECRETS,
    "azure.keyvault": _SECRETS,
    "keyring": _SECRETS,
    "boto3": _library("secret_store", read=r"(batch_)?get_secret_value$"),
    "simple_salesforce": _CRM,
    "hubspot": _CRM,
    "pipedrive": _CRM,
    "O365": _MAILBOX,
    "exchangelib": _MAILBOX,
    "github": _TRACKER,
    "jira": _TRACKER,
    "imaplib": _library("email", mailbox=r"(fetch|search|select|uid)$"),
    "poplib": _library("email", mailbox=r"(retr|list|top)$"),
    "tavily": _SEARCH,
    "exa_py": _SEARCH,
    "duckduckgo_search": _SEARCH,
    "ddgs": _SEARCH,
    "serpapi": _SEARCH,
    "firecrawl": _SEARCH,
    "wikipedia": _SEARCH,
    "arxiv": _SEARCH,
    "youtube_transcript_api": _SEARCH,
    "playwright": _library("web", fetch=r"goto$"),
    "selenium": _library("web", fetch=r"get$"),
    "subprocess": _library(run=r"(run|call|Popen|check_call|check_output|getoutput|getstatusoutput)$"),
    "asyncio": _library(run=r"create_subprocess_(exec|shell)$"),
    "os": _FILES,
    "builtins": _library("local_files", mode=r"open$", run=r"(exec|eval)$"),
    "io": _FILES,
    "shutil": _FILES,
    "pathlib": _FILES,
    "glob": _FILES,
}
"""By dotted prefix of the origin; the longest prefix decides."""
DATABASES: Final = ("psycopg", "psycopg2", "sqlalchemy", "pymongo", "motor", "sqlite3", "mysql", "asyncpg", "pymysql")
"""Imports beside which destructive SQL in a string is evidence."""
TIMED: Final = {"requests": False, "urllib.request": False, "httpx": True, "aiohttp": True}
"""Libraries of which a call's timeout is judged, with whether they have one by default."""
PATTERNS: Final = tuple(f"{prefix}.*" for prefix in LIBRARIES)
"""For `Project.calls_to`."""
_FLAT: Final = frozenset({"builtins", "os", "shutil", "subprocess", "glob"})
"""Modules whose own functions matter, not methods of what they return."""
_HTTP_METHODS: Final = frozenset(
    {"get", "post", "put", "patch", "delete", "head", "request", "send", "urlopen", "stream"}
)


def use_of(origin: str) -> Use | None:
    """What a call of this origin does, None when nothing that counts.

    Args:
        origin: Dotted origin of the callee, such as "requests.Session.get".
    """
    found = _library_of(origin)
    if found is None:
        return None
    prefix, library = found
    before, _, method = origin[len(prefix) + 1 :].rpartition(".")
    if _is_of_a_result(prefix, library, before.split("."), method):
        return None
    for pattern, use in library.methods:
        if pattern.match(method):
            service = "" if use.kind == "code_exec" else library.service or _service(prefix, before)
            return use._replace(service=service)
    return None


def _is_of_a_result(prefix: str, library: Library, before: list[str], method: str) -> bool:
    """Whether a method is of what another call gave: of a response, of a dict that was read, of an opened file."""
    if prefix in _FLAT:
        return before != [""]
    if library is _HTTP:
        return not _HTTP_METHODS.isdisjoint(before)
    return method == "get" and any(pattern.match(part) for part in before for pattern, _ in library.methods)


def library_of(origin: str) -> str:
    """The prefix of the table that an origin falls under, "" when none."""
    found = _library_of(origin)
    return found[0] if found is not None else ""


def _library_of(origin: str) -> tuple[str, Library] | None:
    parts = origin.split(".")
    for n in range(min(3, len(parts) - 1), 0, -1):
        library = LIBRARIES.get(".".join(parts[:n]))
        if library is not None:
            return ".".join(parts[:n]), library
    return None


def _service(prefix: str, before: str) -> str:
    """Service of a library; of a vector store of LangChain or LlamaIndex, by its class or module."""
    table = services()
    if prefix.startswith(("langchain", "llama_index")):
        names = [prefix.removeprefix("langchain_"), *before.casefold().split(".")]
        return next((known for name in names if "." not in name and (known := table.of_library(name))), "vector_store")
    return table.of_library(prefix) or prefix
