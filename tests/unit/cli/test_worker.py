"""`stratum worker` starts services by entry-point name and passes their options and exit codes through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stratum_lab.cli import worker
from stratum_lab.errors import EXIT_CONFIG, EXIT_TRY_LATER, BrokerUnavailable
from stratum_lab.settings import Settings


class _Entry:
    name = "streams"

    def __init__(self, service: Any) -> None:
        self._service = service

    def load(self) -> Any:
        return self._service


def installed(monkeypatch: pytest.MonkeyPatch, service: Any) -> None:
    """Let every name find this service."""
    monkeypatch.setattr(worker, "entry_points", lambda **_: [_Entry(service)] if service else [])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["streams"], {"workers": 1}),
        (["streams", "--workers", "3"], {"workers": 3}),
        (["warehouse"], {}),
        (["records", "--dir", "out"], {"directory": Path("out")}),
        (["archive"], {}),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_a_service_gets_settings_and_options_and_gives_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: dict[str, Any]
) -> None:
    calls: list[tuple[Settings, dict[str, Any]]] = []

    def service(settings: Settings, **options: Any) -> int:
        calls.append((settings, options))
        return 7

    installed(monkeypatch, service)
    assert CliRunner().invoke(worker.worker_app, arguments).exit_code == 7
    assert [options for _, options in calls] == [expected]


def test_a_service_that_cannot_reach_the_broker_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def service(settings: Settings) -> int:
        raise BrokerUnavailable("no broker", remedy="stratum up")

    installed(monkeypatch, service)
    done = CliRunner().invoke(worker.worker_app, ["warehouse"])
    assert done.exit_code == EXIT_TRY_LATER
    assert "stratum up" in done.stderr


def test_a_service_that_is_not_installed_is_a_missing_prerequisite(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, None)
    assert CliRunner().invoke(worker.worker_app, ["archive"]).exit_code == EXIT_CONFIG
