"""Fields of group rescan: the comparison with the previous ping; all but the first are absent on a first scan."""

from __future__ import annotations

from stratum_lab.ping.attempt_facts import Emission
from stratum_lab.ping.previous import PreviousPing


def _previous(emission: Emission) -> PreviousPing:
    assert emission.previous is not None, "asked on a first scan"
    return emission.previous


def _rules(emission: Emission) -> set[str] | None:
    return None if emission.failed else set(emission.measured["finding_rules"])


def is_rescan(emission: Emission) -> bool:
    """An earlier measured ping of the same source is known."""
    return emission.previous is not None


def prev_score(emission: Emission) -> int:
    """Score of the previous ping, unchanged."""
    return _previous(emission).risk_score


def score_delta(emission: Emission) -> int | None:
    """This score minus the previous one; negative is better."""
    return None if emission.failed else int(emission.measured["risk_score"]) - _previous(emission).risk_score


def resolved_count(emission: Emission) -> int | None:
    """Rules that were there before and are gone."""
    rules = _rules(emission)
    return None if rules is None else len(_previous(emission).finding_rules - rules)


def new_count(emission: Emission) -> int | None:
    """Rules that are new."""
    rules = _rules(emission)
    return None if rules is None else len(rules - _previous(emission).finding_rules)


def pre_scan_id(emission: Emission) -> str:
    """scan_id of the previous ping."""
    return _previous(emission).scan_id
