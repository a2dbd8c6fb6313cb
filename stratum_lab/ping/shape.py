"""Form of a ping: which fields it has at its schema, their types and nulls, and what must never be in it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from stratum_lab.contract.ping_fields import SCHEMA_IDS, PingField, keys_of, live, top_level
from stratum_lab.ping.checking import Problem, Values
from stratum_lab.ping.schemas import schema_of

FORBIDDEN_KEYS = frozenset(
    {
        "repo_name", "repo_url", "repo_full_name", "project_name", "org", "org_id", "branch", "commit_sha",
        "selection_stratum", "failure_detail", "hostname", "path", "directory",
    }
)  # fmt: skip
"""Keys that would name a repository, a person or a machine (ping.md section 4)."""

_TELLTALES = (
    (re.compile(r"/[^/]*\.[A-Za-z][A-Za-z0-9]{0,9}(?![A-Za-z0-9])"), "a path with a file extension"),
    (re.compile(r"\\"), "a backslash"),
    (re.compile(r"://"), "an address"),
    (re.compile(r"@"), "an @"),
)

_INT_LIMIT = 2**63
"""Whole numbers stay below it, as in Avro and the warehouse."""
_DEPTH = 5
"""Levels of nesting a ping may have; none of any schema has more."""


class Shape(NamedTuple):
    """Problems of form, and the names of the fields that have none."""

    problems: list[Problem]
    sound: frozenset[str]


def shape(values: Values) -> Shape:
    """Compare a ping with the catalogue at its own schema."""
    problems = list(_private(values))
    schema = schema_of(values)
    if schema not in SCHEMA_IDS:
        return Shape(problems, frozenset())  # check S4 says so; what it must have is not known
    rescan, failed = values.get("is_rescan") is True, values.get("scan_status") == "failed"
    sound = set()
    fields = {field.name: field for field in live(schema)}
    for field in fields.values():
        found = list(_field(field, values, schema, rescan=rescan, failed=failed))
        problems += [Problem("fields", message) for message in found]
        if not found and values.get(field.name) is not None:
            sound.add(field.name)
    for name in values:
        if name not in fields and name not in FORBIDDEN_KEYS:
            known = top_level().get(name)
            if schema < 3 and known is not None and known.since == 3:
                continue  # older pings carried fields that became guaranteed at schema 3 (ping.md 1.1)
            why = f"is not live at schema {schema}" if known else "is not in the field catalogue"
            problems.append(Problem("unknown", f"{name} {why}"))
    # A null that the definition allows is a value the checks may read.
    sound |= {n for n, f in fields.items() if f.nullable == "yes" and n in values and values[n] is None}
    return Shape(problems, frozenset(sound))


def _field(field: PingField, values: Values, schema: int, *, rescan: bool, failed: bool) -> Iterator[str]:
    name = field.name
    wanted = rescan if field.conditional or (schema < 3 and field.group == "rescan") else True
    if name not in values:
        if wanted:
            yield f"{name} is missing"
        return
    if not wanted:
        yield f"{name} is present although is_rescan is not true"
        return
    value = values[name]
    if value is None:
        if field.nullable == "no" or (field.nullable == "failed" and not failed):
            yield f"{name} is null"
        return
    if field.nullable == "failed" and failed:
        yield f"{name} has a value although the scan failed"
        return
    problem = misfit(value, field)
    if problem is not None:
        yield f"{name} {problem}"


def misfit(value: Any, field: PingField) -> str | None:
    """Why a value has not the type of a field, or None. Any: JSON."""
    rows = keys_of(field.name)
    if field.type == "object":
        return _object(value, rows)
    if field.type == "object<string,object>":
        if not isinstance(value, dict):
            return f"is {_kind(value)}, expected an object"
        inner = ((key, _object(item, rows)) for key, item in value.items())
        return next((f"[{key}] {why}" for key, why in inner if why is not None), None)
    return None if _fits(value, field.type) else f"is {_kind(value)}, expected {field.type}"


def _object(value: Any, rows: tuple[PingField, ...]) -> str | None:
    if not isinstance(value, dict):
        return f"is {_kind(value)}, expected an object"
    keys = {row.name.rsplit(".", 1)[-1]: row for row in rows}
    if set(value) != set(keys):
        return f"has the keys {sorted(value)}, expected {sorted(keys)}"
    for key, row in keys.items():
        if value[key] is None and row.nullable == "yes":
            continue
        if not _fits(value[key], row.type):
            return f".{key} is {_kind(value[key])}, expected {row.type}"
    return None


def _fits(value: Any, kind: str) -> bool:
    match kind:
        case "string" | "enum":
            return isinstance(value, str)
        case "int":
            return type(value) is int and abs(value) < _INT_LIMIT
        case "float":
            return type(value) in (int, float) and math.isfinite(value)
        case "bool":
            return isinstance(value, bool)
        case "list<string>":
            return isinstance(value, list) and all(isinstance(v, str) for v in value)
        case "list<int>":
            return isinstance(value, list) and all(_fits(v, "int") for v in value)
        case "list<[string,string]>":
            return isinstance(value, list) and all(
                isinstance(v, list) and len(v) == 2 and all(isinstance(s, str) for s in v) for v in value
            )
        case "object<string,int>":
            return isinstance(value, dict) and all(_fits(v, "int") for v in value.values())
        case "object<string,string|null>":
            return isinstance(value, dict) and all(v is None or isinstance(v, str) for v in value.values())
    raise AssertionError(f"the catalogue has a type this module does not know: {kind}")


def _kind(value: Any) -> str:
    return "null" if value is None else f"{type(value).__name__} {value!r:.40}"


def _private(value: Any, where: str = "", depth: int = 0) -> Iterator[Problem]:
    if depth > _DEPTH:
        yield Problem("privacy", f"{where[:80]} is nested deeper than {_DEPTH}")
    elif isinstance(value, dict):
        for key, item in value.items():
            name = f"{where}.{key}" if where else str(key)
            if key in FORBIDDEN_KEYS:
                yield Problem("privacy", f"{name} is a forbidden key")
            if where:
                yield from _telling(str(key), f"a key of {where}")
            yield from _private(item, name, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _private(item, where, depth + 1)
    elif isinstance(value, str):
        yield from _telling(value, where)


def _telling(text: str, where: str) -> Iterator[Problem]:
    for pattern, what in _TELLTALES:
        if pattern.search(text):
            yield Problem("privacy", f"{where} holds {what}")
