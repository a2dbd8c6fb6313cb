"""The registry client against a small registry that can be told to misbehave (fault row 19)."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import fastavro
import pytest
from pydantic import SecretStr

from stratum_lab.contract.codec import HEADER, Codec
from stratum_lab.contract.lock import LockedSchema, SchemaSet, fingerprint_of, incompatibilities, locked
from stratum_lab.errors import BrokerUnavailable, SchemaMismatch, SettingsError
from stratum_lab.kafka.codec import codec
from stratum_lab.kafka.registry import register
from stratum_lab.settings import RegistrySettings, Settings

FIRST_ID = 7000
OTHER = {"type": "record", "name": "RunStarted", "namespace": "lab.stratum", "fields": [{"name": "x", "type": "long"}]}
SUBJECT = "lab.stratum.RunStarted"


class FakeRegistry:
    """Subjects, versions and ids in memory, with the compatibility check of this project behind it."""

    def __init__(self) -> None:
        self.subjects: dict[str, list[str]] = {}
        self.ids: dict[str, int] = {}
        self.levels: dict[str, str] = {}
        self.one_id_for_all = False
        self.always: tuple[int, bytes] | None = None
        self.password: str | None = None

    def answer(self, verb: str, path: str, body: Any) -> tuple[int, Any]:
        """Status and JSON for one call."""
        if verb == "PUT" and (m := re.fullmatch(r"/config/(.+)", path)):
            self.levels[m[1]] = body["compatibility"]
            return 200, body
        if verb == "POST" and (m := re.fullmatch(r"/subjects/(.+)/versions", path)):
            return self._register(m[1], body["schema"])
        if verb == "GET" and (m := re.fullmatch(r"/subjects/(.+)/versions/(\w+)", path)):
            held = self.subjects.get(m[1], [])
            number = len(held) if m[2] == "latest" else int(m[2])
            if not 0 < number <= len(held):
                return 404, {"error_code": 40402, "message": "Version not found."}
            text = held[number - 1]
            return 200, {"subject": m[1], "version": number, "id": self.ids[text], "schema": text}
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}

    def _register(self, subject: str, text: str) -> tuple[int, Any]:
        held = self.subjects.setdefault(subject, [])
        if text not in held:
            parse = fastavro.parse_schema
            if held and incompatibilities(parse(json.loads(held[-1])), parse(json.loads(text))):
                return 409, {"error_code": 409, "message": "Schema being registered is incompatible"}
            held.append(text)
        wire_id = self.ids.setdefault(text, FIRST_ID + len(self.ids))
        return 200, {"id": FIRST_ID if self.one_id_for_all else wire_id}

    def hold(self, subject: str, schema: Any) -> str:
        """Put a schema of somebody else under a subject; returns its fingerprint."""
        text = json.dumps(schema)
        self.subjects[subject] = [text]
        self.ids[text] = 1
        return fingerprint_of(fastavro.parse_schema(schema)).hex()  # type: ignore[arg-type]


@pytest.fixture
def fake() -> Iterator[tuple[FakeRegistry, RegistrySettings]]:
    registry = FakeRegistry()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            if registry.always is not None:
                status, content = registry.always
            elif registry.password is not None and not self.headers.get("authorization"):
                status, content = 401, b'{"error_code": 401, "message": "Unauthorized"}'
            else:
                status, found = registry.answer(self.command, self.path, body)
                content = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _serve

        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield registry, RegistrySettings(url=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()


Fake = tuple[FakeRegistry, RegistrySettings]


def test_every_released_schema_is_registered_backward_under_its_subject(fake: Fake) -> None:
    registry, settings = fake
    ids = register(settings)
    assert set(ids) == set(locked().by_fingerprint)
    assert sorted(ids.values()) == [FIRST_ID + n for n in range(len(ids))]
    for schema in locked().schemas:
        assert registry.subjects[schema.subject][schema.version - 1] == schema.text
        assert registry.levels[schema.subject] == "BACKWARD"


def test_registering_again_gives_the_same_ids(fake: Fake) -> None:
    registry, settings = fake
    first = register(settings)
    assert register(settings) == first
    assert all(len(held) == 1 for held in registry.subjects.values())


def test_the_codec_writes_the_registrys_ids_and_reads_those_of_the_lock(fake: Fake) -> None:
    _, settings = fake
    ours = codec(Settings(registry=settings))
    schema = locked().newest["RunStarted"]
    wire_id = register(settings)[schema.fingerprint]
    assert ours.writer_of(HEADER.pack(0, wire_id)) is schema
    assert ours._writers["RunStarted"][1] == HEADER.pack(0, wire_id)
    assert ours.writer_of(HEADER.pack(0, schema.id), [("fp", schema.fingerprint)]) is schema
    assert Codec()._writers["RunStarted"][1] == HEADER.pack(0, schema.id)


def test_an_older_version_is_registered_before_the_newer_one(fake: Fake) -> None:
    registry, settings = fake
    old = {**OTHER, "name": "Two"}
    new = {**old, "fields": [*OTHER["fields"], {"name": "y", "type": "long", "default": 0}]}  # type: ignore[misc]
    made = [
        LockedSchema(n, "lab.stratum.Two", "Two", n, fingerprint_of(parsed), parsed, json.dumps(raw))  # type: ignore[arg-type]
        for n, raw in ((2, new), (1, old))
        for parsed in [fastavro.parse_schema(raw)]
    ]
    register(settings, SchemaSet(made))
    assert registry.subjects["lab.stratum.Two"] == [json.dumps(old), json.dumps(new)]


def test_another_schema_under_our_subject_stops_with_both_fingerprints(fake: Fake) -> None:
    registry, settings = fake
    theirs = registry.hold(SUBJECT, OTHER)
    before = dict(registry.subjects)
    with pytest.raises(SchemaMismatch) as caught:
        register(settings)
    assert theirs in str(caught.value)
    assert locked().newest["RunStarted"].fingerprint.hex() in str(caught.value)
    assert registry.subjects[SUBJECT] == before[SUBJECT]


def test_a_schema_called_incompatible_stops_with_both_fingerprints(fake: Fake) -> None:
    registry, settings = fake
    ours = locked().newest["RunStarted"]
    theirs = registry.hold(SUBJECT, OTHER)
    second = LockedSchema(ours.id, ours.subject, ours.name, 2, ours.fingerprint, ours.schema, ours.text)
    with pytest.raises(SchemaMismatch, match="incompatible") as caught:
        register(settings, SchemaSet([second]))
    assert theirs in str(caught.value)
    assert ours.fingerprint.hex() in str(caught.value)


def test_a_version_other_than_the_locks_stops(fake: Fake) -> None:
    _, settings = fake
    ours = locked().newest["RunStarted"]
    third = LockedSchema(ours.id, ours.subject, ours.name, 3, ours.fingerprint, ours.schema, ours.text)
    with pytest.raises(SchemaMismatch, match="version 3, nothing"):
        register(settings, SchemaSet([third]))


def test_one_id_for_two_schemas_stops(fake: Fake) -> None:
    registry, settings = fake
    registry.one_id_for_all = True
    with pytest.raises(SchemaMismatch, match=f"id {FIRST_ID}"):
        register(settings)


def test_a_registry_that_is_down_is_unavailable() -> None:
    with pytest.raises(BrokerUnavailable, match="does not answer"):
        register(RegistrySettings(url="http://127.0.0.1:1"))


@pytest.mark.parametrize(
    ("status", "content", "error"),
    [
        pytest.param(500, b"boom", BrokerUnavailable, id="server error"),
        pytest.param(403, b"no", SettingsError, id="forbidden"),
        pytest.param(200, b"<html>\x1b[31m</html>", SchemaMismatch, id="no JSON"),
        pytest.param(200, b"[]", SchemaMismatch, id="JSON of another kind"),
        pytest.param(200, b'{"schema": "{}"}', SchemaMismatch, id="no Avro"),
        pytest.param(422, b"\x1b[2J", SchemaMismatch, id="unprocessable"),
    ],
)
def test_answers_of_something_else_are_typed_errors(
    fake: Fake, status: int, content: bytes, error: type[Exception]
) -> None:
    registry, settings = fake
    registry.always = (status, content)
    with pytest.raises(error) as caught:
        register(settings)
    assert "\x1b" not in str(caught.value)


def test_credentials_are_sent_and_asked_for(fake: Fake) -> None:
    registry, settings = fake
    registry.password = "secret"
    with pytest.raises(SettingsError, match="401"):
        register(settings)
    register(settings.model_copy(update={"username": "u", "password": SecretStr("secret")}))


@pytest.mark.parametrize("url", ["registry:8081", "ftp://x", "http://user:hunter2@registry"])
def test_an_address_that_is_none_or_holds_a_password_is_refused_unseen(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        register(RegistrySettings(url=url))
    assert "hunter2" not in str(caught.value)
