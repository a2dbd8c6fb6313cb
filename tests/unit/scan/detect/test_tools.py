"""What a `tools=` expression holds: one tool for each, under the identity and name that count, nothing by guess."""

# ruff: noqa: E501 - sources under test stand on one line each

from __future__ import annotations

import pytest

from stratum_lab.scan.detect.tools import tools_of
from stratum_lab.scan.model import Model, Tool
from tests.support.projects import project


def tools(source: str, files: dict[str, str] | None = None) -> list[Tool]:
    p = project({**(files or {}), "main.py": source})
    (call,) = [
        c for m in p.modules for c in m.calls if (p.resolver.origin(c.node.func, c.scope) or "").endswith(".Agent")
    ]
    return tools_of(p, Model(), call.arg("tools"), call.scope, "crewai")


def identities(source: str, files: dict[str, str] | None = None) -> list[str]:
    return [tool.identity for tool in tools(source, files)]


HEAD = "from crewai import Agent\nfrom crewai_tools import SerperDevTool, ScrapeWebsiteTool, FileReadTool\n"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Agent(tools=[SerperDevTool(), ScrapeWebsiteTool()])", ["SerperDevTool", "ScrapeWebsiteTool"]),
        ("search = SerperDevTool(n_results=3)\nAgent(tools=[search])", ["SerperDevTool"]),
        ("tools = [SerperDevTool()]\ntools.append(FileReadTool())\nAgent(tools=tools)", ["SerperDevTool", "FileReadTool"]),
        ("base = [SerperDevTool()]\nAgent(tools=base + [FileReadTool()])", ["SerperDevTool", "FileReadTool"]),
        ("base = [SerperDevTool()]\nAgent(tools=[*base, FileReadTool()])", ["SerperDevTool", "FileReadTool"]),
        ("base = [SerperDevTool()]\nbase.extend([FileReadTool()])\nAgent(tools=base)", ["SerperDevTool", "FileReadTool"]),
        ("base = [SerperDevTool()]\nbase += [FileReadTool()]\nAgent(tools=base)", ["SerperDevTool", "FileReadTool"]),
        ("Agent(tools=[SerperDevTool(), SerperDevTool()])", ["SerperDevTool"]),
        ("Agent(tools=[unknown_thing, FileReadTool()])", ["FileReadTool"]),
        ("from elsewhere import TOOLS\nAgent(tools=TOOLS)", []),
        ("from elsewhere import TOOLS\nAgent(tools=TOOLS + [FileReadTool()])", ["FileReadTool"]),
        ("def give():\n    return [SerperDevTool(), FileReadTool()]\nAgent(tools=give())", ["SerperDevTool", "FileReadTool"]),
        ("box = {'a': SerperDevTool(), 'b': FileReadTool()}\nAgent(tools=list(box.values()))", ["SerperDevTool", "FileReadTool"]),
        ("box = {'a': SerperDevTool()}\nAgent(tools=[box['a']])", ["SerperDevTool"]),
        ("class T:\n    s = SerperDevTool()\nAgent(tools=[T.s])", ["SerperDevTool"]),
        ("class T:\n    s = SerperDevTool()\nAgent(tools=[T().s])", ["SerperDevTool"]),
        ("Agent(tools=[SerperDevTool()] if FileReadTool else [])", ["SerperDevTool"]),
        ("Agent(tools=None)", []),
        ("Agent()", []),
    ],
)  # fmt: skip
def test_lists_are_followed_through_names_sums_and_factories(source: str, expected: list[str]) -> None:
    assert identities(HEAD + source) == expected


def test_methods_of_a_tools_class_go_by_class_and_method() -> None:
    found = tools(
        """
        from crewai import Agent
        from tools.search_tools import SearchTools
        Agent(tools=[SearchTools.search_internet, SearchTools().search_news])
        """,
        {
            "tools/__init__.py": "",
            "tools/search_tools.py": """
                from langchain.tools import tool

                class SearchTools:
                    @tool("Search  the internet")
                    def search_internet(query):
                        "Useful to search."

                    @staticmethod
                    @tool
                    def search_news(query):
                        "Useful too."
                """,
        },
    )
    assert [(t.identity, t.name, t.defined_in) for t in found] == [
        ("SearchTools.search_internet", "Search the internet", "tools/search_tools.py"),
        ("SearchTools.search_news", "search_news", "tools/search_tools.py"),
    ]
    assert [f.qualname for f in found[0].code] == ["SearchTools.search_internet"]


def test_a_tool_class_of_the_repository_brings_its_code_and_registered_name() -> None:
    (tool,) = tools(
        """
        from crewai import Agent
        from crewai.tools import BaseTool
        from pydantic import Field

        class Base(BaseTool):
            def _run(self, q): return helper(q)

        class Lookup(Base):
            name: str = "Look things up"

        Agent(tools=[Lookup(result_as_answer=True)])
        """
    )
    assert (tool.identity, tool.name, tool.kind) == ("Lookup", "Look things up", "class")
    assert [f.qualname for f in tool.code] == ["Base._run"]


