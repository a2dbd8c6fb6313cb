"""Fields of group trust: levels of the capabilities and where they meet."""

from __future__ import annotations

from itertools import combinations, permutations

from stratum_lab.ping.counting import counted
from stratum_lab.scan.model import Confidence, Trust
from stratum_lab.scan.result import Scan

_RANK: dict[Trust, int] = {"privileged": 4, "restricted": 3, "internal": 2, "external": 1, "public": 0}


def trust_level_distribution(scan: Scan) -> dict[str, int]:
    """Per level."""
    return counted(c.trust for c in scan.model.capabilities)


def trust_crossings(scan: Scan) -> dict[str, int]:
    """Product of the counts of every unordered pair of levels."""
    counts = trust_level_distribution(scan)
    return {f"{a}→{b}": counts[a] * counts[b] for a, b in combinations(sorted(counts), 2)}


def total_trust_crossings(scan: Scan) -> int:
    """Their sum."""
    return sum(trust_crossings(scan).values())


def trust_crossing_adjacency(scan: Scan) -> dict[str, int]:
    """The same for ordered pairs, over capabilities that are more than a resemblance of names."""
    counts = counted(c.trust for c in scan.model.capabilities if c.confidence is not Confidence.HEURISTIC)
    return {f"{a}→{b}": counts[a] * counts[b] for a, b in permutations(sorted(counts), 2)}


def downward_trust_crossings(scan: Scan) -> int:
    """Edges from a higher to a lower level."""
    if scan.graph is None:
        return 0
    nodes = scan.graph.nodes
    return sum(_RANK[nodes[e.source].trust] > _RANK[nodes[e.target].trust] for e in scan.graph.edges)
