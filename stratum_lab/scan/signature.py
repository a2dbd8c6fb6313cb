"""The fingerprint of a graph's shape: types only, so that equal shapes in different repositories collide on purpose.

Labels are ASCII text. Label 0 of a node is its node type. Each of three rounds makes SHA-256 over the UTF-8 bytes of:
the own label, LF, then one line `>TYPE LABEL` LF per outgoing and one line `<TYPE LABEL` LF per incoming edge (the
neighbour's label of the round before), each group sorted in byte order; the new label is its 64 lowercase hex digits.
The result is the first 16 hex digits of SHA-256 over all final labels, sorted, each followed by LF.
Test vectors: `tables/signature_vectors.json`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256

from stratum_lab.scan.graph import Edge

ROUNDS = 3


def topology_signature(node_types: Mapping[str, str], edges: Iterable[Edge]) -> str | None:
    """The `topology_signature_hash` of a graph; None when it has no node.

    Args:
        node_types: Type of every node by id.
        edges: Distinct typed edges without self-loops.
    """
    if not node_types:
        return None
    around: dict[str, list[tuple[str, str]]] = {node: [] for node in node_types}
    for edge in edges:
        around[edge.source].append((f">{edge.edge_type}", edge.target))
        around[edge.target].append((f"<{edge.edge_type}", edge.source))
    labels = dict(node_types)
    for _ in range(ROUNDS):
        labels = {node: _refined(labels[node], around[node], labels) for node in labels}
    return _digest("".join(f"{label}\n" for label in sorted(labels.values())))[:16]


def _refined(own: str, around: list[tuple[str, str]], labels: Mapping[str, str]) -> str:
    lines = [f"{way} {labels[other]}\n" for way, other in around]
    outgoing = sorted(line for line in lines if line[0] == ">")
    incoming = sorted(line for line in lines if line[0] == "<")
    return _digest("".join([own, "\n", *outgoing, *incoming]))


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
