"""The page on which the patcher stands beside other instrumentations, rendered from a measured result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from tests.support.patcher.peer_facts import KINDS
from tests.support.patcher.spans_of_peers import CONTROL_FLOW

OURS: Final = "patcher"
PEERS: Final = {"openinference": "OpenInference", "opentelemetry": "OpenTelemetry"}
COMMAND: Final = "python -m tests.support.patcher.side_by_side"

Row = dict[str, Any]
"""What one program gave: its line, facts by who saw them, and what was missing, wrong or no fact."""

_HEAD: Final = (
    "# The patcher beside other instrumentations",
    f"Written by `{COMMAND}`; with `--docs` it is rendered from `tests/fixtures/patcher/side_by_side.json`.",
    """Each program is run three times on the same scripted answers: with the patcher, with the instrumentations of
OpenInference and with those of OpenTelemetry (of the framework, where there is one, and of the model client), which
also show what libraries tell OpenTelemetry by themselves. Spans are read in their favour: by kind, operation, name and
attributes; what is not told by a span of its own but can be read off others (an agent's span inside another agent's, or
in none, a tool named for a handover, a node's input and output) counts where such a fact took place. What two
instrumentations of a family tell twice counts once, and so does an exception that crosses several spans.""",
    "Exceptions that end generators, tasks and graphs in good order are no errors: "
    + ", ".join(f"`{name}`" for name in sorted(CONTROL_FLOW))
    + ".",
    f"""A cell reads {" · ".join(("patcher", *PEERS.values()))}. A fact of theirs counts when the patcher has one of the
same kind and name that no other fact of theirs is paired with; those that find none are listed below the tables.""",
)
_UNCOUNTED: Final = """\
Parts of libraries (runnables, channels, messages of a runtime, steps of a loop, the making of an agent, agents that a
library has for itself), groupings of other spans, and calls that a client refused before it asked a model. The name of
an exception stands behind a span's where one ended it: an exception that ended no other spans than these, or that wraps
another one, counts where the patcher tells it too."""
_WRONG: Final = "Numbers of tokens that no answer had; they are not counted."


def rendered(result: dict[str, Any]) -> str:
    """The page.

    Args:
        result: As it is committed.
    """
    rows: list[Row] = result["rows"]
    lines = list(dict.fromkeys(row["line"] for row in rows))
    heads = ["line", "program", "about", *KINDS]
    table = [heads, ["---"] * 3 + [":---:"] * len(KINDS)]
    table += [[row["line"], f"`{row['program']}`", row["shows"], *_cells([row])] for row in rows]
    table.append(["**all**", "", "", *(f"**{cell}**" for cell in _cells(rows))])
    summary = [["line", *KINDS], ["---", *[":---:"] * len(KINDS)]]
    summary += [[line, *_cells([row for row in rows if row["line"] == line])] for line in lines]
    summary.append(["**all**", *(f"**{cell}**" for cell in _cells(rows))])
    parts = [
        *_HEAD,
        "## By framework line",
        _markdown(summary),
        "## By program",
        _markdown(table),
        "## What they see and the patcher does not",
        _listed(rows, "missing"),
        "## What they tell wrongly",
        _WRONG,
        _listed(rows, "wrong"),
        "## Spans that stand for none of these facts",
        _UNCOUNTED,
        "\n".join(_others(lines, rows)),
        "## Versions",
        "\n".join(
            f"- {line}: " + ", ".join(f"{name} {version}" for name, version in result["versions"][line].items())
            for line in lines
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _cells(rows: Sequence[Row]) -> list[str]:
    return [" · ".join(str(sum(row["facts"][who][kind] for row in rows)) for who in (OURS, *PEERS)) for kind in KINDS]


def _listed(rows: Iterable[Row], what: str) -> str:
    told = (
        f"- {PEERS[family]}, `{row['program']}` ({row['line']}): {', '.join(facts)}"
        for row in rows
        for family, facts in row[what].items()
        if facts
    )
    return "\n".join(told) or "Nothing."


def _others(lines: Iterable[str], rows: Sequence[Row]) -> list[str]:
    found = []
    for line in lines:
        names = {name for row in rows if row["line"] == line for told in row["no_facts"].values() for name in told}
        if names:
            found.append(f"- {line}: " + ", ".join(f"`{name}`" for name in sorted(names)))
    return found or ["None."]


def _markdown(table: Iterable[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in table)
