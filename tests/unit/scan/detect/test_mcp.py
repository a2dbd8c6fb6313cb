"""MCP servers of configuration files and code (A12)."""

from __future__ import annotations

import pytest

from stratum_lab.scan.detect import mcp
from stratum_lab.scan.model import McpServer, Model
from stratum_lab.scan.source.project import JsonFile, Project
from tests.support.detected import detected, run
from tests.support.projects import project


def _shop() -> dict[tuple[str, str], McpServer]:
    model = detected("environment_shop", mcp)[1]
    return {(server.site.file, server.name): server for server in model.mcp_servers}


def _only(model: Model) -> McpServer:
    (server,) = model.mcp_servers
    return server


def test_servers_are_those_of_configurations_by_name_or_shape_and_of_code_those_of_tests_are_left_out() -> None:
    assert sorted(_shop()) == [
        (".vscode/mcp.json", "git"),
        ("deploy/settings.json", "git"),
        ("mcp_config.json", "bridge"),
        ("mcp_config.json", "files"),
        ("mcp_config.json", "here"),
        ("mcp_config.json", "web"),
        ("shop/servers.py", "math"),
        ("shop/servers.py", "python"),
        ("shop/servers.py", "weather"),
    ]


def test_package_version_and_publisher_are_read_from_the_command_line() -> None:
    told = {key[1]: (s.package, s.version, s.publisher) for key, s in _shop().items() if key[0] != ".vscode/mcp.json"}
    assert told == {
        "git": ("ghcr.io/github/github-mcp-server", "0.5.0", "github"),
        "bridge": ("mcp-remote", "", "mcp-remote"),
        "files": ("@modelcontextprotocol/server-filesystem", "2025.1.14", "modelcontextprotocol"),
        "here": ("", "", "localhost"),
        "web": ("", "", "tools.acme.dev"),
        "math": ("", "", ""),
        "python": ("shop_server", "", "shop_server"),
        "weather": ("", "", ""),
    }


def test_remote_is_a_far_address_a_network_transport_or_an_https_argument() -> None:
    assert {key[1] for key, server in _shop().items() if server.remote} == {"bridge", "web", "weather"}


def test_names_of_env_and_headers_say_whether_a_server_is_authenticated() -> None:
    servers = _shop()
    assert {key[1] for key, server in servers.items() if server.authenticated} == {"git", "bridge", "web", "python"}
    assert servers["shop/servers.py", "python"].env_names == ["STRIPE_KEY"]
    assert not servers[".vscode/mcp.json", "git"].authenticated


def test_a_server_has_the_line_of_its_key() -> None:
    assert _shop()["mcp_config.json", "bridge"].site.line == 4


@pytest.mark.parametrize(
    ("args", "package", "version"),
    [
        ('"npx", args=["-y", "@scope/name@latest"]', "@scope/name", ""),
        ('"npx", args=["--yes", "@scope/name@^1.2.0"]', "@scope/name", ""),
        ('"npx", args=["-p", "tool@1.2.3", "run-it"]', "tool", "1.2.3"),
        ('"npx", args=["--package=tool@1.2.3", "run-it"]', "tool", "1.2.3"),
        ('"cmd", args=["/c", "npx", "-y", "tool@v1.2.3"]', "tool", "v1.2.3"),
        ('"pnpm", args=["dlx", "tool"]', "tool", ""),
        ('"uvx", args=["--from", "pkg==1.0", "serve"]', "pkg", "1.0"),
        ('"uvx", args=["pkg[cli]@1.0"]', "pkg", "1.0"),
        ('"uv", args=["tool", "run", "pkg>=1.0"]', "pkg", ""),
        ('"uv", args=["run", "server.py"]', "", ""),
        ('"uv", args=["run", "--with", "mcp[cli]", "mcp", "run", "server.py"]', "", ""),
        ('"uv", args=["--directory", "/srv", "run", "main.py"]', "", ""),
        ('"docker", args=["run", "-i", "--rm", "mcp/postgres:latest"]', "mcp/postgres", ""),
        ('"docker", args=["run", "-i", "-v", "/a:/b", "localhost:5000/x/y:1.2"]', "localhost:5000/x/y", "1.2"),
        ('"python", args=["server.py"]', "", ""),
        ('"node", args=["build/index.js"]', "", ""),
    ],
)
def test_command_lines(args: str, package: str, version: str) -> None:
    server = _only(
        run(project(main=f"from mcp import StdioServerParameters\nStdioServerParameters(command={args})"), mcp)
    )
    assert (server.package, server.version) == (package, version)


def test_an_address_that_cannot_be_read_is_no_crash_and_counts_as_remote() -> None:
    source = 'from agents.mcp import MCPServerSse\nMCPServerSse(params={"url": "http://[bad/sse"}, name="x")'
    assert _only(run(project(main=source), mcp)).remote


def test_a_server_given_to_an_adapter_or_client_is_one_server() -> None:
    source = """
        from crewai_tools import MCPServerAdapter
        from mcp import StdioServerParameters
        from smolagents import ToolCollection
        params = StdioServerParameters(command="uvx", args=["pkg"])
        with MCPServerAdapter(params) as tools:
            pass
        with ToolCollection.from_mcp(params, trust_remote_code=True) as more:
            pass
        """
    assert _only(run(project(main=source), mcp)).package == "pkg"


def test_an_address_from_the_environment_is_a_remote_server() -> None:
    source = 'import os\nfrom crewai_tools import MCPServerAdapter\nMCPServerAdapter({"url": os.environ["X"]})'
    assert _only(run(project(main=source), mcp)).remote


@pytest.mark.parametrize("data", [None, [], "x", {"mcpServers": []}, {"mcpServers": {"a": None}}, {"servers": 3}])
def test_a_configuration_of_another_shape_gives_nothing(data: object) -> None:
    assert run(Project([], json=[JsonFile("mcp.json", data)]), mcp).mcp_servers == []


def test_a_configuration_with_very_many_servers_is_read_in_one_pass() -> None:
    servers = {f"server {n}": {"command": "npx", "args": [f"@scope/s{n}@1.0.{n}"]} for n in range(20_000)}
    made = Project([], json=[JsonFile("mcp.json", {"mcpServers": servers})])
    assert len(run(made, mcp).mcp_servers) == 20_000


def test_methods_of_a_parameter_that_is_annotated_as_a_description_are_no_servers() -> None:
    source = """
        from mcp import StdioServerParameters
        def connect(parameters: StdioServerParameters | dict):
            return parameters.get("transport"), parameters.model_copy()
        """
    assert run(project(main=source), mcp).mcp_servers == []


def test_servers_of_one_file_with_one_name_or_one_description_are_one_and_different_ones_stay_apart() -> None:
    source = """
        from agents.mcp import MCPServerStdio
        from mcp import StdioServerParameters
        def a():
            return StdioServerParameters(command="npx", args=["one"])
        def b():
            return StdioServerParameters(command="npx", args=["one"])
        def c():
            return StdioServerParameters(command="npx", args=["two"])
        d = MCPServerStdio(name="files", params={"command": "npx", "args": ["three"]})
        e = MCPServerStdio(name="files", params={"command": "npx", "args": ["three"]})
        """
    assert [(s.name, s.package) for s in run(project(main=source), mcp).mcp_servers] == [
        ("npx", "one"),
        ("two", "two"),
        ("files", "three"),
    ]
