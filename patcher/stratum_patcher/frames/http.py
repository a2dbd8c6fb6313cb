"""Requests to other services: `external.call`, whichever library makes them, one fact per request.

Each library is watched where a request goes out for good, and a request inside one that is told stays silent:
`requests` above `urllib3` above `http.client`, `urllib.request` above `http.client`; httpx, httpx2 and aiohttp have
transports of their own. Only the host is told. Nothing is told of the model endpoint and of this machine (services
beside the program, mocks, debuggers), nor inside a model call. A request that makes a known model provider, the
endpoint or a model server on this machine generate is a model call itself, node `generic:http:<host>`.
"""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import urlsplit

from .. import nodes, redirect, spans
from ..frame import Frame, Hook
from ..wrap import NotApplied, Watch, guarded, method
from . import http_models

if TYPE_CHECKING:
    from ..wrap import Call

_LOCAL = ("localhost", "::1", "0.0.0.0", "")


class Request:
    """A request as its library describes it.

    Attributes:
        library: Name of the library in the event.
        method: HTTP method.
        host: Host without its port and without a user and password before it, in lower case.
        port: Port, if one is named.
        path: Path.
        body: Body, where it is at hand.
    """

    __slots__ = ("body", "host", "library", "method", "path", "port")

    def __init__(self, library: str, verb: Any, host: Any, port: Any, path: str, body: Any = None) -> None:
        self.library = library
        self.method = (verb if isinstance(verb, str) else "GET").upper()[:20]
        self.host = (host if isinstance(host, str) else "").rpartition("@")[2].strip("[]").rstrip(".").lower()
        self.port = port if isinstance(port, int) else None
        self.path = path
        self.body = body


class _Told(Watch):
    """A request that is told; it ends with its answer's head."""

    def __init__(self, span: spans.Span, status: Callable[[Any], Any]) -> None:
        self.span = span
        self.status = status

    def done(self, result: Any) -> Any:
        found = self.status(result)
        code = int.__int__(found) if issubclass(type(found), int) else None
        if code is None:  # a stand-in for an answer
            self.span.close(spans.SUCCESS if isinstance(self.span, spans.Llm) else spans.ABORTED)
        elif code >= 400 and isinstance(self.span, spans.Llm):
            self.span.fail_text("HTTPStatusError", f"HTTP {code}", status_code=code)
        else:
            self.span.close(status_code=code)
        return result

    def failed(self, error: BaseException) -> None:
        self.span.failed(error)

    def broken(self, error: BaseException | None) -> None:
        self.span.close(spans.ABORTED)  # an answer without a status


def begin(request: Request) -> spans.Span | None:
    """Open the span of a request.

    Returns:
        None when it is not told: inside a told one or a model call, to the endpoint, to this machine.
    """
    if _covered():
        return None
    local = request.host in _LOCAL or request.host.startswith("127.")
    endpoint = redirect.is_endpoint(request.host if request.port is None else f"{request.host}:{request.port}")
    if request.method == "POST" and http_models.is_generation(request.host, request.path, local=local or endpoint):
        asked = http_models.question(request.path, request.body)
        node = nodes.node("generic:http", request.host, nodes.NOWHERE, "capability")
        told = {"domain": request.host}
        return spans.Llm(FRAME, node, requested=asked.model, messages=asked.messages, tools=asked.tools, payload=told)
    if local or endpoint:
        return None
    node = nodes.node("generic:http", request.host, nodes.NOWHERE, "external")
    return spans.External(FRAME, node, method=request.method, domain=request.host, library=request.library)


def _covered() -> bool:
    """Whether a span around this request tells it already."""
    span = spans.current()
    while span is not None and span.kind not in ("tool", "agent"):
        if span.kind in ("external", "llm") and not span.closed:
            return True
        span = span.parent
    return False


def _watch(request: Request, status: Callable[[Any], Any]) -> Watch | None:
    span = begin(request)
    return None if span is None else _Told(span, status)


def _of(library: str, verb: Any, address: str, body: Any) -> Request:
    parts = urlsplit(address)
    return Request(library, verb, parts.hostname, _port(parts), parts.path, body)


def _port(parts: Any) -> int | None:
    try:
        port = parts.port
    except ValueError:
        return None
    return port if isinstance(port, int) else None


def _requests(call: Call) -> Watch | None:
    request = call.get("request", 0)
    request = _of("requests", request.method, request.url or "", request.body)
    return _watch(request, lambda response: response.status_code)


def _urllib3(call: Call) -> Watch | None:
    pool, address = call.instance, call.get("url", 1, "")
    body = call.get("body", 2)
    if isinstance(address, str) and "://" in address:
        request = _of("urllib3", call.get("method", 0), address, body)
    else:
        path = address.partition("?")[0] if isinstance(address, str) else ""
        request = Request("urllib3", call.get("method", 0), pool.host, pool.port, path, body)
    return _watch(request, lambda response: response.status)


