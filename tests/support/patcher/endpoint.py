"""A model endpoint that answers by script: Chat Completions, Responses and Messages, whole or streamed.

Replies are taken in the order of requests, or per agent with `when=` (first entry whose key stands in the request).
How a reply looks on the wire is `wire`'s; this module owns the server, the script and the record of requests.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from tests.support.patcher import wire
from tests.support.patcher.wire import Reply

HOST = "127.0.0.1"
DEADLINE_S = 60.0


@dataclass(frozen=True)
class Request:
    """One request as it came.

    Attributes:
        path: With its query.
        headers: Names in lower case.
        body: The JSON object; empty when there was none.
    """

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def text(self) -> str:
        """The body as text, for searching."""
        return json.dumps(self.body, ensure_ascii=False)


@dataclass
class _Script:
    """What is still to be said."""

    replies: list[Reply]
    when: dict[str, list[Reply]]
    always: Reply | None
    given: int = 0
    unscripted: list[Request] = field(default_factory=list)

    def next(self, request: Request) -> tuple[Reply, int]:
        """The reply to a request and its number."""
        self.given += 1
        text = request.text
        queues = [queue for key, queue in self.when.items() if key in text]
        for queue in (*queues, self.replies):
            if queue:
                return queue.pop(0), self.given
        if self.always is not None:
            return self.always, self.given
        self.unscripted.append(request)
        return failure(400, "the endpoint has no reply left for this request"), self.given


class Endpoint:
    """The running endpoint; a context manager.

    Leaving it fails when a request came that no reply was scripted for, unless the test failed already.

    Args:
        replies: In the order of requests.
        when: Replies for requests that hold a text; looked at before `replies`.
        always: For every request beyond them.
    """

    def __init__(
        self,
        replies: Sequence[Reply] = (),
        *,
        when: Mapping[str, Sequence[Reply]] | None = None,
        always: Reply | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self._script = _Script(list(replies), {key: list(value) for key, value in (when or {}).items()}, always)
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._server = _Server((HOST, 0), _Handler)
        self._server.endpoint = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Address without `/v1`."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    @property
    def calls(self) -> list[Request]:
        """The requests that ask for an answer of a model."""
        return [request for request in self.requests if wire.form_of(request.path) is not None]

    def wait_for(self, count: int) -> None:
        """Wait until this many model requests came.

        Raises:
            TimeoutError: They did not.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.calls) >= count, DEADLINE_S):
                raise TimeoutError(f"{len(self.calls)} of {count} requests within {DEADLINE_S:g} s")

    def __enter__(self) -> Endpoint:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if error is None and self._script.unscripted:
            first = self._script.unscripted[0]
            raise AssertionError(f"no reply was scripted for {first.path}: {first.text[-1500:]}")

    def answer(self, request: Request) -> tuple[Reply, int]:
        """Record a model request and take its reply."""
        with self._changed:
            self.requests.append(request)
            taken = self._script.next(request)
            self._changed.notify_all()
        return taken

    def note(self, request: Request) -> None:
        """Record a request that takes no reply."""
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()

    def hold(self) -> None:
        """Keep a request waiting until the endpoint closes."""
        self._closing.wait(DEADLINE_S)


def text(content: str, *, prompt_tokens: int = 5, completion_tokens: int = 3, finish: str | None = None) -> Reply:
    """The model says this."""
    return Reply(content=content, input_tokens=prompt_tokens, output_tokens=completion_tokens, finish=finish)


def chunks(*pieces: str, prompt_tokens: int = 5, completion_tokens: int = 3) -> Reply:
    """The model says this; a stream brings it in these pieces."""
    return replace(
        text("".join(pieces), prompt_tokens=prompt_tokens, completion_tokens=completion_tokens), pieces=pieces
    )


def call(tool: str, /, **arguments: Any) -> Reply:
    """The model wants one tool called."""
    return calls((tool, arguments))


def calls(*wanted: tuple[str, dict[str, Any]]) -> Reply:
    """The model wants several tools called at once."""
    return Reply(tools=tuple((tool, json.dumps(arguments)) for tool, arguments in wanted))


def raw_arguments(tool: str, arguments: str) -> Reply:
    """The model wants a tool called and gives this for its arguments, JSON or not."""
    return Reply(tools=((tool, arguments),))


def failure(status: int, message: str) -> Reply:
    """The endpoint refuses with this status."""
    return Reply(status=status, content=message)


def cut(content: str = "half an answer that nobody gets to read") -> Reply:
    """The connection closes in the middle of the answer."""
    return Reply(content=content, cut=True)


def hang() -> Reply:
    """No answer until the endpoint closes."""
    return Reply(hang=True)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    endpoint: Endpoint

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients may go away whenever they like."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged."""

    def do_GET(self) -> None:
        self.server.endpoint.note(self._request({}))
        if self.path.partition("?")[0].endswith("/models"):
            self._send(200, wire.models())
        else:
            self._send(404, wire.error(404, f"nothing is served at {self.path}", None))

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            body = json.loads(raw or b"{}")
        except ValueError:
            body = {}
        request = self._request(body if isinstance(body, dict) else {})
        form = wire.form_of(self.path)
        endpoint = self.server.endpoint
        if form is None:
            endpoint.note(request)
            if self.path.partition("?")[0].endswith("/embeddings"):
                self._send(200, wire.embeddings(request.body))
            else:
                self._send(404, wire.error(404, f"nothing is served at {self.path}", None))
            return
        reply, number = endpoint.answer(request)
        if reply.hang:
            endpoint.hold()
            self.close_connection = True
        elif reply.status != 200:
            self._send(reply.status, wire.error(reply.status, reply.content, form))
        elif request.body.get("stream"):
            self._stream(wire.stream(form, reply, request.body, number), reply)
        else:
            self._send(200, wire.whole(form, reply, request.body, number), cut=reply.cut)

    def _request(self, body: dict[str, Any]) -> Request:
        return Request(self.path, {name.lower(): value for name, value in self.headers.items()}, body)

    def _send(self, status: int, body: dict[str, Any], *, cut: bool = False) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = self.close_connection or cut

    def _stream(self, events: list[str], reply: Reply) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in events[: len(events) // 2] if reply.cut else events:
            data = event.encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        if reply.cut:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def version_string(self) -> str:
        """Name of the server, the same for every version of Python."""
        return "scripted"

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The same date always, so that programs that print headers print the same."""
        return super().date_time_string(wire.CREATED)
