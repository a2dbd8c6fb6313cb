"""Sink of the archive: the raw topics as Avro container files, from which a broker can be filled again."""

from __future__ import annotations

from functools import partial

from consumers import archive_files
from consumers.folder import OwnedFolder
from consumers.loop import Flushed, ImmediateSink, Limits, Offsets, run_service
from stratum_lab.contract.events import DeadLetter
from stratum_lab.contract.topics import RAW_TOPICS, base_name, full_name
from stratum_lab.kafka.consumer import RawMessage
from stratum_lab.kafka.topics import partition_counts
from stratum_lab.observe import faults
from stratum_lab.settings import Settings
from stratum_lab.warehouse import Stored

NAME = "archive"
_MIB = 1024 * 1024


class ArchiveSink(ImmediateSink):
    """Gathers messages per partition and closes one file for each when it is time.

    Args:
        settings: Folder, size and age of the files.

    Raises:
        Busy: Another process writes there.
        IntegrityError: A file of the archive is damaged.
    """

    name: str = NAME
    topics: tuple[str, ...] = RAW_TOPICS

    def __init__(self, settings: Settings) -> None:
        self._prefix = settings.kafka.topic_prefix
        self._settings = settings
        roll = settings.archive.roll_mb * _MIB
        self.limits = Limits(rows=roll, seconds=settings.archive.roll_seconds, bytes=roll)
        self._folder = OwnedFolder(settings.archive_dir)
        self._waiting: dict[tuple[str, int], list[RawMessage]] = {}

    def offsets(self) -> Offsets:
        """After the last message of each partition's last file."""
        last = {(f.topic, f.partition): f for f in archive_files.listing(self._folder.path)}
        out = {}
        for (topic, partition), file in last.items():
            topic_id = archive_files.metadata_of(file).get(archive_files.TOPIC_ID, "")
            out[full_name(self._prefix, topic), partition] = Stored(file.last + 1, topic_id)
        return out

    def add(self, message: RawMessage) -> None:
        """Keep a message as it is."""
        self._waiting.setdefault((message.topic, message.partition), []).append(message)

    def refuse(self, letter: DeadLetter) -> None:
        """Nothing is refused: what cannot be decoded is archived like the rest."""

    def size(self) -> int:
        """Messages that wait."""
        return sum(map(len, self._waiting.values()))

    def flush(self, offsets: Offsets) -> Flushed:
        """Close one file for each partition that has messages.

        Raises:
            DestinationFull: No room; call again. Files already closed are not written again.
        """
        counts = partition_counts(self._settings)
        rows = 0
        for where in list(self._waiting):
            messages = self._waiting[where]
            topic, partition = where
            metadata = {
                archive_files.TOPIC_ID: offsets[where].topic_id,
                archive_files.PARTITIONS: str(counts[topic]),
            }
            path = archive_files.target(
                self._folder.path, base_name(self._prefix, topic), partition, messages[0].offset, messages[-1].offset
            )
            faults.point("sink.before_commit")
            self._folder.write(path, partial(archive_files.write, messages=messages, metadata=metadata))
            faults.point("sink.after_write")
            rows += len(messages)
            del self._waiting[where]
        faults.point("sink.after_commit")
        return Flushed(rows, offsets)

    def rebase_remedy(self, topic: str) -> str:
        """What to do when a topic was recreated."""
        return "use another archive.dir; what was archived stays as it is"

    def close(self) -> None:
        """Give the folder back."""
        self._folder.close()


def service(settings: Settings) -> int:
    """Run the archive sink until SIGTERM or SIGINT; returns an exit code."""
    return run_service(settings, ArchiveSink)
