"""Names of variables: what the program calls an object that it gives no name, read from the code that runs."""

from __future__ import annotations

import dis
import sys
from typing import TYPE_CHECKING

from .nodes import relative

if TYPE_CHECKING:
    from types import CodeType

_BETWEEN = frozenset({
    "CACHE", "EXTENDED_ARG", "NOP", "PRECALL", "RESUME", "COPY", "DUP_TOP", "GET_AWAITABLE", "LOAD_CONST", "SEND",
    "YIELD_VALUE", "YIELD_FROM", "END_SEND", "JUMP_BACKWARD_NO_INTERRUPT", "CHECK_EXC_MATCH", "CLEANUP_THROW",
    "BEFORE_WITH", "SETUP_WITH",
})  # fmt: skip
"""Instructions between a call, awaited or not, and the one that keeps its result, entered as a context or not."""
_KNOWN = 2000
_names: dict[tuple[CodeType, int], str | None] = {}


def assigned() -> str | None:
    """The variable or attribute that takes the result of the call which the repository's innermost frame is making.

    Returns:
        Its name (`team` of `team = Team(...)` and of `self.team = Team(...)`), or None when the result goes elsewhere.
    """
    frame = sys._getframe(1)
    while frame is not None:
        if relative(frame.f_code.co_filename) is not None:
            break
        frame = frame.f_back  # type: ignore[assignment]
    else:
        return None
    key = (frame.f_code, frame.f_lasti)
    if key not in _names:
        if len(_names) > _KNOWN:
            _names.clear()
        _names[key] = _kept_as(*key)
    return _names[key]


def _kept_as(code: CodeType, call: int) -> str | None:
    """The name under which the result of the call at an offset is kept."""
    loaded = 0
    for step in dis.get_instructions(code):
        if step.offset <= call:
            continue
        name = step.opname
        if name == "STORE_ATTR":
            return str(step.argval) if loaded == 1 else None
        if name.startswith("STORE_") and name != "STORE_SUBSCR" and not loaded:
            kept = step.argval
            return str(kept[0] if isinstance(kept, tuple) else kept)
        if name.startswith("LOAD_") and name not in _BETWEEN:
            loaded += 1
        elif name not in _BETWEEN:
            return None
    return None
