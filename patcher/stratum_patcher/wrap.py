"""Wrapping of other people's functions so that they cannot tell: the only place where the program's calls pass ours.

A `begin` callback sees each call and may return a `Watch`, which is told how the call ended (both are `watch`'s, and
had from here). The program's own results and exceptions pass unchanged.
"""

from __future__ import annotations

import functools
import itertools
import sys
import weakref

from . import emit
from .watch import Call, NotApplied, Watch, attempt, ended, guarded

TYPE_CHECKING = False  # `typing`, `inspect` and the like would cost a program more than all the rest of the patcher
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Callable

    Begin = Callable[["Call"], "Watch | None"]

__all__ = [
    "INTERNAL",
    "MARK",
    "Call",
    "NotApplied",
    "Watch",
    "adrive",
    "attempt",
    "drive",
    "every_subclass",
    "function",
    "guarded",
    "method",
    "on_subclass",
    "original",
    "owned_by",
    "replace",
    "undo",
    "unowned",
]

INTERNAL = "<stratum_patcher importlib._bootstrap>"
"""File name of the wrappers' code. `warnings` does not count frames whose file name holds "importlib" and "_bootstrap"
when it looks for the caller (CPython `is_internal_frame`), so `stacklevel` means what it meant without us."""
MARK = "__stratum_original__"

_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200
"""Flags of code objects (CPython `inspect.CO_*`)."""
_missing: Any = object()
_wrapped: Any = object()
_undo: dict[int, tuple[str, Callable[[], Any], str, Any, Any]] = {}
"""Number -> hook, what gives the owner while it lives, attribute, what was there, what is there now. Of a class only
whether it had the attribute itself, since classes of the program come and go: the wrapper knows what it wraps."""
_changes = itertools.count()
_owner = ""


class owned_by:
    """Within it, everything that is wrapped belongs to one hook, for `undo`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._before = ""

    def __enter__(self) -> None:
        global _owner
        self._before, _owner = _owner, self._name

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _owner
        _owner = self._before


def _found(owner: Any, name: str) -> Any:
    """What an attribute of a class or module is, without asking descriptors or `__getattr__`."""
    if not hasattr(owner, "__dict__"):
        raise NotApplied(f"{name} is looked for in {type(owner).__name__}, which is no class or module")
    for holder in owner.__mro__ if isinstance(owner, type) else (owner,):
        if name in vars(holder):
            return vars(holder)[name]
    return _missing


def _is(function: Any, flag: int) -> bool:
    """Whether calling a function gives a generator, coroutine or async generator, by its code."""
    while True:
        inner = getattr(function, "__func__", None)
        if inner is None and isinstance(function, functools.partial):
            inner = function.func
        if inner is None:
            break
        function = inner
    code = getattr(function, "__code__", None)
    return bool(getattr(code, "co_flags", 0) & flag)


def method(owner: Any, name: str, begin: Begin) -> None:
    """Watch a function of a class or module.

    Args:
        owner: Class or module that holds it; for a class also where it is only inherited.
        name: Its attribute name. Functions, coroutine functions, generators, async generators, static and class
            methods are told apart by what is found there.
        begin: Called before each call.

    Raises:
        NotApplied: There is no such function.
    """
    found = _found(owner, name)
    if found is _missing:
        raise NotApplied(f"{getattr(owner, '__name__', type(owner).__name__)} has no {name}")
    static, of_class = isinstance(found, staticmethod), isinstance(found, classmethod)
    function = found.__func__ if isinstance(found, (staticmethod, classmethod)) else found
    if not callable(function):
        raise NotApplied(f"{name} of {getattr(owner, '__name__', '?')} is not a function")
    if hasattr(function, MARK):
        return
    bound = isinstance(owner, type) and not static
    wrapper: Any = _wrapper(function, begin, bound, _owner or name)
    if static:
        wrapper = staticmethod(wrapper)
    elif of_class:
        wrapper = classmethod(wrapper)
    if not isinstance(owner, type):
        replace(owner, name, wrapper)
        return
    number = next(_changes)
    alive = weakref.ref(owner, lambda _: _undo.pop(number, None))
    _undo[number] = (_owner, alive, name, _wrapped if name in vars(owner) else _missing, _wrapped)
    setattr(owner, name, wrapper)


def function(original: Any, begin: Begin) -> Any:
    """A stand-in for a function that a library keeps in a table of its own.

    Args:
        original: A function of any sort; a stand-in is returned as it is.
        begin: Called before each call.
    """
    return original if hasattr(original, MARK) else _wrapper(original, begin, False, _owner or "function")


def replace(owner: Any, name: str, value: Any) -> None:
    """Set an attribute of a class or module, remembering what was there for `undo`."""
    before = vars(owner).get(name, _missing)
    setattr(owner, name, value)
    _undo[next(_changes)] = (_owner, lambda: owner, name, before, value)


def every_subclass(base: type, name: str, begin: Begin) -> None:
    """Watch a method wherever it is defined: in a class and in all its subclasses, those to come included.

    A definition that runs because a subclass's own called `super()` is not watched a second time.

    Raises:
        NotApplied: The base class has no such method.
    """
    if _found(base, name) is _missing:
        raise NotApplied(f"{base.__name__} has no {name}")
    hook = _owner

    def adopt(cls: type) -> None:
        if name in vars(cls):
            with owned_by(hook):
                method(cls, name, functools.partial(_outermost, cls, name, begin))

    def walk(cls: Any) -> None:
        adopt(cls)
        for subclass in type.__subclasses__(cls):
            walk(subclass)

    walk(base)
    on_subclass(base, adopt)


def _outermost(owner: type, name: str, begin: Begin, call: Call) -> Watch | None:
    kind = call.instance if isinstance(call.instance, type) else type(call.instance)
    for cls in kind.__mro__:
        if name in vars(cls):
            return begin(call) if cls is owner else None
    return begin(call)


def on_subclass(base: type, adopt: Callable[[type], None]) -> None:
    """Call `adopt` with every future subclass of a class, after Python's own `__init_subclass__`."""
    before = vars(base).get("__init_subclass__", _missing)
    hook = _owner

    def __init_subclass__(cls: Any, **kwargs: Any) -> None:
        if isinstance(before, classmethod):
            before.__get__(None, cls)(**kwargs)
        else:
            super(base, cls).__init_subclass__(**kwargs)  # type: ignore[arg-type]
        guarded(hook, adopt, cls)

    if isinstance(before, classmethod):
        functools.update_wrapper(__init_subclass__, before.__func__)
    replace(base, "__init_subclass__", classmethod(_unseen(__init_subclass__)))


