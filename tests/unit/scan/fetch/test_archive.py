"""Unpacking archives: the content as it is, and nothing outside the scratch folder whatever an archive says."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from stratum_lab.scan.fetch import FetchFailed, fetch
from stratum_lab.scan.source.limits import DEFAULT, Limits
from stratum_lab.scan.source.walk import walk
from tests.support.hostile import member, record, tar_of, zip_of

LIMITS = replace(DEFAULT, timeout_seconds=60)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "outer" / "scratch"
    folder.mkdir(parents=True)
    return folder


def _reason(path: Path, scratch: Path, limits: Limits = LIMITS) -> str:
    before = record(path.parent)
    with pytest.raises(FetchFailed) as caught:
        fetch(str(path), scratch, limits)
    after = {name: facts for name, facts in record(path.parent).items() if not name.startswith(str(scratch))}
    assert after == {name: facts for name, facts in before.items() if not name.startswith(str(scratch))}
    return caught.value.reason


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tgz"])
def test_the_single_top_folder_of_an_archive_is_its_root(tmp_path: Path, scratch: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.zip":
        zip_of(path, {"top/a.py": b"1", "top/d/b.py": b"2"})
    else:
        tar_of(path, [(member("top/a.py"), b"1"), (member("./top/d/b.py"), b"2")])
    fetched = fetch(str(path), scratch, LIMITS)
    assert fetched.root.name == "top"
    assert [e.path for e in walk(fetched.root).entries] == ["a.py", "d/b.py"]
    assert (fetched.commit, fetched.display_name) == (None, name)


def test_an_archive_with_several_top_entries_is_its_own_root(tmp_path: Path, scratch: Path) -> None:
    path = zip_of(tmp_path / "a.zip", {"a.py": b"1", "d/b.py": b"2"})
    assert [e.path for e in walk(fetch(str(path), scratch, LIMITS).root).entries] == ["a.py", "d/b.py"]


@pytest.mark.parametrize("name", ["../out.py", "/out.py", "a/../../out.py", "a/.."])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_name_that_leads_out_refuses_the_archive(tmp_path: Path, scratch: Path, name: str, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    if kind == "zip":
        zip_of(path, {"ok.py": b"1", name: b"2"})
    else:
        tar_of(path, [(member("ok.py"), b"1"), (member(name), b"2")])
    assert _reason(path, scratch) == "bad_archive"


def test_links_devices_and_fifos_are_left_out(tmp_path: Path, scratch: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    path = tar_of(
        tmp_path / "a.tar.gz",
        [
            (member("a.py"), b"1"),
            (member("link", tarfile.SYMTYPE, str(outside)), b""),
            (member("link/through.py"), b"2"),
            (member("hard.py", tarfile.LNKTYPE, "/etc/passwd".lstrip("/")), b""),
            (member("dev", tarfile.CHRTYPE), b""),
            (member("pipe", tarfile.FIFOTYPE), b""),
        ],
    )
    root = fetch(str(path), scratch, LIMITS).root
    assert [e.path for e in walk(root).entries] == ["a.py", "link/through.py"]
    assert list(outside.iterdir()) == []


def test_a_hard_link_that_leads_out_refuses_the_archive(tmp_path: Path, scratch: Path) -> None:
    path = tar_of(tmp_path / "a.tar.gz", [(member("b.py", tarfile.LNKTYPE, "../../../etc/passwd"), b"")])
    assert _reason(path, scratch) == "bad_archive"


def test_a_hard_link_to_a_file_of_the_archive_is_a_copy(tmp_path: Path, scratch: Path) -> None:
    path = tar_of(tmp_path / "a.tar.gz", [(member("a.py"), b"1"), (member("b.py", tarfile.LNKTYPE, "a.py"), b"")])
    root = fetch(str(path), scratch, LIMITS).root
    assert (root / "b.py").read_bytes() == b"1"


def test_a_git_folder_in_an_archive_is_not_unpacked(tmp_path: Path, scratch: Path) -> None:
    path = zip_of(tmp_path / "a.zip", {"a.py": b"1", ".git/config": b"[core]\n\tfsmonitor = touch /\n", "d/.git": b"x"})
    tree = walk(fetch(str(path), scratch, LIMITS).root)
    assert ([e.path for e in tree.entries], tree.tracked) == (["a.py"], False)
    assert not (tree.root / ".git").exists()


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_bomb_is_ended_at_the_bytes_allowed(tmp_path: Path, scratch: Path, kind: str) -> None:
    zeros = b"\0" * (8 << 20)
    path = tmp_path / f"a.{kind}"
    if kind == "zip":
        zip_of(path, {"a.bin": zeros})
    else:
        tar_of(path, [(member("a.bin"), zeros)])
    assert path.stat().st_size < 100_000
    assert _reason(path, scratch, replace(LIMITS, clone_bytes=4 << 20)) == "too_large"
    assert sum(p.stat().st_size for p in scratch.rglob("*") if p.is_file()) < 5 << 20


def test_too_many_entries_are_refused(tmp_path: Path, scratch: Path) -> None:
    path = zip_of(tmp_path / "a.zip", {f"{n}": b"" for n in range(50)})
    assert _reason(path, scratch, replace(LIMITS, files=10)) == "too_large"


def test_a_header_that_announces_more_than_memory_is_refused(tmp_path: Path, scratch: Path) -> None:
    head = tarfile.TarInfo("pax")
    head.type, head.size = tarfile.XHDTYPE, 6 << 30
    path = tmp_path / "a.tar"
    with path.open("wb") as file:
        file.write(head.tobuf(tarfile.GNU_FORMAT))
        file.truncate(7 << 30)
    assert _reason_of_sparse(path, scratch) in ("too_large", "bad_archive")


def _reason_of_sparse(path: Path, scratch: Path) -> str:
    with pytest.raises(FetchFailed) as caught:
        fetch(str(path), scratch, replace(LIMITS, memory_bytes=256 << 20))
    return caught.value.reason


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x03\x04 torn", b"\x1f\x8b torn"])
@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_what_is_no_archive_is_told(tmp_path: Path, scratch: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert _reason(tmp_path / name, scratch) == "bad_archive"


def test_a_torn_archive_is_told(tmp_path: Path, scratch: Path) -> None:
    path = tar_of(tmp_path / "a.tar.gz", [(member("a.py"), bytes(range(256)) * 400)])
    path.write_bytes(path.read_bytes()[:-200])
    assert _reason(path, scratch) == "bad_archive"


def test_a_name_that_is_both_file_and_folder_is_told(tmp_path: Path, scratch: Path) -> None:
    path = tar_of(tmp_path / "a.tar.gz", [(member("a"), b"1"), (member("a/b"), b"2")])
    assert _reason(path, scratch) == "bad_archive"


@pytest.mark.parametrize(("name", "reason"), [("a.rar", "unsupported"), ("missing.zip", "not_found")])
def test_other_files_and_missing_ones_are_told(tmp_path: Path, scratch: Path, name: str, reason: str) -> None:
    (tmp_path / "a.rar").write_bytes(b"x")
    with pytest.raises(FetchFailed) as caught:
        fetch(str(tmp_path / name), scratch, LIMITS)
    assert caught.value.reason == reason


def test_archives_and_scratch_may_be_given_relative_to_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zip_of(tmp_path / "a.zip", {"top/a.py": b"1"})
    (tmp_path / "scratch").mkdir()
    monkeypatch.chdir(tmp_path)
    fetched = fetch("./a.zip", Path("scratch"), LIMITS)
    assert (fetched.root / "a.py").read_bytes() == b"1"
