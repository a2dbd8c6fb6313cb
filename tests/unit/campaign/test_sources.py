"""Source addresses: what is accepted, what each becomes, and what is refused with which hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from stratum_lab.campaign.sources import SHOWN_PROBLEMS, distinct, parse_list, parse_source
from stratum_lab.contract.ids import repo_id
from stratum_lab.errors import UsageError


@pytest.mark.parametrize(
    ("text", "address", "commit", "name"),
    [
        ("https://GitHub.com/o/r", "https://github.com/o/r", None, "o/r"),
        ("https://github.com/o/r.git@abc1234", "https://github.com/o/r", "abc1234", "o/r"),
        ("ssh://git@github.com/o/r", "https://github.com/o/r", None, "o/r"),
        ("git@github.com:o/r.git@v1.0", "https://github.com/o/r", "v1.0", "o/r"),
        ("https://user@host.example/group/sub/r/", "https://user@host.example/group/sub/r", None, "sub/r"),
        ("pypi:Foo_Bar==1.0", "pypi:foo-bar==1.0", None, "foo-bar 1.0"),
    ],
)
def test_an_address_is_brought_to_one_form(text: str, address: str, commit: str | None, name: str) -> None:
    source = parse_source(text)
    assert (source.address, source.commit, source.display_name) == (address, commit, name)
    assert source.repo_id == repo_id(address)
    assert source.text == text


def test_the_commit_of_a_file_address_is_no_part_of_its_identity(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    plain, at_commit = parse_source(f"file://{tmp_path}/repo"), parse_source(f"file://{tmp_path}/repo@abc")
    assert (plain.kind, plain.commit, at_commit.commit) == ("git", None, "abc")
    assert plain.repo_id == at_commit.repo_id == repo_id(str(tmp_path / "repo"))


def test_a_folder_whose_name_holds_an_at_sign_is_itself(tmp_path: Path) -> None:
    (tmp_path / "repo@2").mkdir()
    source = parse_source(f"file://{tmp_path}/repo@2")
    assert (source.commit, source.display_name) == (None, "repo@2")


def test_local_paths_become_absolute_because_the_worker_is_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "a.tar.gz").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    folder, archive = parse_source("tree"), parse_source("./a.tar.gz")
    assert (folder.kind, folder.text) == ("folder", str(tmp_path / "tree"))
    assert (archive.kind, archive.text, archive.display_name) == ("archive", str(tmp_path / "a.tar.gz"), "a.tar.gz")


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("http://host/o/r", "no Git address", "https://"),
        ("ftp://host/o/r", "no Git address", "valid forms"),
        ("o/r", "no host", "https://github.com/o/r"),
        ("/no/such/folder", "does not exist", "valid forms"),
        ("file:///no/such/repo", "does not exist", "valid forms"),
        ("pypi:name", "exact version", "pypi:NAME==VERSION"),
        ("pypi:a==1 --index-url x", "exact version", "pypi:NAME==VERSION"),
        ("https://user:secret@host/o/r", "password", "credential helper"),
        ("https://host/-upload-pack=x", "names no repository", "valid forms"),
        ("https://host/o/r@--upload-pack", "is no commit", "hexadecimal"),
        ("ext::sh -c id", "does not exist", "valid forms"),
        ("https://host/o/r\n", "", ""),
        ("https://host/\x1b[2J", "printable", "valid forms"),
        ("", "printable", "valid forms"),
    ],
)
def test_what_is_no_source_is_refused_with_a_hint(text: str, said: str, hint: str) -> None:
    if not said:
        parse_source(text)  # a line ending is no part of an address
        return
    with pytest.raises(UsageError) as caught:
        parse_source(text)
    assert said in caught.value.message
    assert hint in str(caught.value.remedy)
    assert "secret" not in str(caught.value)


def test_a_list_may_hold_scores_addresses_and_json_lines() -> None:
    lines = [
        "# a comment",
        "",
        "42.5\thttps://example.org/o/a",
        "https://example.org/o/b\r",
        '{"repo_url": "https://example.org/o/c", "score": 3}',
        '{"repo_url": "https://example.org/o/d", "agent_count": 4}',
    ]
    found = parse_list(lines, "list")
    assert [(e.source.display_name, e.score, e.where) for e in found] == [
        ("o/a", 42.5, "list:3"),
        ("o/b", 0.0, "list:4"),
        ("o/c", 3.0, "list:5"),
        ("o/d", 0.0, "list:6"),
    ]


def test_a_file_that_no_worker_can_unpack_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar.zst").write_bytes(b"")
    with pytest.raises(UsageError, match="neither a folder nor an archive"):
        parse_source(str(tmp_path / "a.tar.zst"))


def test_every_bad_line_of_a_list_is_named() -> None:
    lines = ["https://example.org/o/a", "nonsense", "x\thttps://example.org/o/b", '{"url": "x"}', "nan\tpypi:a==1", "{"]
    with pytest.raises(UsageError) as caught:
        parse_list(lines, "list")
    assert [line.split(": ")[0] for line in caught.value.message.split("\n")[1:]] == [
        "list:2",
        "list:3",
        "list:4",
        "list:5",
        "list:6",
    ]


def test_a_list_full_of_bad_lines_names_the_first_ones_and_the_number_of_the_others() -> None:
    with pytest.raises(UsageError) as caught:
        parse_list(["nonsense"] * (SHOWN_PROBLEMS + 7), "list")
    assert "and 7 more" in caught.value.message
    assert caught.value.message.startswith(f"{SHOWN_PROBLEMS + 7} lines")


def test_a_source_named_twice_counts_once() -> None:
    first, repeated = distinct(parse_list(["https://example.org/o/a", "git@example.org:o/a.git"], "list"))
    assert [e.where for e in first] == ["list:1"]
    assert [e.where for e in repeated] == ["list:2"]


def test_two_commits_of_one_repository_are_refused_together() -> None:
    with pytest.raises(UsageError, match=r"list:2 .* and list:1 .* have one repo_id"):
        distinct(parse_list(["https://example.org/o/a@abc", "https://example.org/o/a@def"], "list"))
