"""The vectors of `schemas/node_keys.json`: what the scanner writes, and which run-time node it is joined with."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stratum_lab.contract.events.graph import GraphNode, Place, StructuralGraph
from stratum_lab.contract.lock import schema_dir
from stratum_lab.fold.join import FAMILIES, NamePattern, comparable, family_of, node_key, parse_id
from stratum_lab.fold.joined import KeyIndex, key_of
from stratum_lab.fold.structure import Structure
from stratum_lab.scan.capabilities import find_capabilities
from stratum_lab.scan.detect import detect
from stratum_lab.scan.model import Site
from stratum_lab.scan.source.loader import Loader
from stratum_lab.scan.structure import structural_graph
from stratum_lab.scan.topology import build
from stratum_lab.scan.topology_ids import node_id, node_name

Row = dict[str, Any]
"""One vector; Any because its parts are of many forms."""
ROWS: list[Row] = json.loads((schema_dir() / "node_keys.json").read_text(encoding="utf-8"))["rows"]
WITH_SOURCE = [row for row in ROWS if row["source"] is not None]
MATCHES = {"id", "key", "pattern", "web", "ambiguous", "no"}


def _named(row: Row) -> str:
    return str(row["what"])


def _node(static: Row) -> GraphNode:
    parts = parse_id(static["node_id"])
    return GraphNode(
        node_id=static["node_id"],
        node_type=static["node_type"],
        name=static.get("name", parts.name),
        file=parts.file,
        line=int(parts.line),
        places=[Place(file=file, line=line) for file, line in static.get("places", ())],
        groups=static.get("groups", []),
        service=static.get("service"),
    )


def _index(nodes: list[GraphNode]) -> KeyIndex:
    return KeyIndex(Structure(StructuralGraph(repo_id="0" * 12, nodes=nodes, edges=[])))


def _expected(row: Row) -> list[str]:
    kind, _, position = row["match"].partition(":")
    ids = [static["node_id"] for static in row["static"]]
    if kind == "no":
        return []
    return [ids[int(position)]] if position else ids


def test_there_are_enough_rows_of_every_kind() -> None:
    assert len(ROWS) >= 60 and len(WITH_SOURCE) >= 30
    assert {row["match"].partition(":")[0] for row in ROWS} == MATCHES
    assert {row["framework"] for row in ROWS} == FAMILIES
    assert len({row["what"] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=_named)
def test_the_run_time_id_has_this_key(row: Row) -> None:
    runtime = row["runtime"]
    assert list(node_key(runtime["node_id"], runtime["node_type"])) == row["key"]


@pytest.mark.parametrize("row", ROWS, ids=_named)
def test_the_run_time_node_is_joined_with_these(row: Row) -> None:
    runtime = row["runtime"]
    index = _index([_node(static) for static in row["static"]])
    found = index.find(runtime["node_id"], runtime["node_type"], runtime.get("enclosing", ()))
    assert list(found) == _expected(row)


@pytest.mark.parametrize("row", ROWS, ids=_named)
def test_the_match_is_of_the_kind_it_is_called(row: Row) -> None:
    runtime, kind = row["runtime"], row["match"].partition(":")[0]
    nodes = [_node(static) for static in row["static"]]
    matched = [node for node in nodes if node.node_id in _expected(row)]
    same_id = [node for node in matched if node.node_id.partition("#")[0] == runtime["node_id"]]
    same_key = [node for node in matched if comparable(key_of(node)) == comparable(node_key(**runtime_of(row)))]
    if kind == "id":
        assert same_id == matched
    elif kind == "key":
        assert same_key == matched and not same_id
    elif kind == "pattern":
        assert not same_key and all(NamePattern(n.name).matches(parse_id(runtime["node_id"]).name) for n in matched)
    elif kind == "web":
        assert [node.service for node in matched] == ["web"] and not same_key
    elif kind == "ambiguous":
        assert len(matched) > 1 and same_key == matched


def runtime_of(row: Row) -> dict[str, str]:
    return {key: row["runtime"][key] for key in ("node_id", "node_type")}


@pytest.mark.parametrize("row", [row for row in ROWS if row["runtime"]["node_type"] == "agent"], ids=_named)
def test_the_run_time_id_follows_from_what_is_seen(row: Row) -> None:
    seen, parts = row["seen"], parse_id(row["runtime"]["node_id"])
    written = node_id(parts.framework, seen["name"], Site(seen["file"], seen["line"]))
    assert written == row["runtime"]["node_id"] or "old id form" in row["what"]
    assert family_of(parts.framework) in FAMILIES and node_name(seen["name"])


@pytest.mark.parametrize("row", WITH_SOURCE, ids=_named)
def test_the_scanner_writes_these_ids(row: Row) -> None:
    loader = Loader()
    for path, text in row["source"].items():
        loader.add(path, text.encode())
    project = loader.project(list(row["source"]))
    model = detect(project)
    find_capabilities(project, model)
    graph = structural_graph(model, build(model), "0" * 12, None)
    types = {node.node_id: node.node_type for node in graph.nodes}
    wanted = {static["node_id"]: static["node_type"] for static in row["static"]}
    assert {node: types.get(node) for node in wanted} == wanted, sorted(types)
    runtime = row["runtime"]
    assert list(_index(graph.nodes).find(runtime["node_id"], runtime["node_type"])) == _expected(row)
