"""The bare loop: confluent-kafka consume, decode, fold; no state store, no output, no offsets. The yardstick.

Measured to the last event folded, in one process: from the first message at hand, and from the call on, with
connecting and asking for the ends, as replay is measured.
"""

from __future__ import annotations

import gc
import json
import sys
import time
import uuid
from dataclasses import asdict
from typing import NamedTuple

from confluent_kafka import Consumer, TopicPartition

from bench.stats import Sample
from stratum_lab.contract.codec import Codec
from stratum_lab.contract.events import EventBatch
from stratum_lab.contract.topics import RUN_EVENTS, full_name
from stratum_lab.fold import AttemptState, fold_batch
from stratum_lab.settings import Settings, load

_FETCH = 100
_WAIT_S = 0.05
"""`consume` waits this long for a full fetch; longer, and the tail of the topic is waiting, not work."""
_CALL_TIMEOUT_S = 30.0


class Consumed(NamedTuple):
    """One pass, by two clocks."""

    from_first: Sample
    from_call: Sample


def consume(settings: Settings) -> Consumed:
    """Fold everything `run.events` holds.

    Raises:
        RuntimeError: A message could not be read, or a batch did not follow the one before.
    """
    call_wall, call_cpu = time.perf_counter(), time.process_time()
    topic = full_name(settings.kafka.topic_prefix, RUN_EVENTS)
    consumer = Consumer(
        {
            "bootstrap.servers": settings.broker.bootstrap,
            "group.id": f"bench-{uuid.uuid4().hex}",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.message.max.bytes": 4 * 1024 * 1024,
            # librdkafka pauses fetching for a whole second when its queue is full, unless told otherwise.
            "fetch.queue.backoff.ms": 10,
        }
    )
    left = 0
    assigned = []
    for partition in consumer.list_topics(topic, timeout=_CALL_TIMEOUT_S).topics[topic].partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_CALL_TIMEOUT_S)
        left += high - low
        assigned.append(TopicPartition(topic, partition, low))
    consumer.assign(assigned)
    decode, expect = Codec().decode_for_fold, ("EventBatch",)
    states: dict[tuple[str, int, int], AttemptState] = {}
    events = 0
    wall = cpu = 0.0
    while left:
        found = consumer.consume(_FETCH, _WAIT_S)
        if not wall and found:
            wall, cpu = time.perf_counter(), time.process_time()
        for message in found:
            if message.error() is not None:
                raise RuntimeError(str(message.error()))
            batch = decode(message.value(), message.headers(), expect)
            assert isinstance(batch, EventBatch)
            key = (batch.repo_id, batch.run_number, batch.attempt)
            state = states.get(key)
            if state is None:
                state = states[key] = AttemptState()
            folded = fold_batch(state, batch)
            if folded.missing is not None:
                raise RuntimeError(f"hole before {key} {batch.first_seq}: {folded.missing}")
            events += folded.applied
        left -= len(found)
    end, spent = time.perf_counter(), time.process_time()
    consumer.close()
    return Consumed(Sample(events, end - wall, spent - cpu), Sample(events, end - call_wall, spent - call_cpu))


def main() -> int:
    """Measure once and print both samples."""
    # Nothing here makes reference cycles, and the states held would be searched for them again and again.
    gc.disable()
    print(json.dumps({name: asdict(sample) for name, sample in consume(load())._asdict().items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
