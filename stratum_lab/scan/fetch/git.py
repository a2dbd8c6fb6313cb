"""Fetching one commit of a Git repository without trusting it.

A shallow fetch into an empty repository of our own: no hooks, submodules, LFS, credential helpers or prompts, and no
transport but that of the address. Links are checked out as links; whoever scans never follows them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, NamedTuple

from stratum_lab.errors import DestinationFull
from stratum_lab.scan.fetch.errors import Reason, fetch_error
from stratum_lab.scan.fetch.watch import Ended, Watch
from stratum_lab.scan.source.tracked import HARDENED, git_env

_PASSED_ON: Final = (
    "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "CURL_CA_BUNDLE",
    "http_proxy", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "ALL_PROXY", "all_proxy",
)  # fmt: skip
"""Variables a machine needs to reach hosts; nothing else of the environment is passed on."""
_SSH: Final = (
    "ssh -oBatchMode=yes -oConnectTimeout=20 -oPermitLocalCommand=no -oForwardAgent=no -oClearAllForwardings=yes"
)
_FULL_SHA: Final = re.compile(r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")
_SHORT_SHA: Final = re.compile(r"^[0-9a-f]{4,63}$")

# In this order: what a server says of a missing repository often speaks of access as well.
_SAID: Final[tuple[tuple[Reason, tuple[str, ...]], ...]] = (
    ("no_such_commit", ("find remote ref", "not our ref", "unadvertised object", "unknown revision")),
    ("auth", ("could not read username", "could not read password", "terminal prompts disabled", "authentication",
              "permission denied", "host key verification", "dubious ownership", "error: 401", "error: 403",
              "access denied")),
    ("not_found", ("not found", "does not exist", "does not appear to be a git repository", "error: 404",
                   "no such file")),
    ("unsupported", ("not allowed", "unable to find remote helper")),
    ("bad_repository", ("fatal: bad object", "corrupt", "malformed", "invalid path", "index-pack failed",
                        "pack has bad object", "is not valid", "inflate", "unable to checkout")),
)  # fmt: skip


class Checkout(NamedTuple):
    """A commit in a folder; `commit` is None when the repository has none."""

    root: Path
    commit: str | None


def fetch_git(url: str, commit: str | None, watch: Watch) -> Checkout:
    """Check out one commit of a repository into `<scratch>/tree`.

    Args:
        url: https, ssh or file address, without commit.
        commit: Commit, abbreviated commit, branch or tag; None takes what the repository's HEAD names.
        watch: Bounds; everything is written below its scratch folder.

    Raises:
        FetchError: The closed list of reasons.
        DestinationFull: The disk is full.
    """
    return _Fetch(url, watch).checkout(commit)


class _Fetch:
    def __init__(self, url: str, watch: Watch) -> None:
        self.url = url
        self.watch = watch
        self.root = watch.scratch / "tree"
        scheme = "ssh" if "://" not in url else url.partition("://")[0].lower()
        self._env = git_env(str(watch.scratch)) | {
            "GIT_ALLOW_PROTOCOL": scheme,
            "GIT_ASKPASS": "/bin/false",
            "SSH_ASKPASS": "/bin/false",
            "GIT_SSH_COMMAND": _SSH,
            "GIT_PROTOCOL_FROM_USER": "0",
            **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        }

    def git(self, *arguments: str, folder: Path) -> Ended:
        options = (
            "-c",
            "core.symlinks=true",
            "-c",
            "core.askPass=/bin/false",
            "-c",
            "gc.auto=0",
            "-c",
            "advice.detachedHead=false",
        )
        return self.watch.run(["git", *HARDENED, *options, *arguments], self._env, folder)

    def checkout(self, commit: str | None) -> Checkout:
        self.root.mkdir()
        self._must(self.git("init", "--quiet", "--template=", ".", folder=self.root))
        fetched = self._fetch(commit or "HEAD", self.root)
        if fetched.code and commit is None and reason_of(fetched.err) == "no_such_commit" and self._is_empty():
            return Checkout(self.root, None)
        if fetched.code and commit and _SHORT_SHA.match(commit) and reason_of(fetched.err) == "no_such_commit":
            fetched = self._fetch(self._whole_name(commit), self.root)
        self._must(fetched)
        self._must(
            self.git("checkout", "--quiet", "--force", "--detach", "FETCH_HEAD", folder=self.root), "bad_repository"
        )
        named = self.git("rev-parse", "HEAD", folder=self.root)
        self._must(named)
        return Checkout(self.root, named.out.strip())

    def _fetch(self, what: str, folder: Path) -> Ended:
        return self.git(
            "fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-commit-graph",
            "--no-auto-maintenance", "--end-of-options", self.url, what, folder=folder,
        )  # fmt: skip

    def _is_empty(self) -> bool:
        listed = self.git("ls-remote", "--end-of-options", self.url, folder=self.root)
        return listed.code == 0 and not listed.out.strip()

    def _whole_name(self, short: str) -> str:
        """The commit that an abbreviation names: only a repository with its history knows."""
        folder = self.watch.scratch / "history"
        folder.mkdir()
        self._must(self.git("init", "--quiet", "--bare", "--template=", ".", folder=folder))
        self._must(
            self.git(
                "fetch", "--quiet", "--no-tags", "--filter=tree:0", "--no-auto-maintenance", "--end-of-options",
                self.url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", folder=folder,
            )
        )  # fmt: skip
        found = self.git("rev-parse", "--verify", "--quiet", "--end-of-options", short + "^{commit}", folder=folder)
        lines = [line for line in found.out.split() if _FULL_SHA.match(line)]
        if found.code or not lines:
            raise fetch_error("no_such_commit", f"the repository has no commit {short}")
        return lines[-1]

    def _must(self, ended: Ended, otherwise: Reason = "unreachable") -> None:
        if ended.code == 0:
            return
        if "no space left" in ended.err.lower():
            raise DestinationFull("there is no room left for a clone", remedy="make room on the scratch disk")
        reason = reason_of(ended.err) or otherwise
        raise fetch_error(reason, f"git could not fetch the repository ({reason}, exit code {ended.code})")


def reason_of(said: str) -> Reason | None:
    """What git's own words, in English, say of the cause; None when they say nothing known."""
    low = said.lower()
    return next((reason for reason, words in _SAID if any(word in low for word in words)), None)
