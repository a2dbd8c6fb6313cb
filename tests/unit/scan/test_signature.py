"""The fingerprint of a graph's shape: vectors, and what it must and must not see."""

from __future__ import annotations

import json
from hashlib import sha256
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_lab.scan import tables
from stratum_lab.scan.graph import Edge
from stratum_lab.scan.signature import topology_signature

VECTORS = json.loads(files(tables).joinpath("signature_vectors.json").read_text(encoding="utf-8"))["vectors"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["name"])
def test_vectors_hold(vector: dict) -> None:
    edges = [Edge(*edge) for edge in vector["edges"]]
    assert topology_signature(vector["node_types"], edges) == vector["signature"]


def test_two_agents_in_line_can_be_hashed_by_hand() -> None:
    def digest(text: str) -> str:
        return sha256(text.encode()).hexdigest()

    first = second = "agent"
    for _ in range(3):
        first, second = (
            digest(f"{first}\n>feeds_into {second}\n"),
            digest(f"{second}\n<feeds_into {first}\n"),
        )
    expected = digest("".join(f"{label}\n" for label in sorted((first, second))))[:16]
    assert topology_signature({"a": "agent", "b": "agent"}, [Edge("a", "b", "feeds_into")]) == expected


def test_a_graph_without_nodes_has_none() -> None:
    assert topology_signature({}, []) is None


@given(
    st.lists(st.sampled_from(["agent", "capability", "external"]), min_size=1, max_size=7),
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.sampled_from(["tool_of", "feeds_into"])), max_size=12),
    st.randoms(use_true_random=False),
)
def test_names_and_order_do_not_matter(types: list[str], pairs: list, random) -> None:
    edges = {(a % len(types), b % len(types), kind) for a, b, kind in pairs if a % len(types) != b % len(types)}
    names = [f"x{n}" for n in range(len(types))]
    plain = topology_signature(dict(zip(names, types, strict=True)), [Edge(names[a], names[b], k) for a, b, k in edges])
    random.shuffle(names)
    renamed = [Edge(names[a], names[b], k) for a, b, k in edges]
    random.shuffle(renamed)
    assert topology_signature(dict(sorted(zip(names, types, strict=True))), renamed) == plain


def test_types_and_directions_matter() -> None:
    types = {"a": "agent", "b": "agent"}
    seen = {
        topology_signature(types, []),
        topology_signature(types, [Edge("a", "b", "feeds_into")]),
        topology_signature(types, [Edge("a", "b", "delegates_to")]),
        topology_signature(types, [Edge("a", "b", "feeds_into"), Edge("b", "a", "feeds_into")]),
        topology_signature({"a": "agent", "b": "external"}, []),
    }
    assert len(seen) == 5
