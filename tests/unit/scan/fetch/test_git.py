"""Fetching a commit of a Git repository: the right one, nothing run, and every failure with its reason."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from stratum_lab.errors import Transient
from stratum_lab.scan.fetch import FetchError, fetch
from stratum_lab.scan.fetch.git import reason_of
from stratum_lab.scan.source.limits import DEFAULT
from stratum_lab.scan.source.read import repo_hash
from stratum_lab.scan.source.walk import walk
from tests.support.hostile import armed, git, record, repository, silent_server

LIMITS = replace(DEFAULT, timeout_seconds=60)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def _reason(source: str, scratch: Path, **limits: float) -> str:
    with pytest.raises(FetchError) as caught:
        fetch(source, scratch, replace(LIMITS, **limits))
    assert isinstance(caught.value, Transient) == (caught.value.reason in ("unreachable", "timeout"))
    return caught.value.reason


def test_the_head_of_a_repository_is_checked_out_with_the_content_of_its_work_tree(
    tmp_path: Path, scratch: Path
) -> None:
    commit = repository(tmp_path / "repo", {"a.py": "x = 1\n", "d/b.py": "y\n"})
    fetched = fetch(f"file://{tmp_path}/repo", scratch, LIMITS)
    assert (fetched.commit, fetched.display_name, fetched.address) == (commit, "repo", f"file://{tmp_path}/repo")
    assert scratch in fetched.root.parents
    assert repo_hash(walk(fetched.root)) == repo_hash(walk(tmp_path / "repo"))


@pytest.mark.parametrize("how", ["whole", "short", "tag", "branch"])
def test_an_earlier_commit_can_be_asked_for_in_every_form(tmp_path: Path, scratch: Path, how: str) -> None:
    repo = tmp_path / "repo"
    first = repository(repo, {"a.py": "1\n"})
    git(repo, "tag", "v1")
    git(repo, "branch", "old")
    repository(repo, {"a.py": "2\n"})
    asked = {"whole": first, "short": first[:8], "tag": "v1", "branch": "old"}[how]
    fetched = fetch(f"file://{repo}@{asked}", scratch, LIMITS)
    assert (fetched.commit, (fetched.root / "a.py").read_text()) == (first, "1\n")
    assert fetched.address == f"file://{repo}"


def test_only_one_commit_is_fetched(tmp_path: Path, scratch: Path) -> None:
    repo = tmp_path / "repo"
    first = repository(repo, {"a.py": "1\n"})
    repository(repo, {"a.py": "2\n"})
    root = fetch(f"file://{repo}", scratch, LIMITS).root
    assert git(root, "rev-list", "--count", "HEAD") == "1"
    assert first not in git(root, "cat-file", "--batch-all-objects", "--batch-check")


@pytest.mark.parametrize("asked", ["f" * 40, "f" * 8, "no-such-branch"])
def test_a_commit_that_does_not_exist_is_told(tmp_path: Path, scratch: Path, asked: str) -> None:
    repository(tmp_path / "repo", {"a.py": "1\n"})
    assert _reason(f"file://{tmp_path}/repo@{asked}", scratch) == "no_such_commit"


def test_an_empty_repository_is_an_empty_tree(tmp_path: Path, scratch: Path) -> None:
    (tmp_path / "repo").mkdir()
    git(tmp_path / "repo", "init", "--quiet")
    fetched = fetch(f"file://{tmp_path}/repo", scratch, LIMITS)
    assert (fetched.commit, walk(fetched.root).entries) == (None, [])


def test_a_missing_repository_and_a_folder_that_is_none_are_not_found(tmp_path: Path, scratch: Path) -> None:
    assert _reason(f"file://{tmp_path}/nothing", scratch) == "not_found"


@pytest.mark.parametrize("source", ["ext::sh -c true", "http://host/a/b", "git://host/a", "fd::3", "-x", "a b c"])
def test_other_transports_are_refused(scratch: Path, source: str) -> None:
    assert _reason(source, scratch) in ("unsupported", "not_found")


def test_a_host_that_refuses_connections_is_unreachable(scratch: Path) -> None:
    with silent_server() as port:
        pass  # the port is closed again
    assert _reason(f"https://127.0.0.1:{port}/a/b", scratch) == "unreachable"


@pytest.mark.parametrize("scheme", ["https", "ssh"])
def test_a_clone_that_hangs_is_ended_in_time(scratch: Path, scheme: str) -> None:
    with silent_server() as port:
        assert _reason(f"{scheme}://127.0.0.1:{port}/a/b", scratch, timeout_seconds=0.5) in ("timeout", "unreachable")


def test_a_clone_larger_than_allowed_is_ended(tmp_path: Path, scratch: Path) -> None:
    repository(tmp_path / "repo", {})
    (tmp_path / "repo" / "noise").write_bytes(os.urandom(3 << 20))
    repository(tmp_path / "repo", {})
    assert _reason(f"file://{tmp_path}/repo", scratch, clone_bytes=1 << 20) == "too_large"


def test_nothing_that_a_repository_configures_is_run_and_it_is_not_changed(tmp_path: Path, scratch: Path) -> None:
    repo, proof = tmp_path / "repo", tmp_path / "proof"
    repository(
        repo, {"a.py": "x\n", ".gitattributes": "* filter=evil diff=evil\n*.bin filter=lfs\n", "b.bin": "version\n"}
    )
    armed(repo, proof)
    before = record(repo)
    fetched = fetch(f"file://{repo}", scratch, LIMITS)
    assert [e.path for e in walk(fetched.root).entries] == [".gitattributes", "a.py", "b.bin"]
    assert not proof.exists()
    assert record(repo) == before


def test_submodules_are_not_fetched_and_links_stay_links(tmp_path: Path, scratch: Path) -> None:
    repository(tmp_path / "inner", {"i.py": "x\n"})
    repo = tmp_path / "repo"
    repository(repo, {"a.py": "x\n"})
    git(repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(tmp_path / "inner"), "m")
    (repo / "link").symlink_to("/etc")
    repository(repo, {})
    root = fetch(f"file://{repo}", scratch, LIMITS).root
    assert list((root / "m").iterdir()) == []
    assert (root / "link").is_symlink()
    assert [e.path for e in walk(root).entries] == [".gitmodules", "a.py"]


def test_a_folder_is_read_in_place_and_nothing_is_written(tmp_path: Path, scratch: Path) -> None:
    repository(tmp_path / "repo", {"a.py": "x\n"})
    fetched = fetch(str(tmp_path / "repo"), scratch, LIMITS)
    assert (fetched.root, fetched.commit) == (tmp_path / "repo", None)
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("fatal: could not read Username for 'https://host': terminal prompts disabled", "auth"),
        ("fatal: Authentication failed for 'https://host/a/b/'", "auth"),
        ("git@host: Permission denied (publickey).\nfatal: Could not read from remote repository.", "auth"),
        ("Host key verification failed.\nfatal: Could not read from remote repository.", "auth"),
        ("remote: Repository not found.\nfatal: repository 'https://host/a/b/' not found", "not_found"),
        ("fatal: '/x' does not appear to be a git repository", "not_found"),
        ("fatal: couldn't find remote ref v9", "no_such_commit"),
        ("fatal: remote error: upload-pack: not our ref " + "f" * 40, "no_such_commit"),
        ("fatal: transport 'file' not allowed", "unsupported"),
        ("fatal: unable to access 'https://host/': Could not resolve host: host", None),
        ("ssh: connect to host x port 22: Connection refused\nfatal: Could not read from remote repository.", None),
    ],
)
def test_what_git_says_is_understood(said: str, reason: str | None) -> None:
    assert reason_of(said) == reason
