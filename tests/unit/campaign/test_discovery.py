"""Discovery through GitHub's API, with a transport of the test: searches, scores, limits, back-off, lists checked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from stratum_lab.campaign.discovery import SEARCHES, discover, score_of, still_alive
from stratum_lab.campaign.github import TRIES, Github, GithubUnavailable, Repository
from stratum_lab.campaign.sources import parse_list
from stratum_lab.errors import PrerequisiteError, SettingsError
from stratum_lab.settings import GithubSettings

NOW = datetime(2026, 11, 21, tzinfo=UTC)
SETTINGS = GithubSettings(token=SecretStr("tok"), url="https://api.example.test")


def repo(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "full_name": name,
        "html_url": f"https://github.com/{name}",
        "stargazers_count": 50,
        "forks_count": 0,
        "pushed_at": "2026-11-20T00:00:00Z",
        "archived": False,
        "fork": False,
        **fields,
    }


class Api:
    """Answers requests from a function and notes them, and the time that was slept."""

    def __init__(self, answer: Callable[[httpx.Request, int], httpx.Response]) -> None:
        self.requests: list[httpx.Request] = []
        self.slept: list[float] = []
        self._answer = answer

    def client(self) -> Github:
        return Github(
            SETTINGS,
            transport=httpx.MockTransport(self._handle),
            sleep=self.slept.append,
            now=lambda: NOW.timestamp(),
        )

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._answer(request, len(self.requests))


def page_of(found: list[dict[str, Any]], request: httpx.Request) -> httpx.Response:
    size, page = int(request.url.params["per_page"]), int(request.url.params["page"])
    return httpx.Response(200, json={"items": found[(page - 1) * size : page * size]})


def test_without_a_token_nothing_is_asked() -> None:
    with pytest.raises(PrerequisiteError, match="token"):
        Github(GithubSettings())


def test_a_search_reads_page_after_page_up_to_its_limit() -> None:
    found = [repo(f"o/r{n}") for n in range(250)]
    api = Api(lambda request, _: page_of(found, request))
    with api.client() as github:
        assert [r.full_name for r in github.search("q", 230)] == [f"o/r{n}" for n in range(230)]
        assert len(list(github.search("q"))) == 250
    assert api.requests[0].headers["authorization"] == "Bearer tok"
    assert [r.url.params["page"] for r in api.requests[:3]] == ["1", "2", "3"]


def test_discovery_asks_four_times_and_keeps_each_repository_once() -> None:
    by_words = {
        SEARCHES[0]: [repo("o/a"), repo("o/fork", fork=True)],
        SEARCHES[1]: [repo("o/b"), repo("o/a")],
        SEARCHES[2]: [repo("o/old", archived=True)],
        SEARCHES[3]: [repo("o/c", stargazers_count=2000)],
    }

    def answer(request: httpx.Request, _: int) -> httpx.Response:
        words = next(w for w in SEARCHES if request.url.params["q"].startswith(w + " "))
        return page_of(by_words[words], request)

    api = Api(answer)
    with api.client() as github:
        found = discover(github, NOW)
    assert [c.url.rpartition("/")[2] for c in found.candidates] == ["a", "b", "c"]
    assert found.dropped == {"fork": 1, "repeated": 1, "archived": 1}
    asked = api.requests[0].url.params["q"]
    assert asked == f"{SEARCHES[0]} language:python stars:>10 pushed:>=2025-11-21 archived:false fork:false"


@pytest.mark.parametrize(
    ("stars", "forks", "days", "points"),
    [
        (1000, 0, 400, 15),
        (999, 0, 400, 10),
        (100, 3, 400, 11.5),
        (30, 100, 400, 10),
        (29, 0, 400, 2),
        (11, 0, 30, 7),
        (11, 0, 90, 5),
        (11, 0, 180, 3),
        (11, 0, 181, 2),
    ],
)
def test_stars_forks_and_the_last_push_give_the_score(stars: int, forks: int, days: int, points: float) -> None:
    found = Repository("o/r", "https://github.com/o/r", stars, forks, NOW - timedelta(days=days), False, False)
    assert score_of(found, NOW) == points


def test_an_exhausted_limit_is_waited_for_until_it_is_renewed() -> None:
    reset = str(int(NOW.timestamp()) + 90)

    def answer(request: httpx.Request, number: int) -> httpx.Response:
        if number == 1:
            return httpx.Response(403, headers={"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset})
        if number == 2:
            return httpx.Response(429, headers={"retry-after": "7"})
        return page_of([repo("o/a")], request)

    api = Api(answer)
    with api.client() as github:
        assert [r.full_name for r in github.search("q")] == ["o/a"]
    assert api.slept == [91.0, 7.0]


def test_other_trouble_is_tried_again_with_growing_pauses_and_then_reported() -> None:
    def answer(_: httpx.Request, number: int) -> httpx.Response:
        if number == 2:
            raise httpx.ConnectError("refused")
        return httpx.Response(502)

    api = Api(answer)
    with api.client() as github, pytest.raises(GithubUnavailable, match="status 502"):
        list(github.search("q"))
    assert len(api.requests) == TRIES
    assert all(later > earlier for earlier, later in zip(api.slept, api.slept[1:], strict=False))


@pytest.mark.parametrize(("status", "said"), [(401, "TOKEN"), (403, "TOKEN"), (422, "URL"), (404, "URL")])
def test_a_refusal_is_not_tried_again_and_names_the_setting(status: int, said: str) -> None:
    api = Api(lambda *_: httpx.Response(status))
    with api.client() as github, pytest.raises(SettingsError) as caught:
        list(github.search("q"))
    assert said in str(caught.value.remedy)
    assert len(api.requests) == 1
    assert "tok" not in caught.value.message.split()


def test_an_answer_that_is_no_json_names_the_address_setting() -> None:
    api = Api(lambda *_: httpx.Response(200, text="<html>"))
    with api.client() as github, pytest.raises(SettingsError, match="no JSON"):
        list(github.search("q"))


def test_items_of_another_form_are_left_out() -> None:
    odd = [
        None,
        {},
        {"full_name": 3, "html_url": "x"},
        repo("o/a", stargazers_count="x", pushed_at="?", forks_count=-1),
    ]
    api = Api(lambda request, _: page_of(odd, request))
    with api.client() as github:
        (found,) = github.search("q")
    assert (found.stars, found.forks, found.pushed_at) == (0, 0, None)


def test_a_plain_list_loses_what_is_archived_forked_stale_or_gone() -> None:
    known = {
        "/repos/o/fine": httpx.Response(200, json=repo("o/fine")),
        "/repos/o/old": httpx.Response(200, json=repo("o/old", archived=True)),
        "/repos/o/fork": httpx.Response(200, json=repo("o/fork", fork=True)),
        "/repos/o/stale": httpx.Response(200, json=repo("o/stale", pushed_at="2024-01-01T00:00:00Z")),
    }
    api = Api(lambda request, _: known.get(request.url.path, httpx.Response(404)))
    names = ("fine", "old", "fork", "stale", "gone")
    lines = [f"https://github.com/o/{name}" for name in names] + ["https://elsewhere.example/o/r"]
    with api.client() as github:
        kept, dropped = still_alive(github, parse_list(lines, "list"), NOW)
    assert [e.source.display_name for e in kept] == ["o/fine", "o/r"]
    assert dropped == {"archived": 1, "fork": 1, "stale": 1, "missing": 1}
    assert len(api.requests) == len(names)
