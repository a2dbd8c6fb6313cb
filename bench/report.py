"""What an invocation prints and what `docs/bench.md` shows; every number comes from the result file."""

from __future__ import annotations

from typing import Any

PARTS = {
    "a": "(a) live path and batch layout",
    "b": "(b) replay",
    "c": "(c) the same fold fed by others",
    "d": "(d) warehouse",
    "e": "(e) import",
    "f": "(f) scanner",
    "g": "(g) patcher",
}
BUSY = 0.5
"""Load per core at the start above which the tables warn."""
_BASES = {"wall": "second", "cpu": "CPU second"}

INTRO = """# Speed

Generated from result files of `make bench` by `python -m bench --docs FILE...`; nothing here is typed by hand.
How it is measured: the doc strings of the modules in `bench/`. Each number is a median, the smallest and largest in
brackets. Compare within one measurement, not across measurements or machines.

- *Events per second* is by wall time; *per CPU second* divides by the CPU time of the measured processes, whatever
  the broker and other processes use.
- Input: recorded runs (`tests/fixtures/runs`) repeated to runs of 1,000 events, at 100 and 500 events
  a message, fewer below (the table of inputs); *runs as recorded* has about 22 events a run, five runs a repository,
  one message a run. The topics have 4 partitions, lz4; every variant reads the same topics in the same invocation.
- *Live path*: from the first folded event to all offsets committed, which happens after the records are acknowledged.
- *quixstreams*: RocksDB state with changelog, commit every second, record and topology produced; `reload` reads the
  state for every message, `cached` keeps live objects as Faust's tables do.
- *Bare loop*: confluent-kafka consume, decode, fold; no state, no output, no offsets; from its first message, or from
  the call on as replay is measured.
- *Scanner*: Python files of installed packages on one core; 0.4 of the rate of `ast.parse` alone is 2.5 times its time.
- *Patcher*: times of one unit, medians; the peers' spans are batched and dropped, the patcher's events are in the file.
- *JSON lines*: files in memory, each line parsed once, payloads handed to the fold as objects.
"""


def text(result: dict[str, Any]) -> str:
    """The tables for a terminal."""
    out = [f"machine: {_machine(result['machine'])}", "", *_busy(result["machine"])]
    for part, title in PARTS.items():
        rows = _rows(result, part)
        if rows:
            out += [title, *_aligned([["", "per second", "per CPU second", "notes"], *rows]), ""]
    compared = _comparisons(result)
    if compared:
        out += ["targets and ratios", *_aligned([["", "measured", "target", ""], *compared])]
    return "\n".join(out)


def markdown(*results: dict[str, Any]) -> str:
    """`docs/bench.md`, a section for each measurement."""
    return "\n".join([INTRO, *(line for result in results for line in _section(result))]) + "\n"


def _section(result: dict[str, Any]) -> list[str]:
    options = result["options"]
    parts = [title for part, title in PARTS.items() if _rows(result, part)]
    out = [f"## {'; '.join(parts)}", ""]
    out += [f"Measured {result['date']}, medians of {options['repeat']}. Machine: {_machine(result['machine'])}.", ""]
    out += [*_busy(result["machine"]), *_table(["", "measured", "target", ""], _comparisons(result)), ""]
    for part, title in PARTS.items():
        rows = _rows(result, part)
        if rows:
            out += [f"### {title}", "", *_table(["", "per second", "per CPU second", "notes"], rows), ""]
    inputs = [
        [i["shape"], i["layout"], f"{i['events']:,}", f"{i['messages']:,}", f"{i['runs']:,}", f"{i['bytes_per_event']}"]
        for i in result["inputs"]
    ]
    if inputs:
        head = ["shape", "layout", "events", "messages", "runs", "bytes per event"]
        out += ["### Inputs", "", *_table(head, inputs), ""]
    return out


def _machine(facts: dict[str, Any]) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in facts["libraries"].items())
    return (
        f"{facts['cores']} cores ({facts['processor']}), {facts['system']}, Python {facts['python']}, {libraries}, "
        f"load average at the start {facts['load_average']}"
    )


def _busy(facts: dict[str, Any]) -> list[str]:
    if facts["load_average"] < BUSY * facts["cores"]:
        return []
    return ["Others were using this machine: wall times say little, ratios per CPU second more.", ""]


def _rows(result: dict[str, Any], part: str) -> list[list[str]]:
    return [
        [s["label"], _spread(s["per_second"], s["unit"]), _spread(s["per_cpu_second"], s["unit"]), _notes(s["notes"])]
        for s in result["series"]
        if s["part"] == part
    ]


def _spread(values: dict[str, float], unit: str) -> str:
    if not values["high"]:
        return ""
    return f"{values['median']:,.0f} {unit} ({values['low']:,.0f}-{values['high']:,.0f})"


def _notes(notes: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in notes.items())


def _comparisons(result: dict[str, Any]) -> list[list[str]]:
    out = []
    for c in result["comparisons"]:
        timed = c.get("is_time", False)
        form = "{:.1f} us" if timed else "{:.2f}" if c["is_ratio"] else "{:,.0f}"
        least = "at most " if timed else "at least "
        target = "" if c["target"] is None else least + form.format(c["target"])
        verdict = {None: "", True: "reached", False: "NOT reached"}[c["reached"]]
        label = c["label"] if timed else f"{c['label']}, per {_BASES[c['base']]}"
        out.append([label, form.format(c["value"]), target, verdict])
    return out


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]
