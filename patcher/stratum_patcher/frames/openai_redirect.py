"""Where requests of the OpenAI client library go: to the endpoint of the run, whatever the program's settings say.

The address is changed on the way out (`_prepare_url`), not on the client, so a program that prints its `base_url`
prints what it would have printed; Azure's deployment addresses are led back to the plain ones in the same place.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .. import redirect, wrap
from ..wrap import Watch

if TYPE_CHECKING:
    from ..wrap import Call

_DEPLOYMENT = re.compile(r"^/?(?:openai/)?deployments/[^/]+(?=/)")
_addresses: dict[tuple[type, str, str], Any] = {}
_MOST_ADDRESSES = 64


def undeployed(path: str) -> str:
    """A path without Azure's `/deployments/NAME` before it."""
    return _DEPLOYMENT.sub("", path, count=1) if "deployments/" in path else path


class Address(Watch):
    """Gives the endpoint's address in place of the one that the client computed."""

    __slots__ = ("api", "path")

    def __init__(self, api: str, path: str) -> None:
        self.api = api
        self.path = path

    def done(self, result: Any) -> Any:
        """The same address class, made once per path."""
        key = (type(result), self.api, self.path)
        address = _addresses.get(key)
        if address is None:
            address = type(result)(self.api + "/" + undeployed(self.path).lstrip("/"))
            if len(_addresses) < _MOST_ADDRESSES:
                _addresses[key] = address
        return address


def _needed() -> None:
    if redirect.target() is None:
        raise wrap.NotApplied("no model endpoint is named, so requests go where the program sends them")


def _begin(call: Call) -> Watch | None:
    target = redirect.target()
    path = call.get("url", 0)
    if target is None or not isinstance(path, str) or "://" in path:
        return None
    return Address(target.api, path)


def body(call: Call, plain: str, path: str, given: dict[str, Any], requested: str | None) -> str | None:
    """Lead a generation request to the served model, in a copy of its body.

    Args:
        call: The call of `post`; its body and, for a whole address, its path are replaced.
        plain: The path of such requests.
        path: The path that the program gave.
        given: The program's own body; left as it is.
        requested: The model that the program asked for.

    Returns:
        The model that will be asked.
    """
    if redirect.target() is None:
        return requested
    model: str | None = redirect.model_for(requested)[0]
    copy = dict(given)
    if model is not None:
        copy["model"] = model
    redirect.cap(copy)
    call.set("body", -1, copy)
    if "://" in path:
        call.set("path", 0, plain)
    options = call.kwargs.get("options")
    if isinstance(options, dict) and isinstance(options.get("extra_json"), dict):
        # `extra_body` is laid over the body when the request is built.
        extra = dict(options["extra_json"])
        if "model" in extra and model is not None:
            extra["model"] = model
        redirect.cap(extra)
        call.set("options", -1, {**options, "extra_json": extra})
    return model


def watch_client(module: Any) -> None:
    """Change the address of every request of every client."""
    _needed()
    wrap.method(module.BaseClient, "_prepare_url", _begin)


def watch_azure(module: Any) -> None:
    """Azure clients compute some addresses themselves."""
    _needed()
    if "_prepare_url" in vars(module.BaseAzureClient):
        wrap.method(module.BaseAzureClient, "_prepare_url", _begin)
