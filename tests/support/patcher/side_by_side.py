"""The patcher beside the instrumentations of OpenInference and OpenTelemetry: the same programs, the facts each sees.

`python -m tests.support.patcher.side_by_side [LINE...]` runs the programs (all without names) and writes what came out
(`tests/fixtures/patcher/side_by_side.json`) and the page that shows it; with `--docs` it writes only the page.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from tests.support.patcher.environments import PINS
from tests.support.patcher.peer_cases import CASES, Case
from tests.support.patcher.peer_facts import KINDS, TOKENS, Fact, counted, missing, of_events
from tests.support.patcher.program import prepared, run_program
from tests.support.patcher.spans_of_peers import CONTROL_FLOW, of_spans

ROOT: Final = Path(__file__).resolve().parents[3]
RESULT: Final = ROOT / "tests" / "fixtures" / "patcher" / "side_by_side.json"
PAGE: Final = ROOT / "docs" / "patcher-peers.md"
START: Final = ROOT / "tests" / "fixtures" / "patcher" / "peers" / "instrumented.py"
OURS: Final = "patcher"
PEERS: Final = {"openinference": "OpenInference", "opentelemetry": "OpenTelemetry"}
COMMAND: Final = "python -m tests.support.patcher.side_by_side"

Row = dict[str, Any]


class WentAnotherWay(AssertionError):
    """A program did not do the same in the three runs, so they cannot be compared."""


def compared(case: Case) -> Row:
    """Run a program three times and say what each record of it holds.

    Args:
        case: The program and its script.

    Raises:
        WentAnotherWay: It ended or printed something else in one of the runs.
    """
    with case.endpoint() as endpoint:
        ended = run_program(
            f"peers-{case.line}", case.program, endpoint=endpoint, args=case.args, env=_settings(endpoint.url)
        )
    _hold(case, OURS, ended.returncode, ended.stderr)
    ours = of_events(ended.events)
    row: Row = {
        "line": case.line,
        "program": case.name,
        "shows": case.shows,
        "facts": {OURS: counted(ours)},
        "missing": {},
        "wrong": {},
        "no_facts": {},
    }
    for family in PEERS:
        told = of_spans(spans(case, family))
        wrong = [one for one in told.facts if one.kind == TOKENS and not one.names <= case.tokens]
        facts = _without(told.facts, wrong)
        without = missing([*facts, *told.readings], ours)
        row["facts"][family] = counted(_without([*facts, *told.readings], without))
        row["missing"][family] = sorted(map(str, missing(facts, ours)))
        row["wrong"][family] = sorted(map(str, wrong))
        row["no_facts"][family] = told.others
    return row


def spans(case: Case, family: str) -> list[dict[str, Any]]:
    """The spans of a program under the instrumentations of a family.

    Args:
        case: The program and its script.
        family: A key of PEERS.

    Raises:
        WentAnotherWay: It ended differently than it should.
    """
    with tempfile.TemporaryDirectory(prefix="stratum-") as made, case.endpoint() as endpoint:
        exported = Path(made) / "spans.jsonl"
        with prepared(
            f"peers-{case.line}",
            case.program,
            endpoint=endpoint,
            patched=False,
            args=case.args,
            env={**_settings(endpoint.url), "OTEL_SDK_DISABLED": None},
            interpreter=(str(START), family, str(exported)),
        ) as ready:
            ended = ready.ended(ready.start())
        _hold(case, family, ended.returncode, ended.stderr)
        return [json.loads(line) for line in exported.read_text().splitlines()] if exported.exists() else []


def _settings(url: str) -> dict[str, str | None]:
    """Programs with an address of their own take it from here, so that spans come from the same answers."""
    return {"OTHER_ADDRESS": f"{url}/v1"}


def _hold(case: Case, who: str, returncode: int, stderr: str) -> None:
    if returncode != case.returncode:
        raise WentAnotherWay(f"{case.name} ended with {returncode} under {who}:\n{stderr[-3000:]}")


def _without(facts: Sequence[Fact], taken: Sequence[Fact]) -> list[Fact]:
    left = list(facts)
    for one in taken:
        left.remove(one)
    return left


def versions(line: str) -> dict[str, str]:
    """The versions of a line that matter here.

    Args:
        line: Without `peers-`.
    """
    pins = dict(row.split("==", 1) for row in (PINS / f"peers-{line}.txt").read_text().splitlines())
    named = ("openinference-instrumentation-", "opentelemetry-instrumentation-", "opentelemetry-sdk")
    return {
        name: version
        for name, version in pins.items()
        if name.startswith(named) or name in (line, *_LIBRARIES.get(line, ()))
    }


_LIBRARIES: Final = {
    "langgraph": ("langchain", "langchain-openai"),
    "autogen-0.7": ("autogen-agentchat", "autogen-ext"),
    "ag2-0": ("ag2",),
    "pydantic-ai": ("pydantic-ai-slim",),
}


def measured(line: str, before: Sequence[Row] = ()) -> list[Row]:
    """Rows of the programs of a line, those of others as they were.

    Args:
        line: Without `peers-`.
        before: Rows of an earlier time.
    """
    known = {(row["line"], row["program"]): row for row in before}
    known |= {(line, case.name): compared(case) for case in CASES if case.line == line}
    wanted = [(case.line, case.name) for case in CASES]
    return [known[name] for name in wanted if name in known]


def read() -> dict[str, Any]:
    """The committed result."""
    result: dict[str, Any] = json.loads(RESULT.read_text())
    return result


def rendered(result: dict[str, Any]) -> str:
    """The page."""
    rows: list[Row] = result["rows"]
    lines = list(dict.fromkeys(row["line"] for row in rows))
    heads = ["line", "program", "about", *KINDS]
    table = [heads, ["---"] * 3 + [":---:"] * len(KINDS)]
    table += [[row["line"], f"`{row['program']}`", row["shows"], *_cells([row])] for row in rows]
    table.append(["**all**", "", "", *(f"**{cell}**" for cell in _cells(rows))])
    summary = [["line", *KINDS], ["---", *[":---:"] * len(KINDS)]]
    summary += [[line, *_cells([row for row in rows if row["line"] == line])] for line in lines]
    summary.append(["**all**", *(f"**{cell}**" for cell in _cells(rows))])
    lacking = [
        f"- {PEERS[family]}, `{row['program']}` ({row['line']}): {told}"
        for row in rows
        for family, facts in row["missing"].items()
        for told in facts
    ]
    parts = [
        _HEAD.format(
            ways=" · ".join(("patcher", *PEERS.values())), flow=", ".join(f"`{x}`" for x in sorted(CONTROL_FLOW))
        ),
        "## By framework line",
        _markdown(summary),
        "## By program",
        _markdown(table),
        "## What they see and the patcher does not",
        "\n".join(lacking) or "Nothing.",
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


_HEAD: Final = f"""# The patcher beside other instrumentations

