"""Messages of `scan.pings`: the ping of the schema this version writes, and pings of other schemas as they came."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from stratum_lab.contract.events.ping_model import PingModel, Rescan
from stratum_lab.contract.events.run import _Message

_RESCAN_KEYS = tuple(Rescan.model_fields)


class Ping(PingModel):
    """What one scan attempt reports: counts and ratios, never a name or an address.

    In JSON it is one flat object; on the wire the fields that only a rescan has are the record `rescan`.
    """

    def to_avro(self) -> dict[str, Any]:
        """Field name to value, ready for the Avro writer."""
        return self.model_dump()

    def to_json(self) -> dict[str, Any]:
        """The flat object of the specification, in catalogue order; rescan fields are absent on a first scan."""
        values = self.model_dump()
        rescan: dict[str, Any] | None = values.pop("rescan")
        out: dict[str, Any] = {}
        for name, value in values.items():
            out[name] = value
            if name == "is_rescan" and rescan is not None:
                out |= rescan
        return out

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Ping:
        """The ping behind a flat object.

        Raises:
            pydantic.ValidationError: A field is missing, unknown or of another type.
        """
        rescan = {name: values[name] for name in _RESCAN_KEYS if name in values}
        plain = {name: value for name, value in values.items() if name not in rescan}
        return cls.model_validate({**plain, "rescan": rescan or None})


class PingDocument(_Message):
    """A ping of a schema that this version reads but does not write, as the text it came as."""

    scan_id: str = Field(description="8 hex; scan_id of the ping.")
    schema_id: int = Field(description="Schema of the ping, by its schema_id or by the fields it has.")
    repo_hash: str | None = Field(None, description="16 hex, null when the ping has none.")
    body: str = Field(description="The JSON object, byte for byte.")
