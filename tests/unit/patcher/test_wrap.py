"""Wrapping cannot be told from the outside, and what goes wrong inside stays inside."""

from __future__ import annotations

import asyncio
import gc
import inspect
import pickle
import traceback
import warnings
import weakref
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest
from stratum_patcher import streams, wrap

from .conftest import Events


class Log(wrap.Watch):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def done(self, result: Any) -> Any:
        self.heard.append(("done", result))
        return result

    def failed(self, error: BaseException) -> None:
        self.heard.append(("failed", type(error).__name__))

    def item(self, value: Any) -> None:
        self.heard.append(value)


class Target:
    """Something to watch: one function of each kind."""

    def plain(self, value: int, *, times: int = 2) -> int:
        """Doc."""
        if value < 0:
            raise ValueError("negative")
        return value * times

    async def later(self, value: int) -> int:
        await asyncio.sleep(0)
        if value < 0:
            raise ValueError("negative")
        return value

    def several(self, count: int) -> Generator[int, int, int]:
        got = 0
        for number in range(count):
            sent = yield number
            got += sent or 0
        return got

    async def stream(self, count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number

    @staticmethod
    def alone(value: int) -> int:
        return value

    @classmethod
    def of_class(cls, value: int) -> tuple[str, int]:
        return cls.__name__, value

    def warns(self) -> None:
        warnings.warn("deprecated", DeprecationWarning, stacklevel=2)


NAMES = ("plain", "later", "several", "stream", "alone", "of_class", "warns")


@pytest.fixture
def log() -> Iterator[Log]:
    log = Log()
    with wrap.owned_by("test"):
        for name in NAMES:
            wrap.method(Target, name, lambda call: log)
    yield log
    wrap.undo("test")


def test_every_kind_of_function_is_watched_and_gives_what_it_gave(log: Log) -> None:
    target = Target()

    async def drain() -> list[int]:
        return [value async for value in target.stream(2)]

    assert target.plain(2, times=3) == 6
    assert asyncio.run(target.later(4)) == 4
    assert list(target.several(2)) == [0, 1]
    assert asyncio.run(drain()) == [0, 1]
    assert Target.alone(5) == 5
    assert Target.of_class(6) == ("Target", 6)
    assert log.heard == [
        ("done", 6), ("done", 4), 0, 1, ("done", None), 0, 1, ("done", None), ("done", 5), ("done", ("Target", 6)),
    ]  # fmt: skip


def test_the_kind_name_and_signature_of_a_function_stay_the_same(log: Log) -> None:
    assert inspect.iscoroutinefunction(Target.later)
    assert inspect.isgeneratorfunction(Target.several)
    assert inspect.isasyncgenfunction(Target.stream)
    assert str(inspect.signature(Target.plain)) == "(self, value: 'int', *, times: 'int' = 2) -> 'int'"
    assert (Target.plain.__name__, Target.plain.__qualname__, Target.plain.__doc__) == ("plain", "Target.plain", "Doc.")
    assert Target.plain.__module__ == __name__
    assert inspect.isgenerator(Target().several(1))
    assert inspect.isasyncgen(Target().stream(1))


@pytest.mark.parametrize("call", [lambda: Target().plain(-1), lambda: asyncio.run(Target().later(-1))])
def test_no_frame_of_ours_stands_in_a_traceback(log: Log, call: Any) -> None:
    with pytest.raises(ValueError, match="negative") as caught:
        call()
    files = [entry.filename for entry in traceback.extract_tb(caught.value.__traceback__)]
    assert files[-1] == __file__
    assert not any("stratum_patcher" in file for file in files)
    assert log.heard == [("failed", "ValueError")]


async def _read(stream: AsyncIterator[int]) -> list[int]:
    return [number async for number in stream]


@pytest.mark.parametrize(
    "read",
    [lambda: list(Target().several("x")), lambda: asyncio.run(_read(Target().stream("x")))],  # type: ignore[arg-type]
)
def test_no_frame_of_ours_stands_in_a_traceback_out_of_a_generator(log: Log, read: Any) -> None:
    with pytest.raises(TypeError, match="integer") as caught:
        read()
    files = [entry.filename for entry in traceback.extract_tb(caught.value.__traceback__)]
    assert files[-1] == __file__
    assert not any("stratum_patcher" in file for file in files)
    assert log.heard == [("failed", "TypeError")]


def test_a_wrong_call_raises_the_type_error_of_the_original(log: Log) -> None:
    with pytest.raises(TypeError, match=r"Target\.plain\(\) missing 1 required positional argument: 'value'"):
        Target().plain()  # type: ignore[call-arg]


def test_stacklevel_of_a_warning_names_the_caller(log: Log) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        Target().warns()
    assert [warning.filename for warning in seen] == [__file__]


def test_sends_returns_and_throws_reach_a_watched_generator(log: Log) -> None:
    generator = Target().several(2)
    assert next(generator) == 0
    assert generator.send(5) == 1
    with pytest.raises(StopIteration) as end:
        generator.send(7)
    assert end.value.value == 12
    thrown = Target().several(2)
    next(thrown)
    with pytest.raises(KeyError):
        thrown.throw(KeyError("x"))
    assert log.heard[-1] == ("failed", "KeyError")


def test_a_generator_closed_early_is_told_as_abandoned(log: Log) -> None:
    generator = Target().several(3)
    next(generator)
    generator.close()
    assert log.heard == [0, ("failed", "GeneratorExit")]

    async def leave() -> None:
        stream = Target().stream(3)
        async for _ in stream:
            break
        await stream.aclose()  # type: ignore[attr-defined]

    log.heard.clear()
    asyncio.run(leave())
    assert log.heard == [0, ("failed", "GeneratorExit")]


def test_wrapping_twice_watches_once_and_undo_gives_the_original_back() -> None:
    log, before = Log(), Target.plain
    with wrap.owned_by("twice"):
        wrap.method(Target, "plain", lambda call: log)
        wrap.method(Target, "plain", lambda call: log)
    assert Target().plain(1) == 2
    assert log.heard == [("done", 2)]
    assert wrap.original(Target.plain) is before
    wrap.undo("twice")
    assert Target.plain is before


def test_an_inherited_method_is_wrapped_on_the_class_and_removed_again() -> None:
    class Child(Target):
        pass

    with wrap.owned_by("child"):
        wrap.method(Child, "plain", lambda call: None)
    assert "plain" in vars(Child)
    wrap.undo("child")
    assert "plain" not in vars(Child)


def test_static_and_class_methods_are_given_back_as_such() -> None:
    class Own:
        @staticmethod
        def alone() -> int:
            return 1

        @classmethod
        def of_class(cls) -> str:
            return cls.__name__

    with wrap.owned_by("kinds"):
        wrap.method(Own, "alone", lambda call: None)
        wrap.method(Own, "of_class", lambda call: None)
    wrap.undo("kinds")
    assert (Own.alone(), Own().alone(), Own.of_class()) == (1, 1, "Own")
    assert not any(hasattr(vars(Own)[name].__func__, wrap.MARK) for name in ("alone", "of_class"))


def test_classes_that_the_program_drops_are_not_kept_alive_nor_remembered() -> None:
    class Base:
        def run(self) -> int:
            return 1

    with wrap.owned_by("dropped"):
        wrap.every_subclass(Base, "run", lambda call: None)
    before = len(wrap._undo)

    def make() -> weakref.ref[type]:
        class Tool(Base):
            def run(self) -> int:
                return super().run() + 1

        assert Tool().run() == 2
        return weakref.ref(Tool)

    gone = [make() for _ in range(5)]
    gc.collect()
    assert [tool() for tool in gone] == [None] * 5
    assert len(wrap._undo) == before
    wrap.undo("dropped")


def test_what_was_replaced_since_is_left_alone_by_undo() -> None:
    class Own:
        def run(self) -> int:
            return 1

    with wrap.owned_by("own"):
        wrap.method(Own, "run", lambda call: None)

    def mine(self: Own) -> int:
        return 3

    Own.run = mine  # type: ignore[method-assign]
    wrap.undo("own")
    assert Own.run is mine


def test_a_missing_function_is_not_applied_with_a_reason() -> None:
    with pytest.raises(wrap.NotApplied, match="Target has no gone"):
        wrap.method(Target, "gone", lambda call: None)
    with pytest.raises(wrap.NotApplied, match="__dict__ of Target is not a function"):
        wrap.method(Target, "__dict__", lambda call: None)


def test_a_fault_of_ours_is_counted_told_and_changes_nothing(events: Events) -> None:
    def broken(call: wrap.Call) -> wrap.Watch:
        raise ZeroDivisionError

    with wrap.owned_by("broken.hook"):
        wrap.method(Target, "plain", broken)
    try:
        assert [Target().plain(1), Target().plain(2)] == [2, 4]
    finally:
        wrap.undo("broken.hook")
    assert [(e["event_type"], e["payload"]) for e in events()] == [
        ("patcher.dropped", {"count": 1, "reason": "fault:broken.hook:ZeroDivisionError"})
    ]


@pytest.mark.parametrize("method", ["done", "failed", "item"])
def test_a_watch_that_breaks_changes_nothing(events: Events, method: str) -> None:
    class Broken(wrap.Watch):
        pass

    def fails(self: Any, value: Any) -> None:
        raise RuntimeError

    setattr(Broken, method, fails)
    with wrap.owned_by("broken"):
        for name in ("plain", "several"):
            wrap.method(Target, name, lambda call: Broken())
    try:
        assert Target().plain(2) == 4
        assert list(Target().several(2)) == [0, 1]
        with pytest.raises(ValueError, match="negative"):
            Target().plain(-1)
    finally:
        wrap.undo("broken")
    assert [e["payload"]["reason"] for e in events()] == ["fault:broken:RuntimeError"]


def test_begin_may_change_arguments_however_they_were_given() -> None:
    def double(call: wrap.Call) -> None:
        call.set("value", 0, call.get("value", 0) * 10)

    with wrap.owned_by("args"):
        wrap.method(Target, "plain", double)
    try:
        given = {"value": 2}
        assert (Target().plain(1), Target().plain(**given), given) == (20, 40, {"value": 2})
    finally:
        wrap.undo("args")


class Base:
    def work(self) -> str:
        return "base"


class Early(Base):
    def work(self) -> str:
        return "early " + super().work()


def test_every_subclass_is_watched_once_however_deep_super_goes() -> None:
    seen: list[str] = []

    def begin(call: wrap.Call) -> None:
        seen.append(type(call.instance).__name__)

    with wrap.owned_by("tree"):
        wrap.every_subclass(Base, "work", begin)
    try:

        class Late(Early):
            def work(self) -> str:
                return "late " + super().work()

        class Plain(Early):
            pass

        assert [thing().work() for thing in (Base, Early, Late, Plain)] == [
            "base", "early base", "late early base", "early base",
        ]  # fmt: skip
        assert seen == ["Base", "Early", "Late", "Plain"]
    finally:
        wrap.undo("tree")
    assert "__init_subclass__" not in vars(Base)


def test_a_class_s_own_init_subclass_still_runs_with_its_arguments() -> None:
    made: list[tuple[str, int]] = []

    class Registered:
        def __init_subclass__(cls, number: int = 0, **kwargs: Any) -> None:
            super().__init_subclass__(**kwargs)
            made.append((cls.__name__, number))

        def work(self) -> None:
            return None

    with wrap.owned_by("registered"):
        wrap.every_subclass(Registered, "work", lambda call: None)
    try:

        class Child(Registered, number=7):
            pass
    finally:
        wrap.undo("registered")
    assert made == [("Child", 7)]


def test_a_watched_function_can_be_pickled(log: Log) -> None:
    assert pickle.loads(pickle.dumps(Target.plain)) is Target.plain


def test_a_tee_over_any_iterator_tells_items_end_and_early_close() -> None:
    log = Log()
    assert list(streams.tee(iter([1, 2]), log)) == [1, 2]
    assert log.heard == [1, 2, ("done", None)]
    log = Log()
    stream = streams.tee(iter([1, 2]), log)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert log.heard == [1, ("failed", "GeneratorExit")]

    class Numbers:
        def __init__(self) -> None:
            self.left = [1, 2]

        def __aiter__(self) -> Numbers:
            return self

        async def __anext__(self) -> int:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    async def drain() -> list[int]:
        return [value async for value in streams.atee(Numbers(), log)]

    log.heard.clear()
    assert asyncio.run(drain()) == [1, 2]
    assert log.heard == [1, 2, ("done", None)]


def test_a_function_of_a_table_gets_a_stand_in_that_tells_and_looks_the_same() -> None:
    log = Log()

    def add(a: int, b: int = 1) -> int:
        """Adds."""
        return a + b

    stand_in = wrap.function(add, lambda call: log)
    assert stand_in(1, b=2) == 3
    assert log.heard == [("done", 3)]
    assert (stand_in.__name__, stand_in.__doc__, inspect.signature(stand_in)) == (
        "add",
        "Adds.",
        inspect.signature(add),
    )
    assert wrap.function(stand_in, lambda call: log) is stand_in
    assert wrap.original(stand_in) is add
