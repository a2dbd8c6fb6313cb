"""Finding result folders and reading lines of any shape."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.result_folder import MAX_DEPTH, content_digest, find_runs, read_lines
from stratum_lab.contract.events.dead_letter import MAX_BODY
from stratum_lab.contract.events.lines import MAX_LINE_BYTES
from stratum_lab.errors import UsageError
from tests.support.recorded import line, metadata, result_folder


def lines_of(body: bytes) -> list[bytes]:
    return [one.body for one in read_lines(io.BytesIO(body))]


def test_a_folder_is_itself_a_result_folder_or_holds_some(tmp_path: Path) -> None:
    result_folder(tmp_path / "a", [line(1)], metadata())
    result_folder(tmp_path / "b" / "c", [line(1)], metadata())
    assert [r.folder.name for r in find_runs([tmp_path]).runs] == ["a", "c"]
    assert [r.folder.name for r in find_runs([tmp_path / "a"]).runs] == ["a"]


def test_folders_deeper_than_the_limit_are_not_searched(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(MAX_DEPTH + 1):
        deep = deep / "x"
    result_folder(deep, [line(1)], None)
    assert find_runs([tmp_path]).runs == []


def test_run_10_comes_after_run_2(tmp_path: Path) -> None:
    for run in (10, 2, 1):
        result_folder(tmp_path, [line(run)], metadata(), run)
    found = find_runs([tmp_path])
    assert [r.run_number for r in found.runs] == [1, 2, 10]
    assert found.folders == 1


def test_a_folder_given_twice_is_read_once(tmp_path: Path) -> None:
    result_folder(tmp_path / "a", [line(1)], None)
    assert len(find_runs([tmp_path, tmp_path / "a", tmp_path]).runs) == 1


def test_other_files_and_run_zero_are_left_alone(tmp_path: Path) -> None:
    for name in ("events_run_x.jsonl", "events_run_1.jsonl.bak", "events.jsonl", "run_metadata_1.json.tmp"):
        (tmp_path / name).write_bytes(b"{}")
    (tmp_path / "events_run_0.jsonl").write_bytes(b"")
    found = find_runs([tmp_path])
    assert found.runs == []
    assert [p.what for p in found.problems] == ["run numbers start at 1"]


def test_two_names_of_one_run_are_named(tmp_path: Path) -> None:
    result_folder(tmp_path, [line(1)], None)
    (tmp_path / "events_run_01.jsonl").write_bytes(b"")
    found = find_runs([tmp_path])
    assert len(found.runs) == 1
    assert "run 1 is already" in found.problems[0].what


def test_links_that_leave_the_folder_are_named_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "secret.jsonl"
    outside.write_bytes(line(1))
    given = tmp_path / "given"
    given.mkdir()
    (given / "events_run_1.jsonl").symlink_to(outside)
    (given / "linked").symlink_to(tmp_path, target_is_directory=True)
    (given / "events_run_2.jsonl").symlink_to(given / "events_run_2.jsonl")
    found = find_runs([given])
    assert found.runs == []
    assert len(found.problems) == 3
    assert any("leads out" in p.what for p in found.problems)


def test_a_fifo_is_named_and_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "events_run_1.jsonl")
    assert [p.what for p in find_runs([tmp_path]).problems] == ["not a regular file"]


def test_a_path_that_is_no_folder_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a folder"):
        find_runs([tmp_path / "missing"])


def test_dead_letters_name_the_file_the_same_way_from_every_level(tmp_path: Path) -> None:
    result_folder(tmp_path / "a" / "b", [line(1)], None)
    names = {find_runs([d]).runs[0].source_file for d in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")}
    assert names == {"b/events_run_1.jsonl"}


def test_a_folder_name_that_is_no_utf8_is_escaped(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff"))
    result_folder(folder, [line(1)], None)
    assert find_runs([tmp_path]).runs[0].source_file == "bad\\xff/events_run_1.jsonl"


def test_the_digest_covers_events_and_metadata_but_not_the_status_file(tmp_path: Path) -> None:
    result_folder(tmp_path, [line(1)], metadata())

    def digest() -> str:
        return content_digest(find_runs([tmp_path]).runs[0])

    first = digest()
    (tmp_path / "status.json").write_text("{}")
    assert digest() == first
    result_folder(tmp_path, [line(1)], metadata(status="CRASH"))
    assert digest() != first


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"", [], id="empty"),
        pytest.param(b"a\nb\n", [b"a", b"b"], id="lf"),
        pytest.param(b"a\r\nb\r\n", [b"a", b"b"], id="crlf"),
        pytest.param(b"a\nb", [b"a", b"b"], id="no newline at the end"),
        pytest.param(b"a\n\nb\n", [b"a", b"", b"b"], id="empty line"),
        pytest.param(b"\xef\xbb\xbfa\nb\n", [b"a", b"b"], id="byte order mark"),
        pytest.param(b"\xef\xbb\xbf", [], id="byte order mark alone"),
        pytest.param(b"a\rb\n", [b"a\rb"], id="lone cr stays"),
        pytest.param(b"\x00\xff\n", [b"\x00\xff"], id="binary"),
    ],
)
def test_line_ends(body: bytes, expected: list[bytes]) -> None:
    assert lines_of(body) == expected


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"], ids=["end of file", "lf", "crlf"])
@pytest.mark.parametrize("length", [-3, -2, -1, 0, 1, 2, 3, 5, MAX_BODY, 3 * MAX_BODY])
def test_long_lines_keep_length_digest_and_their_neighbours(length: int, end: bytes) -> None:
    long = b"x" * (MAX_LINE_BYTES + length)
    before, found, *after = read_lines(io.BytesIO(b"first\n" + long + end + (b"last" if end else b"")))
    assert before.body == b"first"
    assert (found.number, found.length) == (2, len(long))
    assert found.body == long[:MAX_BODY]
    assert found.sha256 == (hashlib.sha256(long).hexdigest() if len(long) > MAX_LINE_BYTES else None)
    assert [one.body for one in after] == ([b"last"] if end else [])


@given(st.lists(st.binary(max_size=40).filter(lambda b: b"\n" not in b and not b.endswith(b"\r")), max_size=8))
def test_every_line_comes_back_as_it_was_written(lines: list[bytes]) -> None:
    body = b"".join(one + b"\n" for one in lines)
    if not body.startswith(b"\xef\xbb\xbf"):
        assert lines_of(body) == lines
