"""Client of a Confluent-compatible schema registry: registers our schemas and checks that it holds ours, not others.

Plain HTTP, because the check must see the registry's own answer each time and not a client's cache.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import fastavro
import httpx
import orjson

from stratum_lab.contract.lock import LockedSchema, SchemaSet, fingerprint_of, locked
from stratum_lab.contract.registry import wire_ids
from stratum_lab.errors import BrokerUnavailable, SchemaMismatch, SettingsError, StratumError
from stratum_lab.observe.logs import clean
from stratum_lab.settings import RegistrySettings

COMPATIBILITY = "BACKWARD"
TIMEOUT_S = 10.0
_CONFLICT = 409
_NOT_FOUND = 404
_REFUSED = (401, 403)
_OK = range(200, 300)
_SERVER_ERROR = 500
_SHOWN_CHARS = 200
_LATEST = "latest"


class HttpRegistry:
    """The registry at one URL.

    Args:
        settings: URL and credentials.

    Raises:
        SettingsError: The URL is no URL.
    """

    def __init__(self, settings: RegistrySettings) -> None:
        self._url = (settings.url or "").rstrip("/")
        if not self._url.startswith(("http://", "https://")) or "@" in self._url:
            # An address that holds a password would be logged; it is not shown here either.
            raise SettingsError(
                "registry.url must be http://host:port or https://host:port, without user and password",
                remedy="set STRATUM_REGISTRY__URL, STRATUM_REGISTRY__USERNAME and STRATUM_REGISTRY__PASSWORD",
            )
        password = settings.password.get_secret_value() if settings.password else ""
        auth = (settings.username, password) if settings.username is not None else None
        self._http = httpx.Client(
            timeout=TIMEOUT_S,
            auth=auth,
            headers={
                "accept": "application/vnd.schemaregistry.v1+json, application/json",
                "content-type": "application/vnd.schemaregistry.v1+json",
            },
        )
        self._prepared: set[str] = set()

    def register(self, schema: LockedSchema) -> int:
        """Register under the schema's subject and return the id to write on the wire.

        Raises:
            SchemaMismatch: It calls the schema incompatible, or holds another one under that subject and version.
            BrokerUnavailable: It does not answer.
            SettingsError: It refuses the credentials.
        """
        subject = quote(schema.subject, safe="")
        # 1. Nobody else's schema under our subject and version, before anything is written.
        self._require_ours(schema, self._fingerprint(subject, schema.version), absent_is_fine=True)
        # 2. The subject refuses what would break readers; once per subject.
        if subject not in self._prepared:
            self._ask("PUT", f"/config/{subject}", {"compatibility": COMPATIBILITY})
            self._prepared.add(subject)
        # 3. Register; the registry answers with the id it already has when it knows the schema.
        answer = self._ask("POST", f"/subjects/{subject}/versions", {"schema": schema.text}, allowed=(_CONFLICT,))
        if answer is None:
            newest = self._fingerprint(subject, _LATEST)
            raise self._mismatch(schema, f"a schema with fingerprint {newest} and calls ours incompatible")
        # 4. It took the version the lock says.
        self._require_ours(schema, self._fingerprint(subject, schema.version), absent_is_fine=False)
        wire_id = answer.get("id") if isinstance(answer, dict) else None
        if not isinstance(wire_id, int):
            raise self._unreadable("registering gave no id")
        return wire_id

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def check(self) -> None:
        """Ask for the subjects, to see that it answers.

        Raises:
            BrokerUnavailable: It does not.
            SettingsError: It refuses the credentials.
        """
        self._ask("GET", "/subjects")

    def _ask(self, verb: str, path: str, body: object = None, allowed: tuple[int, ...] = ()) -> Any:
        """One call; None for an allowed refusal. Any: the answer is open JSON."""
        try:
            answer = self._http.request(
                verb, self._url + path, content=orjson.dumps(body) if body is not None else None
            )
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise BrokerUnavailable(
                f"the registry {self._url} does not answer: {type(exc).__name__}: {exc}",
                remedy="start it, or unset STRATUM_REGISTRY__URL to write the ids of the lock file",
            ) from exc
        if answer.status_code in allowed:
            return None
        if answer.status_code not in _OK:
            raise self._refusal(answer)
        try:
            return orjson.loads(answer.content)
        except orjson.JSONDecodeError as exc:
            raise self._unreadable(clean(answer.text[:_SHOWN_CHARS])) from exc

    def _fingerprint(self, subject: str, version: int | str) -> str | None:
        """Fingerprint of what is registered; None: nothing."""
        found = self._ask("GET", f"/subjects/{subject}/versions/{version}", allowed=(_NOT_FOUND,))
        if found is None:
            return None
        try:
            parsed = fastavro.parse_schema(orjson.loads(found["schema"]))
        except (ValueError, TypeError, KeyError, fastavro.schema.SchemaParseException):
            return "unknown (not Avro)"
        return fingerprint_of(parsed).hex() if isinstance(parsed, dict) else "unknown (not a record)"

    def _require_ours(self, schema: LockedSchema, held: str | None, *, absent_is_fine: bool) -> None:
        if held is None and absent_is_fine:
            return
        if held != schema.fingerprint.hex():
            raise self._mismatch(schema, f"a schema with fingerprint {held}" if held else "nothing")

    def _mismatch(self, schema: LockedSchema, held: str) -> SchemaMismatch:
        return SchemaMismatch(
            f"the registry {self._url} holds, under {schema.subject} version {schema.version}, {held}; "
            f"ours has fingerprint {schema.fingerprint.hex()}",
            remedy="point STRATUM_REGISTRY__URL at a registry of this product, or remove that subject there",
        )

    def _unreadable(self, said: str) -> SchemaMismatch:
        return SchemaMismatch(
            f"the registry {self._url} gave an answer that is none: {said}",
            remedy="check that this is the address of a Confluent-compatible registry",
        )

    def _refusal(self, answer: httpx.Response) -> StratumError:
        said = f"the registry {self._url} answered {answer.status_code}: {clean(answer.text[:_SHOWN_CHARS])}"
        if answer.status_code in _REFUSED:
            return SettingsError(said, remedy="set STRATUM_REGISTRY__USERNAME and STRATUM_REGISTRY__PASSWORD")
        if answer.status_code >= _SERVER_ERROR:
            return BrokerUnavailable(said, remedy="try again when the registry is well")
        return SchemaMismatch(said, remedy="check that it is a Confluent-compatible registry for Avro")


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
