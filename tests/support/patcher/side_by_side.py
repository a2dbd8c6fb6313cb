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
from tests.support.patcher.peer_facts import TOKENS, Fact, counted, missing, of_events
from tests.support.patcher.peer_page import COMMAND, OURS, PEERS, Row, rendered
from tests.support.patcher.program import prepared, run_program
from tests.support.patcher.spans_of_peers import of_spans

ROOT: Final = Path(__file__).resolve().parents[3]
RESULT: Final = ROOT / "tests" / "fixtures" / "patcher" / "side_by_side.json"
PAGE: Final = ROOT / "docs" / "patcher-peers.md"
START: Final = ROOT / "tests" / "fixtures" / "patcher" / "peers" / "instrumented.py"


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
    if _wrong(case, ours):
        raise WentAnotherWay(f"{case.name} had no answer with {', '.join(map(str, _wrong(case, ours)))}")
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
        wrong = _wrong(case, told.facts)
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


def _wrong(case: Case, facts: Iterable[Fact]) -> list[Fact]:
    """Numbers of tokens that no answer had."""
    return [one for one in facts if one.kind == TOKENS and not one.names <= case.tokens]


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


def merged(fresh: Iterable[Row], before: Iterable[Row]) -> list[Row]:
    """Rows in the order of the table, those that were not measured anew as they were.

    Args:
        fresh: Measured now.
        before: Of an earlier time.
    """
    known = {(row["line"], row["program"]): row for row in (*before, *fresh)}
    wanted = [(case.line, case.name) for case in CASES]
    return [known[name] for name in wanted if name in known]


def read() -> dict[str, Any]:
    """The committed result."""
    result: dict[str, Any] = json.loads(RESULT.read_text())
    return result


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
        fresh = [compared(case) for case in CASES if case.line == line]
        rows = merged(fresh, read()["rows"] if RESULT.exists() else ())
        known = list(dict.fromkeys(row["line"] for row in rows))
        RESULT.write_text(
            json.dumps({"versions": {one: versions(one) for one in known}, "rows": rows}, indent=1) + "\n"
        )
    result = read()
    PAGE.write_text(rendered(result))
    return int(any(facts for row in result["rows"] for facts in row["missing"].values()))


if __name__ == "__main__":
    sys.exit(main())
