"""Statements of the field catalogue and of the extraction rules, each held against a small awkward tree.

A case is a tree and the fields that its ping must carry; a dotted name is a key inside an object field.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stratum_lab.ping.build import measured
from stratum_lab.scan.providers import provided
from tests.support.written import AGENT, Files, fields_of, scan_of

HOLDER = "from crewai import Agent\na = Agent(role='r', goal='g', backstory='b', tools=[{}])\n"
YAML_AGENT = "writer:\n  role: r\n  goal: g\n  llm: deepseek/deepseek-chat\n"


@pytest.mark.parametrize(
    ("files", "confidence", "slugs", "models"),
    [
        pytest.param({"agents.yaml": YAML_AGENT}, "detected", ["deepseek"], ["deepseek-chat"], id="a YAML only crew"),
        pytest.param({"any.yml": YAML_AGENT}, "detected", ["deepseek"], ["deepseek-chat"], id="YAML by its shape"),
        pytest.param({"tests/agents.yaml": YAML_AGENT}, "unknown", [], [], id="YAML of tests"),
        pytest.param({"any.yml": "job:\n  llm: gpt-4o\n"}, "unknown", [], [], id="YAML that is no configuration"),
        pytest.param(
            {".env.example": "MISTRAL_API_KEY=\n", "a.py": "import crewai\n"},
            "inferred_env_var",
            ["mistral"],
            [],
            id="a key name before the framework",
        ),
        pytest.param({"a.py": "import os\nos.getenv('MY_OPENAI_API_KEY')\n"}, "unknown", [], [], id="part of a name"),
        pytest.param({"a.py": "import smolagents\n"}, "unknown", [], [], id="a framework without a default"),
    ],
)
def test_the_first_tier_that_has_anything_gives_the_providers(
    tmp_path: Path, files: Files, confidence: str, slugs: list[str], models: list[str]
) -> None:
    assert provided(scan_of(tmp_path, files).model) == (confidence, slugs, models)


def archetype(tools: str, before: str = "") -> dict[str, str]:
    return {"a.py": "from crewai_tools import *\nfrom crewai.tools import tool\n" + before + HOLDER.format(tools)}


READS_SECRETS = """
import keyring, stripe
@tool("q")
def q(x):
    "d"
    stripe.Charge.list(limit=1)
    return keyring.get_password("a", "b")
"""


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(archetype("CodeInterpreterTool(), RagTool(), SerperDevTool()"), "code_agent", id="code first"),
        pytest.param(archetype("RagTool(), SerperDevTool()"), "data_pipeline", id="store and outbound"),
        pytest.param(archetype("RagTool()"), "rag_chatbot", id="store alone"),
        pytest.param(archetype("SerperDevTool(), ScrapeWebsiteTool()"), "research_agent", id="outbound only"),
        pytest.param(archetype("SerperDevTool(), FileReadTool()"), "custom", id="files are no database"),
        pytest.param(archetype("q", READS_SECRETS), "custom", id="keyring and payments are no database"),
        pytest.param(archetype("SerperDevTool(), GithubSearchTool()"), "custom", id="an issue tracker is no database"),
        pytest.param({"a.py": AGENT, "b/a.py": AGENT}, "multi_agent_orchestrator", id="two agents"),
        pytest.param({"a.py": "eval('1')\n"}, "custom", id="no agent"),
    ],
)
def test_the_first_archetype_that_fits_is_taken(tmp_path: Path, files: Files, expected: str) -> None:
    assert fields_of(scan_of(tmp_path, files), ["archetype_class"]) == {"archetype_class": expected}


CALLS = """
import requests, httpx, aiohttp, urllib.request
def plain(): requests.get("http://x")
def given(): requests.post("http://x", timeout=5)
def no_time(): requests.get("http://x", timeout=None)
def own_default(): httpx.get("http://x")
def endless(): httpx.get("http://x", timeout=None)
def third(): urllib.request.urlopen("http://x", None, 4)
def tried():
    try:
        urllib.request.urlopen("http://x")
    except OSError:
        requests.get("http://y")
    else:
        requests.get("http://z")
    finally:
        requests.get("http://w")
async def session():
    async with aiohttp.ClientSession() as s, s.get("http://x") as answer:
        await answer.text()
def client():
    with httpx.Client(timeout=None) as c:
        c.get("http://x")
def around():
    try:
        def inner():
            requests.get("http://x")
        return [inner(), (lambda: requests.get("http://y"))()]
    except OSError:
        return None
