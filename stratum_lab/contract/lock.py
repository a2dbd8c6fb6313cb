"""The lock file: ids, versions and fingerprints of every schema ever released.

`schemas/avro/<Name>.avsc` holds the newest version of each message; `schemas/avro/history/<Name>.v<N>.avsc` keeps
every released one, never edited. `schemas/schema.lock.json` ties them to ids. Reading refuses a folder that does
not match its lock; releasing a new version checks that old data stays readable.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import fastavro
from fastavro.schema import fingerprint as avro_fingerprint
from fastavro.schema import to_parsing_canonical_form

from stratum_lab.errors import IntegrityError, SchemaMismatch

NAMESPACE = "lab.stratum"
LOCK_NAME = "schema.lock.json"

Schema = dict[str, Any]
"""A parsed Avro schema; Any because Avro schemas are open JSON."""


def fingerprint_of(schema: Schema) -> bytes:
    """The 8-byte CRC-64-AVRO fingerprint, little-endian as in Avro's single-object encoding."""
    # fastavro gives the hex of exactly these little-endian bytes.
    return bytes.fromhex(avro_fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))


@dataclass(frozen=True)
class LockedSchema:
    """One released version of one message's schema.

    Attributes:
        id: Id written into the wire header while no registry is configured.
        subject: Registry subject (record-name strategy): namespace and name.
        name: Message name, as in `stratum_lab.contract.events.MESSAGES`.
        version: From 1.
        fingerprint: 8 bytes, header `fp` of every message.
        schema: Parsed schema.
        text: Schema as JSON text, as registered.
    """

    id: int
    subject: str
    name: str
    version: int
    fingerprint: bytes
    schema: Schema
    text: str


class SchemaSet:
    """All released schemas, found by id, fingerprint or message name."""

    def __init__(self, schemas: list[LockedSchema]) -> None:
        self.schemas = tuple(sorted(schemas, key=lambda s: s.id))
        self.by_id: dict[int, LockedSchema] = {s.id: s for s in schemas}
        self.by_fingerprint: dict[bytes, LockedSchema] = {s.fingerprint: s for s in schemas}
        self.newest: dict[str, LockedSchema] = {}
        for s in sorted(schemas, key=lambda s: s.version):
            self.newest[s.name] = s


def schema_dir() -> Path:
    """The folder with `avro/` and the lock file: inside the wheel, else in the checkout."""
    packaged = Path(__file__).parent / "schemas"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "schemas"


def _load_avsc(path: Path) -> tuple[Schema, str]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        parsed = fastavro.parse_schema(raw)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, fastavro.schema.SchemaParseException) as exc:
        raise SchemaMismatch(
            f"schema {path.name} cannot be read: {exc}", remedy="restore it from version control"
        ) from exc
    assert isinstance(parsed, dict)
    return parsed, json.dumps(raw, sort_keys=False, separators=(",", ":"))


def avsc_path(root: Path, name: str, version: int, newest: bool) -> Path:
    """Where the text of one version is kept."""
    return root / "avro" / (f"{name}.avsc" if newest else f"history/{name}.v{version}.avsc")


def read_lock(root: Path | None = None) -> SchemaSet:
    """Read lock and folder, and refuse to go on where they disagree.

    Raises:
        SchemaMismatch: A schema was edited without its lock entry, or is missing on either side.
    """
    root = root or schema_dir()
    path = root / LOCK_NAME
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["schemas"]
    except (OSError, ValueError, KeyError) as exc:
        raise SchemaMismatch(f"lock file {path} cannot be read: {exc}", remedy="make schemas") from exc
    newest: dict[str, int] = {}
    for e in entries:
        newest[e["name"]] = max(newest.get(e["name"], 0), e["version"])
    out: list[LockedSchema] = []
    for e in entries:
        file = avsc_path(root, e["name"], e["version"], newest[e["name"]] == e["version"])
        schema, text = _load_avsc(file)
        found = fingerprint_of(schema)
        if found.hex() != e["fingerprint"]:
            raise SchemaMismatch(
                f"{file.name} has fingerprint {found.hex()}, "
                f"the lock says {e['fingerprint']} for {e['name']} v{e['version']}",
                remedy="run `make schemas` to release the edit as a new version, or undo it",
            )
        out.append(LockedSchema(e["id"], e["subject"], e["name"], e["version"], found, schema, text))
    unlocked = sorted({p.stem for p in (root / "avro").glob("*.avsc")} - newest.keys())
    if unlocked:
        raise SchemaMismatch(f"schemas without a lock entry: {', '.join(unlocked)}", remedy="make schemas")
    return SchemaSet(out)


