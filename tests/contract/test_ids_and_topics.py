"""Identities and the topic catalogue."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from stratum_lab.contract.ids import REPO_ID, canonical_source, repo_id
from stratum_lab.contract.topics import (
    BY_NAME,
    CATALOGUE,
    DAY_MS,
    FOR_EVER,
    MAX_MESSAGE_BYTES,
    RAW_TOPICS,
    base_name,
    full_name,
)

SAME = "https://github.com/Owner/Repo"


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/Owner/Repo",
        "https://github.com/Owner/Repo/",
        "https://github.com/Owner/Repo.git",
        "https://github.com/Owner/Repo.git/",
        "https://GitHub.COM/Owner/Repo",
        "HTTPS://github.com/Owner/Repo",
        "git@github.com:Owner/Repo.git",
        "ssh://git@github.com/Owner/Repo",
        "ssh://git@GITHUB.com/Owner/Repo.git",
        "https://github.com/Owner/Repo@0123abc",
        "  https://github.com/Owner/Repo  ",
    ],
)
def test_spellings_of_one_address_are_one_repository(address: str) -> None:
    assert canonical_source(address) == SAME
    assert repo_id(address) == hashlib.sha256(SAME.encode()).hexdigest()[:12]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://github.com/o/r", "http://github.com/o/r"),
        ("https://github.com/o/r@x/y", "https://github.com/o/r@x/y"),
        ("https://user@host.org/o/r", "https://user@host.org/o/r"),
        ("pypi:Foo_Bar.baz==1.0", "pypi:foo-bar-baz==1.0"),
        ("PyPI:foo==1.0", "pypi:foo==1.0"),
        ("owner/repo", "owner/repo"),
    ],
)
def test_canonical_forms(address: str, expected: str) -> None:
    assert canonical_source(address) == expected


def test_paths_become_real_file_addresses(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert canonical_source(str(tmp_path / "link")) == f"file://{tmp_path.resolve()}/real"
    assert canonical_source(f"file://{tmp_path}/link") == f"file://{tmp_path.resolve()}/real"


@pytest.mark.parametrize("address", ["", "   ", "~no-such-user-here/x", "/\0"])
def test_an_unusable_address_is_a_value_error(address: str) -> None:
    with pytest.raises(ValueError):
        repo_id(address)


def test_the_case_of_the_path_counts_and_different_repositories_differ() -> None:
    assert repo_id("https://github.com/owner/repo") != repo_id(SAME)
    assert REPO_ID.match(repo_id(SAME))
    assert not REPO_ID.match("../../../etc1")
    assert not REPO_ID.match("0123456789ab\n")


def test_the_catalogue_is_that_of_the_specification() -> None:
    kept = {t.name: (t.cleanup, t.retention_ms if t.cleanup == "delete" else None) for t in CATALOGUE}
    assert kept["scan.jobs"] == kept["run.jobs"] == ("delete", 30 * DAY_MS)
    assert kept["dead.letters"] == ("delete", 90 * DAY_MS)
    assert all(kept[n] == ("delete", FOR_EVER) for n in ("run.events", "run.status", "scan.status", "scan.pings"))
    assert all(
        kept[n] == ("compact", None) for n in ("scan.graphs", "scan.identities", "repo.records", "repo.topology")
    )


def test_every_topic_takes_messages_of_2_mib_and_raw_topics_are_kept() -> None:
    assert {t.config()["max.message.bytes"] for t in CATALOGUE} == {str(MAX_MESSAGE_BYTES)} == {"2097152"}
    assert all(BY_NAME[n].cleanup == "compact" or BY_NAME[n].retention_ms == FOR_EVER for n in RAW_TOPICS)
    assert len(BY_NAME) == len(CATALOGUE)


def test_names_on_the_broker_and_back() -> None:
    assert full_name("stratum.", "run.events") == "stratum.run.events"
    assert base_name("stratum.", "stratum.run.events") == "run.events"
    assert base_name("stratum.", "other.run.events") == "other.run.events"
    with pytest.raises(KeyError):
        full_name("stratum.", "run.event")
