"""Interpreters for fixture programs: a framework line's own, and a twin of it that holds the patcher's wheel as well.

The wheel is built from `patcher/` without a network, and its path file loads the patcher as it does for a user. The
line's environment itself stays as it is.
"""

from __future__ import annotations

import compileall
import hashlib
import shutil
import subprocess
import sys
import time
import zipfile
from functools import cache
from pathlib import Path

from filelock import FileLock

from tests.support.kafka import cannot
from tests.support.patcher import coverage, environments, hook_trace

PATCHER = Path(__file__).resolve().parents[3] / "patcher"
BARE = "bare"
"""A line without any library: the interpreter of the product, for programs that need no framework."""
KEPT_S = 24 * 3600.0


def plain_python(line: str) -> Path:
    """The interpreter of a line without the patcher."""
    return _bare(None) if line == BARE else _environment_of(line) / "bin" / "python"


def patched_python(line: str) -> Path:
    """The interpreter of a line with the patcher's wheel installed."""
    return _bare(wheel()) if line == BARE else _beside(_environment_of(line), wheel(), coverage.traced())


def _environment_of(line: str) -> Path:
    try:
        return environments.build(line)
    except environments.IndexUnreachable as error:
        cannot(str(error))


@cache
def wheel() -> Path:
    """The patcher's wheel, built from this checkout; one per state of the sources."""
    sources = sorted(path for path in PATCHER.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    state = hashlib.sha256()
    for path in sources:
        state.update(str(path.relative_to(PATCHER)).encode() + b"\0" + path.read_bytes() + b"\0")
    place = environments.folder() / "patched" / state.hexdigest()[:16]
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.parent / ".wheel.lock"):
        if not any(place.glob("*.whl")):
            _forget(place.parent)
            subprocess.run(
                [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)],
                cwd=PATCHER,
                check=True,
                capture_output=True,
            )
    return next(place.glob("*.whl"))


def _forget(folder: Path) -> None:
    """Remove what was built from sources of other days."""
    for place in folder.iterdir():
        if place.is_dir() and time.time() - place.stat().st_mtime > KEPT_S:
            shutil.rmtree(place, ignore_errors=True)


@cache
def _beside(environment: Path, patcher: Path, traced: bool) -> Path:
    """A twin of an environment, linked to its libraries, that holds the wheel as well (and the trace of hooks)."""
    stamp = (environment / environments.STAMP).read_text()[:16]
    place = patcher.parent / f"{environment.name}-{stamp}{'-traced' if traced else ''}"
    with FileLock(patcher.parent / f".{environment.name}.lock"):
        if not place.exists():
            fresh = place.with_name(f".{place.name}.new")
            shutil.rmtree(fresh, ignore_errors=True)
            libraries = _site_packages(environment)
            own = fresh / libraries.relative_to(environment)
            own.mkdir(parents=True)
            shutil.copy(environment / "pyvenv.cfg", fresh)
            (fresh / "bin").mkdir()
            (fresh / "bin" / "python").symlink_to((environment / "bin" / "python").resolve())
            for entry in libraries.iterdir():
                (own / entry.name).symlink_to(entry)
            _unpack(patcher, own)
            if traced:
                shutil.copy(hook_trace.__file__, own)
                (own / "stratum_trace.pth").write_text("import hook_trace; hook_trace.start()\n")
            fresh.rename(place)
    return place / "bin" / "python"


@cache
def _bare(patcher: Path | None) -> Path:
    """An environment without libraries, with or without the wheel."""
    place = (patcher or wheel()).parent / ("bare-patched" if patcher else "bare")
    with FileLock(place.with_name(f".{place.name}.lock")):
        if not place.exists():
            fresh = place.with_name(f".{place.name}.new")
            shutil.rmtree(fresh, ignore_errors=True)
            subprocess.run(
                [environments.UV, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(fresh)],
                check=True,
                capture_output=True,
            )
            if patcher is not None:
                _unpack(patcher, _site_packages(fresh))
            fresh.rename(place)
    return place / "bin" / "python"


def _site_packages(environment: Path) -> Path:
    return next((environment / "lib").glob("python3.*/site-packages"))


def _unpack(patcher: Path, libraries: Path) -> None:
    """Install the wheel: it is pure Python without data or scripts, so it is unpacked and compiled."""
    with zipfile.ZipFile(patcher) as archive:
        archive.extractall(libraries)
    compileall.compile_dir(libraries / "stratum_patcher", quiet=1)
