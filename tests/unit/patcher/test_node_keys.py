"""The vectors of `schemas/node_keys.json`: what a hook sees gives the run-time node that the scanner's side joins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stratum_patcher import nodes

Row = dict[str, Any]
HTTP = "http:"
"""Begins the name of a host: such an id has one part more, and the node is named by the host alone."""
VECTORS = Path(__file__).parents[3] / "schemas" / "node_keys.json"
ALL: list[Row] = json.loads(VECTORS.read_text(encoding="utf-8"))["rows"]
OLD_WORDS = ("node:", "http:httpx:", "http:httpx_async:")
"""Begin names in ids of earlier patchers, which the vectors hold for what reads them; ours writes none."""
ROWS = [row for row in ALL if not row["seen"]["name"].startswith(OLD_WORDS)]


def made(row: Row) -> nodes.Node:
    """The node of what the row says was seen."""
    seen, expected = row["seen"], row["runtime"]
    family, name = expected["node_id"].partition(":")[0], seen["name"]
    if name.startswith(HTTP):
        family, name = f"{family}:http", name.removeprefix(HTTP)
    return nodes.node(family, name, (seen["file"], seen["line"]), expected["node_type"])


def test_there_are_vectors_enough() -> None:
    assert len(ROWS) >= 60


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['framework']}-{row['what']}" for row in ROWS])
def test_what_is_seen_at_run_time_gives_the_node_of_the_vectors(row: Row) -> None:
    node = made(row)
    assert (node.id, node.type) == (row["runtime"]["node_id"], row["runtime"]["node_type"])


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['framework']}-{row['what']}" for row in ROWS])
def test_the_name_of_a_node_is_the_name_of_its_key(row: Row) -> None:
    if row["runtime"]["node_type"] not in ("data_store", "external"):  # these join by the table of services
        assert made(row).name.replace(":", "_").casefold() == row["key"][2]
