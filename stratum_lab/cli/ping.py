"""`stratum ping`: check pings, look at one, bring recorded ones in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from stratum_lab.cli.output import JsonFlag, command, emit_json, say, settings, stdout
from stratum_lab.contract.events import Ping, ScanStatus
from stratum_lab.contract.ping_fields import SCHEMA_ID, top_level
from stratum_lab.contract.topics import SCAN_PINGS
from stratum_lab.errors import EXIT_OK, EXIT_PROBLEMS, DecodeError, UsageError
from stratum_lab.kafka.producer import Producer
from stratum_lab.observe.logs import clean
from stratum_lab.ping.pairs import batch_problems, essence, pair_problems
from stratum_lab.ping.sources import FoundPing, as_document, pings_of_file, pings_of_topic, statuses_of_topic
from stratum_lab.ping.upconvert import NOT_RECORDED, parse, read
from stratum_lab.ping.validate import Problem, problems
from stratum_lab.settings import Settings
from stratum_lab.warehouse.reader import open_warehouse

ping_app = typer.Typer(no_args_is_help=True, add_completion=False)

_SCAN_ID = re.compile(r"[0-9a-f]{8}")
_BATCH = "scan.status"
"""Where problems lie that belong to the batch."""


@ping_app.callback()
def group() -> None:
    """Check pings, look at one, bring recorded ones in."""


@ping_app.command()
@command
def validate(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", envvar="STRATUM_PING_FILES", help="JSON Lines, or one JSON object a file."),
    ] = None,
    topic: Annotated[
        bool,
        typer.Option("--topic", envvar="STRATUM_PING_TOPIC", help="Check what is on scan.pings, against scan.status."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Check pings of schemas 1 to 5: form, privacy, the S, V and M checks, and invariants.

    A rescan is also compared with the ping it names when that is among the pings given. Exit code 1 when a ping
    is invalid.
    """
    if topic == bool(files):
        raise UsageError("give files or --topic", remedy="stratum ping validate pings.jsonl")
    loaded = settings()
    checked = _Checked()
    found = pings_of_topic(loaded) if topic else _of_files(files or [])
    rows = []
    for row in checked.problems(found, statuses_of_topic(loaded) if topic else None):
        rows.append(row)
        if not as_json:
            line = f"{row['where']} {row['scan_id'] or '-'} {row['check']}: {row['message']}"
            stdout.print(clean(line), markup=False, soft_wrap=True)
    invalid = {row["where"] for row in rows} - {_BATCH}
    if as_json:
        emit_json({"pings": checked.count, "invalid": len(invalid), "problems": rows})
    say(f"{checked.count} pings, {len(invalid)} invalid, {len(rows)} problems")
    raise typer.Exit(EXIT_PROBLEMS if rows else EXIT_OK)


def _of_files(files: Iterable[Path]) -> Iterator[FoundPing]:
    for path in files:
        yield from pings_of_file(path)


class _Checked:
    """Checks pings one after the other and keeps of each only what later ones are compared with."""

    def __init__(self) -> None:
        self.count = 0
        self._kept: dict[str, tuple[str, dict[str, Any]]] = {}
        self._again: list[dict[str, Any]] = []

    def problems(self, found: Iterable[FoundPing], records: Iterable[ScanStatus] | None) -> Iterator[dict[str, Any]]:
        """One row per problem: of each ping, between pings, and with the records of the batch where they are given."""
        for ping in found:
            self.count += 1
            yield from self._one(ping)
        for where, values in self._kept.values():
            before = self._kept.get(values.get("pre_scan_id", ""))
            if before is not None:
                for problem in pair_problems(before[1], values):
                    yield _row(where, values["scan_id"], problem)
        if records is not None:
            pings = [*(values for _, values in self._kept.values()), *self._again]
            for problem in batch_problems(pings, records):
                yield _row(_BATCH, "", problem)

    def _one(self, ping: FoundPing) -> Iterator[dict[str, Any]]:
        if ping.values is None:
            yield _row(ping.where, "", Problem("json", ping.error))
            return
        for problem in problems(ping.values):
            yield _row(ping.where, str(ping.values.get("scan_id", "")), problem)
        with suppress(DecodeError):  # what cannot be read has been named above
            read(ping.values)
            kept = essence(ping.values)
            if kept["scan_id"] in self._kept:
                self._again.append(kept)
            else:
                self._kept[kept["scan_id"]] = (ping.where, kept)


