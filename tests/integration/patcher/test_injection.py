"""How the patcher gets into an interpreter, and how often: exactly once in each that runs a program."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.patcher.program import BARE, patched_python, plain_python

STATUS = "patcher.status"
HOOK = "import sys; print(any(hasattr(finder, 'stratum') for finder in sys.meta_path))"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What the runner sets, and nothing else."""
    return {
        "PATH": os.defpath,
        "STRATUM_EVENTS_FILE": str(tmp_path / "events.jsonl"),
        "STRATUM_RUN_ID": "r",
        "STRATUM_REPO_ID": "u",
    }


@pytest.fixture
def writable(tmp_path: Path) -> Iterator[Path]:
    """A patched environment of this test's own."""
    source = patched_python(BARE).parent.parent
    place = tmp_path / "environment"
    shutil.copytree(source, place, symlinks=True)
    yield place / "bin" / "python"


def run(
    python: Path, arguments: Sequence[str], environment: dict[str, str], cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run an interpreter to its end, which must be a good one."""
    return subprocess.run(
        [str(python), *arguments], env=environment, cwd=cwd, capture_output=True, text=True, check=True, timeout=60
    )


def events(environment: dict[str, str]) -> list[dict[str, Any]]:
    """What was written."""
    path = Path(environment["STRATUM_EVENTS_FILE"])
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def site_folder(python: Path) -> Path:
    """The folder to put on PYTHONPATH for interpreters of other environments."""
    (found,) = python.parent.parent.glob("lib/python3.*/site-packages/stratum_patcher/site")
    return found


def test_importing_the_package_does_nothing(environment: dict[str, str]) -> None:
    told = run(patched_python(BARE), ["-S", "-c", "print(1)"], environment)
    assert told.stdout == "1\n"
    told = run(patched_python(BARE), ["-c", "import stratum_patcher; print('Patcher OK')"], environment)
    assert told.stdout == "Patcher OK\n"


@pytest.mark.parametrize("options", [[], ["-s"], ["-E"], ["-I"], ["-O"], ["-B"], ["-X", "utf8"]], ids=" ".join)
def test_the_path_file_loads_it_with_these_options(options: list[str], environment: dict[str, str]) -> None:
    expected = "True\n"
    assert run(patched_python(BARE), [*options, "-c", HOOK], environment).stdout == expected
    assert [event["event_type"] for event in events(environment)] == [STATUS]


def test_without_site_there_is_no_patcher_and_no_harm(environment: dict[str, str]) -> None:
    assert run(patched_python(BARE), ["-S", "-c", HOOK], environment).stdout == "False\n"
    assert events(environment) == []


@pytest.mark.parametrize(
    "changed", [{"STRATUM_EVENTS_FILE": ""}, {"STRATUM_PATCHER": "off"}, {"STRATUM_EVENTS_FILE": None}], ids=str
)
def test_processes_that_are_no_programs_are_left_alone(
    changed: dict[str, str | None], environment: dict[str, str]
) -> None:
    given = {name: value for name, value in {**environment, **changed}.items() if value is not None}
    assert run(patched_python(BARE), ["-c", HOOK], given).stdout == "False\n"
    assert events(environment) == []


def test_status_names_version_process_and_python(environment: dict[str, str]) -> None:
    told = run(patched_python(BARE), ["-c", "import os; print(os.getpid())"], environment)
    (event,) = events(environment)
    assert event["payload"] == {
        "version": event["payload"]["version"],
        "pid": int(told.stdout),
        "python": ".".join(str(part) for part in sys.version_info[:3]),
    }
    assert (event["run_id"], event["repo_id"], event["framework"]) == ("r", "u", "generic")
    assert "source_node" not in event


def test_status_survives_odd_values_of_the_runner(environment: dict[str, str]) -> None:
    odd = 'quote " back \\ ünï\n'
    run(patched_python(BARE), ["-c", "pass"], {**environment, "STRATUM_REPO_ID": odd})
    (event,) = events(environment)
    assert event["repo_id"] == odd


def test_status_closes_the_line_that_a_killed_process_left(environment: dict[str, str]) -> None:
    path = Path(environment["STRATUM_EVENTS_FILE"])
    path.write_text('{"torn')
    run(patched_python(BARE), ["-c", "pass"], environment)
    assert path.read_text().splitlines()[0] == '{"torn'
    assert json.loads(path.read_text().splitlines()[1])["event_type"] == STATUS


def test_a_site_hook_loads_it_into_another_environment_once(environment: dict[str, str]) -> None:
    path = {**environment, "PYTHONPATH": str(site_folder(patched_python(BARE)))}
    assert run(plain_python(BARE), ["-c", HOOK], path).stdout == "True\n"
    assert run(patched_python(BARE), ["-c", HOOK], path).stdout == "True\n"
    assert [event["event_type"] for event in events(environment)] == [STATUS] * 2


def test_the_site_hook_gives_way_to_the_program_s_own(environment: dict[str, str], tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("WHO = 'own'\n")
    path = os.pathsep.join([str(site_folder(patched_python(BARE))), str(own)])
    told = run(
        plain_python(BARE),
        ["-c", "import sitecustomize; print(sitecustomize.WHO)"],
        {**environment, "PYTHONPATH": path},
    )
    assert told.stdout == "own\n"
    assert [event["event_type"] for event in events(environment)] == [STATUS]


def test_the_path_file_is_there_when_the_program_s_sitecustomize_hides_the_hook(
    environment: dict[str, str], tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("WHO = 'own'\n")
    path = os.pathsep.join([str(own), str(site_folder(patched_python(BARE)))])
    told = run(patched_python(BARE), ["-c", HOOK], {**environment, "PYTHONPATH": path})
    assert told.stdout == "True\n"


def test_a_child_with_an_empty_environment_is_watched_through_the_file_beside_the_package(
    environment: dict[str, str], writable: Path
) -> None:
    settings = "".join(f"{name}={value}\n" for name, value in environment.items() if name.startswith("STRATUM_"))
    (site_folder(writable).parent / "run.env").write_text(settings + "PATH=/nowhere\nbroken line\n")
    assert run(writable, ["-c", HOOK], {}).stdout == "True\n"
    (event,) = events(environment)
    assert event["run_id"] == "r"


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_workers_of_multiprocessing_write_too(method: str, environment: dict[str, str], tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import multiprocessing\n"
        "def work(n):\n"
        "    from stratum_patcher import emit\n"
        "    from stratum_patcher.frame import Frame\n"
        "    emit.emit(Frame('x', 'generic', 'x'), 'test.worker', payload={'n': n})\n"
        "if __name__ == '__main__':\n"
        f"    with multiprocessing.get_context({method!r}).Pool(2) as pool:\n"
        "        pool.map(work, range(6), chunksize=1)\n"
    )
    run(patched_python(BARE), [str(program)], environment)
    found = events(environment)
    assert sorted(e["payload"]["n"] for e in found if e["event_type"] == "test.worker") == list(range(6))
    assert len({event["event_id"] for event in found}) == len(found)


def test_a_new_image_of_the_process_is_a_new_program(environment: dict[str, str]) -> None:
    program = "import os, sys\nif len(sys.argv) == 1: os.execv(sys.executable, [sys.executable, '-c', 'print(2)', 'x'])"
    assert run(patched_python(BARE), ["-c", program], environment).stdout == "2\n"
    first, second = events(environment)
    assert first["payload"]["pid"] == second["payload"]["pid"]


MOVED = {
    "gone": ("", "not_applied"),
    "another kind": ("class SyncAPIClient:\n    post = 5\n", "not_applied"),
    "no class": ("SyncAPIClient = None\nAsyncAPIClient = None\n", "not_applied"),
}


@pytest.mark.parametrize("text, status", MOVED.values(), ids=list(MOVED))
def test_moved_internals_are_told_and_the_program_runs(
    text: str, status: str, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "openai").mkdir()
    (tmp_path / "openai" / "__init__.py").write_text("__version__ = '99.0'\n")
    (tmp_path / "openai" / "_base_client.py").write_text(text)
    (tmp_path / "program.py").write_text("import openai._base_client\nprint('ran')\n")
    assert run(patched_python(BARE), [str(tmp_path / "program.py")], environment).stdout == "ran\n"
    told = [e["payload"] for e in events(environment) if e["event_type"] == "patcher.hook_status"]
    mine = [payload for payload in told if payload["target"] == "openai._base_client"]
    assert mine
    assert {payload["status"] for payload in mine} == {status}
    assert all(payload["reason"] and payload["version"] == "99.0" for payload in mine)


def test_an_import_that_fails_gives_the_error_it_gives(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "crewai").mkdir()
    (tmp_path / "crewai" / "__init__.py").write_text("raise RuntimeError('broken package')\n")
    program = tmp_path / "program.py"
    program.write_text("try:\n    import crewai\nexcept RuntimeError as error:\n    print(error)\n")
    assert run(patched_python(BARE), [str(program)], environment).stdout == "broken package\n"


def interpreters() -> dict[str, Path]:
    """Version -> interpreter, of every Python from 3.9 on that lies beside the one of this test or on the path."""
    found: dict[str, Path] = {}
    named = [shutil.which(f"python3.{minor}") for minor in range(9, 15)]
    for python in [*Path(sys.base_prefix).parent.glob("*/bin/python3"), *(Path(name) for name in named if name)]:
        ask = "import sys; print(sys.version_info >= (3, 9), *sys.version_info[:2])"
        told = subprocess.run([str(python), "-I", "-c", ask], capture_output=True, text=True, check=False, timeout=60)
        good, _, version = told.stdout.strip().partition(" ")
        if told.returncode == 0 and good == "True":
            found.setdefault(version, python)
    return found


def test_every_interpreter_of_this_machine_loads_all_of_it(environment: dict[str, str]) -> None:
    found = interpreters()
    assert f"3 {sys.version_info.minor}" in found
    hook = site_folder(patched_python(BARE))
    frames = sorted(path.stem for path in (hook.parent / "frames").glob("*.py"))
    code = "import importlib\n" + "".join(
        f"importlib.import_module('stratum_patcher.frames.{frame}')\n" for frame in frames if frame != "__init__"
    )
    path = {**environment, "PYTHONPATH": os.pathsep.join([str(hook), str(hook.parent.parent)])}
    for version, python in found.items():
        told = run(python, ["-W", "error", "-c", code + "print('OK')"], path)
        assert (told.stdout, told.stderr) == ("OK\n", ""), version
    assert [event["payload"].get("reason") for event in events(environment)] == [None] * len(found)