@lru_cache(maxsize=1)
def locked() -> SchemaSet:
    """The schemas of this installation, read once."""
    return read_lock()


# Compatibility: what stored data needs from newer schemas.

_PROMOTIONS: Mapping[str, tuple[str, ...]] = {
    "int": ("int", "long", "float", "double"),
    "long": ("long", "float", "double"),
    "float": ("float", "double"),
    "string": ("string", "bytes"),
    "bytes": ("bytes", "string"),
}


def incompatibilities(writer: Any, reader: Any, where: str = "") -> list[str]:
    """Why data of `writer` cannot be read with `reader`, by the resolution rules of the Avro specification.

    Args:
        writer: Parsed schema of the stored data (JSON value: Any).
        reader: Parsed schema of the code (JSON value: Any).
        where: Path of the field so far, for the reasons.

    Returns:
        One sentence per obstacle; empty when everything stored stays readable.
    """
    out: list[str] = []
    _check(writer, reader, where or _name(reader), named_types(writer), named_types(reader), out, set())
    return out


def _name(schema: Any) -> str:
    return schema["name"].rsplit(".", 1)[-1] if isinstance(schema, dict) and "name" in schema else str(schema)


def named_types(schema: Any, into: dict[str, Any] | None = None) -> dict[str, Any]:
    """Every record, enum and fixed type of a parsed schema by its full name."""
    into = {} if into is None else into
    if isinstance(schema, list):
        for s in schema:
            named_types(s, into)
    elif isinstance(schema, dict):
        if "name" in schema and schema.get("type") in ("record", "enum", "fixed"):
            into[schema["name"]] = schema
        for key in ("items", "values"):
            if key in schema:
                named_types(schema[key], into)
        for field in schema.get("fields", ()):
            named_types(field["type"], into)
    return into


def _kind(schema: Any) -> str:
    if isinstance(schema, list):
        return "union"
    return str(schema["type"]) if isinstance(schema, dict) else str(schema)


def _resolve(schema: Any, names: dict[str, Any]) -> Any:
    if isinstance(schema, str):
        return names.get(schema, schema)
    if isinstance(schema, dict) and isinstance(schema.get("type"), str) and schema["type"] in names:
        return names[schema["type"]]
    return schema


def _check(
    writer: Any,
    reader: Any,
    where: str,
    wn: dict[str, Any],
    rn: dict[str, Any],
    out: list[str],
    seen: set[str],
) -> None:
    writer, reader = _resolve(writer, wn), _resolve(reader, rn)
    wk, rk = _kind(writer), _kind(reader)
    if wk == "union":
        for branch in writer:
            _check(branch, reader, where, wn, rn, out, seen)
        return
    if rk == "union":
        for branch in reader:
            trial: list[str] = []
            _check(writer, branch, where, wn, rn, trial, set(seen))
            if not trial:
                return
        out.append(f"{where}: stored {wk} fits no branch of the new union")
        return
    if wk != rk:
        if rk not in _PROMOTIONS.get(wk, ()):
            out.append(f"{where}: stored as {wk}, now {rk}")
        return
    if wk in ("record", "enum", "fixed") and _name(writer) != _name(reader):
        out.append(f"{where}: renamed from {_name(writer)} to {_name(reader)}")
    elif wk == "record":
        if where in seen:
            return
        seen.add(where)
        stored = {f["name"]: f for f in writer["fields"]}
        for field in reader["fields"]:
            name = field["name"]
            match = next((stored[n] for n in (name, *field.get("aliases", ())) if n in stored), None)
            if match is not None:
                _check(match["type"], field["type"], f"{where}.{name}", wn, rn, out, seen)
            elif "default" not in field:
                out.append(f"{where}.{name}: new field without a default; stored data does not have it")
    elif wk == "enum":
        lost = [s for s in writer["symbols"] if s not in reader["symbols"]]
        if lost and "default" not in reader:
            out.append(f"{where}: enum symbols removed: {', '.join(lost)}")
    elif wk == "array":
        _check(writer["items"], reader["items"], f"{where}[]", wn, rn, out, seen)
    elif wk == "map":
        _check(writer["values"], reader["values"], f"{where}{{}}", wn, rn, out, seen)
    elif wk == "fixed" and writer["size"] != reader["size"]:
        out.append(f"{where}: fixed size changed from {writer['size']} to {reader['size']}")


