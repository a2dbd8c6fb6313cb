"""Capabilities: kinds, services, call-site facts and the agents that reach them, from small sources."""

# ruff: noqa: E501 - sources under test stand on one line each

from __future__ import annotations

import ast
from typing import Literal

import pytest

from stratum_lab.fold.services import services
from stratum_lab.scan.capabilities import DEFAULT_TRUST, find_capabilities
from stratum_lab.scan.capabilities_calls import host_of
from stratum_lab.scan.detect.tools import tools_of
from stratum_lab.scan.model import Agent, Capability, Confidence, Model, Site, Step, Tool
from stratum_lab.scan.sensitivity import SENSITIVITY_RANK
from stratum_lab.scan.source.index import Module
from stratum_lab.scan.source.indexer import index
from stratum_lab.scan.source.project import Project
from stratum_lab.scan.tables.known_tools import known_tools, loadable_tools
from tests.support.projects import project


def model_of(files: dict[str, str]) -> Model:
    """Capabilities of a project in which every `Agent(...)` is an agent named by its first argument."""
    p = project(files)
    model = Model()
    for module in p.modules:
        for call in module.calls:
            if (p.resolver.origin(call.node.func, call.scope) or "").endswith(".Agent"):
                name = p.resolver.text(call.node.args[0], call.scope) if call.node.args else ""
                agent = Agent(call.site, "crewai", name or "", name or "", unit=p.unit_of(module.path))
                agent.hold(tools_of(p, model, call.arg("tools"), call.scope, "crewai"))
                model.add_agent(agent)
    find_capabilities(p, model)
    return model


def found(source: str, **files: str) -> list[Capability]:
    return model_of({"main.py": source, **{f"{name}.py": text for name, text in files.items()}}).capabilities


