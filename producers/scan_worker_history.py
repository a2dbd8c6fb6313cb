"""Whether the results of a job that is said to be done are in the log."""

from __future__ import annotations

from producers.job_state import AttemptState
from stratum_lab.contract.codec import Codec
from stratum_lab.contract.events import Ping
from stratum_lab.contract.topics import SCAN_PINGS, full_name
from stratum_lab.errors import DecodeError, LogIdentityChanged
from stratum_lab.kafka.consumer import RawMessage
from stratum_lab.kafka.reader import offsets_at, read_ranges, watermarks
from stratum_lab.settings import Settings

BEFORE_MS = 10 * 60 * 1000
"""Results are acknowledged within seconds before the status; clocks of brokers may differ a little."""
AFTER_MS = 60 * 1000


def results_there(settings: Settings, state: AttemptState) -> bool:
    """Whether the ping of an attempt is in `scan.pings`, near the time its status was taken by the log.

    Raises:
        BrokerUnavailable: The broker does not answer.
    """
    full = full_name(settings.kafka.topic_prefix, SCAN_PINGS)
    lows = watermarks(settings, full)
    starts = offsets_at(settings, full, max(0, state.log_ms - BEFORE_MS))
    ends = offsets_at(settings, full, state.log_ms + AFTER_MS)
    ranges = {(full, p): (max(starts[p], low), max(ends[p], low)) for p, (low, _) in lows.items()}
    key = (state.repo_hash or state.scan_id).encode()
    codec = Codec()
    try:
        for message in read_ranges(settings, ranges, timeout_s=settings.kafka.request_timeout_s):
            if message.key == key and _scan_id(codec, message) == state.scan_id:
                return True
    except LogIdentityChanged:
        pass  # the topic was made again, or cut, while it was read
    return False


def _scan_id(codec: Codec, message: RawMessage) -> str | None:
    try:
        ping = codec.decode(message.value, message.headers, ("Ping",))
    except DecodeError:
        return None
    return ping.scan_id if isinstance(ping, Ping) else None
