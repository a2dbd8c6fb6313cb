"""What a schema registry must do for us; the client lives in `stratum_lab.kafka.registry`."""

from __future__ import annotations

from typing import Protocol

from stratum_lab.contract.lock import LockedSchema, SchemaSet
from stratum_lab.errors import SchemaMismatch


class Registry(Protocol):
    """A Confluent-compatible registry, reduced to registering one schema.

    `register` is idempotent and may be called by many processes at once; it keeps no order.
    """

    def register(self, schema: LockedSchema) -> int:
        """Register under the schema's subject and return the id to write on the wire.

        Raises:
            SchemaMismatch: The registry calls the schema incompatible, or holds another one under that subject
                and version.
            BrokerUnavailable: It does not answer.
        """
        ...


def wire_ids(schemas: SchemaSet, registry: Registry) -> dict[bytes, int]:
    """Register every released schema, oldest version first, and return the wire id per fingerprint.

    Raises:
        SchemaMismatch: The registry disagrees with the lock file; the start must stop.
        BrokerUnavailable: The registry does not answer.
    """
    out: dict[bytes, int] = {}
    for schema in sorted(schemas.schemas, key=lambda s: (s.subject, s.version)):
        wire_id = registry.register(schema)
        clash = next((m for m, i in out.items() if i == wire_id and m != schema.fingerprint), None)
        if clash is not None:
            raise SchemaMismatch(
                f"the registry gave id {wire_id} to fingerprint {schema.fingerprint.hex()} and to {clash.hex()}",
                remedy="use a registry that keeps one id per schema",
            )
        out[schema.fingerprint] = wire_id
    return out
