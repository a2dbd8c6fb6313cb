"""Memory stores and their accesses (A11)."""

# ruff: noqa: E501 - sources under test stand on one line each

from __future__ import annotations

import pytest

from stratum_lab.scan.detect import crewai, environment, memory
from stratum_lab.scan.model import MemoryStore, Model
from stratum_lab.scan.source.loader import Loader
from tests.support.detected import detected, run
from tests.support.projects import project


def _library() -> dict[tuple[str, str], MemoryStore]:
    model = detected("memory_library", crewai, memory)[1]
    return {(store.library, store.collection): store for store in model.stores}


def _only(source: str) -> MemoryStore:
    (store,) = run(project(main=source), memory).stores
    return store


def test_stores_are_objects_of_store_libraries_and_a_client_that_opens_collections_is_none_beside_them() -> None:
    assert {key: store.kind for key, store in _library().items()} == {
        ("chromadb", "notes"): "vector_memory",
        ("qdrant_client", "points"): "vector_memory",
        ("langchain_community.vectorstores", ""): "vector_memory",
        ("langchain.memory", ""): "conversation_memory",
        ("mem0", ""): "agent_memory",
        ("redis", ""): "kv_memory",
    }


def test_a_collection_is_one_store_where_it_is_made_and_where_it_is_opened() -> None:
    notes = _library()["chromadb", "notes"]
    assert (notes.site.file, notes.site.line) == ("library/store.py", 7)
    assert [(w.scope, w.method) for w in notes.writes] == [("writer", "add")]
    assert [(r.scope, r.method) for r in notes.reads] == [
        ("reader", "get"),
        ("reader", "query"),
        ("backup_notes", "peek"),
    ]


def test_accesses_belong_to_the_agents_whose_tools_reach_them() -> None:
    notes = _library()["chromadb", "notes"]
    assert [w.agent.role if w.agent else None for w in notes.writes] == ["Writer"]
    assert {r.agent.role if r.agent else None for r in notes.reads} == {"Reader", None}


def test_provenance_arguments_are_seen_also_inside_the_arguments() -> None:
    library = _library()
    assert set(library["chromadb", "notes"].writes[0].arguments) == {"documents", "ids", "metadatas", "source"}
    assert {"payload", "source"} <= set(library["qdrant_client", "points"].writes[0].arguments)


def test_a_function_named_after_a_backup_that_touches_a_store_is_rollback_evidence() -> None:
    assert {key for key, store in _library().items() if store.rollback} == {("chromadb", "notes")}


def test_parts_and_retrievers_of_a_store_stand_for_it() -> None:
    library = _library()
    faiss = library["langchain_community.vectorstores", ""]
    assert [(r.method, r.scope) for r in faiss.reads] == [("as_retriever", "Chat.__init__"), ("invoke", "Chat.ask")]
    assert [w.method for w in library["langchain.memory", ""].writes] == ["add_user_message"]


def test_redis_is_a_store_only_where_it_keeps_state() -> None:
    library = _library()
    assert [w.method for w in library["redis", ""].writes] == ["rpush"]
    assert run(project(main='import redis\nr = redis.Redis()\nr.set("rate:1", 1)\nr.get("lock")'), memory).stores == []


@pytest.mark.parametrize(
    "source",
    [
        "options = {}\noptions.get('x')\noptions.update({})\nset().add(1)",
        "from langchain.chains import LLMChain\nLLMChain().invoke('x')",
        "import chromadb_like\nchromadb_like.Client().get_collection('x').add()",
        "from llama_index.core import Document\nDocument(text='x')",
        "import requests\nrequests.get('http://x').json().get('y')",
    ],
)
def test_methods_of_other_objects_and_modules_with_like_names_give_no_store(source: str) -> None:
    assert run(project(main=source), memory).stores == []


def test_a_store_module_that_is_only_imported_counts_without_being_constructed_unless_tests_import_it() -> None:
    store = _only("def f(db):\n    from langchain_community.vectorstores import Chroma\n    return Chroma")
    assert (store.kind, store.constructed, store.site.line) == ("vector_memory", False, 2)
    vendored = project({"vendor/x.py": "import chromadb"})
    vendored.modules[0].excluded = True
    assert run(vendored, memory).stores == []


