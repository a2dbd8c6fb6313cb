"""The codec of this process: with the registry's ids when one is configured, else with those of the lock file."""

from __future__ import annotations

from stratum_lab.contract.codec import Codec
from stratum_lab.settings import Settings


def codec(settings: Settings) -> Codec:
    """A codec that writes the ids other clients can look up.

    Raises:
        SchemaMismatch: The registry holds other schemas under our names.
        BrokerUnavailable: The registry does not answer.
    """
    if settings.registry.url is None:
        return Codec()
    # Imported when a registry is configured: its client costs 0.2 s at every start.
    from stratum_lab.kafka.registry import register

    return Codec(ids=register(settings.registry))
