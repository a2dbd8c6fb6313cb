"""What selection is made from: JSON lines of earlier results (mode A) or a plain list of addresses (mode B)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from stratum_lab.campaign.features import read_features
from stratum_lab.campaign.selection import Candidate, score
from stratum_lab.campaign.sources import SHOWN_PROBLEMS, Listed, distinct, parse_list, parse_source
from stratum_lab.errors import UsageError

Mode = Literal["scored", "list"]

_PLAIN_KEYS = frozenset({"repo_url", "score"})


def mode_of(lines: Sequence[str]) -> Mode:
    """`scored` when the first line with content is a JSON object that says more than an address and a score."""
    for line in lines:
        text = line.strip().removeprefix("\ufeff")
        if text and not text.startswith("#"):
            return "scored" if text.startswith("{") and _keys(text) - _PLAIN_KEYS else "list"
    return "list"


def _keys(text: str) -> set[str]:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return set()
    return set(row) if isinstance(row, dict) else set()


def scored_candidates(lines: Iterable[str], name: str) -> list[Candidate]:
    """Mode A: every line of earlier results with its score.

    Args:
        lines: JSON objects, one a line; blank lines and comments are skipped.
        name: Name of the list for messages.

    Raises:
        UsageError: Some lines cannot be used; it names each of the first SHOWN_PROBLEMS with its line number.
    """
    out: list[Candidate] = []
    problems: list[str] = []
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("\ufeff")
        if not text or text.startswith("#"):
            continue
        try:
            features = read_features(_row(text))
            source = parse_source(features.url)
        except UsageError as exc:
            problems.append(f"{name}:{number}: {exc.message}")
            continue
        out.append(Candidate(features.url, source.repo_id, score(features), features))
    if problems:
        more = f"\nand {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
        shown = "\n".join(problems[:SHOWN_PROBLEMS])
        raise UsageError(
            f"{len(problems)} lines are no scan results:\n{shown}{more}",
            remedy="each line is a JSON object with repo_url; a plain list needs --mode list",
        )
    return out


def _row(text: str) -> dict[str, Any]:
    """One JSON object; Any: its values are whatever the writer put there."""
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise UsageError(f"no JSON object: {exc}") from exc
    if not isinstance(row, dict):
        raise UsageError("no JSON object")
    return row


def listed(lines: Iterable[str], name: str) -> list[Listed]:
    """Mode B: the entries of a plain list in its order, repeated ones left out.

    Raises:
        UsageError: Some lines name no source, or two sources share a repo_id.
    """
    return distinct(parse_list(lines, name))[0]


def in_order(entries: Iterable[Listed]) -> list[Candidate]:
    """Mode B: score 0, input order kept."""
    return [Candidate(e.source.text, e.source.repo_id, 0.0) for e in entries]