@pytest.mark.parametrize(
    ("made", "identity", "name"),
    [
        ("StructuredTool.from_function(func=work, name='worker')", "work", "worker"),
        ("StructuredTool.from_function(work)", "work", "work"),
        ("StructuredTool.from_function(coroutine=work)", "work", "work"),
        ("Tool(name='Do work', func=work, description='x')", "work", "Do work"),
        ("Tool('Do work', work, 'x')", "work", "Do work"),
        ("Tool(name='square', func=lambda x: x, description='')", "square", "square"),
        ("Tool(name='serper', func=GoogleSerperAPIWrapper().run, description='')", "GoogleSerperAPIWrapper", "serper"),
        ("partial(work, 1)", "work", "work"),
        ("work", "work", "work"),
    ],
)
def test_a_wrapper_is_the_function_it_wraps(made: str, identity: str, name: str) -> None:
    source = (
        "from crewai import Agent\nfrom functools import partial\nfrom langchain.tools import StructuredTool, Tool\n"
        "from langchain_community.utilities import GoogleSerperAPIWrapper\ndef work(x): return x\n"
    )
    (tool,) = tools(f"{source}Agent(tools=[{made}])")
    assert (tool.identity, tool.name) == (identity, name)


@pytest.mark.parametrize(
    ("given", "selected"),
    [
        ("FileManagementToolkit(root_dir='x', selected_tools=['read_file', 'list_directory']).get_tools()",
         ("read_file", "list_directory")),
        ("FileManagementToolkit(root_dir='x').get_tools()", None),
        ("[*FileManagementToolkit(selected_tools=chosen()).get_tools()]", None),
        ("[t for t in FileManagementToolkit().get_tools() if t.name != 'x']", None),
        ("toolkit.get_tools()[:2]", None),
        ("[FileManagementToolkit(selected_tools=['read_file'])]", ("read_file",)),
    ],
)  # fmt: skip
def test_a_toolkit_is_one_tool_restricted_only_by_a_literal(given: str, selected: tuple[str, ...] | None) -> None:
    source = (
        "from crewai import Agent\nfrom langchain_community.agent_toolkits import FileManagementToolkit\n"
        "toolkit = FileManagementToolkit()\n"
    )
    (tool,) = tools(f"{source}Agent(tools={given})")
    assert (tool.identity, tool.kind, tool.selected) == ("FileManagementToolkit", "toolkit", selected)


def test_both_sides_of_a_sum_with_a_toolkit_count() -> None:
    source = (
        "from crewai import Agent\nfrom crewai_tools import SerperDevTool\nfrom langchain_google_community import GmailToolkit\n"
        "kit = GmailToolkit()\nAgent(tools=kit.get_tools() + [SerperDevTool()])"
    )
    assert identities(source) == ["GmailToolkit", "SerperDevTool"]


@pytest.mark.parametrize(
    ("body", "name", "package"),
    [
        ("with MCPServerAdapter(StdioServerParameters(command='npx', args=['-y', '@acme/files@1.2.0'])) as given:\n"
         "    Agent(tools=given)", "npx", "@acme/files"),
        ("adapter = MCPServerAdapter({'url': 'https://mcp.acme.io/sse'})\nAgent(tools=adapter.tools)", "mcp.acme.io", ""),
        ("client = MultiServerMCPClient({'math': {'command': 'uvx', 'args': ['mathpkg==2.0']}})\n"
         "async def main():\n    given = await client.get_tools()\n    Agent(tools=given)", "math", "mathpkg"),
        ("async def main():\n    Agent(tools=await MultiServerMCPClient(connections={'math': {'command': 'uvx',\n"
         "        'args': ['mathpkg']}}).get_tools())", "math", "mathpkg"),
    ],
)  # fmt: skip
def test_tools_of_an_mcp_server_go_by_the_server(body: str, name: str, package: str) -> None:
    source = (
        "from crewai import Agent\nfrom crewai_tools import MCPServerAdapter\nfrom mcp import StdioServerParameters\n"
        "from langchain_mcp_adapters.client import MultiServerMCPClient\n"
    )
    (tool,) = tools(source + body)
    assert (tool.identity, tool.kind) == (name, "mcp")
    assert tool.server is not None
    assert tool.server.package == package


def test_literal_schemas_go_by_the_function_and_hosted_tools_by_their_type() -> None:
    source = """
        from crewai import Agent
        SPEC = {"type": "function", "function": {"name": "look_up", "parameters": {}}}
        Agent(tools=[SPEC, {"type": "web_search"}, {"name": "flat", "input_schema": {}}])
        """
    assert [(t.identity, t.kind) for t in tools(source)] == [
        ("look_up", "schema"), ("web_search", "hosted"), ("flat", "schema"),
    ]  # fmt: skip


def test_a_model_bound_as_schema_is_no_running_tool() -> None:
    (tool,) = tools("from crewai import Agent\nfrom pydantic import BaseModel\nclass Answer(BaseModel): x: int\nAgent(tools=[Answer])")  # fmt: skip
    assert (tool.identity, tool.kind, tool.code) == ("Answer", "schema", [])


def test_a_wrapped_function_that_is_not_known_is_a_tool_only_under_a_name() -> None:
    source = """
        from crewai import Agent
        from llama_index.core.tools import FunctionTool
        def build(module, names, given):
            return Agent(tools=[
                FunctionTool.from_defaults(fn=getattr(module, names[0])),
                FunctionTool.from_defaults(fn=given),
                FunctionTool.from_defaults(fn=given, name="named"),
            ])
        """
    assert [t.identity for t in tools(source)] == ["named"]