@pytest.mark.parametrize(
    ("source", "kind", "collection", "writes", "reads"),
    [
        ('from pinecone import Pinecone\ni = Pinecone().Index("docs")\ni.upsert(vectors=[])\ni.query(vector=[])',
         "vector_memory", "docs", 1, 1),
        ('import lancedb\nt = lancedb.connect("x").create_table("t", data=[])\nt.add([])\nt.search([1])',
         "vector_memory", "t", 1, 1),
        ('import weaviate\nc = weaviate.connect_to_local()\nd = c.collections.get("D")\nd.data.insert({})\n'
         "d.query.fetch_objects()", "vector_memory", "D", 1, 0),
        ('import faiss\ni = faiss.IndexFlatL2(3)\ni.add([])\ni.search([], 1)', "vector_memory", "", 1, 1),
        ('from langchain_chroma import Chroma\ns = Chroma(collection_name="c")\ns.add_texts([])\ns.similarity_search("x")',
         "vector_memory", "c", 1, 1),
        ('from pymilvus import MilvusClient\nm = MilvusClient("x")\nm.insert(collection_name="c", data=[])\n'
         'm.search(collection_name="c")', "vector_memory", "c", 1, 1),
        ('from zep_cloud.client import Zep\nz = Zep()\nz.memory.add("s")\nz.memory.get("s")', "agent_memory", "", 1, 1),
        ("from llama_index.core.storage import StorageContext\ns = StorageContext.from_defaults()\ns.persist()",
         "index_memory", "", 1, 0),
        ('from langchain_community.chat_message_histories import RedisChatMessageHistory\n'
         'h = RedisChatMessageHistory(session_id="s")\nh.add_user_message("x")', "kv_memory", "s", 1, 0),
    ],
)  # fmt: skip
def test_each_library_is_understood(source: str, kind: str, collection: str, writes: int, reads: int) -> None:
    store = _only(source)
    assert (store.kind, store.collection) == (kind, collection)
    assert (len(store.writes), len(store.reads)) == (writes, reads)


def test_one_name_in_two_units_is_two_collections_and_in_two_files_of_a_unit_one() -> None:
    body = 'import chromadb\nchromadb.Client().get_or_create_collection("x").add(ids=["1"])'
    apart: Model = run(project({"a/setup.py": "", "a/m.py": body, "b/setup.py": "", "b/m.py": body}), memory)
    assert [(store.unit, len(store.writes)) for store in apart.stores] == [("a", 1), ("b", 1)]
    together = run(project({"a/m.py": body, "b/m.py": body}), memory)
    assert [len(store.writes) for store in together.stores] == [2]


def test_a_snapshot_of_a_store_is_rollback_evidence() -> None:
    source = 'from qdrant_client import QdrantClient\nq = QdrantClient()\nq.create_snapshot(collection_name="c")'
    assert [store.rollback for store in run(project(main=source), memory).stores if store.collection] == [True]


LIGHT = b"""
import os
from os import environ, getenv as ge
import chromadb, redis
import pydantic_settings
from pydantic import Field

class S(pydantic_settings.BaseSettings):
    k: str = Field(alias="ALIAS")

def f():
    environ["A3"] = "x"
    os.environ.setdefault("A6", "x")
    return os.getenv("A1"), os.environ.get("A2"), ge("A4"), os.environ["A5"]

class C:
    def __init__(self):
        self.r = redis.Redis()
        self.c = chromadb.Client().get_or_create_collection("x")

    def g(self):
        self.r.set("chat:1", 1)
        self.c.add(ids=["1"])
        return self.c.query(query_texts=["x"])
"""


def test_stores_and_environment_are_the_same_in_the_light_form_of_large_trees() -> None:
    told = []
    for room in (0, 1_000_000):
        loader = Loader(full_bytes=room, framework_bytes=room)
        loader.add("a.py", LIGHT)
        model = run(loader.project(["a.py"]), environment, memory)
        told.append(
            (
                [reference.name for reference in model.env_references],
                [(store.library, store.collection, len(store.writes), len(store.reads)) for store in model.stores],
            )
        )
    assert told[0] == told[1]
    assert told[0] == (
        ["ALIAS", "A3", "A6", "A1", "A2", "A4", "A5"],
        [("redis", "", 1, 0), ("chromadb", "x", 1, 1)],
    )


def test_the_same_expression_opens_one_collection_of_a_client_although_its_name_is_not_known() -> None:
    store = _only("""
        import os
        import chromadb

        class Notes:
            def __init__(self):
                self.client = chromadb.Client()
                self.name = os.environ["NAME"]

            def add(self):
                self.client.get_or_create_collection(name=self.name).add(ids=["1"])

            def find(self):
                return self.client.get_collection(self.name).query(query_texts=["x"])
        """)
    assert (len(store.writes), len(store.reads)) == (1, 1)
