"""Virtual environments of the framework lines: one per line, from the pins among the fixtures, kept between runs.

`python -m tests.support.patcher.environments [LINE...]` builds the missing ones (all without names); `--pin LINE...`
resolves the pins anew. Which index is asked follows the machine's configuration of pip and of uv.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from filelock import FileLock
from uv import find_uv_bin

from stratum_lab.errors import StratumError
from tests.support.patcher.lines import ALL, HEAVY, TESTED

PINS = Path(__file__).resolve().parents[2] / "fixtures" / "patcher" / "environments"
FOLDER_ENV = "STRATUM_FRAMEWORKS"
STAMP = ".stratum-pins"
BUILD_S = 1500.0
UV = find_uv_bin()
UNREACHABLE = ("Failed to fetch", "dns error", "Connection refused", "Network is unreachable", "operation timed out")
"""What the installer says where there is no network."""


class EnvironmentBroken(StratumError):
    """An environment of a framework line could not be built; the message ends with what the installer said."""


class IndexUnreachable(EnvironmentBroken):
    """The installer found no way to a package index."""


PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "HTTPS_PROXY",
}


def folder() -> Path:
    """Where the environments live."""
    named = os.environ.get(FOLDER_ENV)
    return Path(named) if named else Path.home() / ".cache" / "stratum-lab" / "frameworks"


def python(line: str) -> Path:
    """The interpreter of a line, built when it is missing or its pins changed.

    Raises:
        EnvironmentBroken: The installer failed.
    """
    return build(line) / "bin" / "python"


def build(line: str) -> Path:
    """Build the environment of a line unless it stands.

    Two processes that ask for one line wait for each other; a half-built environment never has the line's name.

    Args:
        line: Name of the line.

    Raises:
        EnvironmentBroken: The line is unknown, has no pins, or the installer failed.
    """
    pins = PINS / f"{line}.txt"
    if not pins.is_file():
        raise EnvironmentBroken(f"no pins for the framework line {line!r}: lines are {', '.join(sorted(ALL))}")
    wanted = hashlib.sha256(pins.read_bytes()).hexdigest()
    place = folder() / line
    if _stamp(place) == wanted:
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.parent / f".{line}.lock"):
        if _stamp(place) == wanted:
            return place
        fresh, stale = place.parent / f".{line}.new", place.parent / f".{line}.old"
        for leftover in (fresh, stale):
            shutil.rmtree(leftover, ignore_errors=True)
        _uv("venv", "--quiet", "--relocatable", "--python", sys.executable, str(fresh))
        _uv("pip", "sync", "--quiet", "--python", str(fresh / "bin" / "python"), str(pins))
        (fresh / STAMP).write_text(wanted)
        if place.exists():
            place.rename(stale)
        fresh.rename(place)
        shutil.rmtree(stale, ignore_errors=True)
    return place


def build_all(lines: list[str], *, at_once: int = 2) -> dict[str, str]:
    """Build several lines, the heaviest first.

    Args:
        lines: Their names.
        at_once: How many installers run at a time.

    Returns:
        Per line "built in N s" or why it failed.
    """
    ordered = sorted(lines, key=lambda line: (line not in HEAVY, lines.index(line)))
    with ThreadPoolExecutor(at_once) as pool:
        return dict(zip(ordered, pool.map(_told, ordered), strict=True))


def pin(line: str) -> Path:
    """Resolve the pins of a line anew and write them among the fixtures.

    Raises:
        EnvironmentBroken: Nothing satisfies what the line asks for.
    """
    asked = ALL[line]
    cut = ("--exclude-newer", asked.until) if asked.until else ()
    resolved = _uv(
        "pip",
        "compile",
        "--quiet",
        "--no-header",
        "--no-annotate",
        "--python",
        sys.executable,
        *cut,
        "-",
        given="\n".join(asked.wants),
    )
    pins = PINS / f"{line}.txt"
    pins.write_text("".join(f"{row}\n" for row in resolved.splitlines() if "==" in row))
    return pins


def _told(line: str) -> str:
    start = time.monotonic()
    try:
        build(line)
    except EnvironmentBroken as error:
        return f"failed: {error}"
    return f"built in {time.monotonic() - start:.1f} s"


def _stamp(place: Path) -> str:
    try:
        return (place / STAMP).read_text()
    except OSError:
        return ""


def _uv(*arguments: str, given: str | None = None) -> str:
    command = [UV, *arguments]
    try:
        done = subprocess.run(
            command,
            input=given,
            env=installer_environment(),
            capture_output=True,
            text=True,
            timeout=BUILD_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EnvironmentBroken(f"uv {' '.join(arguments[:2])} took over {BUILD_S:g} s") from error
    if done.returncode:
        kind = IndexUnreachable if any(word in done.stderr for word in UNREACHABLE) else EnvironmentBroken
        raise kind(f"uv {' '.join(arguments[:2])} failed with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def installer_environment() -> dict[str, str]:
    """The environment for uv: this process's own, and what pip is configured with where uv has no setting yet."""
    environment = dict(os.environ)
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    for row in listed.splitlines():
        key, _, quoted = row.partition("=")
        value = quoted.strip("'\"")
        name = PIP_TO_UV.get(key.rpartition(".")[2])
        if name == "UV_FIND_LINKS" and "://" not in value and not Path(value).is_dir():
            continue
        if name and value:
            environment.setdefault(name, value)
    return environment


def main(arguments: list[str] | None = None) -> int:
    """Build or pin lines from the command line; says how long each took.

    Args:
        arguments: Instead of those of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.support.patcher.environments", description=__doc__)
    parser.add_argument("lines", nargs="*", help="framework lines; all when none is named")
    parser.add_argument("--pin", action="store_true", help="resolve the pins anew instead of building")
    given = parser.parse_args(arguments)
    lines = given.lines or sorted(TESTED)
    if given.pin:
        for line in lines:
            print(pin(line))
        return 0
    results = build_all(lines)
    for line in lines:
        print(f"{line:20} {results[line]}")
    return int(any(told.startswith("failed") for told in results.values()))


if __name__ == "__main__":
    sys.exit(main())