def _urllib(call: Call) -> Watch | None:
    request = call.get("req", 1)
    given = _of("urllib", request.get_method(), request.full_url, request.data)
    return _watch(given, lambda response: response.status)


def _httpx(library: str, call: Call) -> Watch | None:
    request = call.get("request", 0)
    url = request.url
    body = vars(request).get("_content")
    given = Request(library, request.method, url.host, url.port, url.path, body)
    return _watch(given, lambda response: response.status_code)


def _aiohttp(call: Call) -> Watch | None:
    address = call.get("str_or_url", 1, "")
    base = vars(call.instance).get("_base_url")
    if not isinstance(address, str):
        address = address.human_repr()
    if base is not None and "://" not in address:
        address = base.human_repr().rstrip("/") + "/" + address.lstrip("/")
    body = call.kwargs.get("json") or call.kwargs.get("data")
    return _watch(_of("aiohttp", call.get("method", 0), address, body), lambda response: response.status)


_open: dict[int, tuple[Any, spans.Span]] = {}
"""Connection of `http.client`, by identity and referred to weakly -> its request that waits for an answer."""


def _put(call: Call) -> None:
    """A request goes out by itself; its answer is asked for later."""
    connection, address = call.instance, call.get("url", 1, "/")
    _let_go(connection)
    if isinstance(address, str) and "://" in address:
        request = _of("http.client", call.get("method", 0), address, None)
    else:
        held = vars(connection)
        host = held.get("_tunnel_host") or held.get("host")
        port = held.get("_tunnel_port") or held.get("port")
        path = address.partition("?")[0] if isinstance(address, str) else ""
        request = Request("http.client", call.get("method", 0), host, port, path)
    span = begin(request)
    if span is not None:
        span.leave()
        identity = id(connection)
        _open[identity] = (weakref.ref(connection, partial(_gone, identity)), span)


def _gone(identity: int, _: Any) -> None:
    """A connection was dropped that nobody closed."""
    entry = _open.pop(identity, None)
    if entry is not None:
        guarded("http.client", entry[1].close, spans.ABANDONED)


def _taken(connection: Any) -> spans.Span | None:
    """The request of a connection that waits for an answer; it waits no longer."""
    entry = _open.pop(id(connection), None)
    return None if entry is None else entry[1]


def _get(call: Call) -> Watch | None:
    span = _taken(call.instance)
    return None if span is None else _Told(span, lambda response: response.status)


def _close(call: Call) -> None:
    _let_go(call.instance)


def _let_go(connection: Any) -> None:
    """The answer was not asked for."""
    span = _taken(connection)
    if span is not None:
        span.close(spans.ABANDONED)


def watch_http_client(module: Any) -> None:
    """Watch the standard library's connections."""
    method(module.HTTPConnection, "putrequest", _put)
    method(module.HTTPConnection, "getresponse", _get)
    method(module.HTTPConnection, "close", _close)


def watch_urllib(module: Any) -> None:
    """Watch `urllib.request`; `file:` and `data:` addresses are no requests."""
    method(module.AbstractHTTPHandler, "do_open", _urllib)


def watch_requests(module: Any) -> None:
    """Watch `requests`; each hop of a redirection is a request."""
    method(module.HTTPAdapter, "send", _requests)


def watch_urllib3(module: Any) -> None:
    """Watch `urllib3`; repeated attempts are one request."""
    method(module.HTTPConnectionPool, "urlopen", _urllib3)


def watch_httpx(library: str, module: Any) -> None:
    """Watch the transports of httpx and httpx2.

    Raises:
        NotApplied: There are none.
    """
    if not hasattr(module, "HTTPTransport"):
        raise NotApplied("no HTTPTransport")
    method(module.HTTPTransport, "handle_request", partial(_httpx, library))
    method(module.AsyncHTTPTransport, "handle_async_request", partial(_httpx, library + ".async"))


def watch_aiohttp(module: Any) -> None:
    """Watch aiohttp; redirections are part of one request."""
    method(module.ClientSession, "_request", _aiohttp)


FRAME = Frame(
    "http",
    "generic",
    "python",
    (
        Hook("http.client", "http.client", watch_http_client),
        Hook("http.urllib", "urllib.request", watch_urllib),
        Hook("http.requests", "requests.adapters", watch_requests, "requests"),
        Hook("http.urllib3", "urllib3.connectionpool", watch_urllib3, "urllib3"),
        Hook("http.httpx", "httpx._transports.default", partial(watch_httpx, "httpx"), "httpx"),
        Hook("http.httpx2", "httpx2._transports.default", partial(watch_httpx, "httpx2"), "httpx2"),
        Hook("http.aiohttp", "aiohttp.client", watch_aiohttp, "aiohttp"),
    ),
)