def kinds(source: str) -> set[tuple[str, str, str]]:
    return {(c.symbol.removeprefix("main."), c.kind, c.service) for c in found(source)}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import requests\ndef f(u): requests.get(u)", {("f", "outbound", "web")}),
        ("import requests as r\ndef f(): r.post('https://api.eu.example.co.uk/x')", {("f", "outbound", "example.co.uk")}),
        ("import requests\ndef f(i): requests.get(f'https://api.stripe.com/v1/{i}')", {("f", "outbound", "stripe")}),
        ("import requests\ndef f(h): requests.get(f'https://{h}/x')", {("f", "outbound", "web")}),
        ("import requests\ndef f(u):\n    r = requests.get(u)\n    r.headers.get('a')\n    return r.json()", {("f", "outbound", "web")}),
        ("import requests\ns = requests.Session()\ndef f(u): s.put(u)", {("f", "outbound", "web")}),
        ("import httpx\nasync def f():\n    async with httpx.AsyncClient(base_url='https://slack.com/api') as c:\n        await c.post('/x')", {("f", "outbound", "slack")}),
        ("from urllib.request import Request, urlopen\ndef f(): urlopen(Request('https://pypi.org/x'))", {("f", "outbound", "pypi.org")}),
        ("import smtplib\ndef f(m): smtplib.SMTP('h').sendmail('a', 'b', m)", {("f", "outbound", "email")}),
        ("from twilio.rest import Client\ndef f(b): Client().messages.create(body=b)", {("f", "outbound", "sms")}),
        ("from slack_sdk import WebClient\ndef f(t): WebClient().chat_postMessage(text=t)", {("f", "outbound", "slack")}),
        ("from slack_sdk import WebClient\ndef f(t): WebClient().conversations_history(channel=t)", {("f", "data_access", "slack")}),
        ("import sqlite3\ndef f(): sqlite3.connect('x')", {("f", "data_access", "sqlite")}),
        ("import psycopg2\ndef f(c):\n    cur = psycopg2.connect(c).cursor()\n    cur.execute('SELECT 1')", {("f", "data_access", "postgresql")}),
        ("import sqlite3\ndef f(): sqlite3.connect('x').execute('delete  from t')", {("f", "data_access", "sqlite"), ("f", "destructive", "sqlite")}),
        ("from sqlalchemy import text, create_engine\ndef f(): create_engine('x').execute(text('DROP TABLE t'))", {("f", "data_access", "sql"), ("f", "destructive", "sql")}),
        ("from pymongo import MongoClient\ndef f(q): MongoClient().db.c.delete_many(q)", {("f", "destructive", "mongodb")}),
        ("import chromadb\ndef f(q): chromadb.Client().get_collection('c').query(q)", {("f", "data_access", "chroma")}),
        ("from langchain_community.vectorstores import FAISS\ndef f(q, e): FAISS.load_local('x', e).similarity_search(q)", {("f", "data_access", "faiss")}),
        ("from llama_index.core import VectorStoreIndex\ndef f(d, q): VectorStoreIndex.from_documents(d).as_query_engine().query(q)", {("f", "data_access", "vector_store")}),
        ("import stripe\ndef f(a): stripe.Charge.create(amount=a)", {("f", "financial", "stripe")}),
        ("import stripe\ndef f(): stripe.Charge.list()", {("f", "data_access", "stripe")}),
        ("import hvac\ndef f(): hvac.Client().secrets.kv.read_secret_version(path='x')", {("f", "data_access", "secret_store")}),
        ("import boto3\ndef f(): boto3.client('secretsmanager').get_secret_value(SecretId='x')", {("f", "data_access", "secret_store")}),
        ("import pydicom\ndef f(p): pydicom.dcmread(p)", {("f", "data_access", "health_records")}),
        ("from googleapiclient.discovery import build\ndef f(b): build('gmail', 'v1').users().messages().send(body=b)", {("f", "outbound", "gmail")}),
        ("from googleapiclient.discovery import build\ndef f(): build('gmail', 'v1').users().messages().list(userId='me')", {("f", "data_access", "gmail")}),
        ("import subprocess\ndef f(c): subprocess.run(c)", {("f", "code_exec", "")}),
        ("import os\ndef f(c): os.system(c)", {("f", "code_exec", "")}),
        ("def f(c): return eval(c)", {("f", "code_exec", "")}),
        ("class M:\n    def eval(self): ...\ndef f(): M().eval()", set()),
        ("import os\ndef f(p): os.remove(p)", {("f", "destructive", "local_files")}),
        ("import shutil\ndef f(p): shutil.rmtree(p)", {("f", "destructive", "local_files")}),
        ("from pathlib import Path\ndef f(p): Path(p).unlink()", {("f", "destructive", "local_files")}),
        ("def f(p): return open(p).read()", {("f", "file_system", "local_files")}),
        ("def f(p):\n    with open(p, 'w') as fh: fh.write('x')", set()),
        ("import sqlite3\ndef f(p):\n    open(p)\n    sqlite3.connect(p)", {("f", "data_access", "sqlite")}),
        ("import requests\nrequests.get('https://example.com')", {("main", "outbound", "example.com")}),
        ("import requests\nf = lambda u: requests.get(u)", {("main", "outbound", "web")}),
        ("import requests\nclass A:\n    def go(self, u): return requests.get(u)", {("A.go", "outbound", "web")}),
        ("import stripe\ndef f(a):\n    c = stripe.Charge.create(amount=a)\n    return c.get('id')", {("f", "financial", "stripe")}),
        ("class A(list):\n    def f(self, x): super().remove(x)", set()),
        ("import subprocess\ndef f(c): return c.run()", set()),
        ("import requests\nclass S(requests.Session): pass\ndef f(u): S().get(u)", {("f", "outbound", "web")}),
        ("import requests\nclass S:\n    def get(self, u): ...\ndef f(u): S().get(u)", set()),
        ("from somewhere import get\ndef f(u): get(u)", set()),
    ],
)  # fmt: skip
def test_calls_of_libraries_are_capabilities_of_the_enclosing_function(
    source: str, expected: set[tuple[str, str, str]]
) -> None:
    assert kinds(source) == expected


def test_functions_of_one_name_in_two_files_are_two_capabilities() -> None:
    text = "import requests\ndef fetch(u): requests.get(u)"
    assert [c.symbol for c in found(text, other=text)] == ["main.fetch", "other.fetch"]


def test_destructive_text_beside_a_database_import_is_probable() -> None:
    source = "import sqlite3\ndef f():\n    'DROP TABLE in words only'\n    q = 'DROP TABLE t'\n    return q\ndef g():\n    'DROP TABLE t'"
    (capability,) = found(source)
    assert (capability.symbol, capability.kind, capability.service) == ("main.f", "destructive", "sqlite")
    assert capability.confidence is Confidence.PROBABLE


def test_destructive_text_without_a_database_is_none() -> None:
    assert found("def f():\n    q = 'DROP TABLE t'\n    return q") == []


HEAD = "from crewai import Agent\nfrom crewai.tools import tool, BaseTool\n"


