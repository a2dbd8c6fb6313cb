"""Source addresses as people write them: the closed list of forms, lists of them, and what is refused with which hint.

Nothing is fetched or opened here; whether an address answers is found out by the worker.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from stratum_lab.contract.ids import canonical_source, repo_id
from stratum_lab.errors import UsageError
from stratum_lab.observe.logs import clean
from stratum_lab.scan.fetch.archive import ENDINGS

Kind = Literal["git", "folder", "archive", "pypi"]

FORMS = (
    "https://HOST/OWNER/NAME[@COMMIT]",
    "ssh://git@HOST/OWNER/NAME[@COMMIT]",
    "git@HOST:OWNER/NAME[@COMMIT]",
    "file:///PATH/TO/REPOSITORY[@COMMIT]",
    "a local folder",
    f"a local archive ({', '.join(ENDINGS)})",
    "pypi:NAME==VERSION",
)
"""Every form a source may have."""

MAX_SOURCE = 2000
SHOWN_PROBLEMS = 20

_WEB = re.compile(r"^(https|ssh)://(?:(?P<user>[^/@]*)@)?(?P<host>[A-Za-z0-9._\-\[\]:]+)/(?P<path>.+)$", re.IGNORECASE)
_SCP = re.compile(r"^git@(?P<host>[A-Za-z0-9._\-]+):(?P<path>[^/].*)$")
_FILE = re.compile(r"^file://(?P<path>/.+)$", re.IGNORECASE)
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.\-]*://")
_PYPI = re.compile(r"^pypi:[A-Za-z0-9](?:[A-Za-z0-9._\-]*[A-Za-z0-9])?==[A-Za-z0-9][A-Za-z0-9._+!\-]*$", re.IGNORECASE)
_COMMIT = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._+\-]{0,199}$")
_OWNER_NAME = re.compile(r"^[A-Za-z0-9][\w.\-]*/[\w.\-]+$")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Source:
    """One checked source address.

    Attributes:
        text: As it is put in a job: local paths are absolute, the rest is as written.
        kind: What it names.
        commit: Commit asked for, if any.
        address: Canonical address, without commit.
        repo_id: 12 hex of the canonical address.
        display_name: Short name for lists: owner/name, a folder's name, a package with its version.
    """

    text: str
    kind: Kind
    commit: str | None
    address: str
    repo_id: str
    display_name: str


class Listed(NamedTuple):
    """One entry of a list of sources, with the score it was listed with."""

    source: Source
    score: float
    where: str


def parse_source(text: str) -> Source:
    """Check one source address.

    A `file://` address names a Git repository; a plain path names a folder as it is, or an archive.

    Raises:
        UsageError: It has none of FORMS, carries a password, or names a local path that does not exist.
    """
    text = text.strip()
    if not text or len(text) > MAX_SOURCE or _UNPRINTABLE.search(text):
        raise UsageError(
            f"a source address is 1 to {MAX_SOURCE} printable characters; this one has {len(text)}: "
            f"{clean(text[:80].encode('utf-8', 'backslashreplace').decode())!r}",
            remedy=_forms(),
        )
    if text.lower().startswith("pypi:"):
        return _pypi(text)
    if _SCHEME.match(text) or _SCP.match(text):
        return _git(text)
    return _local(text)


def _forms() -> str:
    return f"valid forms: {'; '.join(FORMS)}"


def _pypi(text: str) -> Source:
    if not _PYPI.match(text):
        raise UsageError(
            f"source {text!r} names no exact version of a package", remedy="write pypi:NAME==VERSION, without spaces"
        )
    address = canonical_source(text)
    return Source(text, "pypi", None, address, repo_id(text), address.removeprefix("pypi:").replace("==", " "))


def _git(text: str) -> Source:
    found = _FILE.match(text)
    if found:
        return _git_folder(text, Path(found["path"]))
    found = _WEB.match(text) or _SCP.match(text)
    if found is None:
        hint = "write https:// instead of http://" if text.lower().startswith("http://") else _forms()
        raise UsageError(f"source {text!r} is no Git address", remedy=hint)
    if ":" in (found.groupdict().get("user") or ""):
        raise UsageError(
            f"the address of host {found['host']} carries a password; jobs and their status are kept for ever",
            remedy="leave it out and let Git's credential helper on the worker know it",
        )
    commit = _commit(found["path"], text)
    name = found["path"] if commit is None else found["path"][: -len(commit) - 1]
    name = name.rstrip("/").removesuffix(".git").rstrip("/")
    # A name that begins with a dash could be read as an option of git.
    if not name or found["host"].startswith("-") or name.startswith("-"):
        raise UsageError(f"source {text!r} names no repository", remedy=_forms())
    return Source(text, "git", commit, canonical_source(text), repo_id(text), "/".join(name.split("/")[-2:]))


def _git_folder(text: str, path: Path) -> Source:
    commit = None
    if not path.exists():  # only then can an `@` be meant as the sign of a commit
        commit = _commit(path.name, text)
        if commit is not None:
            path = path.with_name(path.name[: -len(commit) - 1])
    _must_exist(path, text)
    plain = f"file://{path}"
    return Source(text, "git", commit, canonical_source(plain), repo_id(plain), path.resolve().name or "/")


def _commit(path: str, text: str) -> str | None:
    last = path.rpartition("/")[2]
    if "@" not in last:
        return None
    commit = last.split("@", 1)[1]
    if not _COMMIT.match(commit):
        raise UsageError(
            f"source {text!r} ends with {('@' + commit)!r}, which is no commit", remedy="a commit is hexadecimal digits"
        )
    return commit


def _local(text: str) -> Source:
    path = Path(text)
    try:
        path = path.expanduser()
        exists = path.exists()
    except (RuntimeError, OSError, ValueError) as exc:
        raise UsageError(f"source {text!r} is no usable path: {exc}", remedy=_forms()) from exc
    if not exists and _OWNER_NAME.match(text) and not text.startswith("."):
        raise UsageError(f"source {text!r} has no host", remedy=f"if it is on GitHub: https://github.com/{text}")
    _must_exist(path, text)
    whole = str(path.resolve())
    kind: Kind
    if path.is_dir():
        kind = "folder"
    elif path.is_file() and path.name.lower().endswith(ENDINGS):
        kind = "archive"
    else:
        raise UsageError(f"source {text!r} is neither a folder nor an archive", remedy=_forms())
    return Source(whole, kind, None, canonical_source(whole), repo_id(whole), path.resolve().name or "/")


def _must_exist(path: Path, text: str) -> None:
    if not path.exists():
        raise UsageError(f"source {text!r} does not exist on this machine", remedy=_forms())


def parse_list(lines: Iterable[str], name: str) -> list[Listed]:
    """Sources of a list: `score<TAB>address`, bare addresses, or JSON objects with `repo_url` and perhaps `score`.

    Blank lines and lines that begin with `#` are skipped.

    Args:
        lines: The lines.
        name: Name of the list for messages.

    Raises:
        UsageError: Some lines are no sources; it names each of the first SHOWN_PROBLEMS with its line number.
    """
    out: list[Listed] = []
    problems: list[str] = []
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("\ufeff")
        if not text or text.startswith("#"):
            continue
        where = f"{name}:{number}"
        try:
            address, score = _entry(text)
            out.append(Listed(parse_source(address), score, where))
        except UsageError as exc:
            problems.append(f"{where}: {exc.message}")
    if problems:
        more = f"\nand {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
        shown = "\n".join(problems[:SHOWN_PROBLEMS])
        raise UsageError(f"{len(problems)} lines name no source:\n{shown}{more}", remedy=_forms())
    return out


def _entry(text: str) -> tuple[str, float]:
    if text.startswith("{"):
        return _json_entry(text)
    head, tab, rest = text.partition("\t")
    if not tab:
        return text, 0.0
    try:
        score = float(head)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise UsageError(f"{head[:40]!r} before the tab is no score")
    return rest.split("\t", 1)[0], score


def _json_entry(text: str) -> tuple[str, float]:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise UsageError(f"no JSON object: {exc}") from exc
    address, score = row.get("repo_url"), row.get("score", 0.0)
    if not isinstance(address, str):
        raise UsageError("the object has no text under repo_url")
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        raise UsageError(f"score {score!r} is no number")
    return address, float(score)


def distinct(entries: Iterable[Listed]) -> tuple[list[Listed], list[Listed]]:
    """The first entry of every source, and the repeated ones.

    Raises:
        UsageError: Two entries share a repo_id although they ask for different things (commits, or addresses).
    """
    first: dict[str, Listed] = {}
    repeated: list[Listed] = []
    for entry in entries:
        known = first.setdefault(entry.source.repo_id, entry)
        if known is entry:
            continue
        if (known.source.address, known.source.commit) != (entry.source.address, entry.source.commit):
            raise UsageError(
                f"{entry.where} ({entry.source.text}) and {known.where} ({known.source.text}) are different and have "
                f"one repo_id, {entry.source.repo_id}",
                remedy="a repository is scanned at one commit at a time; submit them one after the other",
            )
        repeated.append(entry)
    return list(first.values()), repeated
