"""Prometheus metrics of a stream worker."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

EVENTS = Counter("stratum_streams_events", "Events folded.")
MESSAGES = Counter("stratum_streams_messages", "Messages folded, by source topic.", ["topic"])
DUPLICATES = Counter("stratum_streams_duplicate_events", "Events that had been folded before.")
REDELIVERED = Counter("stratum_streams_redelivered_messages", "Messages that were delivered again and skipped.")
HOLES = Counter("stratum_streams_holes_repaired", "Ranges of skipped messages that were read again, by how.", ["found"])
REREAD = Counter("stratum_streams_reread_messages", "Messages read again to repair a hole.")
HELD_BATCHES = Counter("stratum_streams_held_batches", "Batches that came before batches of lower number.")
REGRESSIONS = Counter("stratum_streams_regressions", "Partitions folded again from the start of the log.")
DEAD_LETTERS = Counter("stratum_streams_dead_letters", "Dead letters, by reason.", ["reason"])
RECORDS = Counter("stratum_streams_records", "Records emitted.")
CHECKPOINTS = Counter("stratum_streams_checkpoints", "Checkpoints acknowledged.")
PARTITIONS = Gauge("stratum_streams_partitions", "Partitions owned.")
LAG = Gauge("stratum_streams_lag_messages", "Messages in the log that are not folded, by source topic.", ["topic"])
UNCOMMITTED_AGE = Gauge(
    "stratum_streams_uncommitted_age_seconds", "Longest time a committed offset has not moved although it should."
)
