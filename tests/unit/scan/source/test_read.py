"""Which files a scan looks into, how Python text is decoded, and where the caps fall."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stratum_lab.scan.source.limits import DEFAULT, Limits
from stratum_lab.scan.source.read import Content, Reader, Undecodable, decode_python, kind_of, loc
from stratum_lab.scan.source.walk import walk
from tests.support.hostile import repository


def _contents(root: Path, limits: Limits = DEFAULT) -> dict[str, Content]:
    return {content.path: content for content in Reader(walk(root, limits), limits).contents()}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.py", ("python", True)),
        ("a.pyi", None),
        ("src/config/agents.yaml", ("yaml", True)),
        ("my_Agent_conf.yml", ("yaml", True)),
        ("tasks.yaml", ("yaml", True)),
        ("docker-compose.yml", ("yaml", False)),
        (".cursor/mcp.json", ("json", True)),
        (".mcp.json", ("json", True)),
        ("claude_desktop_config.json", ("json", True)),
        ("package.json", ("json", False)),
        ("requirements-dev.txt", ("text", False)),
        ("pyproject.toml", ("text", False)),
        (".env.example", ("text", False)),
        ("nb.ipynb", ("text", False)),
        ("README.md", None),
        ("notes.txt", None),
    ],
)
def test_names_decide_what_is_read_and_what_is_a_candidate(name: str, expected: tuple[str, bool] | None) -> None:
    assert kind_of(name.encode()) == expected


def test_files_are_handed_on_in_order_with_their_bytes(tmp_path: Path) -> None:
    repository(tmp_path, {"b.py": "2", "a.py": "1", "image.png": "x"})
    assert [(c.path, c.data) for c in _contents(tmp_path).values()] == [("a.py", b"1"), ("b.py", b"2")]


def test_the_hash_is_known_after_reading(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"x = 1\n")
    reader = Reader(walk(tmp_path))
    assert reader.repo_hash == ""
    list(reader.contents())
    assert (reader.repo_hash, reader.files_total) == ("251a61b1b78437bd", 1)


def test_a_candidate_may_be_exactly_as_large_as_the_limit(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"#" * 100)
    (tmp_path / "b.py").write_bytes(b"#" * 101)
    found = _contents(tmp_path, replace(DEFAULT, file_bytes=100))
    assert (found["a.py"].error, found["b.py"].error, found["b.py"].data) == (None, "too_large", None)


def test_candidates_beyond_the_number_allowed_are_told_and_others_do_not_count(tmp_path: Path) -> None:
    for name in ("a.json", "b.py", "c.yaml", "d.py", "e.py"):
        (tmp_path / name).write_text("x")
    found = _contents(tmp_path, replace(DEFAULT, candidate_files=2))
    assert {path: c.error for path, c in found.items() if c.error} == {"e.py": "too_many_candidates"}


def test_a_candidate_that_does_not_fit_the_bytes_left_is_told_and_a_smaller_one_still_fits(tmp_path: Path) -> None:
    for name, size in (("a.py", 60), ("b.py", 50), ("c.py", 40)):
        (tmp_path / name).write_bytes(b"#" * size)
    found = _contents(tmp_path, replace(DEFAULT, candidate_bytes=100))
    assert {path: c.error for path, c in found.items()} == {"a.py": None, "b.py": "too_many_bytes", "c.py": None}


def test_untracked_env_files_are_handed_on_apart(tmp_path: Path) -> None:
    repository(tmp_path, {"a.py": "1"})
    (tmp_path / ".env").write_text("A=1\n")
    reader = Reader(walk(tmp_path))
    assert [c.path for c in reader.contents()] == ["a.py"]
    assert [(c.path, c.data) for c in reader.env_files()] == [(".env", b"A=1\n")]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        ("é = 1".encode(), "é = 1"),
        (b"\xef\xbb\xbfx = 1", "x = 1"),
        (b"# coding: latin-1\n# \xe9", "# coding: latin-1\n# é"),
        (b"#!/bin/x\n# -*- coding: cp1252 -*-\n# \x80", "#!/bin/x\n# -*- coding: cp1252 -*-\n# €"),
        (b"x = 1\n\n# coding: latin-1", "x = 1\n\n# coding: latin-1"),
    ],
)
def test_python_is_decoded_as_it_declares(data: bytes, text: str) -> None:
    assert decode_python(data) == text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"# \xe9", "encoding"),
        (b"# coding: no-such-codec\n", "encoding"),
        (b"# coding: zlib\n", "encoding"),
        (b"# coding: rot13\n", "encoding"),
        (b"\xef\xbb\xbf# coding: latin-1\n", "encoding"),
        (b"x = 1\0\n", "null_bytes"),
        ("x = 1\n".encode("utf-16"), "null_bytes"),
    ],
)
def test_what_is_no_text_in_its_encoding_is_an_error_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(Undecodable) as caught:
        decode_python(data)
    assert caught.value.reason == reason


@pytest.mark.parametrize(("data", "lines"), [(b"", 0), (b"\n", 1), (b"a", 1), (b"a\n\nb", 3), (b"a\r\nb\r\n", 2)])
def test_physical_lines_are_counted(data: bytes, lines: int) -> None:
    assert loc(data) == lines
