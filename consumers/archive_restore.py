"""Filling a broker from the archive: the same bytes, headers and times, in the same order per partition."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from consumers import archive_files
from stratum_lab.contract.topics import full_name
from stratum_lab.errors import IntegrityError, UsageError
from stratum_lab.kafka.producer import Producer
from stratum_lab.kafka.reader import watermarks
from stratum_lab.kafka.topics import ensure_topics, partition_counts
from stratum_lab.settings import Settings


class Restored(NamedTuple):
    """What was brought back."""

    messages: int
    files: int
    topics: int


def restore(
    settings: Settings,
    root: Path,
    *,
    append: bool = False,
    progress: Callable[[archive_files.ArchiveFile], None] = lambda _: None,
) -> Restored:
    """Publish everything an archive holds.

    Args:
        settings: The broker, and the prefix of the topics to fill.
        root: The archive.
        append: Also into topics that hold messages.
        progress: Told of each file when it is done.

    Raises:
        PrerequisiteError: There is no archive.
        UsageError: A topic is not empty, and `append` is not set.
        IntegrityError: A file is damaged, or a topic has another number of partitions than the archived one.
        BrokerUnavailable: Not everything was acknowledged.
    """
    files = archive_files.listing(root)
    names = sorted({f.topic for f in files})
    ensure_topics(settings, names)
    counts = partition_counts(settings)
    for name in names:
        full = full_name(settings.kafka.topic_prefix, name)
        was = {archive_files.metadata_of(f).get(archive_files.PARTITIONS) for f in files if f.topic == name}
        if was != {str(counts[full])}:
            raise IntegrityError(
                f"{full} has {counts[full]} partitions, the archived topic had {', '.join(sorted(map(str, was)))}",
                remedy="create the topic with that number (kafka.partitions)",
            )
        held = sum(high - low for low, high in watermarks(settings, full).values())
        if held and not append:
            raise UsageError(
                f"{full} holds {held} messages; an archive is restored into empty topics",
                remedy="use another kafka.topic_prefix, or --append",
            )
    sent = 0
    with Producer(settings) as producer:
        for file in files:
            full = full_name(settings.kafka.topic_prefix, file.topic)
            for m in archive_files.read(file):
                producer.send_raw(
                    full, m.key, m.value, m.headers, partition=m.partition, timestamp_ms=max(m.timestamp_ms, 0)
                )
                sent += 1
            progress(file)
    return Restored(sent, len(files), len(names))
