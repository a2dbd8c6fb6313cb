"""Memory stores (A11): objects of recognised libraries, and what is written to and read from them.

A method counts only on a receiver that resolves to a store. Collections of one name in one library and unit are one
store, wherever they are opened; so is one object, wherever it is imported.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.telemetry import import_line
from stratum_lab.scan.model import Agent, MemoryStore, Model, Site, StoreAccess

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call, Function
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.value import Value

KINDS: Final = {
    "vector_memory": (
        "chromadb", "pinecone", "weaviate", "qdrant_client", "pgvector", "lancedb", "faiss", "pymilvus",
        "langchain.vectorstores", "langchain_community.vectorstores", "langchain_classic.vectorstores",
        "langchain_core.vectorstores", "langchain_chroma", "langchain_pinecone", "langchain_weaviate",
        "langchain_qdrant", "langchain_milvus", "langchain_postgres", "llama_index.vector_stores",
        "llama_index.core.vector_stores",
    ),
    "conversation_memory": ("langchain.memory", "langchain_classic.memory"),
    "agent_memory": ("mem0", "zep", "zep_python", "zep_cloud"),
    "index_memory": ("llama_index.storage", "llama_index.core.storage", "llama_index.core.StorageContext"),
    "kv_memory": (
        "redis", "langchain_redis.RedisChatMessageHistory",
        "langchain_community.chat_message_histories.RedisChatMessageHistory",
        "langchain_community.chat_message_histories.redis",
    ),
}  # fmt: skip
"""Store modules of A11 by kind, and the packages the same classes have moved to."""
WRITES: Final = frozenset({
    "add", "add_texts", "add_documents", "upsert", "insert", "put", "set", "update", "persist", "save_context",
    "add_message", "add_user_message", "add_ai_message", "add_messages", "aadd_texts", "aadd_documents",
    "asave_context", "from_documents", "from_texts", "afrom_documents", "afrom_texts", "upsert_vectors",
    "upload_points", "hset", "rpush", "lpush", "setex", "add_memory",
})  # fmt: skip
READS: Final = frozenset({
    "query", "search", "similarity_search", "retrieve", "as_retriever", "get", "get_relevant_documents",
    "load_memory_variables", "query_points", "similarity_search_with_score", "asimilarity_search",
    "similarity_search_by_vector", "max_marginal_relevance_search", "aget_relevant_documents", "hget", "hgetall",
    "lrange", "peek", "fetch", "scroll", "get_all", "search_memory",
})  # fmt: skip
_COLLECTIONS: Final = frozenset({
    "get_or_create_collection", "create_collection", "get_collection", "Index", "create_table", "open_table", "create",
    "use", "recreate_collection", "create_index",
})  # fmt: skip
"""Methods that open or make a collection; their first argument or `name` names it."""
_CREATING: Final = _COLLECTIONS - {"get_collection", "open_table", "use", "Index"}
_NAMING: Final = ("collection_name", "index_name", "table_name", "class_name", "collection", "session_id")
_STORE_CLASS: Final = re.compile(
    r"(?:Async|Persistent|Http|Ephemeral|AsyncHttp|Milvus|Qdrant|AsyncQdrant|Weaviate|Memory|AsyncMemory|Zep|AsyncZep)?Client"
    r"|Index\w*|Pinecone\w*|Collection|Chroma|FAISS|Qdrant|Milvus|Weaviate|PGVector|LanceDB|Memory|AsyncMemory|Zep"
    r"|AsyncZep|StorageContext|(?:Strict)?Redis|\w+(?:VectorStore|Store|Memory|History)"
)
"""Classes that are stores or clients of one; the others of these libraries are settings, schemas and filters."""
_FACTORY: Final = re.compile(r"a?from_\w+|read_index|connect\w*|index_factory|use_async_with_local")
_ROLLBACK: Final = re.compile(r"(?:^|_)(?:snapshots?|backups?|restore|rollback|version)(?:_|$)")
_STATE_KEY: Final = re.compile(
    r"(?i)(?:^|[^a-z])(?:chats?|histor(?:y|ies)|sessions?|memor(?:y|ies)|conversations?|state|messages?|context)(?:[^a-z]|$)"
)


def last(project: Project, model: Model) -> None:
    """Register stores with their accesses, once agents and their tools are known."""
    finder = _Finder(project, model)
    for kind, prefixes in KINDS.items():
        for call, value in project.calls_to(*(p for prefix in prefixes for p in (prefix, f"{prefix}.*"))):
            finder.take(call, value, kind)
    model.stores += finder.finish()
    for kind, prefixes in KINDS.items():
        if kind != "kv_memory" and not any(store.kind == kind for store in model.stores):
            _imported(project, model, kind, prefixes)


def _imported(project: Project, model: Model, kind: str, prefixes: tuple[str, ...]) -> None:
    """A store module that is imported although nothing is made of it counts as a store without collections."""
    for module in project.modules_importing(*prefixes):
        if not module.excluded:
            found = next(p for p in prefixes if any(n == p or n.startswith(p + ".") for n in module.imported))
            site = Site(module.path, import_line(module, (found,)))
            unit = project.unit_of(module.path)
            model.stores.append(MemoryStore(site, kind, _library(found + ".X"), unit, constructed=False))
            return


class _Finder:
    """Collects stores by identity: (unit, library, collection) where it has a name, else the place it is made."""

    def __init__(self, project: Project, model: Model) -> None:
        self.project = project
        self.resolver = project.resolver
        self.model = model
        self.stores: dict[object, MemoryStore] = {}
        self.opened: set[int] = set()  # syntax nodes: calls of one chain stand at one place
        self.creating: set[Site] = set()
        self.touching: dict[Function, list[MemoryStore]] = {}
        self.holders = _holders(project, model)

    def take(self, call: Call, callee: Value, kind: str) -> None:
        """Sort one call into the library: it makes a store, opens a collection of one, or uses one."""
        origin = callee.origin or ""
        method = origin.rpartition(".")[2]
        receiver = callee.receiver
        if receiver is None or receiver.kind != "instance":
            if _STORE_CLASS.fullmatch(_class_of(origin)) or _FACTORY.fullmatch(method):
                self._made(call, origin, method, kind)
        elif _opens(receiver, method):
            store = self._opened(call, receiver, origin, method, kind)
            store.arguments = tuple(dict.fromkeys((*store.arguments, *call.keywords())))
            if method in _CREATING:
                store.site = min(call.site, store.site) if store.site in self.creating else call.site
                self.creating.add(call.site)
            self._touch(call, store)
        else:
            self._used(call, receiver, origin, method, kind)

    def _made(self, call: Call, origin: str, method: str, kind: str) -> None:
        """A constructor or factory; the clients given to it are not stores beside it."""
        name = self._text(call.arg("name", 0), call) if method in _COLLECTIONS else self._named(call)
        store = self._store(call, origin, kind, name)
        store.arguments = tuple(dict.fromkeys((*store.arguments, *call.keywords())))
        for given in (*call.node.args, *(k.value for k in call.node.keywords)):
            made = self.resolver.resolve(given, call.scope).call
            if made is not None:
                self.opened.add(id(made.node))
        self._touch(call, store)
        if method in WRITES:
            self._record(call, store, method, store.writes)

    def _opened(self, call: Call, receiver: Value, origin: str, method: str, kind: str) -> MemoryStore:
        given = call.arg("name", 0) or call.arg("collection_name")
        name = self._text(given, call)
        if receiver.call is None:
            return self._store(call, origin, kind, name)
        self.opened.add(id(receiver.call.node))
        # A name that is no literal is one collection wherever the same expression opens it on the same client.
        unnamed = (id(receiver.call.node), ast.unparse(given)) if given is not None else None
        return self._store(call, origin, kind, name, unnamed)

    def _used(self, call: Call, receiver: Value, origin: str, method: str, kind: str) -> None:
        store = self._of(receiver, call, kind)
        if store is None:
            return
        self._touch(call, store)
        if _ROLLBACK.search(method) or any(_ROLLBACK.search(name) for name in call.keywords()):
            store.rollback = True
        if _root(store) == "redis" and not self._is_state(call):
            return
        if method in WRITES:
            self._record(call, store, method, store.writes)
        elif method in READS or (method in ("invoke", "ainvoke") and ".as_retriever" in origin):
            self._record(call, store, method, store.reads)

    def _of(self, receiver: Value, call: Call, kind: str) -> MemoryStore | None:
        """The store a receiver is: a collection, the one that this call names, or the object itself."""
        made, origin = receiver.call, receiver.origin or ""
        if made is None:
            return None
        above = receiver.receiver
        if above is not None and above.kind == "instance":
            method = origin.rpartition(".")[2]
            if _opens(above, method):
                return self._opened(made, above, origin, method, kind)
            return self._of(above, call, kind)  # a retriever or a part of a store stands for the store
        own, here = self._named(made), self._named(call)
        if own is None and here is not None:
            self.opened.add(id(made.node))
            return self._store(call, origin, kind, here)
        return self._store(made, origin, kind, own)

    def _store(self, call: Call, origin: str, kind: str, name: str | None, unnamed: object = None) -> MemoryStore:
        library = _library(origin)
        unit = self.project.unit_of(call.module.path)
        key = (unnamed or id(call.node)) if name is None else (unit, library.partition(".")[0], name)
        if key not in self.stores:
            self.stores[key] = MemoryStore(call.site, kind, library, unit, name or "")
        return self.stores[key]

    def _named(self, call: Call) -> str | None:
        return next((text for name in _NAMING if (text := self._text(call.arg(name), call)) is not None), None)

    def _text(self, given: ast.expr | None, call: Call) -> str | None:
        text = self.resolver.text(given, call.scope) if given is not None else None
        return text if text and "{" not in text else None

    def _record(self, call: Call, store: MemoryStore, method: str, accesses: list[StoreAccess]) -> None:
        arguments = tuple(dict.fromkeys((*call.keywords(), *self._nested(call))))
        function = call.function
        agents = self.holders.get(function, []) if function is not None else []
        scopes: list[tuple[str, Agent | None]] = [(agent.symbol, agent) for agent in agents]
        scopes = scopes or [(function.qualname if function is not None else call.module.path, None)]
        accesses += [StoreAccess(call.site, method, scope, agent, arguments) for scope, agent in scopes]

    def _nested(self, call: Call) -> Iterator[str]:
        """Argument names and text keys inside the arguments: `Document(metadata=...)`, `{"metadata": ...}`."""
        for given in (*call.node.args, *(k.value for k in call.node.keywords)):
            value = self.resolver.resolve(given, call.scope)
            for root in (given, value.node if value.node is not None else given):
                for node in ast.walk(root):
                    if isinstance(node, ast.keyword) and node.arg is not None:
                        yield node.arg
                    elif isinstance(node, ast.Dict):
                        yield from (
                            k.value for k in node.keys if isinstance(k, ast.Constant) and isinstance(k.value, str)
                        )

    def _touch(self, call: Call, store: MemoryStore) -> None:
        if call.function is not None:
            self.touching.setdefault(call.function, []).append(store)

    def _is_state(self, call: Call) -> bool:
        key = call.arg("name", 0)
        text = self.resolver.text(key, call.scope) if key is not None else None
        return text is not None and _STATE_KEY.search(text) is not None

    def finish(self) -> list[MemoryStore]:
        """The stores: without clients that only open collections, without a Redis that keeps no state."""
        for function, stores in self.touching.items():
            if _ROLLBACK.search(function.name.lower()):
                for store in stores:
                    store.rollback = True
        kept = [
            store
            for key, store in self.stores.items()
            if store.writes or store.reads or (key not in self.opened and _root(store) != "redis")
        ]
        for store in kept:
            store.writes.sort(key=lambda access: (access.site, access.scope))
            store.reads.sort(key=lambda access: (access.site, access.scope))
        return sorted(kept, key=lambda store: store.site)


def _opens(receiver: Value, method: str) -> bool:
    """Whether a method opens or makes a collection; `create`, `use` and `get` do on a Weaviate client only."""
    if method in ("create", "use", "get"):
        origin = receiver.origin or ""
        return origin.startswith("weaviate.") and ".collections." not in origin
    return method in _COLLECTIONS


def _class_of(origin: str) -> str:
    """The class of an origin: its last component, or the one before a class method."""
    parts = origin.split(".")
    return parts[-1] if parts[-1][:1].isupper() or len(parts) == 1 else parts[-2]


def _root(store: MemoryStore) -> str:
    return store.library.partition(".")[0]


def _library(origin: str) -> str:
    """The module of an origin: its components up to the class or function."""
    parts = origin.split(".")
    cut = next((n for n, part in enumerate(parts) if part[:1].isupper()), len(parts) - 1)
    return ".".join(parts[: max(cut, 1)])


def _holders(project: Project, model: Model) -> dict[Function, list[Agent]]:
    """Agents by the functions that run as them or as their tools, at any depth."""
    held: dict[Function, list[Agent]] = {}
    for agent in model.agents:
        code = [*agent.code, *(function for tool in agent.tools for function in tool.code)]
        for function in {reached for one in code for reached in project.resolver.reachable(one)}:
            held.setdefault(function, []).append(agent)
    return held
