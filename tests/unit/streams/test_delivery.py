"""Messages folded as they are read, and those that take the way through Faust's queue: one order, one result."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from stratum_lab.contract.topics import RUN_EVENTS, full_name
from stratum_lab.errors import EXIT_TRY_LATER
from stratum_lab.settings import Settings
from streams import application
from streams.application import StreamsApp, create_app
from streams.messages import SOURCES, Raw
from streams.partition import Partition
from streams.transport import FOLDED, TURN_BYTES, CheckpointConsumer
from tests.support.streams import MemoryLog, MemoryOutlet, cold, finish, live, owner, run, sample_world

PREFIX = "unit."
QUEUE = 3
"""Messages Faust's queue takes in these tests."""


@pytest.fixture
def make_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], StreamsApp]:
    """Builds the worker's application, connected to nothing."""
    monkeypatch.setattr(application.logs, "configure", lambda _: None)
    settings = Settings()
    settings = settings.model_copy(
        update={
            "home": tmp_path,
            "broker": settings.broker.model_copy(update={"bootstrap": "127.0.0.1:1"}),
            "kafka": settings.kafka.model_copy(update={"topic_prefix": PREFIX}),
        }
    )
    return lambda: create_app(settings)


class Reader:
    """Faust's reading loop over given messages, its queue, and the agent behind it.

    Args:
        app: The application, with its owner.
    """

    def __init__(self, app: StreamsApp) -> None:
        self.app = app
        self.queue: asyncio.Queue[Any] = asyncio.Queue(QUEUE)
        self.queued: list[int] = []
        self.consumer = app.transport.create_consumer(
            self._enqueue, on_partitions_revoked=None, on_partitions_assigned=None
        )
        assert isinstance(self.consumer, CheckpointConsumer)
        self.consumer._thread.thread_loop.close()  # of the thread that talks to the broker; never started here

    async def _enqueue(self, message: Any) -> None:
        self.queued.append(message.offset)
        await self.queue.put(message)

    async def read(self, messages: Sequence[Raw], between: Callable[[int], None] = lambda _: None) -> None:
        """Let Faust's own loop read these; `between` is called before each with its index."""
        stopped = asyncio.Event()

        async def getmany(timeout: float) -> AsyncIterator[tuple[TP, Any]]:
            for number, m in enumerate(messages):
                between(number)
                message = faust_message(m)
                # Faust drops what is below its own position; the guard must not depend on it.
                self.consumer._read_offset[message.tp] = None
                yield message.tp, message
            stopped.set()

        self.consumer.getmany = getmany
        await self.consumer._drain_messages(SimpleNamespace(_stopped=stopped))

    async def agent(self, log: MemoryLog) -> None:
        """What the agent does with each queued message."""
        while True:
            message = await self.queue.get()
            own, m = self.app.owner, self.app.raw(message)
            assert own is not None
            if not own.take(m, message.partition):
                await own.take_slowly(m, message.partition, log.end(m.topic))
            self.queue.task_done()


def faust_message(m: Raw, partition: int = 0) -> ConsumerMessage:
    """A message as Faust's reader hands it over."""
    return ConsumerMessage(
        full_name(PREFIX, m.topic), partition, m.offset, m.timestamp_ms / 1000, 0, list(m.headers), m.key, m.value, None
    )


