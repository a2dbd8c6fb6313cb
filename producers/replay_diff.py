"""Comparing what a replay derived with what is live: values only, not which emission or offset they came from."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from stratum_lab.contract.events import BehavioralRecord, TopologyMetrics

Derived = BehavioralRecord | TopologyMetrics

_EMISSION = {"revision", "source_partition", "source_offset"}
"""Fields that say when and where a value was emitted; they differ between live and replay without meaning."""

MISSING, EXTRA, CHANGED = "missing", "extra", "changed"


class Difference(NamedTuple):
    """One repository whose live value is not what its events give.

    Attributes:
        topic: Catalogue name of the topic.
        repo_id: Whose.
        partition: Where the replay derived it.
        kind: `missing` live, `extra` live, or `changed`.
        path: First differing place, as a JSON path; `$` when a side is absent.
        live: Value there, live.
        replayed: Value there, from the replay.
    """

    topic: str
    repo_id: str
    partition: int
    kind: str
    path: str
    live: Any
    replayed: Any


class Place(NamedTuple):
    """A place where two JSON values differ."""

    path: str
    left: Any
    right: Any


def comparable(message: Derived) -> dict[str, Any]:
    """The part of a derived message that its inputs determine, as plain JSON values."""
    values = {k: v for k, v in message.model_dump().items() if k not in _EMISSION}
    if isinstance(message, BehavioralRecord):
        values["record"] = orjson.loads(message.record)
    return values


def first_difference(left: Any, right: Any, path: str = "$") -> Place | None:
    """The first place where two JSON values differ, keys in sorted order; None when they are equal.

    Numbers of different type are different: 1 and 1.0 are not the same text.
    """
    if type(left) is not type(right):
        return Place(path, left, right)
    if isinstance(left, dict):
        for key in sorted(left.keys() | right.keys()):
            if key not in left or key not in right:
                return Place(f"{path}.{key}", left.get(key), right.get(key))
            found = first_difference(left[key], right[key], f"{path}.{key}")
            if found is not None:
                return found
        return None
    if isinstance(left, list):
        for i, (a, b) in enumerate(zip(left, right, strict=False)):
            found = first_difference(a, b, f"{path}[{i}]")
            if found is not None:
                return found
        return None if len(left) == len(right) else Place(f"{path}.length", len(left), len(right))
    return None if left == right else Place(path, left, right)


def compare(topic: str, partition: int, live: Derived | None, replayed: Derived | None) -> Difference | None:
    """How a live value differs from the replayed one, or None."""
    if live is None and replayed is None:
        return None
    if live is None:
        assert replayed is not None
        return Difference(topic, replayed.repo_id, partition, MISSING, "$", None, "present")
    if replayed is None:
        return Difference(topic, live.repo_id, partition, EXTRA, "$", "present", None)
    place = first_difference(comparable(live), comparable(replayed))
    if place is None:
        return None
    return Difference(topic, live.repo_id, partition, CHANGED, place.path, place.left, place.right)
