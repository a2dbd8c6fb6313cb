"""Where the broker is: a configured address first, else the one `stratum up` noted."""

from __future__ import annotations

from stratum_lab.errors import BrokerUnavailable
from stratum_lab.kafka.state import read_state, state_path
from stratum_lab.settings import Settings


def bootstrap(settings: Settings) -> str:
    """The bootstrap address of the broker to use.

    Raises:
        BrokerUnavailable: None is configured and none was started here, or the one started here is gone.
    """
    if settings.broker.bootstrap:
        return settings.broker.bootstrap
    state = read_state(settings.home)
    if state is None:
        raise BrokerUnavailable(
            f"no broker: broker.bootstrap is not set and {state_path(settings.home)} does not exist",
            remedy="stratum up",
        )
    if state.stale:
        raise BrokerUnavailable(
            f"the {state.backend} broker at {state.bootstrap} (pid {state.pid}) is no longer running",
            remedy="stratum up",
        )
    return state.bootstrap
