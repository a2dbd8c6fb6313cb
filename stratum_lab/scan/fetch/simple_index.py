"""What a package index lists for a project, in either of the two forms of the simple API: JSON, or a page of links."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from packaging.utils import InvalidSdistFilename, parse_sdist_filename
from packaging.version import InvalidVersion, Version


class Sdist(NamedTuple):
    """A source distribution of an index."""

    url: str
    filename: str
    sha256: str


class _Links(HTMLParser):
    """The addresses of all links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


def sdist_of(body: bytes, url: str, project: str, version: Version) -> Sdist | None:
    """The source distribution of a version; None when the index lists none with a SHA-256.

    Args:
        body: The index's answer.
        url: Where it came from; links are relative to it.
        project: Normalized name.
        version: The version wanted.

    Raises:
        ValueError: The answer has neither form.
    """
    files = _from_json(body) if body.lstrip().startswith(b"{") else _from_page(body.decode("utf-8", "replace"))
    fitting = [file for file in files if file.sha256 and _is(file.filename, project, version)]
    # First the form that every build tool writes today.
    fitting.sort(key=lambda file: (not file.filename.endswith(".tar.gz"), file.filename))
    return fitting[0]._replace(url=urljoin(url, fitting[0].url)) if fitting else None


def _from_json(body: bytes) -> list[Sdist]:
    try:
        return [
            Sdist(str(file["url"]), str(file["filename"]), str(file["hashes"].get("sha256", "")))
            for file in json.loads(body)["files"]
        ]
    except (KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise ValueError("no listing of the simple API") from exc


def _from_page(page: str) -> list[Sdist]:
    links = _Links()
    links.feed(page)
    if not links.found and "<" not in page:
        raise ValueError("no page of links")
    found: list[Sdist] = []
    for link in links.found:
        parts = urlsplit(link)
        method, _, digest = parts.fragment.partition("=")
        name = parts.path.rpartition("/")[2]
        found.append(Sdist(parts._replace(fragment="").geturl(), name, digest if method == "sha256" else ""))
    return found


def _is(filename: str, project: str, version: Version) -> bool:
    try:
        return parse_sdist_filename(filename) == (project, version)
    except (InvalidSdistFilename, InvalidVersion):
        return False
