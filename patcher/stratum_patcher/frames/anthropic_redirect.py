"""Where calls of Anthropic's SDK go: to the endpoint of the run, whatever the program's settings say.

The address is changed where a client has computed it, so that the client itself stays as it was made.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from .. import redirect, wrap

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

PLATFORMS = tuple(f"anthropic.lib.{name}" for name in ("bedrock", "vertex", "aws", "google_cloud"))
"""Where the clients are defined whose requests are signed for their own host."""

_leads: MutableMapping[type, bool] = weakref.WeakKeyDictionary()
"""Class of a client -> whether its requests can be led to the endpoint."""
_addresses: dict[tuple[type, bytes], Any] = {}
"""Class and path of an address -> the address at the endpoint; made once, since parsing is what costs most."""
_MOST_ADDRESSES = 64


def redirected(client: Any) -> bool:
    """Whether the requests of a client are led to the endpoint."""
    if redirect.target() is None:
        return False
    kind = type(client)
    known = _leads.get(kind)
    if known is None:
        known = _leads[kind] = not any(cls.__module__.startswith(PLATFORMS) for cls in kind.__mro__)
    return known


def at_endpoint(body: Mapping[str, Any], model: Any) -> dict[str, Any]:
    """A copy of a request body for the endpoint: its model, answers not longer than it allows."""
    copy = dict(body)
    if "model" in copy:
        copy["model"] = model
    redirect.cap(copy)
    return copy


class _Elsewhere(wrap.Watch):
    """Replaces the URL that a client made by the endpoint's, so that the client itself stays as it was made."""

    def done(self, result: Any) -> Any:
        """The same path at the endpoint."""
        target = redirect.target()
        if target is None:
            return result
        key = (type(result), result.raw_path)
        found = _addresses.get(key)
        if found is None:
            path = result.raw_path.decode("ascii")
            at = path.partition("?")[0].rfind("/v1/")
            found = type(result)(target.url + (path if at < 0 else path[at:]))
            if len(_addresses) < _MOST_ADDRESSES:
                _addresses[key] = found
        return found


def begin_url(call: wrap.Call) -> wrap.Watch | None:
    """A client computes the address of a request."""
    url = call.get("url", 0)
    relative = isinstance(url, str) and not url.startswith(("http://", "https://"))
    return _Elsewhere() if relative and redirected(call.instance) else None