Written by `{COMMAND}`; `--docs` renders it again from `tests/fixtures/patcher/side_by_side.json`.

Each program is run three times on the same scripted answers: with the patcher, with the instrumentations of
OpenInference and with those of OpenTelemetry (of the framework, where there is one, and of the model client). Spans are
read in their favour: by kind, operation, name and attributes; what is not told by a span of its own but can be read off
others (an agent's span inside another agent's, a tool named for a handover, a node's input and output) counts where
such a fact took place. What two instrumentations of a family tell twice counts once, and so does an exception that
crosses several spans; {{flow}} end generators, tasks and graphs in good order and are no errors.

A cell reads {{ways}}. A fact of theirs counts when the patcher has one of the same kind and name that no other fact of
theirs is paired with; those that find none are listed below the tables."""
_UNCOUNTED: Final = (
    "Parts of libraries (runnables, channels, steps of a loop, the making of an agent) and groupings of other spans:"
)


def _cells(rows: Sequence[Row]) -> list[str]:
    return [" · ".join(str(sum(row["facts"][who][kind] for row in rows)) for who in (OURS, *PEERS)) for kind in KINDS]


def _others(lines: Iterable[str], rows: Sequence[Row]) -> list[str]:
    found = []
    for line in lines:
        names = {name for row in rows if row["line"] == line for told in row["no_facts"].values() for name in told}
        if names:
            found.append(f"- {line}: " + ", ".join(f"`{name}`" for name in sorted(names)))
    return found or ["None."]


def _markdown(table: Iterable[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in table)


def main(arguments: list[str] | None = None) -> int:
    """Run the programs and write result and page, or only the page; 1 when the patcher lacks a fact.

    Args:
        arguments: Instead of those of the process.
    """
    lines = list(dict.fromkeys(case.line for case in CASES))
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("lines", nargs="*", choices=[[], *lines], metavar="LINE", help=", ".join(lines))
    parser.add_argument("--docs", action="store_true", help="write the page from the result as it is")
    given = parser.parse_args(arguments)
    for line in () if given.docs else given.lines or lines:
        rows = measured(line, read()["rows"] if RESULT.exists() else ())
        known = list(dict.fromkeys(row["line"] for row in rows))
        RESULT.write_text(
            json.dumps({"versions": {one: versions(one) for one in known}, "rows": rows}, indent=1) + "\n"
        )
    result = read()
    PAGE.write_text(rendered(result))
    return int(any(facts for row in result["rows"] for facts in row["missing"].values()))


if __name__ == "__main__":
    sys.exit(main())