def original(function: Any) -> Any:
    """What was there before it was wrapped; the function itself when it is not wrapped."""
    return getattr(function, MARK, function)


def undo(hook: str) -> None:
    """Take back what one hook wrapped, last first; what somebody replaced since stays."""
    for number, (by, alive, name, before, value) in reversed(list(_undo.items())):
        if by != hook:
            continue
        _undo.pop(number, None)
        owner = alive()
        if owner is None:
            continue
        found = vars(owner).get(name)
        if value is _wrapped:
            inner = _unwrapped(found)
            before, value = (inner if before is _wrapped else before), (value if inner is None else found)
        if found is not value:
            continue
        if before is _missing:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


def _unwrapped(found: Any) -> Any:
    """What a wrapper of ours stands for, static and class methods as such; None for anything else."""
    function = found.__func__ if isinstance(found, (staticmethod, classmethod)) else found
    code = getattr(function, "__code__", None)
    if code is None or code.co_filename != INTERNAL or not hasattr(function, MARK):
        return None
    inner = original(function)
    return inner if function is found else type(found)(inner)


def _unseen(function: Any) -> Any:
    function.__code__ = function.__code__.replace(co_filename=INTERNAL)
    return function


def _wrapper(function: Any, begin: Begin, bound: bool, what: str) -> Any:
    """The function that takes the place of another one."""

    def start(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Watch | None, tuple[Any, ...], dict[str, Any]]:
        try:
            if bound:
                call = Call(args[0], args[1:], kwargs) if args else Call(None, args, kwargs)
            else:
                call = Call(None, args, kwargs)
            watch = begin(call)
            return watch, ((args[0], *call.args) if bound and args else call.args), call.kwargs
        except Exception as fault:  # noqa: BLE001 - see `guarded`; written out here because every watched call passes
            emit.fault(what, type(fault).__name__)
            return None, args, kwargs

    if _is(function, _ASYNC_GENERATOR):
        made = _async_generator(function, start, what)
    elif _is(function, _COROUTINE):
        made = _coroutine(function, start, what)
    elif _is(function, _GENERATOR):
        made = _generator(function, start, what)
    else:
        made = _function(function, start, what)
    made = _unseen(made)
    functools.update_wrapper(made, function)
    setattr(made, MARK, function)
    return made


