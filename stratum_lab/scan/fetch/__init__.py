"""Fetching a source so that its files can be scanned: Git addresses, folders, archives and source distributions.

Nothing of what is fetched is run, and nothing is written outside the scratch folder that the caller gives.
"""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Final, NamedTuple

from stratum_lab.contract.ids import canonical_source
from stratum_lab.scan.fetch.archive import ENDINGS, fetch_archive
from stratum_lab.scan.fetch.errors import FetchError, FetchFailed, FetchLater, Reason, fetch_error
from stratum_lab.scan.fetch.git import fetch_git
from stratum_lab.scan.fetch.watch import Watch
from stratum_lab.scan.source.limits import DEFAULT, Limits

__all__ = ["FetchError", "FetchFailed", "FetchLater", "Fetched", "Reason", "fetch"]

_GIT: Final = re.compile(r"^(?:(?:https|ssh|file)://|[A-Za-z0-9._-]+@[A-Za-z0-9._-]+:)[^-]", re.IGNORECASE)
_SCHEME: Final = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:(?://|:)")
_PYPI: Final = re.compile(r"^pypi:([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9][A-Za-z0-9._+!-]*)$", re.IGNORECASE)
_COMMIT: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,199}$")


class Fetched(NamedTuple):
    """A source whose files lie in a folder.

    Attributes:
        root: The folder to scan: below scratch, except for a local folder, which is read in place.
        commit: Resolved commit; None for folders, archives, packages and repositories without a commit.
        address: Canonical address, without commit.
        display_name: Name for lists and reports.
    """

    root: Path
    commit: str | None
    address: str
    display_name: str


def fetch(source: str, scratch: Path, limits: Limits = DEFAULT, stop: threading.Event | None = None) -> Fetched:
    """Bring a source to a folder.

    Args:
        source: Address as `stratum job submit` takes it.
        scratch: An empty folder of the caller's, who removes it; everything is written below it.
        limits: `timeout_seconds` and `clone_bytes` bound the fetch, `memory_bytes` and `files` the unpacking.
        stop: Set from another thread to end it early.

    Raises:
        FetchFailed: Trying again does not help: auth, not_found, no_such_commit, too_large, bad_archive, ...
        FetchLater: The host does not answer, or not in time.
        DestinationFull: The disk is full.
        PrerequisiteError: Git is not installed.
    """
    text = source.strip()
    watch = Watch(scratch.absolute(), limits.timeout_seconds, limits.clone_bytes, stop)
    try:
        address = canonical_source(text)
    except ValueError as exc:
        raise fetch_error("unsupported", "the source is no usable address") from exc
    pypi = _PYPI.match(text)
    if pypi:
        from stratum_lab.scan.fetch.pypi import fetch_sdist  # an HTTP client takes a while to start

        path = fetch_sdist(pypi[1], pypi[2], watch)
        return Fetched(fetch_archive(path, watch, limits), None, address, f"{pypi[1]} {pypi[2]}")
    if _GIT.match(text):
        url, commit = _split(text)
        address = canonical_source(url)
        checkout = fetch_git(url, commit, watch)
        parts = address.rpartition("://")[2].split("/")
        name = "/".join(parts[-1:] if address.startswith("file:") else parts[-2:])
        return Fetched(checkout.root, checkout.commit, address, name or url)
    if _SCHEME.match(text):
        raise fetch_error("unsupported", "sources of this kind are not fetched")
    return _local(text, address, watch, limits)


def _split(text: str) -> tuple[str, str | None]:
    """Address and commit of a Git source; the commit stands after the last slash only."""
    if text.lower().startswith("file://") and Path(text[len("file://") :]).exists():
        return text, None
    head, slash, last = text.rpartition("/")
    name, at, commit = last.partition("@")
    if not at or not slash:
        return text, None
    if not _COMMIT.match(commit) or not name:
        raise fetch_error("no_such_commit", "what stands behind the @ is no commit")
    return head + slash + name, commit


def _local(text: str, address: str, watch: Watch, limits: Limits) -> Fetched:
    try:
        path = Path(text).expanduser().resolve()
        if path.is_dir():
            return Fetched(path, None, address, path.name or "/")
        exists = path.is_file()
    except (OSError, RuntimeError, ValueError) as exc:
        raise fetch_error("not_found", "the source is no usable path") from exc
    if not exists:
        raise fetch_error("not_found", "the source does not exist on this machine")
    if not path.name.lower().endswith(ENDINGS):
        raise fetch_error("unsupported", "the source is neither a folder nor an archive that can be unpacked")
    return Fetched(fetch_archive(path, watch, limits), None, address, path.name)