"""
PAYING = """
import stripe
def bare(x): stripe.Charge.create(amount=x)
def checked(x):
    assert x > 0
    stripe.Charge.create(amount=x)
def guarded(x):
    if x > 100:
        raise ValueError
    stripe.Refund.create(amount=x)
def too_late(x):
    stripe.Charge.create(amount=x)
    assert x > 0
def told(x):
    if x > 100:
        print("much")
    stripe.Charge.create(amount=x)
def reads(x): stripe.Charge.list(limit=x)
"""
UNITS = {
    "one/requirements.txt": "",
    "one/a.py": "import requests\ndef f(): return requests.get('http://a'), requests.get('http://b'), eval('1')\n",
    "two/requirements-dev.txt": "",
    "two/a.py": "import requests\ndef f(): requests.get('http://a.com')\n",
    "two/sub/b.py": "import requests\nclass K:\n    def f(self): requests.get('http://a.com')\n",
}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        # 14 calls; 3 in the body of a try; timed are given, own_default, third and session.
        pytest.param({"a.py": CALLS}, {"timeout_rate": 0.29, "error_handling_rate": 0.21}, id="care at call sites"),
        pytest.param(
            {"a.py": PAYING},
            {
                "financial_validation_rate": 0.4,
                "mitigation_coverage.financial_validation_rate": 0.4,
                "has_financial_tools": True,
                "capability_distribution": {"financial": 5, "data_access": 1},
                "trust_crossings": {"internal→restricted": 5},
                "trust_crossing_adjacency": {"internal→restricted": 5, "restricted→internal": 5},
                "total_trust_crossings": 5,
            },
            id="payments",
        ),
        pytest.param(
            UNITS,
            {
                "total_capabilities": 4,
                "trust_crossings": {"external→privileged": 3},
                "normalized_features.external_exposure_ratio": 0.75,
            },
            id="two units",
        ),
    ],
)
def test_capabilities_and_their_rates(tmp_path: Path, files: Files, expected: dict[str, Any]) -> None:
    assert fields_of(scan_of(tmp_path, files), list(expected)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("from agents import Agent\na = Agent(name='x')\n", True, id="a literal"),
        pytest.param("from agents import Agent\na = Agent(name='x')\nb = Agent(name=n)\n", False, id="an unknown name"),
        pytest.param("from agents import Agent\na = Agent(name=f'{n} helper')\n", True, id="a literal with a gap"),
        pytest.param("from pydantic_ai import Agent\na = Agent('openai:gpt-4o')\n", False, id="no name"),
        pytest.param("from pydantic_ai import Agent\na = Agent('openai:gpt-4o', name=n)\n", False, id="unknown there"),
        pytest.param("from agno.agent import Agent\na = Agent(name=n, role='Writer')\n", True, id="a role will do"),
        pytest.param("from agno.agent import Agent\na = Agent(name=n, id=i)\n", False, id="no literal among several"),
        pytest.param(
            "from crewai import Agent\na = Agent(role=r, goal='g', backstory='b')\n", False, id="unknown role"
        ),
        pytest.param("import crewai\n", False, id="no agent"),
    ],
)
def test_every_agent_needs_a_literal_to_be_identified(tmp_path: Path, text: str, expected: bool) -> None:
    assert fields_of(scan_of(tmp_path, {"a.py": text}), ["has_agent_identity"]) == {"has_agent_identity": expected}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("import pymongo\npymongo.MongoClient()['d']['c'].delete_one({})\n", ["destructive"], id="items"),
        pytest.param("import pymongo\nd = pymongo.MongoClient()['d']\nd['c'].find({})\n", ["data_access"], id="a name"),
        pytest.param(
            "import pymongo\npymongo.MongoClient()['d']['c'].find_one({})['rows'].remove(1)\n",
            ["data_access"],
            id="a row",
        ),
        pytest.param("import boto3\nboto3.client('s3').get_object(Key='x')\n", [], id="another service of one library"),
        pytest.param("import sqlite3\ndef f():\n    'DELETE FROM x'\n", [], id="a docstring is no statement"),
        pytest.param(
            "import sqlite3\ndef f(): return 'DELETE FROM x'\n", ["destructive"], id="a text beside a database"
        ),
        pytest.param("def f(): return 'DELETE FROM x'\n", [], id="a text without a database"),
        pytest.param("from crewai_tools import SerperDevTool\n", [], id="a tool that is only imported"),
        pytest.param("def f(d): return d.get('x'), [].remove(1)\n", [], id="methods of the same name"),
        pytest.param("open('x', 'w').write('a')\n", [], id="writing outside a tool"),
        pytest.param(
            "from crewai.tools import tool\n@tool('x')\ndef f(p):\n    open(p, 'w').write('a')\n",
            ["destructive"],
            id="writing inside a tool",
        ),
        pytest.param(
            "from langchain_community.agent_toolkits import FileManagementToolkit as F\n"
            "t = F(selected_tools=['read_file', 'list_directory']).get_tools()\n",
            ["data_access"],
            id="a selection",
        ),
    ],
)
def test_what_a_call_can_do_follows_its_origin(tmp_path: Path, text: str, expected: list[str]) -> None:
    distribution = measured(scan_of(tmp_path, {"a.py": text}))["capability_distribution"]
    assert sorted(distribution) == expected


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("agents.yml", 1),
        ("my.Agents.yaml", 1),
        ("x/task_list.yml", 1),
        ("composer_agent.yaml", 1),
        ("people.yaml", 0),
        (".github/workflows/agents.yaml", 0),
        ("deploy/docker-compose.agent.yml", 0),
        ("compose.agents.yaml", 0),
    ],
)
def test_yaml_is_configuration_by_its_name_unless_it_is_a_workflow_or_compose_file(
    tmp_path: Path, name: str, count: int
) -> None:
    found = fields_of(scan_of(tmp_path, {name: "a: 1\n"}), ["repo_metadata.yaml_config_count", "files_scanned"])
    assert found == {"repo_metadata.yaml_config_count": count, "files_scanned": count}


ENVIRONMENT = {
    "a.py": """
        import os
        from os import environ, getenv as g
        KEY = "A6"
        os.environ["A1"], os.environ.get("A2"), os.getenv("A3"), environ["A4"], g("A5"), os.getenv(KEY)
        os.environ.get("A1")
        def f(name): return os.getenv(name)  # os.getenv("NOT")
        """,
    "settings.py": """
        from pydantic import AliasChoices, Field
        from pydantic_settings import BaseSettings
        class Settings(BaseSettings):
            a: str = Field(validation_alias=AliasChoices("C1", "C2"))
            b: str = Field(alias="C3")
        """,
    "sub/.env.example": "B1=1\nexport B2 = 3\n#B3=1\nA1=\n",
    "sub/deep/.env.local": "B4=x\n",
    "node_modules/x/.env": "N1=1\n",
    "own/pyvenv.cfg": "",
    "own/.env": "N2=1\n",
}
MCP = """{"mcpServers": {
    "a": {"command": "npx", "args": ["-y", "@modelcontextprotocol/x@1.2.3"], "env": {"GITHUB_TOKEN": "t"}},
    "b": {"url": "https://mcp.x.com/sse"},
    "c": {"url": "http://127.0.0.1:3000", "type": "http"},
    "d": {"command": "npx", "args": ["mcp-remote", "https://x.y/mcp"]}}}"""
MCP_CODE = """
from agents.mcp import MCPServerSse, MCPServerStdio
from crewai_tools import MCPServerAdapter
from langchain_mcp_adapters.client import MultiServerMCPClient
from mcp import StdioServerParameters
MCPServerStdio(name="one", params={"command": "npx", "args": ["-y", "@modelcontextprotocol/fs@2025.1.14"]})
MCPServerSse(name="two", params={"url": "https://h.com/sse", "headers": {"X-API-KEY": "v"}})
MultiServerMCPClient({"m": {"command": "python", "args": ["m.py"]}, "w": {"url": "http://localhost:8000/mcp"}})
given = StdioServerParameters(command="uvx", args=["weather-mcp==0.3.1"], env={"WEATHER_KEY": "k"})
with MCPServerAdapter(given) as tools:
    pass