def _function(function: Any, start: Any, what: str) -> Any:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        watch, args, kwargs = start(args, kwargs)
        if watch is None:
            try:
                return function(*args, **kwargs)
            except BaseException as error:
                error.__traceback__ = error.__traceback__.tb_next  # type: ignore[union-attr]
                raise
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            ended(what, watch, error, watch.failed, error)
            error.__traceback__ = error.__traceback__.tb_next  # type: ignore[union-attr]
            raise
        return ended(what, watch, None, watch.done, result)

    return wrapper


def _coroutine(function: Any, start: Any, what: str) -> Any:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        watch, args, kwargs = start(args, kwargs)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            if watch is not None:
                ended(what, watch, error, watch.failed, error)
            error.__traceback__ = error.__traceback__.tb_next  # type: ignore[union-attr]
            raise
        return result if watch is None else ended(what, watch, None, watch.done, result)

    return wrapper


def _generator(function: Any, start: Any, what: str) -> Any:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        watch, args, kwargs = start(args, kwargs)
        try:
            inner = function(*args, **kwargs)
            return (yield from (inner if watch is None else drive(inner, watch, what)))
        except BaseException as error:
            error.__traceback__ = error.__traceback__.tb_next  # type: ignore[union-attr]
            raise

    return wrapper


def drive(inner: Any, watch: Watch, what: str = "generator") -> Any:
    """Run a generator for its consumer, telling a watch of each value; sends, throws and closes pass through."""
    send: Any = None
    thrown: BaseException | None = None
    while True:
        try:
            if thrown is not None:
                error, thrown = thrown, None
                value = inner.throw(error)
            else:
                value = next(inner) if send is None else inner.send(send)
        except StopIteration as end:
            ended(what, watch, None, watch.done, None)
            return end.value
        except BaseException as error:
            ended(what, watch, error, *_tells(watch, error))
            error.__traceback__ = error.__traceback__.tb_next  # type: ignore[union-attr]
            raise
        guarded(what, watch.item, value)
        guarded(what, watch.pause)
        try:
            send = yield value
        except GeneratorExit as closing:
            guarded(what, watch.resume)
            try:
                inner.close()
            finally:
                ended(what, watch, closing, watch.abandoned)
            raise
        except BaseException as error:  # noqa: BLE001 - goes into the generator
            thrown, send = error, None
        guarded(what, watch.resume)


def _tells(watch: Watch, error: BaseException) -> tuple[Any, ...]:
    """What a watch is to be told of an exception that ended a generator: the method and what it takes."""
    return (watch.abandoned,) if isinstance(error, GeneratorExit) else (watch.failed, error)


def _async_generator(function: Any, start: Any, what: str) -> Any:
    # One generator around the original and not two: a task that is cancelled while it closes generators that stand
    # behind each other reaches only the first two of them.
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        watch, args, kwargs = start(args, kwargs)
        if watch is None:
            watch = Watch()
        inner = function(*args, **kwargs)
        send: Any = None
        thrown: BaseException | None = None
        open_still = True
        try:
            while True:
                try:
                    if thrown is not None:
                        error, thrown = thrown, None
                        value = await inner.athrow(error)
                    else:
                        value = await unowned(inner.asend, send)
                except StopAsyncIteration:
                    open_still = False
                    ended(what, watch, None, watch.done, None)
                    return
                except BaseException as error:
                    open_still = False
                    ended(what, watch, error, *_tells(watch, error))
                    raise
                guarded(what, watch.item, value)
                guarded(what, watch.pause)
                try:
                    send = yield value
                except GeneratorExit as closing:
                    guarded(what, watch.resume)
                    try:
                        await inner.aclose()
                    finally:
                        open_still = False
                        ended(what, watch, closing, watch.abandoned)
                    raise
                except BaseException as error:  # noqa: BLE001 - goes into the generator
                    thrown, send = error, None
                guarded(what, watch.resume)
        except BaseException as error:
            error.__traceback__ = error.__traceback__.tb_next  # type: ignore[union-attr]
            raise
        finally:
            if open_still:
                await inner.aclose()

    return wrapper


def adrive(inner: Any, watch: Watch, what: str = "generator") -> Any:
    """An async generator over another one for its consumer, telling a watch of each value."""
    return _unseen(_async_generator(lambda: inner, lambda args, kwargs: (watch, args, kwargs), what))()


def unowned(step: Callable[..., Any], *args: Any) -> Any:
    """Call a method of an async generator that stands behind one of ours, which closes it.

    The event loop is not to know of it: at its end it closes the generators it knows all at once, and one that is
    closed from two sides raises.

    Args:
        step: `asend` or `__anext__`.
        args: Its arguments.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return step(*args)
    finally:
        sys.set_asyncgen_hooks(*hooks)


drive = _unseen(drive)
