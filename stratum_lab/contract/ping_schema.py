"""Makes the Avro schema and the message class of the ping from the field catalogue (`make schemas`).

The class is source code, not built at run time, so that type checkers know every field.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from stratum_lab.contract.lock import NAMESPACE
from stratum_lab.contract.ping_fields import SCHEMA_ID, PingField, keys_of, live

MODEL_PATH = Path(__file__).parent / "events" / "ping_model.py"
"""Where the generated class stands."""

RESCAN = "rescan"
"""The nullable record that holds the fields of rescans; flattened in JSON."""

_AVRO: dict[str, Any] = {
    # Avro schemas are open JSON, hence Any.
    "string": "string",
    "enum": "string",
    "int": "long",
    "float": "double",
    "bool": "boolean",
    "object<string,int>": {"type": "map", "values": "long"},
    "list<string>": {"type": "array", "items": "string"},
    "list<int>": {"type": "array", "items": "long"},
    "list<[string,string]>": {"type": "array", "items": {"type": "array", "items": "string"}},
    "object<string,string|null>": {"type": "map", "values": ["null", "string"]},
}
_PYTHON = {
    "string": "str",
    "enum": "str",
    "int": "int",
    "float": "float",
    "bool": "bool",
    "object<string,int>": "dict[str, int]",
    "list<string>": "list[str]",
    "list<int>": "list[int]",
    "list<[string,string]>": "list[list[str]]",
    "object<string,string|null>": "dict[str, str | None]",
}


def record_name(field: PingField) -> str:
    """Name of the record type behind an object field, or behind the values of a map of objects (singular)."""
    words = "".join(part.capitalize() for part in field.name.split("_"))
    return words.removesuffix("s") if field.type != "object" else words


def _key(row: PingField) -> str:
    return row.name.rsplit(".", 1)[-1]


def _avro_type(field: PingField) -> Any:
    if field.type in _AVRO:
        return _AVRO[field.type]
    record = {"type": "record", "name": record_name(field), "fields": [_avro_field(k) for k in keys_of(field.name)]}
    return record if field.type == "object" else {"type": "map", "values": record}


def _avro_field(field: PingField) -> dict[str, Any]:
    out: dict[str, Any] = {"name": _key(field), "type": _avro_type(field), "doc": field.definition}
    # Within an object `failed` means that the object as a whole is null.
    if field.nullable == "yes" or (field.nullable == "failed" and (field.top_level or field.conditional)):
        out |= {"type": ["null", out["type"]], "default": None}
    return out


def avro_schema() -> dict[str, Any]:
    """The Avro record of a ping at the schema that is written; the rescan group is one nullable record."""
    fields = [_avro_field(f) for f in live() if not f.conditional]
    rescan = {"type": "record", "name": "Rescan", "fields": [_avro_field(f) for f in live() if f.conditional]}
    fields.append(
        {
            "name": RESCAN,
            "type": ["null", rescan],
            "doc": "Comparison with the previous ping; null on a first scan. Its fields stand at the top in JSON.",
            "default": None,
        }
    )
    return {
        "type": "record",
        "name": "Ping",
        "namespace": NAMESPACE,
        "doc": f"One scan attempt of one repository: the fields live at schema {SCHEMA_ID} of the ping.",
        "fields": fields,
    }


def _python_type(field: PingField) -> str:
    if field.type in _PYTHON:
        return _PYTHON[field.type]
    return record_name(field) if field.type == "object" else f"dict[str, {record_name(field)}]"


def _attribute(field: PingField) -> list[str]:
    nullable = field.nullable == "yes" or (field.nullable == "failed" and (field.top_level or field.conditional))
    kind = _python_type(field)
    return [f"    {_key(field)}: {f'{kind} | None = None' if nullable else kind}"]


def _class(name: str, doc: str, fields: list[PingField], extra: tuple[str, ...] = ()) -> str:
    lines = [f"class {name}(_PingPart):", f'    """{doc}"""', ""]
    for field in fields:
        lines += _attribute(field)
    return "\n".join([*lines, *extra])


def model_source() -> str:
    """Source text of `contract/events/ping_model.py`."""
    plain = [f for f in live() if not f.conditional]
    parts = [
        _class(
            record_name(f),
            f"The object `{f.name}`." if f.type == "object" else f"A value of the map `{f.name}`.",
            list(keys_of(f.name)),
        )
        for f in plain
        if f.type not in _PYTHON
    ]
    parts.append(
        _class("Rescan", "Comparison with the previous ping (group rescan).", [f for f in live() if f.conditional])
    )
    parts.append(
        _class(
            "PingModel",
            f"The fields of a ping that are live at schema {SCHEMA_ID}; definitions in docs/ping.md.",
            plain,
            (f"    {RESCAN}: Rescan | None = None",),
        )
    )
    head = textwrap.dedent(
        '''\
        """Fields of the ping message. Generated from schemas/ping_fields.csv by `make schemas`; not edited by hand."""

        from __future__ import annotations

        from pydantic import BaseModel, ConfigDict


        class _PingPart(BaseModel):
            model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


        '''
    )
    return head + "\n\n\n".join(parts) + "\n"


def generate(root: Path) -> list[str]:
    """Write `Ping.avsc` and the message class where they differ from the catalogue.

    Args:
        root: Folder with the catalogue and `avro/`.

    Returns:
        One line per file written.
    """
    wanted = {
        root / "avro" / "Ping.avsc": json.dumps(avro_schema(), indent=2, ensure_ascii=False) + "\n",
        MODEL_PATH: model_source(),
    }
    said = []
    for path, text in wanted.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            said.append(f"{path.name} generated from the field catalogue")
    return said
