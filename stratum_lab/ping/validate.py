"""Every check that one ping decides, and the call that runs them; done at emission and by `stratum ping validate`."""

from __future__ import annotations

from stratum_lab.contract.events import Ping
from stratum_lab.ping import checks, invariants, vocabulary
from stratum_lab.ping.checking import Check, Fields, NotThere, Problem, Values
from stratum_lab.ping.schemas import schema_of
from stratum_lab.ping.shape import shape

__all__ = ["CHECKS", "SHAPE_CHECKS", "Problem", "problems"]

SHAPE_CHECKS = {
    "fields": "every live field is there, of its type, and null only where it may be",
    "unknown": "no other field is there",
    "privacy": "no forbidden key, path, address or name",
}
"""Checks of form, which come first: id -> statement."""

CHECKS: tuple[Check, ...] = (*checks.registry.checks, *invariants.registry.checks, *vocabulary.registry.checks)
"""The other checks, in order."""


def problems(ping: Ping | Values) -> list[Problem]:
    """What is wrong with a ping of any schema; empty for a valid one.

    A check whose fields are missing or malformed is left out: that is said by the check `fields`.

    Args:
        ping: The message, or the ping as a flat JSON object.
    """
    values = ping.to_json() if isinstance(ping, Ping) else ping
    schema = schema_of(values)
    found, sound = shape(values)
    fields = Fields(values, sound, schema)
    failed = values.get("scan_status") == "failed"
    for check in CHECKS:
        if not check.since <= schema <= check.until or (failed and not check.failed):
            continue
        try:
            found += [Problem(check.id, message) for message in check.run(fields)]
        except NotThere:
            continue
    return found
