"""The join key of events.md 2.1 and the table of canonical services."""

from __future__ import annotations

import pytest

from stratum_lab.fold.join import FAMILIES, NamePattern, NodeId, family_of, node_key, normal_name, parse_id
from stratum_lab.fold.services import services


@pytest.mark.parametrize(
    ("node_id", "expected"),
    [
        ("crewai:Content Planner:/opt/p.py:0", NodeId("crewai", "Content Planner", "/opt/p.py", "0")),
        ("crewai:a: b\n:x.py:3", NodeId("crewai", "a: b\n", "x.py", "3")),
        ("generic:http:httpx:api.x.io:e.py:0", NodeId("generic", "http:httpx:api.x.io", "e.py", "0")),
        ("crewai:search:t.py:5#outbound", NodeId("crewai", "search", "t.py", "5")),
        ("delegation", NodeId("", "delegation", "", "")),
        ("a:b", NodeId("", "a:b", "", "")),
    ],
)
def test_ids_are_parsed_from_the_right(node_id: str, expected: NodeId) -> None:
    assert parse_id(node_id) == expected


@pytest.mark.parametrize(
    ("one", "other", "kind", "equal"),
    [
        ("crewai:Senior  Writer\n:a.py:1", "crewai:senior writer:b.py:9", "agent", True),
        ("ag2:Bob:a.py:1", "autogen:bob:b.py:9", "agent", True),
        ("pyautogen:Bob:a.py:1", "autogen_agentchat:Bob:-:0", "agent", True),
        ("langchain.agents.create_agent:x:a.py:1", "langgraph:x:-:0", "agent", True),
        ("langchain:x:a.py:1", "langgraph:x:-:0", "agent", False),
        ("crewai:Bob:a.py:1", "autogen:Bob:a.py:1", "agent", False),
        ("crewai:search:a.py:1", "langchain:Search:b.py:2", "capability", True),
        ("crewai:" + "x" * 130 + ":a.py:1", "crewai:" + "x" * 120 + "yyyyy:a.py:1", "agent", True),
        ("crewai:Caf\u00e9:a.py:1", "crewai:Cafe\u0301:a.py:1", "agent", True),
        ("crewai:a b:a.py:1", "crewai:a_b:a.py:1", "agent", False),
        ("crewai:a:b:a.py:1", "crewai:a_b:a.py:1", "agent", True),
        ("generic:postgresql:-:0", "generic:psycopg2:db.py:0", "data_store", True),
        ("generic:local_files:src:0", "generic:file_io:out/a.b.txt:0", "data_store", True),
        ("generic:slack:-:0", "generic:http:hooks.slack.com:e.py:0", "external", True),
        ("generic:example.co.uk:-:0", "generic:http:httpx_async:api.eu.example.co.uk:e.py:0", "external", True),
        ("generic:example.com:-:0", "generic:http:example.org:e.py:0", "external", False),
    ],
)
def test_keys_are_equal_for_the_same_node(one: str, other: str, kind: str, equal: bool) -> None:
    assert (node_key(one, kind) == node_key(other, kind)) is equal


def test_families_are_closed_under_aliases() -> None:
    assert {family_of(f) for f in FAMILIES} == FAMILIES
    assert normal_name("  A\t B:c ") == "a b_c"


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("{topic} researcher", "AI Researcher", True),
        ("{topic} researcher", " researcher", False),
        ("{topic} researcher", "AI researcher two", False),
        ("Senior {a} and {b}", "senior x and y and z", True),
        ("Senior {a}{b} end", "senior xy end", True),
        ("Senior {a}{b} end", "senior x end", False),
        ("plain", "plain", False),
    ],
)
def test_placeholders_stand_for_any_text_but_none(pattern: str, name: str, matches: bool) -> None:
    assert (NamePattern.in_name(pattern) and NamePattern(pattern).matches(name)) is matches


def test_hosts_find_their_service_or_their_registrable_domain() -> None:
    table = services()
    assert table.of_domain("API.Stripe.com.") == "stripe"
    assert table.of_domain("a.b.example.com:8080") == "example.com"
    assert table.of_domain("api.eu.example.co.uk") == "example.co.uk"
    assert table.of_domain("localhost") == "localhost"
    assert table.of_domain("10.0.0.12") == "10.0.0.12"
    assert table.of_domain("") == ""
