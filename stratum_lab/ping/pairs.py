"""Checks that need more than one ping: a rescan with its first scan, a ping with its batch record, a whole batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stratum_lab.contract.events import ScanStatus
from stratum_lab.contract.ping_fields import SCHEMA_ID
from stratum_lab.ping.checking import Problem, Values
from stratum_lab.ping.checks import PROVIDER_TIERS
from stratum_lab.scan.providers import DEFAULT_PROVIDER

PAIR_CHECKS: Mapping[str, str] = {
    "V6": "the clean crews of both pings are those of their crews",
    "V13": "a rescan says so and fills the rescan group",
    "M7": "score_delta is the difference to the score of the ping that pre_scan_id names",
    "rescan_counts": "resolved_count and new_count are the differences of finding_rules",
}
"""Checks on (first scan, rescan): id -> statement."""

BATCH_CHECKS: Mapping[str, str] = {
    "S1": "repo_hash is in the ping and equals the one of the batch record",
    "V8": "a fleet is ordered by score, then by number of findings, both descending",
    "V10": "a framework without model and key name gives its default provider, tier inferred_framework",
    "V11": "every batch record has a provider tier",
    "one_ping": "every finished attempt has a ping, and every ping of today's schema a finished attempt",
}
"""Checks on pings with their batch records: id -> statement."""

_RESCAN = ("prev_score", "score_delta", "resolved_count", "new_count", "pre_scan_id")
_COMPARED = (
    "scan_id", "timestamp", "schema_id", "scan_status", "repo_hash", "risk_score", "finding_rules", "crew_count",
    "crews_clean", "provider_confidence", "is_rescan", *_RESCAN,
)  # fmt: skip


def essence(ping: Values) -> dict[str, Any]:
    """The fields of a ping that these checks look at: what is kept of each when there are very many."""
    return {name: ping[name] for name in _COMPARED if name in ping}


def pair_problems(first: Values, second: Values) -> list[Problem]:
    """What is wrong between a ping and the ping of its rescan (both valid by themselves)."""
    return list(_pair(first, second))


def _pair(first: Values, second: Values) -> Iterator[Problem]:
    missing = [name for name in _RESCAN if name not in second]
    if second.get("is_rescan") is not True or missing:
        yield Problem("V13", f"is_rescan is {second.get('is_rescan')}, missing: {', '.join(missing) or 'nothing'}")
        return
    if second["pre_scan_id"] != first.get("scan_id"):
        yield Problem("M7", f"pre_scan_id is {second['pre_scan_id']}, the ping before is {first.get('scan_id')}")
        return
    if second["prev_score"] != first.get("risk_score"):
        yield Problem("M7", f"prev_score is {second['prev_score']}, that ping has {first.get('risk_score')}")
    names = ("risk_score", "finding_rules", "crew_count", "crews_clean")
    if any(ping.get(name) is None for ping in (first, second) for name in names):
        return  # nothing was measured, or not recorded
    if second["score_delta"] != second["risk_score"] - second["prev_score"]:
        yield Problem("M7", f"score_delta is {second['score_delta']}, scores differ by another amount")
    before, after = set(first["finding_rules"]), set(second["finding_rules"])
    for name, wanted in (("resolved_count", len(before - after)), ("new_count", len(after - before))):
        if second[name] != wanted:
            yield Problem("rescan_counts", f"{name} is {second[name]}, the rules say {wanted}")
    for ping in (first, second):
        if not 0 <= ping["crews_clean"] <= ping["crew_count"]:
            yield Problem("V6", f"{ping['crews_clean']} clean crews of {ping['crew_count']}")


def batch_problems(pings: Iterable[Values], records: Iterable[ScanStatus]) -> list[Problem]:
    """What is wrong between pings and the `scan.status` records of the same batch.

    A delivery that was repeated gives a second ping of its scan_id; the one emitted first counts.

    Args:
        pings: Pings, or what `essence` keeps of them.
        records: Records of the batch; those that are not done are looked at no further.
    """
    first: dict[str, Values] = {}
    for ping in pings:
        scan_id = str(ping.get("scan_id"))
        known = first.setdefault(scan_id, ping)
        if str(ping.get("timestamp")) < str(known.get("timestamp")):
            first[scan_id] = ping
    done = {record.scan_id: record for record in records if record.state == "done"}
    return list(_batch(first, done))


def _batch(pings: Mapping[str, Values], done: Mapping[str, ScanStatus]) -> Iterator[Problem]:
    for scan_id, ping in pings.items():
        record = done.get(scan_id)
        if record is None:
            if ping.get("schema_id") == SCHEMA_ID:
                yield Problem("one_ping", f"{scan_id} has no finished batch record")
            continue
        if ping.get("repo_hash") != record.repo_hash:
            yield Problem("S1", f"{scan_id}: repo_hash {ping.get('repo_hash')}, batch record {record.repo_hash}")
        if record.status != "failed":
            yield from _providers(scan_id, ping, record)
    for scan_id in sorted(done.keys() - pings.keys()):
        yield Problem("one_ping", f"{scan_id} is done and has no ping")


def _providers(scan_id: str, ping: Values, record: ScanStatus) -> Iterator[Problem]:
    tier = record.provider_confidence
    if tier not in PROVIDER_TIERS or tier != ping.get("provider_confidence"):
        yield Problem("V11", f"{scan_id}: batch record has tier {tier}, ping {ping.get('provider_confidence')}")
    defaults = sorted({DEFAULT_PROVIDER[name] for name in record.frameworks if name in DEFAULT_PROVIDER})
    if tier == "inferred_framework" and record.providers != defaults:
        yield Problem("V10", f"{scan_id}: providers {record.providers}, the frameworks' default is {defaults}")
    if tier == "unknown" and defaults:
        yield Problem("V10", f"{scan_id}: tier unknown although its frameworks have the default {defaults}")


def fleet_order(row: Mapping[str, Any]) -> tuple[int, int, str]:
    """Sort key of a fleet (V8): score descending, number of findings descending, then the name."""
    return (-row["risk_score"], -row["finding_count"], str(row["name"]))
