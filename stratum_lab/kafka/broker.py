"""Start and stop the broker of this home: one at a time, known by `<home>/broker.json`, with its topics made."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from filelock import FileLock, Timeout

from stratum_lab.errors import BrokerUnavailable, Busy, IntegrityError, PrerequisiteError, StratumError, UsageError
from stratum_lab.kafka.backends.base import Backend
from stratum_lab.kafka.backends.select import BACKENDS, select
from stratum_lab.kafka.state import BrokerState, read_state, remove_state, state_path, write_state
from stratum_lab.kafka.topics import ensure_topics, partition_counts
from stratum_lab.settings import Settings

_PROBE_S = 2.0
_PAUSE_S = 0.2
_SETTLE_S = 30.0
_ALIVE_EVERY_S = 1.0

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Up:
    """What `up` found or did.

    Attributes:
        state: The broker.
        already: It ran before.
        created: Full names of the topics created now.
    """

    state: BrokerState
    already: bool
    created: list[str]


def at(settings: Settings, bootstrap: str) -> Settings:
    """The same settings with the broker at a known address."""
    return settings.model_copy(update={"broker": settings.broker.model_copy(update={"bootstrap": bootstrap})})


def answers(settings: Settings, bootstrap: str, timeout_s: float = _PROBE_S) -> bool:
    """Whether a broker answers there."""
    quick = at(settings, bootstrap)
    quick = quick.model_copy(update={"kafka": quick.kafka.model_copy(update={"request_timeout_s": timeout_s})})
    try:
        partition_counts(quick)
    except BrokerUnavailable:
        return False
    return True


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Only one `up` or `down` per home; the lock is the kernel's, so a file left by a dead process means nothing."""
    lock = FileLock(settings.home / "broker.lock", timeout=settings.broker.start_timeout_s)
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as exc:
        raise Busy(
            f"another `stratum up` or `down` is at work in {settings.home}", remedy="wait for it, then try again"
        ) from exc
    except OSError as exc:
        raise PrerequisiteError(
            f"the home {settings.home} cannot be written: {exc.strerror}",
            remedy="set STRATUM_HOME to a folder of yours",
        ) from exc
    try:
        yield
    finally:
        lock.release()


def _backend(settings: Settings, state: BrokerState) -> Backend:
    """The back-end that started a broker."""
    if state.backend not in BACKENDS:
        path = state_path(settings.home)
        raise IntegrityError(
            f"{path} names the back-end {state.backend!r}; known are {', '.join(BACKENDS)}",
            remedy=f"stop that broker with the version that started it, or remove {path}",
        )
    return BACKENDS[state.backend](settings)


def running(settings: Settings) -> BrokerState | None:
    """The broker started in this home, when it still runs."""
    state = read_state(settings.home)
    if state is None or state.stale or not _backend(settings, state).alive(state):
        return None
    return state


def up(settings: Settings, tell: Tell) -> Up:
    """Provide a broker, wait until it answers, and create the topics.

    Args:
        settings: Back-end, address, versions and home.
        tell: Told what happens, in words for a person.

    Raises:
        PrerequisiteError: No back-end applies; nothing was started.
        Busy: The port is taken, or another `up` is at work.
        BrokerUnavailable: It did not answer in time; what was started is stopped again.
        UsageError: Another back-end runs in this home.
    """
    with _alone(settings):
        # An address in the settings wins over what an earlier `up` started here: every client uses it too.
        state = None if settings.broker.bootstrap else _known(settings, tell)
        if state is not None and not answers(settings, state.bootstrap):
            state = _awaited(settings, state, tell)
        already = state is not None
        if state is None:
            backend = select(settings, tell)
            tell(f"starting the {backend.name} broker" if backend.name != "external" else "using your broker")
            state = backend.start()
            _bring_up(settings, backend, state)
        return Up(state, already, _topics(at(settings, state.bootstrap)))


def _awaited(settings: Settings, state: BrokerState, tell: Tell) -> BrokerState | None:
    """The broker that was started before, once it answers; None when it was dying and is gone now."""
    try:
        _wait(settings, _backend(settings, state), state, remedy="stratum down, then stratum up")
    except BrokerUnavailable:
        if running(settings) is not None:
            raise
        return _known(settings, tell)
    return state


def _known(settings: Settings, tell: Tell) -> BrokerState | None:
    """The broker that already runs; a note about a dead one is removed."""
    state = read_state(settings.home)
    if state is None:
        return None
    if running(settings) is None:
        what = f"pid {state.pid}" if state.pid is not None else f"container {state.container}"
        tell(f"the {state.backend} broker of an earlier start ({what}) is gone; its note is removed")
        remove_state(settings.home)
        return None
    if settings.broker.backend not in ("auto", state.backend):
        raise UsageError(
            f"the {state.backend} broker already runs at {state.bootstrap}, so {settings.broker.backend} cannot start",
            remedy="stratum down",
        )
    return state


def _bring_up(settings: Settings, backend: Backend, state: BrokerState) -> None:
    """Note the broker before waiting for it, so that `down` finds it; undo both when it fails."""
    if backend.name == "external":
        _wait(settings, backend, state)
        return
    try:
        write_state(settings.home, state)
        _wait(settings, backend, state)
    except (StratumError, OSError, KeyboardInterrupt):
        backend.stop(state)
        remove_state(settings.home)
        raise


def _wait(settings: Settings, backend: Backend, state: BrokerState, *, remedy: str = "stratum doctor") -> None:
    """Return when the broker answers."""
    limit_s = settings.kafka.request_timeout_s if state.backend == "external" else settings.broker.start_timeout_s
    deadline = time.monotonic() + limit_s
    looked = time.monotonic()
    while not answers(settings, state.bootstrap):
        now = time.monotonic()
        if now - looked > _ALIVE_EVERY_S or now > deadline:
            looked = now
            alive = backend.alive(state)
            if not alive or now > deadline:
                what = f"does not answer after {limit_s:g} s" if alive else "ended while starting"
                said = backend.log_tail(state)
                raise BrokerUnavailable(
                    f"the {state.backend} broker at {state.bootstrap} {what}" + (f"\n{said}" if said else ""),
                    remedy="check the address" if state.backend == "external" else remedy,
                )
        time.sleep(_PAUSE_S)


def _topics(settings: Settings) -> list[str]:
    """Create the topics; a broker that has just started may first refuse for want of a controller."""
    deadline = time.monotonic() + _SETTLE_S
    while True:
        try:
            return ensure_topics(settings)
        except BrokerUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)


def down(settings: Settings, tell: Tell) -> BrokerState | None:
    """Stop the broker that `up` started here; its data stays.

    Args:
        settings: The home.
        tell: Told what happens.

    Returns:
        The broker that was stopped, or None when none ran.

    Raises:
        PrerequisiteError: The container engine that runs it does not answer.
    """
    with _alone(settings):
        state = read_state(settings.home)
        if state is None:
            tell(f"no broker was started in {settings.home}")
            return None
        if state.stale:
            tell(f"the {state.backend} broker (pid {state.pid}) was already gone; its note is removed")
            remove_state(settings.home)
            return None
        _backend(settings, state).stop(state)
        remove_state(settings.home)
        return state
