"""The loop of a scan worker: takes jobs as a member of the group, runs attempts in threads, commits what is through.

It polls all the time, also while attempts run for minutes, so the group never takes its partitions away for silence.
Jobs of one repository run one after the other, because a rescan is compared with the scan before it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from producers.job_state_log import StatusFollower
from producers.scan_worker_attempt import Attempts, Done, Outcome, Skipped, Task
from producers.scan_worker_metrics import Metrics
from producers.scan_worker_offsets import Offsets
from producers.scan_worker_publish import Encoder, Publication, Publisher
from producers.scan_worker_results import STAGE, read_job
from stratum_lab.contract.codec import Codec
from stratum_lab.contract.events import ScanJob
from stratum_lab.contract.topics import DEAD_LETTERS, SCAN_JOBS, full_name
from stratum_lab.errors import DecodeError, StratumError, Transient
from stratum_lab.kafka.consumer import Consumer, Partition, RawMessage
from stratum_lab.kafka.letters import letter_of
from stratum_lab.observe import faults, logs
from stratum_lab.settings import Settings

_log = logs.get("scan")

AHEAD = 4
"""Jobs taken per attempt that may run: enough that a place is never empty, few enough to be lost by a crash."""
BUSY_POLL_S = 0.05
IDLE_POLL_S = 0.2
COMMIT_S = 0.5
RETRY_S = 1.0
PUBLISH_S = 10.0
"""Time given to what is ready to be sent when the worker stops."""


def group_of(settings: Settings) -> str:
    """The consumer group of all scan workers of one installation."""
    return f"{settings.kafka.topic_prefix}scan"


class Loop:
    """Runs jobs until `stop` is set.

    Args:
        settings: Broker, topics, attempts at once.
        attempts: Does one job.
        follower: What `scan.status` says; tells of cancelled jobs.
        encode: Makes bytes of messages.
        publisher: Sends results.
        metrics: Counts.
        stop: Ends the loop.
    """

    def __init__(
        self,
        settings: Settings,
        attempts: Attempts,
        follower: StatusFollower,
        encode: Encoder,
        publisher: Publisher,
        metrics: Metrics,
        stop: threading.Event,
    ) -> None:
        self._settings, self._attempts, self._follower = settings, attempts, follower
        self._encode, self._publisher, self._metrics, self._stop = encode, publisher, metrics, stop
        self._places = settings.jobs.attempts
        self._offsets = Offsets()
        self._waiting: list[Task] = []
        self._running: dict[Future[Outcome], Task] = {}
        self._repos: set[str] = set()
        self._acknowledged: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._codec = Codec()
        self._assigned: set[Partition] = set()
        self._held: bool | None = None
        self._committed_at = 0.0

    def run(self) -> None:
        """Take and do jobs until told to stop.

        Raises:
            StratumError: The broker or the host refuses for good.
        """
        topic = full_name(self._settings.kafka.topic_prefix, SCAN_JOBS)
        pool = ThreadPoolExecutor(self._places, thread_name_prefix="scan-attempt")
        consumer = Consumer(self._settings, group_of(self._settings))
        try:
            consumer.subscribe(
                [topic],
                on_assign=self._gained,
                on_revoke=lambda _: self._going(consumer),
                on_lost=self._lost,
            )
            _log.info("scan_worker_started", attempts=self._places)
            while not self._stop.is_set():
                self._round(consumer, pool)
            self._finish(consumer)
        finally:
            for task in [*self._running.values(), *self._waiting]:
                task.control.abandon()
            self._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            self._leave(consumer)

    def _round(self, consumer: Consumer, pool: ThreadPoolExecutor) -> None:
        self._publisher.check()
        self._follower.check()
        self._hold(consumer)
        busy = bool(self._running or self._waiting)
        most = max(1, self._places * AHEAD - len(self._waiting))
        try:
            messages = consumer.consume_batch(most, BUSY_POLL_S if busy else IDLE_POLL_S)
        except StratumError as exc:
            if not isinstance(exc, Transient):
                raise
            self._metrics.failed(exc)
            messages = []
            self._stop.wait(RETRY_S)
        for message in messages:
            self._take(message)
        self._collect()
        self._stop_cancelled()
        self._start(pool)
        self._settle(consumer)
        self._metrics.load(len(self._running), len(self._waiting))

    def _hold(self, consumer: Consumer) -> None:
        """Fetch no more while enough is taken, and again when there is room; polling goes on."""
        full = len(self._waiting) >= self._places * AHEAD
        if full is self._held:
            return
        try:
            assigned = consumer.assignment()
            if full:
                consumer.pause(assigned)
            else:
                consumer.resume(assigned)
            self._held = full
        except StratumError as exc:
            self._metrics.failed(exc)

    def _take(self, message: RawMessage) -> None:
        where = (message.topic, message.partition)
        if not self._offsets.take(where, message.offset):
            return
        try:
            job = read_job(self._codec, message)
        except DecodeError as exc:
            letter = letter_of(message, stage=STAGE, reason=exc.reason, detail=exc.message)
            self._metrics.dead_letter(exc.reason)
            sent = Publication((self._encode(DEAD_LETTERS, message.key, letter),))
            self._publish(sent, lambda: self._offsets.through(where, message.offset))
            return
        self._waiting.append(Task(where, message.offset, job))

    def _publish(self, publication: Publication, acknowledged: Callable[[], None]) -> None:
        """Send; when it is acknowledged, the call is made in the thread of this loop."""
        self._publisher.put(replace(publication, through=lambda: self._acknowledged.put(acknowledged)))

    def _start(self, pool: ThreadPoolExecutor) -> None:
        for task in list(self._waiting):
            if len(self._running) >= self._places:
                return
            if task.job.repo_id in self._repos:
                continue
            self._waiting.remove(task)
            self._repos.add(task.job.repo_id)
            self._running[pool.submit(self._attempts.run, task)] = task

    def _collect(self) -> None:
        for future in [f for f in self._running if f.done()]:
            task = self._running.pop(future)
            self._finished(task, self._outcome(future, task.job))
        self._acknowledge()

    def _acknowledge(self) -> None:
        while not self._acknowledged.empty():
            self._acknowledged.get()()

    def _outcome(self, future: Future[Outcome], job: ScanJob) -> Outcome:
        """A defect of ours costs the job a failed ping, not the worker its life."""
        error = future.exception()
        if error is None:
            return future.result()
        if isinstance(error, StratumError) or not isinstance(error, Exception):
            raise error
        _log.error("attempt_broke", job=job.job_id, exc_info=error)
        with self._follower.changed:
            previous = self._follower.states.previous(job.repo_id, job.scan_id)
        return self._attempts.failure(job, time.monotonic(), previous, "internal_error")

    def _finished(self, task: Task, outcome: Outcome) -> None:
        where, offset, job = task.where, task.offset, task.job
        if outcome is None:
            self._repos.discard(job.repo_id)
            self._metrics.given_up(job)
        elif isinstance(outcome, Skipped):
            self._repos.discard(job.repo_id)
            self._metrics.skipped(job, outcome.reason)
            # What it may have sent is acknowledged first.
            self._publish(Publication(), lambda: self._offsets.through(where, offset))
        else:
            done: Done = outcome

            def acknowledged() -> None:
                self._repos.discard(job.repo_id)
                self._offsets.through(where, offset)
                self._metrics.ended(job, done.ping, done.reason)

            for letter in done.letters:
                self._metrics.dead_letter(letter)
            self._publish(done.publication, acknowledged)

    def _stop_cancelled(self) -> None:
        if not self._running:
            return
        with self._follower.changed:
            for task in self._running.values():
                state = self._follower.states.attempt(task.job.job_id, task.job.attempt)
                if state is not None and state.state == "cancelled" and not task.control.stop.is_set():
                    task.control.cancel()

    def _settle(self, consumer: Consumer) -> None:
        if time.monotonic() - self._committed_at >= COMMIT_S:
            self._commit(consumer)

    def _commit(self, consumer: Consumer) -> bool:
        """Commit what is through; a commit that fails is repeated with the next one."""
        self._committed_at = time.monotonic()
        offsets = self._offsets.committable(self._assigned)
        if not offsets:
            return True
        faults.point("scan.before_commit")
        try:
            consumer.commit(offsets)
        except StratumError as exc:
            self._metrics.failed(exc)
            return False
        self._offsets.committed(offsets)
        return True

    def _going(self, consumer: Consumer) -> None:
        """A rebalance begins. Attempts go on: most partitions come back, which shows when it is over."""
        self._acknowledge()
        self._commit(consumer)

    def _gained(self, partitions: list[Partition]) -> None:
        """A rebalance is over: attempts of partitions that came back go on, those of others are given up."""
        self._assigned = set(partitions)
        self._held = None  # partitions that came back may still be paused, others are not
        self._offsets.keep_only(self._assigned)
        self._drop([t for t in self._tasks() if t.where not in self._assigned])
        _log.info("partitions", assigned=len(partitions))

    def _lost(self, partitions: list[Partition]) -> None:
        """Another worker has these already, and does their jobs."""
        self._assigned -= set(partitions)
        self._offsets.forget(partitions)
        self._drop([t for t in self._tasks() if t.where in partitions])
        _log.warning("partitions_lost", partitions=len(partitions))

    def _tasks(self) -> list[Task]:
        return [*self._running.values(), *self._waiting]

    def _drop(self, tasks: list[Task]) -> None:
        for task in tasks:
            task.control.abandon()
        self._waiting = [t for t in self._waiting if not t.control.stop.is_set()]

    def _finish(self, consumer: Consumer) -> None:
        """Stopped: running attempts have a while to end, the group hears of us meanwhile, the rest is given up."""
        self._waiting = []
        deadline = time.monotonic() + self._settings.jobs.stop_grace_s
        _log.info("stopping", running=len(self._running))
        while self._running and time.monotonic() < deadline:
            self._idle(consumer)
            self._collect()
        for task in self._running.values():
            task.control.abandon()
        deadline = time.monotonic() + PUBLISH_S
        while (self._running or self._publisher.busy) and time.monotonic() < deadline:
            self._idle(consumer)
            self._collect()
        self._collect()

    def _idle(self, consumer: Consumer) -> None:
        """Stay in the group without taking jobs."""
        try:
            consumer.pause(consumer.assignment())
            consumer.consume_batch(1, BUSY_POLL_S)
        except StratumError as exc:
            self._metrics.failed(exc)
            time.sleep(BUSY_POLL_S)

    def _leave(self, consumer: Consumer) -> None:
        self._commit(consumer)
        try:
            consumer.close()
        except StratumError as exc:
            self._metrics.failed(exc)
        _log.info("scan_worker_stopped", **self._metrics.summary())
