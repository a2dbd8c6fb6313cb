"""The identity of a tree's content: the vectors of the specification, and what may and may not change it."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from stratum_lab.scan.source.limits import Unreadable
from stratum_lab.scan.source.read import repo_hash
from stratum_lab.scan.source.repo_hash import RepoHash
from stratum_lab.scan.source.walk import walk
from tests.support.hostile import git, repository


def _hash(root: Path) -> str:
    return repo_hash(walk(root))


def test_the_vectors_of_the_specification_hold(tmp_path: Path) -> None:
    assert _hash(tmp_path) == "8dc2305c3f6e1ff3"
    (tmp_path / "a.py").write_bytes(b"x = 1\n")
    assert _hash(tmp_path) == "251a61b1b78437bd"
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c.txt").touch()
    assert _hash(tmp_path) == "df81d132ab934479"


def test_copying_and_renaming_the_tree_change_nothing(tmp_path: Path) -> None:
    repository(tmp_path / "one", {"b.py": "2", "a/c.txt": "3", "a.py": "1"})
    before = _hash(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    (tmp_path / "one").rename(tmp_path / "three")
    assert _hash(tmp_path / "two") == _hash(tmp_path / "three") == before


@pytest.mark.parametrize("change", ["byte", "name", "file", "newline", "empty"])
def test_every_change_of_content_changes_it(tmp_path: Path, change: str) -> None:
    repository(tmp_path, {"a.py": "x = 1\n", "b.bin": "b"})
    before = _hash(tmp_path)
    if change == "byte":
        (tmp_path / "b.bin").write_text("c")
    elif change == "name":
        git(tmp_path, "mv", "a.py", "c.py")
    elif change == "newline":
        (tmp_path / "a.py").write_bytes(b"x = 1\r\n")
    else:
        (tmp_path / "new").write_text("" if change == "empty" else "n")
        git(tmp_path, "add", "new")
    assert _hash(tmp_path) != before


def test_a_clean_checkout_and_a_plain_copy_of_the_same_tree_agree(tmp_path: Path) -> None:
    repository(tmp_path / "work", {"a.py": "1", "d/b.py": "2", "e\u0301.py": "3"})
    shutil.copytree(tmp_path / "work", tmp_path / "plain", ignore=shutil.ignore_patterns(".git"))
    assert _hash(tmp_path / "work") == _hash(tmp_path / "plain")


def test_untracked_files_change_nothing(tmp_path: Path) -> None:
    repository(tmp_path, {"a.py": "1"})
    before = _hash(tmp_path)
    (tmp_path / ".env").write_text("A=1\n")
    assert _hash(tmp_path) == before


def test_names_that_are_one_after_normalization_are_ordered_by_content() -> None:
    values = []
    for digests in (("1" * 64, "2" * 64), ("2" * 64, "1" * 64)):
        made = RepoHash()
        for digest in digests:
            made.add("\u00e9".encode(), digest)
        values.append(made.value())
    assert values[0] == values[1]


def test_a_name_that_is_no_utf8_is_hashed_by_its_raw_bytes(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff")).write_bytes(b"x")
    line = b"\xff\0" + hashlib.sha256(b"x").hexdigest().encode() + b"\n"
    assert _hash(tmp_path) == hashlib.sha256(b"stratum-repo-hash-v1\n" + line).hexdigest()[:16]


def test_a_file_larger_than_what_is_kept_is_hashed_in_full(tmp_path: Path) -> None:
    data = bytes(range(256)) * 16_384
    (tmp_path / "a.py").write_bytes(data)
    line = b"a.py\0" + hashlib.sha256(data).hexdigest().encode() + b"\n"
    assert _hash(tmp_path) == hashlib.sha256(b"stratum-repo-hash-v1\n" + line).hexdigest()[:16]


def test_a_tree_with_a_file_that_went_away_has_no_hash(tmp_path: Path) -> None:
    (tmp_path / "a.py").touch()
    tree = walk(tmp_path)
    (tmp_path / "a.py").unlink()
    with pytest.raises(Unreadable):
        repo_hash(tree)


def test_a_fifo_in_the_place_of_a_listed_file_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "a.py").touch()
    tree = walk(tmp_path)
    (tmp_path / "a.py").unlink()
    os.mkfifo(tmp_path / "a.py")
    with pytest.raises(Unreadable):
        repo_hash(tree)


def test_a_link_in_the_place_of_a_listed_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("secret")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "a.py").touch()
    tree = walk(tmp_path / "root")
    (tmp_path / "root" / "a.py").unlink()
    (tmp_path / "root" / "a.py").symlink_to(tmp_path / "outside")
    with pytest.raises(Unreadable):
        repo_hash(tree)
