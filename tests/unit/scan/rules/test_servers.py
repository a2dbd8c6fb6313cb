"""Rules STRATUM-004 to -006 over MCP servers."""

from __future__ import annotations

from typing import Any

import pytest

from stratum_lab.scan.model import McpServer, Site
from tests.support.rules import fired
from tests.support.static_models import ModelMaker


def rules_of(**server: Any) -> set[str]:
    make = ModelMaker()
    make.agent("user")
    make.model.mcp_servers.append(McpServer(Site(".mcp.json", 3), "tools", **server))
    return {rule for rule in fired(make.model) if rule in ("STRATUM-004", "STRATUM-005", "STRATUM-006")}


@pytest.mark.parametrize(
    ("version", "vulnerable"),
    [
        ("0.1.15", True),
        ("0.0.5", True),
        ("0.0.4", False),
        ("0.1.16", False),
        ("0.1.16-beta.1", False),
        ("0.2", False),
        ("v0.1.9", True),
        ("", True),
        ("latest", True),
        ("^0.1.16", True),
    ],
)
def test_vulnerable_versions_are_compared_as_numbers(version: str, vulnerable: bool) -> None:
    assert ("STRATUM-004" in rules_of(package="mcp-remote", version=version)) is vulnerable


def test_a_package_that_is_not_listed_is_not_vulnerable() -> None:
    assert "STRATUM-004" not in rules_of(package="mcp-remote-tools", version="0.1.0")


@pytest.mark.parametrize("name", ["DATABASE_URL", "CLIENT_SECRET", "AWS_REGION", "OPENAI_API_KEY", "my_password"])
def test_an_unknown_publisher_must_not_get_credentials(name: str) -> None:
    assert "STRATUM-005" in rules_of(package="@acme/crm", publisher="acme", version="1.0.0", env_names=[name])


@pytest.mark.parametrize("publisher", ["modelcontextprotocol", "@stripe", "mcp.stripe.com", "GitHub"])
def test_a_known_publisher_may_get_credentials(publisher: str) -> None:
    assert rules_of(package="x", publisher=publisher, env_names=["STRIPE_API_KEY"]) == set()


def test_a_host_that_only_contains_a_known_name_is_unknown() -> None:
    assert "STRATUM-005" in rules_of(publisher="stripe.com.evil.example", env_names=["STRIPE_API_KEY"])


@pytest.mark.parametrize(
    ("server", "fires"),
    [
        ({"package": "@acme/crm", "publisher": "acme"}, True),
        ({"package": "@acme/crm", "publisher": "acme", "version": "latest"}, True),
        ({"package": "@acme/crm", "publisher": "acme", "version": "1.2.3"}, False),
        ({"package": "@docker/mcp", "publisher": "docker"}, False),
        ({"url": "https://mcp.acme.dev/sse", "publisher": "mcp.acme.dev", "remote": True}, True),
        ({"url": "https://mcp.acme.dev/sse", "remote": True, "header_names": ["Authorization"]}, False),
        ({"command": "python", "args": ["server.py"]}, False),
    ],
)
def test_servers_are_pinned_and_authenticated(server: dict[str, Any], fires: bool) -> None:
    assert ("STRATUM-006" in rules_of(**server)) is fires


def test_a_server_with_two_faults_is_one_instance() -> None:
    make = ModelMaker()
    make.agent("user")
    server = McpServer(Site(".mcp.json", 3), "crm", package="@acme/crm", publisher="acme", remote=True)
    make.model.mcp_servers.append(server)
    (instance,) = fired(make.model)["STRATUM-006"].instances
    assert "exact version and is remote" in instance.text