def holders(capabilities: list[Capability]) -> dict[tuple[str, str], list[str]]:
    return {(c.symbol.removeprefix("main."), c.kind): [a.name for a in c.agents] for c in capabilities}


def test_a_function_tool_has_the_kinds_of_its_body_and_of_what_it_calls() -> None:
    source = HEAD + (
        "import requests, sqlite3\n"
        "def download(u): return requests.get(u)\n"
        "def unheld(u): return requests.get(u)\n"
        "@tool('Look up')\ndef look_up(q):\n    sqlite3.connect('x')\n    return download(q)\n"
        "Agent('one', tools=[look_up])\nAgent('two')\n"
    )
    assert holders(found(source)) == {
        ("look_up", "data_access"): ["one"], ("download", "outbound"): ["one"], ("unheld", "outbound"): [],
    }  # fmt: skip


def test_a_tool_class_counts_what_its_run_methods_do_and_writes_inside_it() -> None:
    source = HEAD + (
        "class Save(BaseTool):\n    name: str = 'Save it'\n"
        "    def _run(self, p):\n        with open(p, 'w') as fh: fh.write('x')\n"
        "    def other(self): open('x', 'w')\n"
        "Agent('one', tools=[Save()])\n"
    )
    assert holders(found(source)) == {("Save._run", "destructive"): ["one"]}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from crewai_tools import SerperDevTool\nAgent('a', tools=[SerperDevTool()])", {("SerperDevTool", "outbound", "web_search")}),
        ("from crewai_tools import SerperDevTool", set()),
        ("from crewai_tools import SerperDevTool\nx = SerperDevTool()", {("SerperDevTool", "outbound", "web_search")}),
        ("from langchain_community.tools import WikipediaQueryRun\nx = WikipediaQueryRun()", {("WikipediaQueryRun", "outbound", "wikipedia"), ("WikipediaQueryRun", "data_access", "wikipedia")}),
        ("from langchain_google_community import GmailToolkit\nAgent('a', tools=GmailToolkit().get_tools())", {("GmailToolkit", "outbound", "gmail"), ("GmailToolkit", "data_access", "gmail")}),
        ("from langchain_community.agent_toolkits import FileManagementToolkit as F\nAgent('a', tools=F(selected_tools=['read_file', 'list_directory']).get_tools())", {("FileManagementToolkit", "data_access", "local_files")}),
        ("from langchain_community.agent_toolkits import FileManagementToolkit as F\nk = F(selected_tools=['write_file'])", {("FileManagementToolkit", "destructive", "local_files")}),
        ("from agents import WebSearchTool, LocalShellTool\nAgent('a', tools=[WebSearchTool(), LocalShellTool()])", {("WebSearchTool", "outbound", "web_search"), ("LocalShellTool", "code_exec", "")}),
        ("class SerperDevTool(BaseTool):\n    def _run(self): ...\nAgent('a', tools=[SerperDevTool()])", set()),
        ("from langchain_community.utilities import SerpAPIWrapper\nw = SerpAPIWrapper()\nAgent('a', tools=[w.results])", {("SerpAPIWrapper", "outbound", "web_search")}),
        ("from langchain.agents import load_tools\nAgent('a', tools=load_tools(['serpapi', 'llm-math']))", {("SerpAPIWrapper", "outbound", "web_search")}),
    ],
)  # fmt: skip
def test_known_tools_count_where_they_are_made(source: str, expected: set[tuple[str, str, str]]) -> None:
    assert kinds(HEAD + source) == expected


def test_a_tool_class_of_two_agents_is_one_capability_of_both() -> None:
    source = HEAD + (
        "from crewai_tools import ScrapeWebsiteTool\n"
        "Agent('one', tools=[ScrapeWebsiteTool()])\nAgent('two', tools=[ScrapeWebsiteTool()])\n"
    )
    (capability,) = found(source)
    assert [a.name for a in capability.agents] == ["one", "two"]
    assert [s.line for s in capability.sites] == [4, 5] and capability.calls == []
    assert capability.fetches and not capability.search_only and capability.framework == "crewai"


