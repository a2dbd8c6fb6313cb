"""What the summaries of an import and of a build have in common: a rate, and the document of `--json`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from producers.result_folder import Problem


@dataclass
class Tally:
    """Counts of one piece of work on result folders; subclasses add their own.

    Attributes:
        events: Events worked on.
        seconds: Wall time, planning included.
        problems: What was wrong, in the order it was met.
    """

    events: int = 0
    seconds: float = 0.0
    problems: list[Problem] = field(default_factory=list)

    @property
    def events_per_second(self) -> float:
        """Events by wall time."""
        return self.events / self.seconds if self.seconds > 0 else 0.0

    def to_json(self) -> dict[str, Any]:
        """The document of `--json`."""
        out = asdict(self)
        out["problems"] = [{"where": p.where, "what": p.what} for p in self.problems]
        out["events_per_second"] = round(self.events_per_second, 1)
        return out