"""
PYDANTIC = "from pydantic_ai import Agent\na = Agent('openai:gpt-4o')\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(ENVIRONMENT, {"env_var_count": 12}, id="names of variables"),
        pytest.param({".gitignore": ".env*\n"}, {"has_env_in_gitignore": True}, id="ignored by a pattern"),
        pytest.param({".gitignore": ".env\n!.env\n"}, {"has_env_in_gitignore": False}, id="ignored and taken back"),
        pytest.param({".gitignore": "*\n!.env.example\n"}, {"has_env_in_gitignore": True}, id="another taken back"),
        pytest.param({"sub/.gitignore": ".env\n"}, {"has_env_in_gitignore": False}, id="ignored below the root"),
        pytest.param({".gitignore": ".env/\n.env.*\n"}, {"has_env_in_gitignore": False}, id="a folder is ignored"),
        pytest.param(
            {"mcp.json": MCP, "conf/any.json": MCP, "tests/mcp.json": MCP},
            {"mcp_server_count": 8, "mcp_remote_count": 4, "mcp_auth_ratio": 0.25, "mcp_pinned_ratio": 0.25},
            id="server configurations",
        ),
        pytest.param(
            {".vscode/mcp.json": '{"servers": {"b": {"type": "http", "headers": {"Authorization": "x"}}}}'},
            {"mcp_server_count": 1, "mcp_remote_count": 1, "mcp_auth_ratio": 1.0, "mcp_pinned_ratio": 0.0},
            id="servers of an editor",
        ),
        pytest.param(
            {"any.json": '{"x": {"mcpServers": {"a": {"command": "x"}}}}', "other.json": '{"mcpServers": {'},
            {"mcp_server_count": 0, "files_scanned": 0, "parser_errors": 0, "mcp_auth_ratio": 0.0},
            id="other JSON",
        ),
        pytest.param({"mcp.json": "{"}, {"parser_errors": 1}, id="a server configuration that does not parse"),
        pytest.param(
            {"a.py": MCP_CODE},
            {"mcp_server_count": 5, "mcp_remote_count": 1, "mcp_auth_ratio": 0.4, "mcp_pinned_ratio": 0.4},
            id="servers in code",
        ),
        pytest.param(
            {"a.py": AGENT, "b.py": PYDANTIC},
            {"repo_metadata.primary_framework": "CrewAI", "repo_metadata.framework_count": 2},
            id="frameworks in a tie",
        ),
        pytest.param(
            {"a.py": AGENT, "b.py": PYDANTIC, "c.py": "import pydantic_ai.models\n"},
            {"repo_metadata.primary_framework": "PydanticAI"},
            id="a tie that files decide",
        ),
        pytest.param(
            {"a.py": AGENT, "b.py": PYDANTIC, "c.py": "import pydantic_ai\n", "d.py": AGENT},
            {"repo_metadata.primary_framework": "CrewAI"},
            id="agents before files",
        ),
        pytest.param(
            {"a.py": "import crewai_extra, langgraphx, google.adkx, phi3\nimport openai\nopenai.OpenAI()\n"},
            {"repo_metadata.primary_framework": None, "repo_metadata.framework_count": 0},
            id="names that only begin alike",
        ),
        pytest.param(
            {"agents/__init__.py": "class Agent: pass\n", "a.py": "from agents import Agent\nAgent(name='x')\n"},
            {"repo_metadata.framework_count": 0, "agent_count": 0},
            id="a package of that name",
        ),
        pytest.param(
            {
                "a.py": "x = 1\n\n# c\n",
                "b.py": "x=",
                "c.py": "",
                "d.ipynb": "{}",
                "f.yaml": "a: 1\n",
                "test_x.py": "y=1",
            },
            {
                "files_total": 6,
                "files_scanned": 3,
                "parser_errors": 1,
                "repo_metadata.python_file_count": 4,
                "repo_metadata.total_loc": 4,
            },
            id="files and lines",
        ),
    ],
)
def test_environment_servers_frameworks_and_files(tmp_path: Path, files: Files, expected: dict[str, Any]) -> None:
    assert fields_of(scan_of(tmp_path, files), list(expected)) == expected


def test_a_transport_is_no_server_and_an_address_may_stand_first(tmp_path: Path) -> None:
    text = """
        import os
        from agno.tools.mcp import MCPTools
        from pydantic_ai.mcp import MCPServerStdio, MCPServerStreamableHTTP
        MCPTools(url="https://a.b/mcp", transport="streamable-http")
        MCPTools(url=os.environ["ADDRESS"], transport="sse")
        MCPTools(command="npx -y @c/d@1.0.0", transport="stdio")
        MCPServerStdio("uvx", args=["e==2.0"])
        MCPServerStreamableHTTP("https://q.r/mcp", headers={"Authorization": "x"})
        """
    found = [
        (s.name, s.remote, s.version, s.authenticated) for s in scan_of(tmp_path, {"a.py": text}).model.mcp_servers
    ]
    assert found == [
        ("a.b", True, "", False),
        ("mcp:5", True, "", False),
        ("npx", False, "1.0.0", False),
        ("uvx", False, "2.0", False),
        ("q.r", True, "", True),
    ]
