"""The comparisons that targets speak of, from the series of one invocation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from bench.stats import Series

Base = Literal["wall", "cpu"]

TOP = "e500"
"""The shape of the targets: 500 events a message."""


@dataclass(frozen=True)
class Comparison:
    """One line of the target table.

    Attributes:
        label: What is compared.
        value: A rate, a quotient of two medians of the same invocation, or a time in microseconds.
        base: Per second of wall time or per CPU second.
        target: Smallest value wanted, for times the largest; None: only reported.
        is_ratio: Whether it is a quotient.
        is_time: Whether it is a time of one unit, or a difference of two such times.
    """

    label: str
    value: float
    base: Base
    target: float | None
    is_ratio: bool
    is_time: bool = False

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.target is None:
            return None
        return self.value <= self.target if self.is_time else self.value >= self.target

    @property
    def verdict(self) -> str:
        """For tables."""
        return {None: "", True: "reached", False: "NOT reached"}[self.reached]

    def to_json(self) -> dict[str, Any]:
        """For the result file."""
        return {**asdict(self), "reached": self.reached}


@dataclass(frozen=True)
class _Wanted:
    label: str
    of: str
    per: str | None
    bases: tuple[Base, ...]
    target: float | None = None


@dataclass(frozen=True)
class _Added:
    """Time of one unit of a series, less that of another one; microseconds."""

    label: str
    of: str
    less: str | None
    at_most: float | None = None


ADDED = (
    _Added("patcher, added to an interpreter's start", "start.patcher", "start.none", 1000.0),
    _Added("patcher, added to a model call", "call.patcher", "call.plain", 60.0),
    _Added("OpenInference, added to a model call", "call.openinference", "call.plain"),
    _Added("OpenTelemetry, added to a model call", "call.opentelemetry", "call.plain"),
    _Added("patcher, an event encoded and written", "event.write", None, 8.0),
)
PEERS = ("OpenInference", "OpenTelemetry")


_BOTH: tuple[Base, ...] = ("wall", "cpu")
_RATE = 200_000.0

WANTED = (
    _Wanted("replay, 1 process, 500 events a message", f"replay.1.{TOP}", None, _BOTH, _RATE),
    _Wanted("replay / bare loop, both from the call on, 500", f"replay.1.{TOP}", f"bare_call.{TOP}", _BOTH, 0.8),
    _Wanted("replay / bare loop, 500 events a message", f"replay.1.{TOP}", f"bare.{TOP}", _BOTH, 0.8),
    _Wanted("replay / JSON lines with json.loads", f"replay.1.{TOP}", "jsonl.json.fold.throughput", _BOTH, 1.8),
    _Wanted("replay / JSON lines with orjson.loads", f"replay.1.{TOP}", "jsonl.orjson.fold.throughput", _BOTH),
    _Wanted("replay, 2 processes / 1 process", f"replay.2.{TOP}", f"replay.1.{TOP}", ("wall",)),
    _Wanted("live path, 500 events a message", f"faust.columnar.{TOP}", None, _BOTH, _RATE),
    _Wanted("live path / quixstreams (reload), 500", f"faust.columnar.{TOP}", f"quix.reload.{TOP}", ("cpu",), 1.0),
    _Wanted("live path / quixstreams (cached), 500", f"faust.columnar.{TOP}", f"quix.cached.{TOP}", ("cpu",), 1.0),
    *(
        _Wanted(
            f"live path / quixstreams (cached), {name}", f"faust.columnar.{shape}", f"quix.cached.{shape}", ("cpu",)
        )
        for name, shape in (("100", "e100"), ("22", "e22"), ("10", "e10"), ("1", "e1"), ("as recorded", "natural"))
    ),
    _Wanted("live path / bare loop, 500", f"faust.columnar.{TOP}", f"bare.{TOP}", _BOTH),
    _Wanted("columns / rows, decode, 500", "decode.columnar.500", "decode.rows.500", ("cpu",)),
    _Wanted("columns / rows, decode + fold, 500", "decode_fold.columnar.500", "decode_fold.rows.500", ("cpu",)),
    _Wanted("columns / rows, decode + fold, 22", "decode_fold.columnar.22", "decode_fold.rows.22", ("cpu",)),
    _Wanted("columns / rows, through Faust, 500", f"faust.columnar.{TOP}", f"faust.rows.{TOP}", ("cpu",)),
    _Wanted("warehouse writer, 500 events a message", f"writer.{TOP}", None, ("wall",), _RATE),
    _Wanted("warehouse sink from Kafka, 500 events a message", f"sink.{TOP}", None, ("wall",)),
    _Wanted("warehouse writer / plain Arrow insert, 500", f"writer.{TOP}", f"plain.{TOP}", ("wall",), 0.5),
    _Wanted("import / json.loads + produce", "import.throughput", "loop.throughput", _BOTH),
    _Wanted("scan / ast.parse alone, 2,000 files", "scan.2000", "parse.2000", ("cpu",), 0.4),
    _Wanted("scan of 20,000 files / of 2,000 files", "scan.20000", "scan.2000", ("cpu",), 0.9),
)


def compare(results: Mapping[str, Series]) -> list[Comparison]:
    """Every comparison whose series were measured, and not found empty."""
    out: list[Comparison] = []
    for w in WANTED:
        of, per = results.get(w.of), results.get(w.per) if w.per else None
        if of is None or (w.per and per is None):
            continue
        for base in w.bases:
            divisor = getattr(per, base).median if per is not None else 1.0
            if divisor:  # nothing was counted: the input was too small (--quick)
                value = getattr(of, base).median / divisor
                out.append(Comparison(w.label, value, base, w.target, per is not None))
    return [*out, *_added(results)]


def _added(results: Mapping[str, Series]) -> list[Comparison]:
    """Times of one unit, and the patcher's beside those of its peers."""
    out: list[Comparison] = []
    times: dict[str, float] = {}
    for w in ADDED:
        of, less = results.get(w.of), results.get(w.less) if w.less else None
        if of is None or (w.less and less is None):
            continue
        value = 1e6 / of.wall.median - (1e6 / less.wall.median if less is not None else 0.0)
        times[w.of] = value
        out.append(Comparison(w.label, value, "wall", w.at_most, False, True))
    for peer in PEERS:
        ours, theirs = times.get("call.patcher"), times.get(f"call.{peer.lower()}")
        if ours and theirs:
            out.append(Comparison(f"{peer} / patcher, added to a model call", theirs / ours, "wall", 1.0, True))
    return out
