"""Whatever a worker loses, is given twice or never given: the final records are those of a cold fold."""

from __future__ import annotations

import contextlib
import random

import pytest

from stratum_lab.contract.topics import RUN_EVENTS, RUN_STATUS
from streams import codecs
from streams.messages import SOURCES
from streams.owner import Owner
from tests.support.streams import (
    Lost,
    MemoryLog,
    MemoryOutlet,
    cold,
    deliver,
    finish,
    live,
    owner,
    run,
    sample_world,
    shuffled_delivery,
)


async def one_life(
    rng: random.Random, log: MemoryLog, outlet: MemoryOutlet, own: Owner, *, mortal: bool = True
) -> None:
    """Deliver with skips and repeats from an arbitrary committed offset, checkpoint now and then, die somewhere."""
    starts = {t: rng.randint(0, log.end(t)) for t in SOURCES}
    messages = shuffled_delivery(rng, log, starts)
    outlet.die_after = rng.randint(0, 30) if mortal else None
    try:
        for m in messages[: rng.randint(0, len(messages))]:
            await deliver(own, [m], log)
            if rng.random() < 0.2:
                await own.checkpoint()
            if rng.random() < 0.05:
                await own.sweep(log.ends())
    except Lost:
        pass
    outlet.die_after = None


@pytest.mark.parametrize("seed", range(100))
def test_any_sequence_of_deaths_ends_in_the_records_of_a_cold_fold(seed: int) -> None:
    rng = random.Random(seed)
    log, outlet = sample_world(rng), MemoryOutlet()

    async def lives() -> None:
        for _ in range(rng.randint(0, 4)):
            await one_life(rng, log, outlet, owner(log, outlet))
        await finish(owner(log, outlet), log)

    run(lives())
    assert live(outlet.final()) == cold(log)


@pytest.mark.parametrize("seed", range(60))
def test_a_stale_write_of_a_former_owner_changes_nothing(seed: int) -> None:
    rng = random.Random(1000 + seed)
    log, outlet = sample_world(rng), MemoryOutlet()

    async def lives() -> None:
        zombie = owner(log, outlet)
        await one_life(rng, log, outlet, zombie, mortal=False)
        await deliver(zombie, shuffled_delivery(rng, log, {t: rng.randint(0, log.end(t)) for t in SOURCES}), log)
        await one_life(rng, log, outlet, owner(log, outlet))
        outlet.fenced = True
        with contextlib.suppress(Lost):
            await zombie.checkpoint()
        outlet.fenced = False
        await one_life(rng, log, outlet, owner(log, outlet))
        await finish(owner(log, outlet), log)

    run(lives())
    assert live(outlet.final()) == cold(log)


@pytest.mark.parametrize("seed", range(60))
def test_any_cut_of_the_changelog_and_any_committed_offset_give_the_cold_records(seed: int) -> None:
    rng = random.Random(2000 + seed)
    log, outlet = sample_world(rng), MemoryOutlet()

    async def lives() -> None:
        first = owner(log, outlet)
        for m in shuffled_delivery(rng, log, dict.fromkeys(SOURCES, 0)):
            await deliver(first, [m], log)
            if rng.random() < 0.3:
                await first.checkpoint()
        del outlet.changelog[rng.randint(0, len(outlet.changelog)) :]
        second = owner(log, outlet)
        await deliver(second, shuffled_delivery(rng, log, {t: rng.randint(0, log.end(t)) for t in SOURCES}), log)
        await finish(second, log)

    run(lives())
    assert live(outlet.final()) == cold(log)


def test_every_message_skipped_is_read_again_when_nothing_more_comes() -> None:
    log, outlet = sample_world(random.Random(5)), MemoryOutlet()
    own = owner(log, outlet)
    run(finish(own, log))
    assert live(outlet.final()) == cold(log)
    assert own.durable == log.ends()


def test_a_settled_log_is_not_emitted_again_by_the_next_owner() -> None:
    log, outlet = sample_world(random.Random(6)), MemoryOutlet()
    run(finish(owner(log, outlet), log))
    before, written = list(outlet.records), len(outlet.changelog)
    second = owner(log, outlet)
    run(deliver(second, log.messages[RUN_EVENTS] + log.messages[RUN_STATUS], log))
    run(finish(second, log))
    assert outlet.records == before
    assert {key[:1] for key, _ in outlet.changelog[written:]} == {codecs.MARK}
