"""Which back-end provides the broker: the one the settings name, else the first that applies."""

from __future__ import annotations

from collections.abc import Callable

from stratum_lab.errors import PrerequisiteError
from stratum_lab.kafka.backends.apache import Apache
from stratum_lab.kafka.backends.base import Backend, Obstacle
from stratum_lab.kafka.backends.docker import Docker
from stratum_lab.kafka.backends.external import External
from stratum_lab.kafka.backends.memory import Memory
from stratum_lab.settings import Settings

BACKENDS: dict[str, Callable[[Settings], Backend]] = {
    "external": External,
    "docker": Docker,
    "apache": Apache,
    "memory": Memory,
}
"""In the order `auto` tries them."""


def obstacles(settings: Settings) -> dict[str, Obstacle | None]:
    """Why each back-end does not apply here; None where it does."""
    return {name: make(settings).obstacle() for name, make in BACKENDS.items()}


def select(settings: Settings, tell: Callable[[str], None]) -> Backend:
    """A back-end that is ready to start.

    Args:
        settings: `broker.backend` names one, or `auto`.
        tell: Told why a back-end is passed over.

    Raises:
        PrerequisiteError: The named one, or every one, has an obstacle.
        BrokerUnavailable: The engine of the named one answers and fails.
    """
    wanted = settings.broker.backend
    if wanted != "auto":
        backend = BACKENDS[wanted](settings)
        found = backend.obstacle()
        if found is not None:
            raise PrerequisiteError(f"the back-end {wanted} does not apply: {found.reason}", remedy=found.fix)
        backend.prepare()
        return backend
    passed: list[str] = []
    for name, make in BACKENDS.items():
        backend = make(settings)
        found = backend.obstacle()
        if found is None:
            try:
                backend.prepare()
            except PrerequisiteError as exc:
                found = Obstacle(exc.message, exc.remedy or "")
            else:
                return backend
        passed.append(f"{name}: {found.reason}")
        tell(f"not {name}: {found.reason}")
    raise PrerequisiteError(
        "no back-end applies here; " + "; ".join(passed),
        remedy="install Java 17 and Maven, or set STRATUM_BROKER__BOOTSTRAP; `stratum doctor` lists every fix",
    )