@pytest.fixture
def folded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Topic and offset of each fold, in order."""
    seen: list[tuple[str, int]] = []
    fold = Partition.fold

    def noting(self: Partition, m: Raw) -> None:
        seen.append((m.topic, m.offset))
        fold(self, m)

    monkeypatch.setattr(Partition, "fold", noting)
    return seen


def world(seed: int = 1) -> tuple[MemoryLog, list[Raw]]:
    """A log and its messages, topic after topic."""
    log = sample_world(random.Random(seed))
    return log, [m for topic in SOURCES for m in log.messages[topic]]


def test_what_is_next_is_folded_without_the_queue(make_app: Callable[[], StreamsApp]) -> None:
    async def trial() -> None:
        log, messages = world()
        outlet, app = MemoryOutlet(), make_app()
        app.owner = owner(log, outlet)
        reader = Reader(app)
        await reader.read(messages)
        assert reader.queued == []
        await app.owner.checkpoint()
        assert live(outlet.final()) == cold(log)

    run(trial())


def test_nothing_read_later_overtakes_what_waits_in_the_queue(
    make_app: Callable[[], StreamsApp], folded: list[tuple[str, int]]
) -> None:
    async def trial() -> None:
        log, _ = world()
        messages = log.messages[RUN_EVENTS]
        app = make_app()
        app.owner = owner(log, MemoryOutlet())
        reader = Reader(app)
        lock = app.owner._locks[0]

        def between(number: int) -> None:
            if number == 2:
                assert not lock.locked()
                lock._locked = True  # a repair begins
            elif number == 4:
                lock.release()  # and is over, with messages 2 and 3 still in the queue

        await reader.read(messages[:5], between)
        assert reader.queued == [2, 3, 4], "4 came after the repair, but not before 2 and 3"
        assert folded == [(RUN_EVENTS, 0), (RUN_EVENTS, 1)]
        agent = asyncio.ensure_future(reader.agent(log))
        await reader.queue.join()
        await reader.read(messages[5:6])
        agent.cancel()
        assert reader.queued == [2, 3, 4], "with the queue worked off, the next is folded at once again"
        assert folded == [(RUN_EVENTS, n) for n in range(6)]
        assert log.reads == 0

    run(trial())


@pytest.mark.parametrize("seed", range(25))
def test_skips_repeats_and_repairs_change_neither_order_nor_result(
    make_app: Callable[[], StreamsApp], folded: list[tuple[str, int]], seed: int
) -> None:
    async def trial() -> None:
        rng = random.Random(seed)
        log, messages = world(seed)
        rng.shuffle(messages)
        messages.sort(key=lambda m: m.offset + rng.randint(0, 3))  # the topics mixed, each nearly in order
        read = [m for m in messages if rng.random() > 0.2 for _ in range(rng.choice([1, 1, 2]))]
        outlet, app = MemoryOutlet(), make_app()
        app.owner = own = owner(log, outlet)
        reader = Reader(app)
        agent = asyncio.ensure_future(reader.agent(log))
        repairs: list[asyncio.Future[None]] = []

        def between(_: int) -> None:
            if rng.random() < 0.1:
                repairs.append(asyncio.ensure_future(own.sweep(log.ends())))

        for start in range(0, len(read), 5):
            await reader.read(read[start : start + 5], between)
        await reader.queue.join()
        await asyncio.gather(*repairs)
        agent.cancel()
        await finish(own, log)
        for topic in SOURCES:
            offsets = [offset for name, offset in folded if name == topic]
            assert offsets == sorted(set(offsets)), "each message once, in the order of the log"
        assert live(outlet.final()) == cold(log)

    run(trial())


@pytest.mark.parametrize("state", ["not started", "suspended", "not owned", "flow stopped"])
def test_while_partitions_move_nothing_is_folded_as_it_is_read(
    make_app: Callable[[], StreamsApp], folded: list[tuple[str, int]], state: str
) -> None:
    async def trial() -> None:
        log, _ = world()
        app = make_app()
        app.owner = own = owner(log, MemoryOutlet())
        reader = Reader(app)
        if state == "not started":
            app.owner = None
        elif state == "suspended":
            own.suspended = True
        elif state == "not owned":
            own.disown([0])
        else:
            reader.consumer.stop_flow()
        delivery = reader.consumer.callback(faust_message(log.messages[RUN_EVENTS][0]))
        assert delivery is not FOLDED
        await delivery
        assert reader.queued == [0]
        assert folded == []

    run(trial())


def test_messages_of_the_changelog_go_to_faust(make_app: Callable[[], StreamsApp]) -> None:
    async def trial() -> None:
        log, _ = world()
        app = make_app()
        app.owner = owner(log, MemoryOutlet())
        reader = Reader(app)
        message = faust_message(log.messages[RUN_EVENTS][0])
        message.topic = app.folded.changelog_topic_name
        await reader.consumer.callback(message)
        assert reader.queued == [0]

    run(trial())


def test_large_messages_leave_turns_to_the_event_loop(make_app: Callable[[], StreamsApp]) -> None:
    async def trial() -> None:
        log = MemoryLog()
        for _ in range(10):
            log.append(RUN_EVENTS, "0" * 12, bytes(TURN_BYTES // 4))
        app = make_app()
        app.owner = owner(log, MemoryOutlet())
        reader = Reader(app)
        turns: list[int] = []

        async def other() -> None:
            while True:
                turns.append(app.owner.partitions[0].next[RUN_EVENTS] if app.owner else 0)
                await asyncio.sleep(0)

        task = asyncio.ensure_future(other())
        await reader.read(log.messages[RUN_EVENTS])
        task.cancel()
        assert {4, 8} <= set(turns)

    run(trial())


class Ended(BaseException):
    """The process would have ended."""


def test_a_message_that_cannot_be_folded_ends_the_process(
    make_app: Callable[[], StreamsApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        raise Ended

    def fail(self: Partition, m: Raw) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr("logging.shutdown", lambda: None)
    monkeypatch.setattr(Partition, "fold", fail)

    async def trial() -> None:
        log, _ = world()
        app = make_app()
        app.owner = owner(log, MemoryOutlet())
        with pytest.raises(Ended):
            Reader(app).consumer.callback(faust_message(log.messages[RUN_EVENTS][0]))

    run(trial())
    assert codes == [EXIT_TRY_LATER]
