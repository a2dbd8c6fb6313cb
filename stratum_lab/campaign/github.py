"""A small GitHub client: token, rate limits, back-off. It reads repository metadata and nothing else.

The transport, the clock and the sleep are arguments, so that tests need neither network nor time.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpx

from stratum_lab.errors import EXIT_TRY_LATER, PrerequisiteError, SettingsError, StratumError, Transient
from stratum_lab.observe import logs
from stratum_lab.settings import GithubSettings

_log = logs.get("github")

TRIES = 5
BACKOFF_S = 2.0
MAX_WAIT_S = 3900.0
"""GitHub's limits are renewed within the hour."""
PAGE = 100
MAX_RESULTS = 1000
"""GitHub hands out at most so many results of one search."""
TIMEOUT_S = 30.0
_RETRIED = frozenset({429, 500, 502, 503, 504})


class GithubUnavailable(StratumError, Transient):
    """GitHub does not answer, or keeps refusing for its limits."""

    kind = "github_unavailable"
    exit_code = EXIT_TRY_LATER


@dataclass(frozen=True, slots=True)
class Repository:
    """What the API says about one repository."""

    full_name: str
    url: str
    stars: int
    forks: int
    pushed_at: datetime | None
    archived: bool
    fork: bool

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Repository | None:
        """From an object of the API; None when it has no address. Any: it is JSON from outside."""
        name, url = values.get("full_name"), values.get("html_url")
        if not isinstance(name, str) or not isinstance(url, str):
            return None
        return cls(
            full_name=name,
            url=url,
            stars=_count(values.get("stargazers_count")),
            forks=_count(values.get("forks_count")),
            pushed_at=_time(values.get("pushed_at")),
            archived=values.get("archived") is True,
            fork=values.get("fork") is True,
        )


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _time(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found


class Github:
    """Reads the API with one token, slowly enough.

    Args:
        settings: Address and token.
        transport: What carries the requests; default: the network.
        sleep: How to wait.
        now: Seconds since the epoch.
        told: Told of each wait that a person would notice.

    Raises:
        PrerequisiteError: There is no token.
    """

    def __init__(
        self,
        settings: GithubSettings,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        if settings.token is None:
            raise PrerequisiteError(
                "GitHub is asked with a token only, and none is set",
                remedy="set STRATUM_GITHUB__TOKEN to a token that may read public repositories",
            )
        self._sleep, self._now, self._told = sleep, now, told
        self._client = httpx.Client(
            base_url=settings.url.rstrip("/"),
            transport=transport,
            timeout=TIMEOUT_S,
            headers={
                "Authorization": f"Bearer {settings.token.get_secret_value()}",
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
                "User-Agent": "stratum-lab",
            },
        )

    def search(self, query: str, most: int = MAX_RESULTS) -> Iterator[Repository]:
        """Repositories of one search, most stars first, page by page.

        Raises:
            GithubUnavailable: It did not answer after TRIES tries.
            SettingsError: It refuses the token or the query.
        """
        left = min(most, MAX_RESULTS)
        page = 1
        while left > 0:
            size = min(PAGE, left) if page == 1 else PAGE  # the size of pages must stay the same
            found = self._get(
                "/search/repositories",
                {"q": query, "sort": "stars", "order": "desc", "per_page": size, "page": page},
            )
            items = found.get("items") if isinstance(found, dict) else None
            if not isinstance(items, list) or not items:
                return
            for item in items[:left]:
                repository = Repository.of(item) if isinstance(item, dict) else None
                if repository is not None:
                    yield repository
            left -= len(items)
            if len(items) < size:
                return
            page += 1

    def repository(self, full_name: str) -> Repository | None:
        """One repository; None when there is none of that name, or none the token may see.

        Raises:
            GithubUnavailable: It did not answer after TRIES tries.
            SettingsError: It refuses the token.
        """
        found = self._get(f"/repos/{full_name}", {}, missing_ok=True)
        return Repository.of(found) if isinstance(found, dict) else None

    def _get(self, path: str, params: Mapping[str, str | int], *, missing_ok: bool = False) -> object:
        trouble = ""
        for attempt in range(TRIES):
            try:
                answer = self._client.get(path, params=dict(params), follow_redirects=True)
            except httpx.TransportError as exc:
                trouble = f"{type(exc).__name__}: {exc}"
                self._wait(self._backoff(attempt), trouble)
                continue
            if answer.status_code == 200:
                return _json(answer)
            if missing_ok and answer.status_code in (404, 451):
                return None
            trouble = f"status {answer.status_code}"
            limited = self._limited_for(answer)
            if limited is not None:
                self._wait(limited, "rate limit")
            elif answer.status_code in _RETRIED or (answer.status_code == 403 and "retry-after" in answer.headers):
                self._wait(self._backoff(attempt), trouble)
            elif answer.status_code in (401, 403):
                raise SettingsError(
                    f"GitHub refuses the token with status {answer.status_code}",
                    remedy="set STRATUM_GITHUB__TOKEN to a valid token",
                )
            else:
                raise SettingsError(
                    f"GitHub refuses {path} with status {answer.status_code}",
                    remedy="check STRATUM_GITHUB__URL (the base address of the API)",
                )
        raise GithubUnavailable(
            f"GitHub gave no answer to {path} in {TRIES} tries; the last one: {trouble}",
            remedy="run the command again later",
        )

    def _limited_for(self, answer: httpx.Response) -> float | None:
        """Seconds until the limit is renewed; None when a limit is not what it is about."""
        if answer.status_code not in (403, 429):
            return None
        retry = answer.headers.get("retry-after", "")
        if retry.isdigit():
            return min(float(retry), MAX_WAIT_S)
        reset = answer.headers.get("x-ratelimit-reset", "")
        if answer.headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
            return min(max(0.0, int(reset) - self._now()) + 1.0, MAX_WAIT_S)
        return None

    @staticmethod
    def _backoff(attempt: int) -> float:
        return float(BACKOFF_S * 2**attempt * random.uniform(0.8, 1.2))

    def _wait(self, seconds: float, why: str) -> None:
        _log.debug("waiting", seconds=round(seconds, 1), why=why)
        self._told(f"GitHub: {logs.clean(why)}; waiting {seconds:.0f} s")
        self._sleep(seconds)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _json(answer: httpx.Response) -> object:
    try:
        return answer.json()
    except ValueError as exc:
        raise SettingsError(
            "what answers as GitHub's API sends no JSON",
            remedy="check STRATUM_GITHUB__URL (the base address of the API)",
        ) from exc