def test_a_library_tool_used_inside_a_custom_tool_belongs_to_its_holder() -> None:
    source = HEAD + (
        "from langchain_community.utilities import GoogleSerperAPIWrapper, SerpAPIWrapper\n"
        "wrapper = GoogleSerperAPIWrapper()\n"
        "@tool\ndef one(q):\n    'd'\n    return wrapper.run(q)\n"
        "@tool\ndef two(q):\n    'd'\n    return SerpAPIWrapper().run(q)\n"
        "Agent('a', tools=[one])\nAgent('b', tools=[two])\n"
    )
    assert holders(found(source)) == {
        ("GoogleSerperAPIWrapper", "outbound"): ["a"], ("SerpAPIWrapper", "outbound"): ["b"],
    }  # fmt: skip


def test_the_tools_of_an_mcp_server_are_outbound_and_bear_its_name() -> None:
    source = HEAD + (
        "from crewai_tools import MCPServerAdapter\n"
        "adapter = MCPServerAdapter({'url': 'https://mcp.acme.io/sse'})\n"
        "Agent('a', tools=adapter.tools)\n"
    )
    (capability,) = found(source)
    assert (capability.symbol, capability.kind, capability.trust) == ("mcp.acme.io", "outbound", "external")
    assert [a.name for a in capability.agents] == ["a"] and capability.fetches
    assert capability.tools[0].server is not None


@pytest.mark.parametrize(
    ("source", "channel", "draft"),
    [
        ("import smtplib\ndef f(m): smtplib.SMTP('h').send_message(m)", "email", False),
        ("import requests\ndef f(t): requests.post('https://hooks.slack.com/x', json=t)", "slack", False),
        ("import requests\ndef f(): requests.get('https://slack.com/x')", "", False),
        ("from langchain_google_community.gmail import GmailCreateDraft\nx = GmailCreateDraft()", "email", True),
        ("from langchain_google_community.gmail import GmailSendMessage\nx = GmailSendMessage()", "email", False),
        ("from googleapiclient.discovery import build\ndef f(b): build('gmail', 'v1').users().drafts().create(body=b)", "email", True),
        ("from googleapiclient.discovery import build\ndef f(b):\n    g = build('gmail', 'v1').users()\n    g.drafts().create(body=b)\n    g.messages().send(body=b)", "email", False),
    ],
)  # fmt: skip
def test_a_sender_knows_its_channel_and_whether_it_only_drafts(source: str, channel: str, draft: bool) -> None:
    (capability,) = found(source)
    assert (capability.channel, capability.draft) == (channel, draft)


def test_one_function_may_reach_several_services() -> None:
    source = "import requests\ndef f():\n    requests.get('https://a.example.com')\n    requests.post('https://api.github.com/x')"
    (capability,) = found(source)
    assert capability.services == ["example.com", "github"]


def test_code_that_runs_as_an_agent_or_step_is_held_by_it() -> None:
    p = project(
        main="import requests\ndef node(s): return helper(s)\ndef helper(s): return requests.get(s)\ndef step(s): helper(s)\n"
    )
    model = Model()
    functions = {f.name: f for f in p.functions()}
    agent = model.add_agent(Agent(functions["node"].site, "langgraph", "node", "node", code=[functions["node"]]))
    step = Step(functions["step"].site, "langgraph", "step", code=[functions["step"]])
    model.steps.append(step)
    find_capabilities(p, model)
    (capability,) = model.capabilities
    assert capability.agents == [agent] and capability.steps == [step]


def test_agents_that_run_code_have_the_capability_with_the_trust_of_where() -> None:
    model = Model()
    places: list[Literal["docker", "local"] | None] = ["docker", "local", None]
    for n, where in enumerate(places):
        model.add_agent(Agent(Site("main.py", n + 1), "autogen", f"a{n}", f"a{n}", code_execution=where))
    model.add_agent(Agent(Site("main.py", 9), "autogen", "a0", "a0", unit="other", code_execution="docker"))
    model.add_agent(Agent(Site("main.py", 10), "autogen", "a0", "a0", unit="other", code_execution="local"))
    find_capabilities(project(main=""), model)
    assert [(c.unit, c.symbol, c.trust) for c in model.capabilities] == [
        ("", "a0", "restricted"), ("", "a1", "privileged"), ("other", "a0", "privileged"),
    ]  # fmt: skip


def test_an_executor_inside_a_tool_is_that_tool() -> None:
    p = project(
        main="from autogen_ext.tools.code_execution import PythonCodeExecutionTool as P\nagent = f([P(make())])"
    )
    model = Model()
    agent = model.add_agent(Agent(Site("main.py", 2), "autogen", "w", "w", code_execution="docker"))
    (call,) = [c for c, _ in p.calls_to("autogen_ext.*")]
    agent.hold([Tool("PythonCodeExecutionTool", "CodeExecutor", "class", call.site, call=call)])
    find_capabilities(p, model)
    assert [(c.symbol, c.trust) for c in model.capabilities] == [("PythonCodeExecutionTool", "restricted")]


