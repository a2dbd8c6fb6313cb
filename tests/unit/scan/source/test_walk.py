"""The scan set: what is in it, what is not, and what is never followed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from stratum_lab.scan.source.limits import DEFAULT, MAX_DEPTH, TooManyFiles, Unreadable
from stratum_lab.scan.source.walk import Tree, walk
from tests.support.hostile import armed, git, repository


def _make(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x\n")
    return root


def _paths(tree: Tree) -> list[str]:
    return [entry.path for entry in tree.entries]


def test_files_are_in_order_of_their_path_bytes(tmp_path: Path) -> None:
    _make(tmp_path, "b.py", "a/z.py", "a.py", "a-b.py")
    assert _paths(walk(tmp_path)) == ["a-b.py", "a.py", "a/z.py", "b.py"]


@pytest.mark.parametrize(
    "path",
    [
        "node_modules/a.py", "src/__pycache__/a.py", "venv/a.py", "x/.venv/a.py", "lib/site-packages/a.py",
        "p.egg-info/PKG-INFO", "p-1.dist-info/RECORD", ".stratum/a", "a.pyc", "b.pyo", "d/.DS_Store", ".hg/a",
    ],
)  # fmt: skip
def test_excluded_paths_are_not_in_the_scan_set(tmp_path: Path, path: str) -> None:
    assert _paths(walk(_make(tmp_path, path, "kept.py"))) == ["kept.py"]


def test_names_that_only_resemble_excluded_ones_stay(tmp_path: Path) -> None:
    paths = ["Venv/a.py", "env/a.py", "my_node_modules/a.py", "venv.py"]
    assert _paths(walk(_make(tmp_path, *paths))) == sorted(paths)


@pytest.mark.parametrize("tracked", [False, True])
def test_a_folder_with_a_pyvenv_cfg_is_left_out_with_all_below_it(tmp_path: Path, tracked: bool) -> None:
    _make(tmp_path, "env/pyvenv.cfg", "env/lib/a.py", "env2/a.py", "kept.py")
    if tracked:
        repository(tmp_path, {})
    assert _paths(walk(tmp_path)) == ["env2/a.py", "kept.py"]


def test_links_fifos_and_what_lies_behind_links_are_not_in_the_scan_set(tmp_path: Path) -> None:
    outside = _make(tmp_path / "outside", "secret.py")
    root = _make(tmp_path / "root", "a.py")
    (root / "file.py").symlink_to(outside / "secret.py")
    (root / "folder").symlink_to(outside)
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe.py")
    assert _paths(walk(root)) == ["a.py"]


def test_tracked_links_and_files_behind_a_folder_that_became_a_link_are_left_out(tmp_path: Path) -> None:
    outside = _make(tmp_path / "outside", "b.py")
    root = tmp_path / "root"
    repository(root, {"a.py": "x\n", "d/b.py": "x\n"})
    (root / "link.py").symlink_to(outside / "b.py")
    git(root, "add", "link.py")
    (root / "d" / "b.py").unlink()
    (root / "d").rmdir()
    (root / "d").symlink_to(outside)
    assert _paths(walk(root)) == ["a.py"]


def test_only_tracked_files_of_a_work_tree_count_and_untracked_env_files_are_told(tmp_path: Path) -> None:
    repository(tmp_path, {"a.py": "x\n", ".gitignore": ".env\n"})
    _make(tmp_path, "new.py", ".env", "sub/.env.local", "node_modules/.env", "environment.py")
    tree = walk(tmp_path)
    assert _paths(tree) == [".gitignore", "a.py"]
    assert [entry.path for entry in tree.untracked] == [".env", "sub/.env.local"]


def test_a_folder_inside_a_work_tree_is_walked(tmp_path: Path) -> None:
    repository(tmp_path, {"sub/a.py": "x\n"})
    _make(tmp_path, "sub/new.py")
    assert _paths(walk(tmp_path / "sub")) == ["a.py", "new.py"]


def test_contents_of_submodules_are_left_out(tmp_path: Path) -> None:
    repository(tmp_path / "inner", {"i.py": "x\n"})
    repository(tmp_path / "root", {"a.py": "x\n"})
    git(
        tmp_path / "root",
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        str(tmp_path / "inner"),
        "m",
    )
    assert _paths(walk(tmp_path / "root")) == [".gitmodules", "a.py"]


def test_a_work_tree_that_git_cannot_read_is_walked(tmp_path: Path) -> None:
    _make(tmp_path, ".git/HEAD", "a.py")
    tree = walk(tmp_path)
    assert (_paths(tree), tree.tracked) == (["a.py"], False)


def test_the_configuration_of_a_repository_runs_nothing(tmp_path: Path) -> None:
    root, proof = tmp_path / "root", tmp_path / "proof"
    repository(root, {"a.py": "x\n", ".gitattributes": "* filter=evil diff=evil\n"})
    armed(root, proof)
    assert _paths(walk(root)) == [".gitattributes", "a.py"]
    assert not proof.exists()


def test_names_with_newlines_and_bytes_that_are_no_utf8_are_kept(tmp_path: Path) -> None:
    _make(tmp_path, "a\nb.py", os.fsdecode(b"c\xffd.py"))
    tree = walk(tmp_path)
    assert _paths(tree) == ["a\nb.py", "c\\xffd.py"]
    assert [entry.key for entry in tree.entries] == [b"a\nb.py", b"c\xffd.py"]


def test_paths_are_keyed_in_normal_form_whatever_the_disk_holds(tmp_path: Path) -> None:
    _make(tmp_path, "e\u0301.py")
    (entry,) = walk(tmp_path).entries
    assert (entry.key, entry.raw) == ("\u00e9.py".encode(), "e\u0301.py".encode())


@pytest.mark.parametrize("tracked", [False, True])
def test_more_files_than_allowed_end_the_walk(tmp_path: Path, tracked: bool) -> None:
    _make(tmp_path, *(f"{n}.py" for n in range(6)))
    if tracked:
        repository(tmp_path, {})
    assert len(walk(tmp_path, replace(DEFAULT, files=6)).entries) == 6
    with pytest.raises(TooManyFiles) as caught:
        walk(tmp_path, replace(DEFAULT, files=5))
    assert caught.value.reason == "too_many_files"


def test_folders_in_folders_without_end_end_the_walk(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(MAX_DEPTH + 2):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    with pytest.raises(Unreadable, match="folders deep"):
        walk(tmp_path)


@pytest.mark.parametrize("root", ["missing", "file"])
def test_a_root_that_is_no_folder_is_unreadable(tmp_path: Path, root: str) -> None:
    _make(tmp_path, "file")
    with pytest.raises(Unreadable):
        walk(tmp_path / root)


def test_an_empty_folder_and_a_repository_without_commits_have_no_files(tmp_path: Path) -> None:
    assert walk(tmp_path).entries == []
    git(tmp_path, "init", "--quiet")
    assert walk(tmp_path) == Tree(tmp_path, [], True, [])
