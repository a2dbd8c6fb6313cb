"""What the counted runs of one repository give: record, topology, and a digest that says whether it is new."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from stratum_lab.contract.events import BehavioralRecord, CountedRun, StructuralGraph, TopologyMetrics
from stratum_lab.contract.topics import MAX_MESSAGE_BYTES
from stratum_lab.fold import (
    AttemptState,
    RunFacts,
    canonical_json,
    derive_record,
    derive_topology,
    validate_record,
)

ENVELOPE_BYTES = 64 * 1024
"""Room for everything in a message of `repo.records` but the record itself."""

NOTHING = ""
"""Digest of no record."""


class Derived(NamedTuple):
    """The result for one repository, its revision not set yet; both None when no run counts."""

    digest: str
    record: BehavioralRecord | None
    topology: TopologyMetrics | None
    problems: tuple[str, ...]


def derive(
    repo_id: str,
    runs: Sequence[tuple[RunFacts, AttemptState]],
    graph: StructuralGraph | None,
    *,
    partition: int,
    offset: int,
    known: str,
) -> Derived:
    """Derive record and topology.

    Args:
        repo_id: 12 hex.
        runs: The counted runs, in run order.
        graph: Structural graph, when known.
        partition: Partition of the source topics.
        offset: Highest folded offset of `run.status`.
        known: Digest of a result that was found valid before and is not looked at again.
    """
    fields = derive_record(repo_id, runs, graph)
    if fields is None:
        return Derived(NOTHING, None, None, ())
    text = canonical_json(fields)
    topology = derive_topology(repo_id, runs, graph, revision=0, source_partition=partition, source_offset=offset)
    counted = [CountedRun(run_number=f.run_number, attempt=f.attempt, event_count=f.event_count) for f, _ in runs]
    content = "\0".join((text, repr(counted), topology.model_dump_json(exclude={"source_offset"})))
    digest = hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    problems: list[str] = []
    if digest != known:
        problems = validate_record(fields)
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > MAX_MESSAGE_BYTES - ENVELOPE_BYTES:
            problems.append(f"the record has {size} bytes, more than a message may have")
    record = BehavioralRecord(
        repo_id=repo_id,
        repo_full_name=fields["repo_full_name"],
        runs=counted,
        source_partition=partition,
        source_offset=offset,
        revision=0,
        record=text,
    )
    return Derived(digest, record, topology, tuple(problems))
