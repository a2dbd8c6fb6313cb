"""What is told of values and errors: hashes, shapes, classes; text only where content is captured (events.md 5)."""

from __future__ import annotations

from ._start import SETTINGS
from .emit import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CAPTURE = SETTINGS.get("STRATUM_CAPTURE_PROMPTS") == "1"
"""Whether text is sent, capped."""
MESSAGE_CHARACTERS = 500
"""Longest error message."""
PREVIEW_CHARACTERS = 8000
"""Longest output preview."""
_LOOKED_AT = 100_000
"""Values of one structure that are looked at."""
_DEEP = 32
"""Nesting that is looked into."""

_CLASSIFICATION = ("label", "class", "category", "classification", "type", "intent")
_ROUTING = ("action", "decision", "next_step", "route")
_SCORED = ("score", "rating", "confidence", "probability")
_LONG_TEXT = 500


def scrub(text: str) -> str:
    """A text without what looks like a key, token or password (see `scrubbing`, which is loaded when first needed)."""
    global _scrub
    if _scrub is None:
        from .scrubbing import scrub as searched

        _scrub = searched
    return str(_scrub(text))


_scrub: Any = None


def captured(text: Any, limit: int) -> str | None:
    """A text for an event when content is captured, scrubbed and capped; None otherwise.

    Args:
        text: The text; anything that is no text gives None.
        limit: Most characters.
    """
    if not CAPTURE or not isinstance(text, str):
        return None
    return scrub(str.__str__(text)[: limit + 200])[:limit]


def _bytes(text: str) -> bytes:
    return str.encode(text, "utf-8", "replace")


def _sha256(data: bytes) -> str:
    """The digest; modules are loaded when first needed, since not every interpreter writes a hash.

    For short texts the interpreter's own function takes half the time of OpenSSL's, which `hashlib` gives; for long
    ones it is the other way round.
    """
    if len(data) > _SHORT_BYTES:
        from hashlib import sha256

        return str(sha256(data).hexdigest())
    global _new_hash
    if _new_hash is None:
        _new_hash = _own_sha256()
    return str(_new_hash(data).hexdigest())


def _own_sha256() -> Any:
    for module in ("_sha2", "_sha256"):
        try:
            return __import__(module).sha256
        except ImportError:
            continue
    from hashlib import sha256

    return sha256


_SHORT_BYTES = 1024
_new_hash: Any = None


def sha(text: str) -> str:
    """sha256 of a text's UTF-8 form, 64 hexadecimal digits."""
    return _sha256(_bytes(text))


def short(text: str) -> str:
    """The first 16 digits of `sha`."""
    return _sha256(_bytes(text))[:16]


def hashed(value: Any) -> str | None:
    """`sha` of a text or of a structure's JSON form; None for None."""
    if value is None:
        return None
    return sha(_signature(value))


def shape(value: Any) -> str:
    """The form of a value without its content, for example `dict(keys=['a', 'b'], len=2)`."""
    if value is None:
        return "None"
    kind = type(value)
    if kind is str:
        return f"str(len={len(value)})"
    if kind is dict:
        keys = sorted(_key(key) for key in list(value)[:1000])[:10]
        return f"dict(keys={keys}, len={len(value)})"
    if kind is list or kind is tuple:
        inner = shape(value[0])[:100] if value else "None"
        return f"list(len={len(value)}, inner={inner})"
    return kind.__name__


def _key(key: Any) -> str:
    return str.__str__(key)[:80] if issubclass(type(key), str) else type(key).__name__


class _Looker:
    """Turns a value into plain types without running the program's code: no `str`, `repr`, properties or iterators
    of its classes, nor their `__class__`, which stand-ins answer by making what they stand for."""

    def __init__(self) -> None:
        self._left = _LOOKED_AT

    def plain(self, value: Any, depth: int = 0) -> Any:
        kind = type(value)
        if value is None or kind is bool or kind is str or kind is int:
            return value
        if kind is float:
            return value if value - value == 0 else str(value)
        if issubclass(kind, str):
            return str.__str__(value)
        self._left -= 1
        if depth >= _DEEP or self._left <= 0:
            return f"<{kind.__name__}>"
        if issubclass(kind, dict):
            return {_key(key): self.plain(held, depth + 1) for key, held in list(dict.items(value))}
        if issubclass(kind, list):
            return [self.plain(list.__getitem__(value, i), depth + 1) for i in range(list.__len__(value))]
        if issubclass(kind, tuple):
            return [self.plain(tuple.__getitem__(value, i), depth + 1) for i in range(tuple.__len__(value))]
        if kind is bytes:
            return f"<bytes {len(value)}>"
        if hasattr(kind, "__pydantic_fields__") or hasattr(kind, "__dataclass_fields__"):
            fields = getattr(kind, "__pydantic_fields__", None) or getattr(kind, "__dataclass_fields__", {})
            try:
                held = object.__getattribute__(value, "__dict__")
            except AttributeError:
                return f"<{kind.__name__}>"
            return {name: self.plain(held[name], depth + 1) for name in list(fields) if name in held}
        return f"<{kind.__name__}>"