def _row(where: str, scan_id: str, problem: Problem) -> dict[str, Any]:
    return {"where": where, "scan_id": scan_id, "check": problem.check, "message": problem.message}


@ping_app.command()
@command
def show(
    what: Annotated[
        str,
        typer.Argument(metavar="SCAN_ID|FILE", envvar="STRATUM_PING_WHAT", help="A scan_id, or a file of one ping."),
    ],
    as_json: JsonFlag = False,
) -> None:
    """Show one ping, from the warehouse or a file, as schema 3 reads it.

    `not recorded` marks what the ping's own schema did not know. With --json the ping as it came.
    """
    original = _of_warehouse(settings(), what) if _SCAN_ID.fullmatch(what) else _one_of_file(Path(what))
    if as_json:
        emit_json(original)
        return
    ping = read(original)
    say(f"schema {ping.schema}" + ("" if ping.schema == SCHEMA_ID else f", read as schema {SCHEMA_ID}"))
    table = Table(box=None, pad_edge=False)
    for name in ("group", "field", "value"):
        table.add_column(name)
    fields = top_level()
    for name, value in (ping.values | ping.beyond).items():
        table.add_row(fields[name].group if name in fields else "", Text(clean(name)), Text(clean(_text(value))))
    stdout.print(table)


def _text(value: Any) -> str:
    if value is NOT_RECORDED:
        return "not recorded"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items()) or "{}"
    if isinstance(value, list):
        return ", ".join(" + ".join(item) if isinstance(item, list) else str(item) for item in value) or "[]"
    return value if isinstance(value, str) else json.dumps(value)


def _of_warehouse(loaded: Settings, scan_id: str) -> dict[str, Any]:
    with open_warehouse(loaded) as warehouse:
        rows = warehouse.sql(f"SELECT original FROM pings WHERE scan_id = '{scan_id}'").rows()
    if not rows:
        raise UsageError(f"no ping of scan {scan_id} is in the warehouse", remedy="stratum query 'FROM pings'")
    return parse(rows[0][0])


def _one_of_file(path: Path) -> dict[str, Any]:
    found = list(pings_of_file(path))
    if len(found) != 1 or found[0].values is None:
        why = found[0].error if len(found) == 1 else f"it holds {len(found)} lines"
        raise UsageError(f"{path} is no file of one ping: {why}")
    return found[0].values


@ping_app.command("import")
@command
def import_pings(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", envvar="STRATUM_PING_FILES", help="JSON Lines, or one JSON object a file."),
    ],
    as_json: JsonFlag = False,
) -> None:
    """Put recorded pings of any schema on scan.pings, as they are.

    Invalid ones are taken when they can be read; exit code 1 when some cannot.
    """
    loaded = settings()
    taken, refused = 0, []
    with Producer(loaded) as producer:
        for found in _of_files(files):
            try:
                if found.values is None:
                    raise DecodeError("invalid", found.error)
                ping = read(found.values)
                message = _message(found, ping.schema)
                producer.send(SCAN_PINGS, message.repo_hash or message.scan_id, message)
                taken += 1
            except (DecodeError, UsageError) as exc:
                refused.append({"where": found.where, "message": exc.message})
    if as_json:
        emit_json({"imported": taken, "refused": refused})
    for row in refused:
        say(f"refused: {clean(row['where'])}: {clean(row['message'])}")
    say(f"{taken} pings imported, {len(refused)} refused")
    raise typer.Exit(EXIT_PROBLEMS if refused else EXIT_OK)


def _message(found: FoundPing, schema: int) -> Any:
    """A valid ping of the written schema travels as such, any other as a document."""
    if schema == SCHEMA_ID and found.values is not None and not problems(found.values):
        return Ping.from_json(found.values)
    return as_document(found)
