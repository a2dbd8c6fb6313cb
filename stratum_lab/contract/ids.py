"""Identities that cross process boundaries: the canonical source address and `repo_id`.

`repo_id` is known before anything is fetched and is the Kafka key of everything about a repository.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

_SCP = re.compile(r"^(?:ssh://)?git@([^/:]+)[:/](.+)$")
_HTTP = re.compile(r"^(https?|ssh|file)://", re.IGNORECASE)
_PYPI = re.compile(r"^pypi:([^=]+)==(.+)$", re.IGNORECASE)

REPO_ID = re.compile(r"^[0-9a-f]{12}\Z")
"""Form of a repo_id; checked before one becomes part of a path."""


def canonical_source(address: str) -> str:
    """Bring a source address to the one form that is hashed.

    Strips `@commit`, a trailing `/` and `.git`, lowercases the host, turns `git@host:o/r` and `ssh://git@host/o/r`
    into `https://host/o/r`, normalises a `pypi:name==version`, and turns a local path into `file://<real path>`.

    Raises:
        ValueError: The address is empty or names no possible path.
    """
    try:
        return _canonical(address.strip())
    except (RuntimeError, OSError) as exc:  # an unknown ~user, a loop of links
        raise ValueError(f"the source address is no usable path: {exc}") from exc


def _canonical(text: str) -> str:
    if not text:
        raise ValueError("the source address is empty")
    pypi = _PYPI.match(text)
    if pypi:
        return f"pypi:{re.sub(r'[-_.]+', '-', pypi.group(1).strip()).lower()}=={pypi.group(2).strip()}"
    scp = _SCP.match(text)
    if scp:
        text = f"https://{scp.group(1)}/{scp.group(2)}"
    if not _HTTP.match(text):
        return f"file://{Path(text).expanduser().resolve()}" if text.startswith((".", "/", "~")) else _trim(text)
    scheme, _, rest = text.partition("://")
    if scheme.lower() == "file":
        return f"file://{Path(rest).resolve()}"
    host, slash, path = rest.partition("/")
    return _trim(f"{scheme.lower()}://{host.lower()}{slash}{path}")


def _trim(text: str) -> str:
    head, slash, last = text.rpartition("/")
    if slash and "@" in last:  # a commit stands after the last slash only
        text = head + slash + last.split("@", 1)[0]
    return text.rstrip("/").removesuffix(".git").rstrip("/")


def repo_id(address: str) -> str:
    """First 12 hex digits of the SHA-256 of the canonical source address.

    Raises:
        ValueError: The address is empty or names no possible path.
    """
    return hashlib.sha256(canonical_source(address).encode("utf-8")).hexdigest()[:12]
