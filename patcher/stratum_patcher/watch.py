"""What is told of one watched call, and the one place where faults of ours are caught, counted and told as an event."""

from __future__ import annotations

from . import emit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


class NotApplied(Exception):
    """What a hook needs is not there (another version of the library); the text says what."""


class Watch:
    """What is told of one watched call. Every method runs guarded."""

    def done(self, result: Any) -> Any:
        """The call returned; what this returns goes to the caller, so return `result` or a stand-in for it."""
        return result

    def failed(self, error: BaseException) -> None:
        """The call raised; the exception goes on to the caller."""

    def item(self, value: Any) -> None:
        """A watched generator yielded a value."""

    def abandoned(self) -> None:
        """A watched generator was closed before its end."""
        self.failed(GeneratorExit())

    def broken(self, error: BaseException | None) -> None:
        """What is told of the call's end raised itself; nothing may stay open.

        Args:
            error: What the call raised; None when it returned.
        """

    def pause(self) -> None:
        """A watched generator is about to give control to its consumer."""

    def resume(self) -> None:
        """A watched generator has control again."""


class Call:
    """One call of a watched function.

    Attributes:
        instance: The object or class it is called on, or None.
        args: Positional arguments, without the instance.
        kwargs: Keyword arguments; a copy, changes reach the original.
    """

    __slots__ = ("args", "instance", "kwargs")

    def __init__(self, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.instance = instance
        self.args = args
        self.kwargs = kwargs

    def get(self, name: str, position: int, default: Any = None) -> Any:
        """An argument, by keyword or by position (from 0, without the instance)."""
        if name in self.kwargs:
            return self.kwargs[name]
        return self.args[position] if 0 <= position < len(self.args) else default

    def set(self, name: str, position: int, value: Any) -> None:
        """Replace an argument where the caller gave it, else add it by keyword."""
        if name not in self.kwargs and 0 <= position < len(self.args):
            self.args = (*self.args[:position], value, *self.args[position + 1 :])
        else:
            self.kwargs[name] = value


def guarded(what: str, function: Callable[..., Any], *args: Any, default: Any = None, **kwargs: Any) -> Any:
    """Call one of our own functions; its faults never reach the program.

    Args:
        what: Name of the part, for the event that tells a fault.
        function: What to call.
        args: Its arguments.
        default: What to return after a fault.
        kwargs: Its keyword arguments.
    """
    try:
        return function(*args, **kwargs)
    except Exception as fault:  # noqa: BLE001 - the law: a fault of ours must not become one of the program's
        emit.fault(what, type(fault).__name__)
        return default


def ended(what: str, watch: Watch, error: BaseException | None, tell: Callable[..., Any], *args: Any) -> Any:
    """Tell a watch how its call ended; where that fails, have it leave nothing open.

    Args:
        what: Name of the part, for the event that tells a fault.
        watch: Whom to tell.
        error: What the call raised; None when it returned.
        tell: The watch's `done`, `failed` or `abandoned`.
        args: What it takes: the result, the error, nothing.

    Returns:
        What the watch makes of the result; after a fault the result itself.
    """
    try:
        return tell(*args)
    except Exception as fault:  # noqa: BLE001 - see `guarded`
        emit.fault(what, type(fault).__name__)
        guarded(what, watch.broken, error)
        return args[0] if args else None


def attempt(function: Callable[..., Any], *args: Any) -> Exception | None:
    """Call one of our own functions and return the exception it raised, if any."""
    try:
        function(*args)
    except Exception as fault:  # noqa: BLE001 - a hook that does not fit a library is reported, not raised
        return fault
    return None
