"""Where model calls go: the endpoint that the runner names, whatever the program says (events.md section 7)."""

from __future__ import annotations

from ._start import SETTINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_TOKENS = 512
"""Cap of `max_tokens` and `max_completion_tokens` in a redirected call."""
PLACEHOLDER_KEY = "sk-placeholder"
"""Key for clients that want one; the endpoint's own key is the relay's."""


class Target:
    """The model endpoint.

    Attributes:
        url: Base address without `/v1`.
        api: Base address with `/v1`.
        model: Model it serves; None: names are left as they are.
        host: Its host name, with the port when it names one.
    """

    __slots__ = ("api", "host", "model", "url")

    def __init__(self, url: str, api: str, model: str | None, host: str) -> None:
        self.url = url
        self.api = api
        self.model = model
        self.host = host


def _target() -> Target | None:
    url = SETTINGS.get("VLLM_HOST", "").strip().rstrip("/")
    if not url:
        return None
    if "://" not in url:
        url = "http://" + url
    if url.endswith("/v1"):
        url = url[:-3]
    return Target(
        url,
        url + "/v1",
        SETTINGS.get("STRATUM_VLLM_MODEL") or None,
        url.partition("://")[2].partition("/")[0].rpartition("@")[2],
    )


_found = _target()


def target() -> Target | None:
    """The endpoint, or None when model calls are only watched."""
    return _found


def model_for(name: Any) -> tuple[Any, bool]:
    """The model that is asked for instead of `name`, and whether it is another one."""
    if _found is None or _found.model is None:
        return name, False
    return _found.model, not isinstance(name, str) or str.__ne__(name, _found.model)


def cap(body: dict[str, Any]) -> None:
    """Cap the answer's length in a request body, which the caller has copied, when redirected."""
    if _found is None:
        return
    for name in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
        value = body.get(name)
        if type(value) is int and value > MOST_TOKENS:
            body[name] = MOST_TOKENS


def key() -> str:
    """A key for a client that checks for one."""
    return PLACEHOLDER_KEY


def is_endpoint(host: str) -> bool:
    """Whether a host (with or without its port) is the model endpoint."""
    if _found is None:
        return False
    return host == _found.host or (":" not in host and host == _found.host.rpartition(":")[0])