def hazards(schema: Any) -> list[str]:
    """Shapes that a hostile message could blow up: recursive types, and arrays whose items take no bytes."""
    out: list[str] = []
    _hazard(schema, _name(schema), named_types(schema), (), out)
    return out


def _hazard(schema: Any, where: str, names: dict[str, Any], path: tuple[str, ...], out: list[str]) -> None:
    schema = _resolve(schema, names)
    kind = _kind(schema)
    if kind == "union":
        for branch in schema:
            _hazard(branch, where, names, path, out)
    elif kind == "record":
        if schema["name"] in path:
            out.append(f"{where}: the type {_name(schema)} contains itself, so decoding depth has no bound")
            return
        for field in schema["fields"]:
            _hazard(field["type"], f"{where}.{field['name']}", names, (*path, schema["name"]), out)
    elif kind in ("array", "map"):
        items = _resolve(schema["items" if kind == "array" else "values"], names)
        if kind == "array" and (_kind(items) == "null" or (_kind(items) == "record" and not items["fields"])):
            out.append(f"{where}: items take no bytes, so a few bytes can claim any number of them")
        _hazard(items, f"{where}[]", names, path, out)


def release(root: Path) -> list[str]:
    """Give every edited or new schema of the folder its next version and id, and write the lock.

    Args:
        root: Folder with `avro/` and the lock file.

    Returns:
        One line per released version.

    Raises:
        IntegrityError: An edit would break readers of stored data; nothing is written.
    """
    lock_path = root / LOCK_NAME
    entries: list[dict[str, Any]] = json.loads(lock_path.read_text())["schemas"] if lock_path.is_file() else []
    next_id = max((e["id"] for e in entries), default=0) + 1
    said: list[str] = []
    problems: list[str] = []
    fresh: dict[Path, str] = {}
    for path in sorted((root / "avro").glob("*.avsc")):
        schema, _ = _load_avsc(path)
        name, mark = path.stem, fingerprint_of(schema).hex()
        old = sorted((e for e in entries if e["name"] == name), key=lambda e: e["version"])
        if old and old[-1]["fingerprint"] == mark:
            continue
        problems += [f"{name}: {h}" for h in hazards(schema)]
        for e in old:
            before = avsc_path(root, name, e["version"], newest=False)
            problems += [
                f"{name} v{e['version']} -> new: {p}" for p in incompatibilities(_load_avsc(before)[0], schema)
            ]
        version = old[-1]["version"] + 1 if old else 1
        entries.append(
            {
                "id": next_id,
                "subject": f"{NAMESPACE}.{name}",
                "name": name,
                "version": version,
                "fingerprint": mark,
            }
        )
        said.append(f"{name} v{version} released as id {next_id}")
        fresh[avsc_path(root, name, version, newest=False)] = path.read_text(encoding="utf-8")
        next_id += 1
    if problems:
        raise IntegrityError(
            "schema edit refused:\n  " + "\n  ".join(problems),
            remedy="give new fields a default; never rename or retype",
        )
    for copy, text in fresh.items():
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text, encoding="utf-8")
    if said:
        lock_path.write_text(json.dumps({"schemas": entries}, indent=2) + "\n", encoding="utf-8")
    return said
