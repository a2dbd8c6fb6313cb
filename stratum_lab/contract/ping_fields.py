"""The field catalogue of the telemetry ping, read from `schemas/ping_fields.csv`.

Everything about a ping is made from it: Avro schema, message class, warehouse columns, checks and docs/ping.md.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal, cast

from stratum_lab.contract.lock import schema_dir

CATALOGUE_NAME = "ping_fields.csv"

SCHEMA_ID = 3
"""Schema that this version writes."""
SCHEMA_IDS = (1, 2, 3, 4, 5)
"""Schemas that this version reads."""
SCHEMA_VERSIONS = {1: "0.2", 2: "0.2", 3: "0.3.0", 4: "0.3.1", 5: "0.3.2"}
"""Value of `schema_version` at each schema."""
RESCAN_GROUP = "rescan"
"""Group whose fields but one are present only when `is_rescan` is true."""
IS_RESCAN = "is_rescan"
"""The one field of that group that every ping from schema 3 on has."""

Nullable = Literal["no", "failed", "yes"]


@dataclass(frozen=True, slots=True)
class PingField:
    """One row of the catalogue.

    Attributes:
        name: Field name; dotted for a key within an object (`x.y`), `x.*.y` for a key of every value of a map.
        type: string, int, float, bool, enum, object, object<K,V> or list<T>.
        nullable: no; failed (null if and only if the scan failed); yes (the definition says what null means).
        since: Lowest schema at which the field is guaranteed.
        removed: First schema at which it must be absent, None while it lives.
        group: Module of `stratum_lab.ping.groups` that computes it.
        definition: What it counts.
    """

    name: str
    type: str
    nullable: Nullable
    since: int
    removed: int | None
    group: str
    definition: str

    def live(self, schema: int) -> bool:
        """Whether pings of a schema have the field."""
        return self.since <= schema and (self.removed is None or schema < self.removed)

    @property
    def top_level(self) -> bool:
        """Whether it is a field of the ping itself, not a key within one."""
        return "." not in self.name

    @property
    def conditional(self) -> bool:
        """Whether it is present on rescans only (from schema 3 on)."""
        return self.group == RESCAN_GROUP and self.name != IS_RESCAN


@lru_cache(maxsize=1)
def catalogue() -> tuple[PingField, ...]:
    """Every row, in the order of the file; read once."""
    with (schema_dir() / CATALOGUE_NAME).open(encoding="utf-8", newline="") as file:
        return tuple(
            PingField(
                row["field"],
                row["type"],
                cast(Nullable, row["nullable"]),
                int(row["since_schema_id"]),
                int(row["removed_in_schema_id"]) if row["removed_in_schema_id"] else None,
                row["group"],
                row["definition"],
            )
            for row in csv.DictReader(file)
        )


@lru_cache(maxsize=1)
def top_level() -> dict[str, PingField]:
    """Every top-level field of any schema by name."""
    return {field.name: field for field in catalogue() if field.top_level}


@cache
def live(schema: int = SCHEMA_ID) -> tuple[PingField, ...]:
    """Top-level fields of a schema, the rescan group included."""
    return tuple(field for field in top_level().values() if field.live(schema))


@cache
def keys_of(name: str) -> tuple[PingField, ...]:
    """Rows for the keys within an object field, or within every value of a map field; empty for plain maps."""
    return tuple(f for f in catalogue() if f.name.rpartition(".")[0] in (name, f"{name}.*"))
