"""repo_hash: the identity of a tree's content (ping.md section 3), fed file by file in the order of their paths."""

from __future__ import annotations

import hashlib

_HEADER = b"stratum-repo-hash-v1\n"
_LENGTH = 16


class RepoHash:
    """The hash of a tree, made while its files are read."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256(_HEADER)
        self._key: bytes | None = None
        self._digests: list[bytes] = []

    def add(self, key: bytes, digest: str) -> None:
        """Take the next file; keys come sorted.

        Args:
            key: Normalized path (`Entry.key`).
            digest: SHA-256 of its content, lowercase hex.
        """
        if key != self._key:
            self._flush()
            self._key = key
        self._digests.append(digest.encode())

    def _flush(self) -> None:
        # Paths that are equal after normalization have no order of their own.
        for digest in sorted(self._digests):
            assert self._key is not None
            self._hash.update(b"%b\0%b\n" % (self._key, digest))
        self._digests.clear()

    def value(self) -> str:
        """The 16 hex characters; no file can be added after this."""
        self._flush()
        return self._hash.hexdigest()[:_LENGTH]
