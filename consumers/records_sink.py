"""Sink of record files: one `<repo_id>.json` per repository, newest record only, for downstream graph tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from consumers.folder import OwnedFolder
from consumers.loop import Flushed, ImmediateSink, Limits, Offsets, run_service
from stratum_lab.contract.events import BehavioralRecord, DeadLetter
from stratum_lab.contract.ids import REPO_ID
from stratum_lab.contract.topics import BY_NAME, REPO_RECORDS
from stratum_lab.errors import DecodeError, IntegrityError
from stratum_lab.kafka.codec import codec
from stratum_lab.kafka.consumer import RawMessage
from stratum_lab.observe import faults
from stratum_lab.settings import Settings
from stratum_lab.warehouse import Stored

NAME = "records"
STATE = ".records-state.json"
_LIMITS = Limits(rows=1000, seconds=1.0)


class RecordsSink(ImmediateSink):
    """Writes record files, and after them a state file with the offsets.

    A crash in between reads the same messages again and writes the same files.

    Args:
        settings: Codec and topics.
        directory: Folder of the files.

    Raises:
        Busy: Another process writes there.
        IntegrityError: The state file cannot be read.
    """

    name: str = NAME
    topics: tuple[str, ...] = (REPO_RECORDS,)
    limits: Limits = _LIMITS

    def __init__(self, settings: Settings, directory: Path) -> None:
        self._codec = codec(settings)
        self._folder = OwnedFolder(directory)
        self._waiting: dict[str, str | None] = {}
        try:
            self._offsets, self._versions = self._read_state()
        except BaseException:
            self._folder.close()
            raise

    def _read_state(self) -> tuple[dict[tuple[str, int], Stored], dict[str, tuple[int, int]]]:
        path = self._folder.path / STATE
        if not path.is_file():
            return {}, {}
        try:
            state: Any = orjson.loads(path.read_bytes())
            offsets = {(t, p): Stored(o, i) for t, p, o, i in state["offsets"]}
            return offsets, {repo: (v[0], v[1]) for repo, v in state["versions"].items()}
        except (ValueError, KeyError, TypeError, IndexError) as exc:
            raise IntegrityError(
                f"{path} cannot be read: {exc}", remedy="remove it; all records are then written anew"
            ) from exc

    def offsets(self) -> Offsets:
        """Offsets of the state file."""
        return dict(self._offsets)

    def add(self, message: RawMessage) -> None:
        """Keep a record, or the wish to remove one, until the next flush.

        Raises:
            DecodeError: It cannot be read, or its repo_id is no file name of ours.
        """
        if message.value is None:
            repo_id = (message.key or b"").decode("utf-8", "replace")
            self._name(repo_id)
            self._waiting[repo_id] = None
            self._versions.pop(repo_id, None)
            return
        record = self._codec.decode(message.value, message.headers, BY_NAME[REPO_RECORDS].messages)
        assert isinstance(record, BehavioralRecord)
        self._name(record.repo_id)
        version = (record.source_offset, record.revision)
        if version >= self._versions.get(record.repo_id, version):
            self._versions[record.repo_id] = version
            self._waiting[record.repo_id] = record.record

    @staticmethod
    def _name(repo_id: str) -> None:
        if not REPO_ID.match(repo_id):
            raise DecodeError("invalid", f"repo_id {repo_id[:40]!r} is not 12 hexadecimal digits")

    def refuse(self, letter: DeadLetter) -> None:
        """Refused messages leave no file."""

    def size(self) -> int:
        """Files to write."""
        return len(self._waiting)

    def flush(self, offsets: Offsets) -> Flushed:
        """Write the files, then the state.

        Raises:
            DestinationFull: No room; call again.
        """
        for repo_id, text in self._waiting.items():
            target = self._folder.path / f"{repo_id}.json"
            if text is None:
                target.unlink(missing_ok=True)
            else:
                self._folder.write(target, text.encode() + b"\n")
        faults.point("sink.after_write")
        merged = {**self._offsets, **offsets}
        state = {
            "offsets": [[t, p, s.next_offset, s.topic_id] for (t, p), s in merged.items()],
            "versions": self._versions,
        }
        faults.point("sink.before_commit")
        self._folder.write(self._folder.path / STATE, orjson.dumps(state))
        faults.point("sink.after_commit")
        self._offsets = merged
        rows = len(self._waiting)
        self._waiting = {}
        return Flushed(rows, offsets)

    def rebase_remedy(self, topic: str) -> str:
        """What to do when a topic was recreated."""
        return f"remove {self._folder.path / STATE}; all records are then written anew"

    def close(self) -> None:
        """Give the folder back."""
        self._folder.close()


def service(settings: Settings, directory: Path) -> int:
    """Run the record files' sink until SIGTERM or SIGINT; returns an exit code."""
    return run_service(settings, lambda s: RecordsSink(s, directory))
