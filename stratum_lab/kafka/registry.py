"""Client of a Confluent-compatible schema registry: registers our schemas and checks that it holds ours, not others."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import fastavro
import orjson
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError
from httpx import HTTPError

from stratum_lab.contract.lock import LockedSchema, SchemaSet, fingerprint_of, locked
from stratum_lab.contract.registry import wire_ids
from stratum_lab.errors import BrokerUnavailable, SchemaMismatch, SettingsError
from stratum_lab.settings import RegistrySettings

COMPATIBILITY = "BACKWARD"
TIMEOUT_S = 10
_CONFLICT = 409
_NOT_FOUND = 404
_REFUSED = (401, 403)
_SERVER_ERROR = 500
_RETRIES = 2


class HttpRegistry:
    """The registry at one URL.

    Args:
        settings: URL and credentials.

    Raises:
        SettingsError: The URL is no URL.
    """

    def __init__(self, settings: RegistrySettings) -> None:
        self._url = settings.url or ""
        config: dict[str, Any] = {"url": self._url, "timeout": TIMEOUT_S, "max.retries": _RETRIES}
        if settings.username is not None:
            password = settings.password.get_secret_value() if settings.password else ""
            config["basic.auth.user.info"] = f"{settings.username}:{password}"
        try:
            self._client = SchemaRegistryClient(config)
        except ValueError as exc:
            raise SettingsError(
                f"registry.url is refused: {exc}", remedy="set STRATUM_REGISTRY__URL to http://host:port"
            ) from exc
        self._prepared: set[str] = set()

    def register(self, schema: LockedSchema) -> int:
        """Register under the schema's subject and return the id to write on the wire.

        Raises:
            SchemaMismatch: It calls the schema incompatible, or holds another one under that subject and version.
            BrokerUnavailable: It does not answer.
            SettingsError: It refuses the credentials.
        """
        ours = schema.fingerprint.hex()
        self._require_compatibility(schema.subject)
        held = self._held(schema)
        if held is not None and held != ours:
            raise self._mismatch(schema, f"another schema, fingerprint {held}")
        try:
            found = int(self._client.register_schema(schema.subject, Schema(schema.text, "AVRO")))
        except SchemaRegistryError as exc:
            if exc.http_status_code == _CONFLICT:
                newest = self._newest(schema.subject)
                raise self._mismatch(schema, f"fingerprint {newest} and calls ours incompatible") from exc
            raise self._failed(exc) from exc
        except (HTTPError, OSError) as exc:
            raise self._silent(exc) from exc
        held = self._held(schema)
        if held != ours:
            raise self._mismatch(schema, "nothing" if held is None else f"another schema, fingerprint {held}")
        return found

    def close(self) -> None:
        """Close the connections."""
        self._client.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _require_compatibility(self, subject: str) -> None:
        if subject in self._prepared:
            return
        try:
            self._client.set_compatibility(subject_name=subject, level=COMPATIBILITY)
        except SchemaRegistryError as exc:
            raise self._failed(exc) from exc
        except (HTTPError, OSError) as exc:
            raise self._silent(exc) from exc
        self._prepared.add(subject)

    def _held(self, schema: LockedSchema) -> str | None:
        """Fingerprint of what is registered under our subject and version; None: nothing."""
        return self._fingerprint(schema.subject, schema.version)

    def _newest(self, subject: str) -> str:
        return self._fingerprint(subject, "latest") or "unknown"

    def _fingerprint(self, subject: str, version: int | str) -> str | None:
        try:
            # Not cached by the client: the answer after registering must be the registry's.
            found = (
                self._client.get_latest_version(subject)
                if version == "latest"
                else self._client.get_version(subject, int(version))
            )
        except SchemaRegistryError as exc:
            if exc.http_status_code == _NOT_FOUND:
                return None
            raise self._failed(exc) from exc
        except (HTTPError, OSError) as exc:
            raise self._silent(exc) from exc
        try:
            parsed = fastavro.parse_schema(orjson.loads(found.schema.schema_str or ""))
        except (ValueError, TypeError, KeyError, fastavro.schema.SchemaParseException) as exc:
            return f"unreadable ({exc})"
        return fingerprint_of(parsed).hex()

    def _mismatch(self, schema: LockedSchema, held: str) -> SchemaMismatch:
        return SchemaMismatch(
            f"the registry {self._url} holds under {schema.subject} version {schema.version} {held}; "
            f"ours has fingerprint {schema.fingerprint.hex()}",
            remedy="point STRATUM_REGISTRY__URL at a registry of this product, or remove that subject there",
        )

    def _failed(self, exc: SchemaRegistryError) -> Exception:
        said = f"the registry {self._url} answered {exc.http_status_code}: {exc.error_message}"
        if exc.http_status_code in _REFUSED:
            return SettingsError(said, remedy="set STRATUM_REGISTRY__USERNAME and STRATUM_REGISTRY__PASSWORD")
        if exc.http_status_code >= _SERVER_ERROR or exc.http_status_code < 0:
            return BrokerUnavailable(said, remedy="try again when the registry is well")
        return SchemaMismatch(said, remedy="check that it is a Confluent-compatible registry for Avro")

    def _silent(self, exc: Exception) -> BrokerUnavailable:
        return BrokerUnavailable(
            f"the registry {self._url} does not answer: {exc}",
            remedy="start it, or unset STRATUM_REGISTRY__URL to write the ids of the lock file",
        )


def register(settings: RegistrySettings, schemas: SchemaSet | None = None) -> dict[bytes, int]:
    """Register every released schema and return the wire id per fingerprint.

    Args:
        settings: URL and credentials.
        schemas: Default: those of this installation.

    Raises:
        SchemaMismatch: The registry disagrees with the lock file; the start must stop.
        BrokerUnavailable: It does not answer.
        SettingsError: URL or credentials are refused.
    """
    with HttpRegistry(settings) as registry:
        return wire_ids(schemas or locked(), registry)
