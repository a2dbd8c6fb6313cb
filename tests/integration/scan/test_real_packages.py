"""Published projects, fetched from the package index and scanned as a job would: what a person counted, in valid pings.

`tests/fixtures/real_packages.json` holds the counts and `real_packages.md` how they were made.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stratum_lab.ping.attempt import Attempted, run_attempt
from stratum_lab.ping.validate import problems
from stratum_lab.scan.fetch import FetchLater, fetch
from stratum_lab.scan.source.limits import DEFAULT
from stratum_lab.scan.view import ScanView
from tests.support.kafka import cannot

pytestmark = pytest.mark.integration

COUNTED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "real_packages.json").read_text(encoding="utf-8")
)
OTHERS = (
    ("deepagents", "0.7.9"),
    ("gpt-researcher", "0.9.9"),
    ("langgraph-supervisor", "0.0.9"),
    ("langgraph-swarm", "0.1.0"),
    ("langmem", "0.0.9"),
    ("rag-agent", "0.3.1"),
)
STATUS = {"langmem": "partial", "magentic-ui": "empty"}
"""Where a package ends in anything but success: two files that no Python accepts; no tools given to a model."""


class Package(NamedTuple):
    """A package that was fetched and scanned once."""

    folder: Path
    attempt: Attempted


Scanned = Callable[[str, str], Package]


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Scanned:
    """Fetches and scans a package of the index, each once."""
    done: dict[str, Package] = {}

    def scan(name: str, version: str) -> Package:
        if name not in done:
            folder, started = tmp_path_factory.mktemp("package"), time.monotonic()
            try:
                fetched = fetch(f"pypi:{name}=={version}", folder, DEFAULT)
            except FetchLater as error:
                cannot(f"the package index does not answer: {error}")
            done[name] = Package(folder, run_attempt(fetched.root, DEFAULT, scan_id="0123abcd", started=started))
        return done[name]

    return scan


def _view(package: Package) -> ScanView:
    assert package.attempt.view is not None
    return package.attempt.view


@pytest.mark.parametrize(
    ("name", "version"), [*OTHERS, *((counted["name"], counted["version"]) for counted in COUNTED)]
)
def test_a_published_package_gives_a_valid_ping(scanned: Scanned, name: str, version: str) -> None:
    ping = scanned(name, version).attempt.ping

    assert problems(ping) == []
    assert ping.scan_status == STATUS.get(name, "success")


@pytest.mark.parametrize("counted", COUNTED, ids=[counted["name"] for counted in COUNTED])
def test_what_is_fetched_is_what_was_counted(scanned: Scanned, counted: dict[str, Any]) -> None:
    package = scanned(counted["name"], counted["version"])

    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in package.folder.glob("sdist.*")]
    assert digests == [counted["sha256"]]


@pytest.mark.parametrize("counted", COUNTED, ids=[counted["name"] for counted in COUNTED])
def test_the_agents_of_a_published_package_are_those_that_were_counted(
    scanned: Scanned, counted: dict[str, Any]
) -> None:
    package = scanned(counted["name"], counted["version"])

    found = [[agent.place.file, agent.place.line, agent.name] for agent in _view(package).agents]
    assert sorted(found) == sorted(counted["agents"])
    assert package.attempt.ping.agent_count == len(counted["agents"])


@pytest.mark.parametrize("counted", COUNTED, ids=[counted["name"] for counted in COUNTED])
def test_the_crews_of_a_published_package_are_those_that_were_counted(
    scanned: Scanned, counted: dict[str, Any]
) -> None:
    view = _view(scanned(counted["name"], counted["version"]))

    names = {agent.key: agent.name for agent in view.agents}
    found = [[c.place.file, c.place.line, sorted(names[member] for member in c.members)] for c in view.crews]
    assert sorted(found) == sorted([file, line, sorted(members)] for file, line, members in counted["crews"])
    assert [crew.unknown_members for crew in view.crews] == [0] * len(found)


@pytest.mark.parametrize("counted", COUNTED, ids=[counted["name"] for counted in COUNTED])
def test_the_tools_of_a_published_package_are_those_that_were_counted(
    scanned: Scanned, counted: dict[str, Any]
) -> None:
    view = _view(scanned(counted["name"], counted["version"]))

    assert sorted(tool.name for tool in view.tools) == sorted(counted["tools"])
