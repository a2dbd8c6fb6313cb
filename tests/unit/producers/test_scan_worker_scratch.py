"""The scratch folder: nothing stays, nobody else's is touched, a full disk is no crash."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from producers.scan_worker_scratch import Scratch, remove_tree
from stratum_lab.errors import DestinationFull


def test_a_job_folder_is_empty_private_and_gone_afterwards(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path, "w1", 0)
    with scratch.folder() as first, scratch.folder() as second:
        assert first != second
        assert list(first.iterdir()) == []
        assert first.stat().st_mode & 0o077 == 0
        (first / "x").write_text("x")
    with pytest.raises(ZeroDivisionError), scratch.folder() as third:
        (third / "x").write_text("x")
        raise ZeroDivisionError
    assert not first.exists()
    assert not third.exists()
    scratch.close()
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_removes_what_dead_workers_left_and_nothing_else(tmp_path: Path) -> None:
    living, other = Scratch(tmp_path, "living", 0), Scratch(tmp_path, "other", 0)
    (tmp_path / "dead" / "1").mkdir(parents=True)
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (tmp_path / "link").symlink_to(outside, target_is_directory=True)
    with living.folder() as folder:
        assert other.sweep() == 1
        assert folder.exists()
    assert not (tmp_path / "dead").exists()
    assert outside.exists()
    living.close()
    other.close()


def test_below_the_reserve_no_folder_is_made(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path, "w1", 1 << 40)
    with pytest.raises(DestinationFull, match="MiB free"), scratch.folder():
        pytest.fail("a folder was made")
    scratch.close()


def test_a_scratch_folder_that_cannot_be_made_says_which_setting_helps(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DestinationFull) as caught:
        Scratch(tmp_path / "file" / "scratch", "w1", 0)
    assert "STRATUM_JOBS__SCRATCH" in str(caught.value.remedy)


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "link").symlink_to(kept, target_is_directory=True)
    remove_tree(tree)
    assert not tree.exists()
    assert (kept / "file").exists()


def test_a_tree_deeper_than_python_recurses_is_removed(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    at = os.open(root, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    remove_tree(root)
    assert not root.exists()


def test_a_tree_without_the_right_to_write_is_removed(tmp_path: Path) -> None:
    inner = tmp_path / "tree" / "inner"
    inner.mkdir(parents=True)
    (inner / "file").write_text("x")
    (inner / "file").chmod(0)
    inner.chmod(0)
    remove_tree(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()