def plain(value: Any) -> Any:
    """A value as plain types; what is none of them stands as `<ClassName>`."""
    return _Looker().plain(value)


def _signature(value: Any) -> str:
    if issubclass(type(value), str):
        return str.__str__(value)
    try:
        return str(encode(plain(value)))
    except (ValueError, RecursionError):
        return f"<{type(value).__name__}>"


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return "long_text" if len(value) > _LONG_TEXT else "short_text"
    if isinstance(value, dict):
        keys = set(value)
        for names, kind in (
            (_CLASSIFICATION, "classification"),
            (_ROUTING, "routing_decision"),
            (_SCORED, "scored_output"),
        ):
            if keys.intersection(names):
                return kind
        return "structured_json"
    return "unknown"


def output(value: Any) -> dict[str, Any]:
    """The facts of an output: `output_hash`, `output_type`, `output_size_bytes`, `output_structure`, `output_preview`.

    Args:
        value: A text or structure; None gives nothing.
    """
    if value is None:
        return {}
    if issubclass(type(value), str):
        text = str.__str__(value)
        data = _bytes(text)
        told: dict[str, Any] = {
            "output_hash": _sha256(data),
            "output_type": _kind(text),
            "output_size_bytes": len(data),
        }
    else:
        structure = plain(value)
        text = _signature(structure)
        data = _bytes(text)
        told = {
            "output_hash": _sha256(data),
            "output_type": _kind(structure),
            "output_size_bytes": len(data),
            "output_structure": _structure(structure),
        }
    if CAPTURE:
        told["output_preview"] = captured(text, PREVIEW_CHARACTERS)
    return told


def _structure(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: type(held).__name__ for key, held in list(value.items())[:50]}
    if isinstance(value, list):
        return {"length": len(value), "item": type(value[0]).__name__ if value else None}
    return type(value).__name__


def error_type(error: BaseException) -> str:
    """The exception's class name."""
    return type(error).__name__[:200]


def message(error: BaseException) -> str:
    """What the exception says, scrubbed, at most 500 characters; its class name when saying it fails."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an exception's own `__str__` may do anything
        return f"<{type(error).__name__}>"
    return scrub(text[: 4 * MESSAGE_CHARACTERS])[:MESSAGE_CHARACTERS]


_WORDS = (
    (r"\b(timeout|timed out)\b", "timeout"),
    (r"\bkey\b.*\b(missing|not found)\b|\b(missing|not found)\b.*\bkey\b", "schema_mismatch"),
    (r"\bjson\b.*\b(decode|decoding|parse|parsing)\b|\b(decode|decoding|parse|parsing)\b.*\bjson\b", "schema_mismatch"),
    (r"\btype\b.*\bexpected\b|\bexpected\b.*\btype\b", "schema_mismatch"),
    (r"\brate\b.*\blimit", "rate_limit"),
    (r"\b(api|http|connection)\b", "api_error"),
    (r"\b(permission|access)\b", "permission_error"),
)  # fmt: skip
_words: list[tuple[Any, str]] = []


def _wording() -> list[tuple[Any, str]]:
    """Patterns and the class each means, in the order in which they are tried; compiled when first needed."""
    import re

    if not _words:
        _words.extend((re.compile(pattern, re.S), found) for pattern, found in _WORDS)
    return _words


_BY_STATUS = {401: "permission_error", 403: "permission_error", 408: "timeout", 429: "rate_limit", 504: "timeout"}
_BY_CLASS = (
    (("timeout",), "timeout"),
    (("ratelimit",), "rate_limit"),
    (("permission", "authentication"), "permission_error"),
    (("jsondecode", "validationerror", "outputparser"), "schema_mismatch"),
    (("apierror", "apistatus", "apiconnection", "httperror", "connecterror", "connectionerror", "badrequest",
      "notfounderror", "internalservererror"), "api_error"),
)  # fmt: skip
_SCHEMA_CLASSES = (KeyError, TypeError, ValueError, AttributeError)


def error_class(error: BaseException) -> str:
    """The class of an error (events.md section 5): by exception class and HTTP status first, then by its words."""
    kinds = [kind.__name__.lower() for kind in type(error).__mro__[:-3]] or [type(error).__name__.lower()]
    status = vars(error).get("status_code") if hasattr(error, "__dict__") else None
    if type(status) is int and status >= 400:
        return class_of_status(status)
    if isinstance(error, TimeoutError):
        return "timeout"
    for names, found in _BY_CLASS:
        if any(name in kind for kind in kinds for name in names):
            return found
    if isinstance(error, PermissionError):
        return "permission_error"
    if isinstance(error, ConnectionError):
        return "api_error"
    return class_of_text(message(error), isinstance(error, _SCHEMA_CLASSES))


def class_of_status(status: int) -> str:
    """The class of an error that came as an HTTP status."""
    return _BY_STATUS.get(status, "api_error")


def class_of_text(text: str, schema: bool = False) -> str:
    """The class of an error of which only the message is known.

    Args:
        text: The message.
        schema: Whether it is of a class that tells of a wrong value.
    """
    low = text.lower()
    for words, found in _wording():
        if words.search(low):
            return found
    return "schema_mismatch" if schema else "runtime_error"
