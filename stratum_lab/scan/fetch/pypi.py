"""Fetching the source distribution of one package version from the package index this machine is set to.

Only files are fetched: nothing of the package is built or run. The index is pip's: PIP_INDEX_URL, its configuration,
else the public one.
"""

from __future__ import annotations

import hashlib
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from stratum_lab.scan.fetch.errors import FetchError, fetch_error
from stratum_lab.scan.fetch.simple_index import Sdist, sdist_of
from stratum_lab.scan.fetch.watch import Watch

PUBLIC_INDEX: Final = "https://pypi.org/simple"
_ACCEPT: Final = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"
_LISTING_BYTES: Final = 128 << 20
_CONNECT_S: Final = 30.0
_PIP_S: Final = 30.0


def fetch_sdist(name: str, version: str, watch: Watch) -> Path:
    """Download a source distribution into scratch.

    Raises:
        FetchError: not_found (no such version, or it has no source distribution), unreachable, timeout, too_large,
            bad_archive (its hash is another one).
    """
    sdist = _listed(index_url(), name, version, watch)
    path = watch.scratch / ("sdist.zip" if sdist.filename.endswith(".zip") else "sdist.tar")
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for chunk in _get(sdist.url, "*/*", watch.size, watch):
            digest.update(chunk)
            file.write(chunk)
    if digest.hexdigest() != sdist.sha256:
        raise fetch_error("bad_archive", f"{sdist.filename} has another SHA-256 than the index says")
    return path


def index_url() -> str:
    """Address of the index's simple API."""
    named = os.environ.get("PIP_INDEX_URL") or _configured()
    return (named or PUBLIC_INDEX).rstrip("/")


def _configured() -> str:
    try:
        said = subprocess.run(
            [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PIP_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout.decode("utf-8", "replace").strip() if said.returncode == 0 else ""


def _listed(index: str, name: str, version: str, watch: Watch) -> Sdist:
    project = canonicalize_name(name)
    try:
        wanted = Version(version)
    except InvalidVersion as exc:
        raise fetch_error("not_found", f"{version!r} is no version of a package") from exc
    url = f"{index}/{project}/"
    try:
        sdist = sdist_of(b"".join(_get(url, _ACCEPT, _LISTING_BYTES, watch)), url, project, wanted)
    except ValueError as exc:
        raise fetch_error("unsupported", "the package index does not answer by the simple API") from exc
    if sdist is None:
        raise fetch_error("not_found", f"the index has no source distribution of {project} {version}")
    if urlsplit(sdist.url).scheme not in ("https", urlsplit(index).scheme):
        raise fetch_error("unsupported", "the index names a file that is not served over HTTPS")
    return sdist


def _get(url: str, accept: str, limit: int, watch: Watch) -> Iterator[bytes]:
    """The body of a response, piece by piece, at most `limit` bytes of it."""
    with _translated():
        timeout = httpx.Timeout(min(_CONNECT_S, watch.left))
        bundle = os.environ.get("PIP_CERT")
        verify = ssl.create_default_context(cafile=bundle) if bundle else True
        with (
            httpx.Client(timeout=timeout, follow_redirects=True, max_redirects=5, verify=verify) as client,
            client.stream("GET", url, headers={"accept": accept}) as response,
        ):
            if response.status_code in (401, 403):
                raise fetch_error("auth", "the package index refuses access")
            if response.status_code in (404, 410):
                raise fetch_error("not_found", "the package index does not know the package")
            if response.status_code != httpx.codes.OK:
                raise fetch_error("unreachable", f"the package index answers {response.status_code}")
            for chunk in response.iter_bytes():
                limit -= len(chunk)
                if limit < 0 or watch.left <= 0:
                    raise fetch_error("too_large", "the package index sends more than allowed")
                yield chunk


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except FetchError:
        raise
    except httpx.TimeoutException as exc:
        raise fetch_error("timeout", "the package index does not answer in time") from exc
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as exc:
        raise fetch_error("unreachable", f"the package index cannot be reached: {type(exc).__name__}") from exc
