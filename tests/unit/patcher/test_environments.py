"""Environments of the framework lines: pins that are whole, builds that are all or nothing, the machine's own index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.patcher import environments
from tests.support.patcher.environments import EnvironmentBroken, IndexUnreachable
from tests.support.patcher.lines import ALL

PINNED = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+")
SOME_LINE = "openai-3"


@pytest.fixture
def installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the installer, whose words the test writes; environments go to an empty folder."""
    script = tmp_path / "uv"
    monkeypatch.setattr(environments, "UV", str(script))
    monkeypatch.setenv(environments.FOLDER_ENV, str(tmp_path / "lines"))
    return script


def says(script: Path, shell: str) -> None:
    """Let the stand-in run this."""
    script.write_text(f"#!/bin/sh\n{shell}\n")
    script.chmod(0o755)


@pytest.mark.parametrize("line", ALL)
def test_every_line_has_pins_that_name_versions_only(line: str) -> None:
    rows = (environments.PINS / f"{line}.txt").read_text().splitlines()
    assert rows
    assert [row for row in rows if not PINNED.fullmatch(row)] == []
    names = {row.partition("==")[0].lower() for row in rows}
    wanted = {re.split(r"[=<>\[]", want)[0].lower() for want in ALL[line].wants}
    assert wanted <= names


@pytest.mark.parametrize("line", ALL)
def test_what_a_line_asks_for_exactly_is_what_is_pinned(line: str) -> None:
    rows = {row.lower() for row in (environments.PINS / f"{line}.txt").read_text().splitlines()}
    exact = [re.sub(r"\[.*\]", "", want).lower() for want in ALL[line].wants if "==" in want]
    assert set(exact) <= rows


def test_pins_without_a_line_do_not_lie_about() -> None:
    assert {path.stem for path in environments.PINS.glob("*.txt")} == set(ALL)


def test_a_build_that_fails_says_why_and_leaves_no_environment(installer: Path) -> None:
    says(installer, 'case "$1" in venv) mkdir -p "$6/bin";; *) echo "no version of that" >&2; exit 1;; esac')
    with pytest.raises(EnvironmentBroken, match="no version of that") as failed:
        environments.build(SOME_LINE)
    assert not isinstance(failed.value, IndexUnreachable)
    assert not (environments.folder() / SOME_LINE).exists()


def test_a_machine_without_a_network_is_told_apart(installer: Path) -> None:
    says(installer, 'echo "error: Failed to fetch: dns error" >&2; exit 2')
    with pytest.raises(IndexUnreachable):
        environments.build(SOME_LINE)


def test_an_environment_is_built_once_and_again_when_its_pins_change(
    installer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins, calls = tmp_path / "pins", tmp_path / "calls"
    pins.mkdir()
    (pins / f"{SOME_LINE}.txt").write_text("openai==3.52.0\n")
    monkeypatch.setattr(environments, "PINS", pins)
    says(installer, f'echo "$1" >> {calls}; case "$1" in venv) mkdir -p "$6/bin";; esac')
    assert environments.build(SOME_LINE) == environments.build(SOME_LINE)
    assert calls.read_text().split() == ["venv", "pip"]
    (pins / f"{SOME_LINE}.txt").write_text("openai==3.52.1\n")
    environments.build(SOME_LINE)
    assert calls.read_text().split() == ["venv", "pip"] * 2


def test_a_line_that_nobody_knows_is_refused_with_those_there_are() -> None:
    with pytest.raises(EnvironmentBroken, match="openai-3"):
        environments.build("openai-99")


def test_the_installer_asks_the_index_that_pip_is_configured_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://packages.example.org/simple")
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    assert environments.installer_environment()["UV_DEFAULT_INDEX"] == "https://packages.example.org/simple"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://other.example.org/simple")
    assert environments.installer_environment()["UV_DEFAULT_INDEX"] == "https://other.example.org/simple"
