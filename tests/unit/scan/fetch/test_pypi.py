"""Fetching source distributions from an index, in both forms of its answer."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stratum_lab.errors import Transient
from stratum_lab.scan.fetch import FetchError, fetch
from stratum_lab.scan.source.limits import DEFAULT
from tests.support.hostile import member, silent_server, tar_of

LIMITS = replace(DEFAULT, timeout_seconds=30)


class Index:
    """A package index on this machine: path to status and body."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, bytes]] = {}
        pages = self.pages

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = pages.get(self.path, (404, b""))
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/simple"

    def list_json(self, *files: tuple[str, str]) -> None:
        """Answer with these file names and hashes for the project `a-b`."""
        listed = [{"filename": n, "url": f"../../files/{n}", "hashes": {"sha256": h}} for n, h in files]
        self.pages["/simple/a-b/"] = (200, json.dumps({"files": listed}).encode())


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    made = Index()
    monkeypatch.setenv("PIP_INDEX_URL", made.url + "/")
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def sdist(tmp_path: Path) -> tuple[bytes, str]:
    path = tar_of(tmp_path / "s.tar.gz", [(member("a_b-1.0/a.py"), b"x = 1\n")])
    return path.read_bytes(), hashlib.sha256(path.read_bytes()).hexdigest()


def _reason(source: str, scratch: Path, timeout: float = 30) -> str:
    with pytest.raises(FetchError) as caught:
        fetch(source, scratch, replace(LIMITS, timeout_seconds=timeout))
    assert isinstance(caught.value, Transient) == (caught.value.reason in ("unreachable", "timeout"))
    return caught.value.reason


def test_the_source_distribution_of_a_version_is_unpacked(
    index: Index, scratch: Path, sdist: tuple[bytes, str]
) -> None:
    index.list_json(("a_b-1.0-py3-none-any.whl", "0" * 64), ("a_b-0.9.tar.gz", "0" * 64), ("a_b-1.0.tar.gz", sdist[1]))
    index.pages["/files/a_b-1.0.tar.gz"] = (200, sdist[0])
    fetched = fetch("pypi:A_b==1.0.0", scratch, LIMITS)
    assert (fetched.root / "a.py").read_text() == "x = 1\n"
    assert (fetched.commit, fetched.address) == (None, "pypi:a-b==1.0.0")


def test_an_index_that_answers_with_a_page_of_links_is_read(
    index: Index, scratch: Path, sdist: tuple[bytes, str]
) -> None:
    page = f'<a href="/files/a_b-1.0.tar.gz#sha256={sdist[1]}">a_b-1.0.tar.gz</a><a href="/files/a_b-1.0.zip">z</a>'
    index.pages["/simple/a-b/"] = (200, page.encode())
    index.pages["/files/a_b-1.0.tar.gz"] = (200, sdist[0])
    assert (fetch("pypi:a-b==1.0", scratch, LIMITS).root / "a.py").is_file()


def test_content_with_another_hash_is_refused(index: Index, scratch: Path, sdist: tuple[bytes, str]) -> None:
    index.list_json(("a_b-1.0.tar.gz", "0" * 64))
    index.pages["/files/a_b-1.0.tar.gz"] = (200, sdist[0])
    assert _reason("pypi:a-b==1.0", scratch) == "bad_archive"


@pytest.mark.parametrize("source", ["pypi:a-b==2.0", "pypi:other==1.0", "pypi:a-b==nonsense"])
def test_a_version_or_package_that_is_not_there_is_told(index: Index, scratch: Path, source: str) -> None:
    index.list_json(("a_b-1.0.tar.gz", "0" * 64))
    assert _reason(source, scratch) == "not_found"


def test_a_package_that_has_wheels_only_is_told(index: Index, scratch: Path) -> None:
    index.list_json(("a_b-1.0-py3-none-any.whl", "0" * 64))
    assert _reason("pypi:a-b==1.0", scratch) == "not_found"


@pytest.mark.parametrize(("status", "reason"), [(401, "auth"), (403, "auth"), (500, "unreachable")])
def test_what_an_index_answers_decides_whether_to_try_again(
    index: Index, scratch: Path, status: int, reason: str
) -> None:
    index.pages["/simple/a-b/"] = (status, b"")
    assert _reason("pypi:a-b==1.0", scratch) == reason


@pytest.mark.parametrize("body", [b"{", b'{"files": 1}', b'{"files": [{}]}', b"plain text"])
def test_an_answer_that_is_no_listing_is_told(index: Index, scratch: Path, body: bytes) -> None:
    index.pages["/simple/a-b/"] = (200, body)
    assert _reason("pypi:a-b==1.0", scratch) == "unsupported"


def test_a_download_larger_than_allowed_is_ended(index: Index, scratch: Path) -> None:
    index.list_json(("a_b-1.0.tar.gz", "0" * 64))
    index.pages["/files/a_b-1.0.tar.gz"] = (200, b"x" * 100_000)
    with pytest.raises(FetchError) as caught:
        fetch("pypi:a-b==1.0", scratch, replace(LIMITS, clone_bytes=50_000))
    assert caught.value.reason == "too_large"


def test_an_index_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, scratch: Path) -> None:
    with silent_server() as port:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{port}/simple")
        assert _reason("pypi:a-b==1.0", scratch, timeout=0.3) == "timeout"
