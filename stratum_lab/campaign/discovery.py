"""Discovery through GitHub (mode C), and what a plain list is checked for when there is a token (mode B)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from stratum_lab.campaign.github import MAX_RESULTS, Github, Repository
from stratum_lab.campaign.selection import Candidate
from stratum_lab.campaign.sources import Listed
from stratum_lab.contract.ids import repo_id

SEARCHES = ("crewai agent", "langgraph agent", "autogen multi-agent", "langchain agent")
MIN_STARS = 10
PUSHED_WITHIN_DAYS = 365
MOST = 5000
STALE_DAYS = 730
MAX_FORK_POINTS = 5.0

_GITHUB = re.compile(r"^https://github\.com/([^/]+/[^/]+)$")


class Discovered(NamedTuple):
    """What discovery found, and what it left out, by reason."""

    candidates: list[Candidate]
    dropped: dict[str, int]


def query_of(words: str, now: datetime) -> str:
    """The search of one set of words: Python, more than MIN_STARS stars, pushed within the year."""
    since = (now - timedelta(days=PUSHED_WITHIN_DAYS)).date().isoformat()
    return f"{words} language:python stars:>{MIN_STARS} pushed:>={since} archived:false fork:false"


def score_of(repository: Repository, now: datetime) -> float:
    """Points for stars, forks and how recent the last push is."""
    stars = repository.stars
    points: float = 15 if stars >= 1000 else 10 if stars >= 100 else 5 if stars >= 30 else 2
    points += min(0.5 * repository.forks, MAX_FORK_POINTS)
    if repository.pushed_at is not None:
        days = (now - repository.pushed_at) / timedelta(days=1)
        points += 5 if days <= 30 else 3 if days <= 90 else 1 if days <= 180 else 0
    return points


def discover(
    github: Github, now: datetime | None = None, told: Callable[[str, int], None] = lambda words, found: None
) -> Discovered:
    """Run the four searches; each repository once, at most MOST in all.

    Args:
        github: The client.
        now: Time of the scores.
        told: Told each search and how many repositories are known after it.

    Raises:
        GithubUnavailable: GitHub does not answer.
        SettingsError: It refuses the token.
    """
    now = now or datetime.now(UTC)
    found: dict[str, Candidate] = {}
    dropped: dict[str, int] = {}
    for words in SEARCHES:
        for repository in github.search(query_of(words, now), MAX_RESULTS):
            reason = _unwanted(repository)
            mark = repo_id(repository.url)
            if reason is None and mark in found:
                reason = "repeated"
            if reason is None and len(found) >= MOST:
                reason = "cut"
            if reason is not None:
                dropped[reason] = dropped.get(reason, 0) + 1
                continue
            found[mark] = Candidate(repository.url, mark, score_of(repository, now))
        told(words, len(found))
    return Discovered(list(found.values()), dropped)


def _unwanted(repository: Repository) -> str | None:
    if repository.fork:
        return "fork"
    return "archived" if repository.archived else None


def still_alive(
    github: Github, entries: Iterable[Listed], now: datetime | None = None
) -> tuple[list[Listed], dict[str, int]]:
    """Entries of a plain list without archived ones, forks, those that nobody pushed to for STALE_DAYS, missing ones.

    Addresses that are not on GitHub are kept unasked.

    Returns:
        What is kept, in its order, and how many were left out, by reason.

    Raises:
        GithubUnavailable: GitHub does not answer.
        SettingsError: It refuses the token.
    """
    now = now or datetime.now(UTC)
    kept: list[Listed] = []
    dropped: dict[str, int] = {}
    for entry in entries:
        on_github = _GITHUB.match(entry.source.address)
        reason = None
        if on_github:
            repository = github.repository(on_github[1])
            reason = "missing" if repository is None else _unwanted(repository) or _stale(repository, now)
        if reason is None:
            kept.append(entry)
        else:
            dropped[reason] = dropped.get(reason, 0) + 1
    return kept, dropped


def _stale(repository: Repository, now: datetime) -> str | None:
    old = repository.pushed_at is not None and now - repository.pushed_at > timedelta(days=STALE_DAYS)
    return "stale" if old else None
