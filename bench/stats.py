"""Samples, medians, and the facts about the machine that every number depends on."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIBRARIES = (
    "confluent-kafka", "aiokafka", "fastavro", "faust-streaming", "mode-streaming", "quixstreams", "rocksdict",
    "orjson", "duckdb", "pyarrow", "cramjam", "networkx",
)  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """One repetition of one measurement.

    Attributes:
        units: Events (or rows) that were worked on between start and end.
        wall_s: Wall time, seconds.
        cpu_s: CPU time of the measured process and its children, seconds.
    """

    units: int
    wall_s: float
    cpu_s: float

    @property
    def per_second(self) -> float:
        """Units by wall time."""
        return self.units / self.wall_s

    @property
    def per_cpu_second(self) -> float:
        """Units by CPU time."""
        return self.units / self.cpu_s if self.cpu_s > 0 else 0.0


@dataclass
class Series:
    """All repetitions of one measurement.

    Attributes:
        part: a to g, as in the table.
        name: Unique key, such as `faust.columnar.500`.
        label: What the table shows.
        unit: What is counted.
        samples: One per repetition.
        notes: Further facts, such as seconds of start-up.
    """

    part: str
    name: str
    label: str
    unit: str = "events"
    samples: list[Sample] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def wall(self) -> Spread:
        """Units per second of wall time."""
        return spread([s.per_second for s in self.samples])

    @property
    def cpu(self) -> Spread:
        """Units per CPU second."""
        return spread([s.per_cpu_second for s in self.samples])

    def to_json(self) -> dict[str, Any]:
        """For the result file."""
        return {
            "part": self.part,
            "name": self.name,
            "label": self.label,
            "unit": self.unit,
            "per_second": asdict(self.wall),
            "per_cpu_second": asdict(self.cpu),
            "samples": [asdict(s) for s in self.samples],
            "notes": self.notes,
        }


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of some repetitions."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Median, smallest and largest."""
    return Spread(statistics.median(values), min(values), max(values))


def machine() -> dict[str, Any]:
    """Cores, processor, Python and library versions."""
    libraries: dict[str, str] = {}
    for name in LIBRARIES:
        try:
            libraries[name] = version(name)
        except PackageNotFoundError:
            libraries[name] = "not installed"
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 2),
        "libraries": libraries,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