@pytest.mark.parametrize(
    ("call", "timed"),
    [
        ("requests.get(u)", False),
        ("requests.get(u, timeout=5)", True),
        ("requests.get(u, timeout=None)", False),
        ("requests.get(u, **{'timeout': 3})", True),
        ("requests.Session().get(u)", False),
        ("httpx.get(u)", True),
        ("httpx.get(u, timeout=None)", False),
        ("httpx.Client(timeout=None).get(u)", False),
        ("httpx.Client(timeout=None).get(u, timeout=3)", True),
        ("httpx.Client(timeout=httpx.Timeout(None)).get(u)", False),
        ("aiohttp.ClientSession().get(u)", True),
        ("aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)).get(u)", False),
        ("urllib.request.urlopen(u)", False),
        ("urllib.request.urlopen(u, None, 4)", True),
        ("smtplib.SMTP('x').send_message(u)", None),
    ],
)
def test_a_timeout_is_the_calls_its_clients_or_the_librarys(call: str, timed: bool | None) -> None:
    (capability,) = found(f"import requests, httpx, aiohttp, urllib.request, smtplib\ndef f(u): {call}")
    assert [site.timed for site in capability.calls] == [timed]


@pytest.mark.parametrize(
    ("body", "validated"),
    [
        ("    stripe.Charge.create(amount=a)", False),
        ("    assert a > 0\n    stripe.Charge.create(amount=a)", True),
        ("    if a > 100:\n        raise ValueError\n    stripe.Charge.create(amount=a)", True),
        ("    if not a:\n        return None\n    stripe.Charge.create(amount=a)", True),
        ("    if a > 100:\n        print(a)\n    stripe.Charge.create(amount=a)", False),
        ("    isinstance(a, int)\n    stripe.Charge.create(amount=a)", True),
        ("    b = Payment.model_validate(a)\n    stripe.Charge.create(amount=b)", True),
        ("    n = a['n']\n    if n < 1:\n        raise ValueError\n    stripe.Charge.create(amount=n)", True),
        ("    if LIMIT > 1:\n        raise ValueError\n    stripe.Charge.create(amount=a)", False),
        ("    stripe.Charge.create(amount=a)\n    assert a", False),
    ],
)
def test_validation_is_a_check_of_the_input_before_the_call(body: str, validated: bool) -> None:
    (capability,) = found(f"import stripe\nLIMIT = 3\ndef pay(a):\n{body}")
    assert [site.validated for site in capability.calls] == [validated]


def test_call_sites_say_whether_they_stand_in_a_try() -> None:
    source = (
        "import requests\ndef f(u):\n    try:\n        requests.get(u)\n    except OSError:\n        requests.post(u)\n"
    )
    (capability,) = found(source)
    assert [(site.method, site.in_try) for site in capability.calls] == [("get", True), ("post", False)]


def test_tests_and_vendored_code_have_no_capabilities() -> None:
    text = "import requests\nrequests.get('https://x.org')"
    p = Project([index(ast.parse(text), Module("tests/test_a.py", len(text), excluded=True))])
    model = Model()
    find_capabilities(p, model)
    assert model.capabilities == []


def test_the_tables_name_known_kinds_and_services() -> None:
    for name, known in known_tools().items():
        assert set(known.kinds) <= DEFAULT_TRUST.keys(), name
        assert not known.service or services().sensitivity_of(known.service) in SENSITIVITY_RANK, name
        assert known.service or "code_exec" in known.kinds or name == "MCPServerAdapter"
    listed = {service for known in known_tools().values() if (service := known.service)}
    assert {service for service in listed if services().of_library(service) is None} == set()
    assert set(loadable_tools().values()) <= known_tools().keys()


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://API.Example.com:8080/x?y", "api.example.com"),
        ("https://user:pw@db.example.com/x", "db.example.com"),
        ("https://{host}/x", ""),
        ("https://api.example.com/{path}", "api.example.com"),
        ("/relative", ""),
        ("", ""),
    ],
)
def test_only_a_spelled_host_is_a_host(address: str, host: str) -> None:
    assert host_of(address) == host
