"""Archive files: `<topic>/<partition>/<first>-<last>.avro`, messages as they lie in the log.

A file's name says which offsets it holds, so the folder is its own state: archiving goes on after the highest `last`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import fastavro

from stratum_lab.contract.topics import BY_NAME
from stratum_lab.errors import IntegrityError, PrerequisiteError
from stratum_lab.kafka.consumer import RawMessage

SCHEMA = fastavro.parse_schema(
    {
        "type": "record",
        "name": "ArchivedMessage",
        "namespace": "lab.stratum",
        "doc": "One Kafka message, byte for byte.",
        "fields": [
            {"name": "offset", "type": "long", "doc": "Offset in the archived log."},
            {"name": "timestamp_ms", "type": "long", "doc": "Message time, milliseconds."},
            {"name": "key", "type": ["null", "bytes"], "doc": "Message key."},
            {"name": "value", "type": ["null", "bytes"], "doc": "Message value; null is a tombstone."},
            {
                "name": "headers",
                "type": {
                    "type": "array",
                    "items": {
                        "type": "record",
                        "name": "ArchivedHeader",
                        "fields": [
                            {"name": "key", "type": "string", "doc": "Header name."},
                            {"name": "value", "type": ["null", "bytes"], "doc": "Header value."},
                        ],
                    },
                },
                "doc": "Message headers, in order.",
            },
        ],
    }
)
TOPIC_ID = "stratum.topic_id"
PARTITIONS = "stratum.partitions"
_NAME = re.compile(r"^(\d{20})-(\d{20})\.avro$")


class ArchiveFile(NamedTuple):
    """One closed file."""

    topic: str
    partition: int
    first: int
    last: int
    path: Path

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size


def target(root: Path, topic: str, partition: int, first: int, last: int) -> Path:
    """Where a file belongs; `topic` is the catalogue name."""
    return root / topic / str(partition) / f"{first:020d}-{last:020d}.avro"


def listing(root: Path) -> list[ArchiveFile]:
    """Every closed file of an archive, by topic, partition and offset; other files are left alone.

    Raises:
        PrerequisiteError: There is no such folder.
        IntegrityError: Two files hold the same offsets.
    """
    if not root.is_dir():
        raise PrerequisiteError(f"there is no archive at {root}", remedy="stratum worker archive")
    found = []
    for path in root.glob("*/*/*.avro"):
        match = _NAME.match(path.name)
        topic, partition = path.parent.parent.name, path.parent.name
        if match and topic in BY_NAME and partition.isdecimal():
            found.append(ArchiveFile(topic, int(partition), int(match[1]), int(match[2]), path))
    found.sort()
    for a, b in pairwise(found):
        if a[:2] == b[:2] and b.first <= a.last:
            raise IntegrityError(f"{a.path} and {b.path} hold the same offsets", remedy="remove the one that is wrong")
    return found


def write(file: BinaryIO, messages: list[RawMessage], metadata: dict[str, str]) -> None:
    """Write the messages of one partition."""
    rows = (
        {
            "offset": m.offset,
            "timestamp_ms": m.timestamp_ms,
            "key": m.key,
            "value": m.value,
            "headers": [{"key": k, "value": v} for k, v in m.headers],
        }
        for m in messages
    )
    fastavro.writer(file, SCHEMA, rows, codec="deflate", metadata=metadata)


def read(file: ArchiveFile) -> Iterator[RawMessage]:
    """The messages of one file, in offset order.

    Raises:
        IntegrityError: The file is damaged, or holds other offsets than its name says.
    """
    last = file.first - 1
    try:
        with file.path.open("rb") as handle:
            # Records of a container file are open JSON-like values: Any.
            row: Any
            for row in fastavro.reader(handle):
                if not (last < row["offset"] <= file.last):
                    raise IntegrityError(f"{file.path} holds offset {row['offset']} after {last}", remedy=_BACKUP)
                last = row["offset"]
                headers = [(h["key"], h["value"]) for h in row["headers"]]
                yield RawMessage(
                    file.topic, file.partition, last, row["key"], row["value"], headers, row["timestamp_ms"]
                )
    except (ValueError, EOFError, KeyError, TypeError, IndexError, io.UnsupportedOperation) as exc:
        raise IntegrityError(f"{file.path} cannot be read: {exc}", remedy=_BACKUP) from exc
    if last != file.last:
        raise IntegrityError(f"{file.path} ends at offset {last}", remedy=_BACKUP)


_BACKUP = "restore the file from a backup"


def metadata_of(file: ArchiveFile) -> dict[str, str]:
    """What the file says of its topic.

    Raises:
        IntegrityError: The file is damaged.
    """
    try:
        with file.path.open("rb") as handle:
            found: dict[str, str] = dict(fastavro.reader(handle).metadata)
            return found
    except (ValueError, EOFError, KeyError, TypeError) as exc:
        raise IntegrityError(f"{file.path} cannot be read: {exc}", remedy=_BACKUP) from exc
