"""Runs a program of the fixtures with or without the patcher, in the environment of a framework line.

The program is copied to a fresh folder that is repository root and working directory.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import orjson

from tests.support.patcher import contract_check, coverage, hook_trace
from tests.support.patcher.interpreters import BARE, patched_python, plain_python
from tests.support.patcher.story import story
from tests.support.patcher.wire import SERVED

PROGRAMS = Path(__file__).resolve().parents[2] / "fixtures" / "patcher" / "programs"
__all__ = ["BARE", "PROGRAMS", "Prepared", "Run", "patched_python", "plain_python", "prepared", "run_program"]

RUN_ID = "0123456789abcdef"
REPO_ID = "https://example.org/team/repository"
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "AZURE_OPENAI_API_KEY", "GROQ_API_KEY", "GEMINI_API_KEY")
PLACEHOLDER = "sk-placeholder-000000000000000000000000000000000000000000000000"
QUIET = {
    "ANONYMIZED_TELEMETRY": "False",
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_VERSION_CHECK": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OTEL_SDK_DISABLED": "true",
}
"""Switches that keep libraries from calling home."""


class Served(Protocol):
    """A model endpoint, scripted or real."""

    @property
    def url(self) -> str:
        """Address without `/v1`."""


@dataclass(frozen=True)
class Run:
    """What a program did.

    Attributes:
        line: The framework line.
        program: Path of the program among the fixtures.
        patched: Whether the patcher was there.
        events: In file order.
        stdout: As text.
        stderr: As text.
        returncode: Negative: the signal that ended it.
        captured: Whether content was captured.
        raw: Bytes of the events file.
        hook_of: Event id -> hook that wrote it, where hooks are traced.
    """

    line: str
    program: str
    patched: bool
    events: list[dict[str, Any]]
    stdout: str
    stderr: str
    returncode: int
    captured: bool
    raw: bytes = field(repr=False)
    hook_of: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def story(self) -> list[str]:
        """One line per event, without those of the patcher about itself."""
        return story(self.events)

    @property
    def hooks(self) -> dict[str, str]:
        """Status per hook."""
        told = (event["payload"] for event in self.events if event["event_type"] == "patcher.hook_status")
        return {payload["hook"]: payload["status"] for payload in told}

    @property
    def produced(self) -> dict[str, set[str]]:
        """Event types of the run, each with the hooks that wrote them as far as they were traced."""
        made: dict[str, set[str]] = {}
        for event in self.events:
            if not event["event_type"].startswith("patcher."):
                hook = self.hook_of.get(event["event_id"])
                made.setdefault(event["event_type"], set()).update({hook} if hook else ())
        return made

    def of_type(self, event_type: str) -> list[dict[str, Any]]:
        """The events of one type."""
        return [event for event in self.events if event["event_type"] == event_type]

    def check(self, *, complete: bool = True) -> None:
        """Fail unless the events keep the contract.

        Args:
            complete: Everything that was opened must be closed.
        """
        told = contract_check.Told(RUN_ID, REPO_ID)
        problems = contract_check.problems(self.raw, told=told, complete=complete, captured=self.captured)
        assert not problems, "\n".join([*problems, "", *self.story, "", self.stderr[-2000:]])


@dataclass
class Prepared:
    """A program in its fresh folder, ready to start."""

    line: str
    program: str
    patched: bool
    argv: list[str]
    env: dict[str, str]
    root: Path
    events_file: Path

    def start(self) -> subprocess.Popen[str]:
        """Start it; for tests that stop it half way."""
        return subprocess.Popen(
            self.argv,
            cwd=self.root,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
        )

    def ended(self, process: subprocess.Popen[str], timeout: float = 120) -> Run:
        """Wait for its end and read what it wrote.

        Raises:
            AssertionError: It did not end; it is killed then.
        """
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            stdout, stderr = process.communicate()
            raise AssertionError(
                f"{self.program} ran over {timeout:g} s:\n{stdout[-2000:]}\n{stderr[-4000:]}"
            ) from None
        raw = self.events_file.read_bytes() if self.events_file.exists() else b""
        whole = [line for line in raw.split(b"\n") if line]
        events = [orjson.loads(line) for line in whole]
        return Run(
            line=self.line,
            program=self.program,
            patched=self.patched,
            events=events,
            stdout=stdout,
            stderr=stderr,
            returncode=process.returncode,
            captured=self.env.get("STRATUM_CAPTURE_PROMPTS") == "1",
            raw=raw,
            hook_of=self._hooks(events),
        )

    def _hooks(self, events: list[dict[str, Any]]) -> dict[str, str]:
        trace = self.env.get(hook_trace.VARIABLE)
        applied = [e["payload"]["hook"] for e in events if e["event_type"] == "patcher.hook_status"]
        return coverage.hooks_of(Path(trace), applied) if trace else {}


@contextmanager
def prepared(
    line: str,
    program: str,
    *,
    endpoint: Served | None = None,
    patched: bool = True,
    env: Mapping[str, str | None] | None = None,
    args: Sequence[str] = (),
    interpreter: Sequence[str] = (),
) -> Iterator[Prepared]:
    """A program in a fresh folder that goes away with the context.

    Args:
        line: The framework line, or BARE.
        program: File or folder (with a `main.py`) among the fixture programs.
        endpoint: The model endpoint it finds in its environment.
        patched: Load the patcher.
        env: Further variables; None takes one away.
        args: Arguments of the program.
        interpreter: Options of the interpreter, before the program.
    """
    source = PROGRAMS / program
    with tempfile.TemporaryDirectory(prefix="stratum-", ignore_cleanup_errors=True) as made:
        base = Path(made).resolve()
        root, home, output = base / "app", base / "home", base / "output"
        for folder in (home, output):
            folder.mkdir()
        if source.is_dir():
            shutil.copytree(source, root, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            root.mkdir()
            shutil.copy(source, root)
        started = "main.py" if source.is_dir() else source.name
        python = patched_python(line) if patched else plain_python(line)
        events_file = output / "events_run_1.jsonl"
        variables = _environment(endpoint, root, home, events_file)
        if patched and coverage.traced():
            variables[hook_trace.VARIABLE] = str(output / "hooks.txt")
        for name, value in (env or {}).items():
            if value is None:
                variables.pop(name, None)
            else:
                variables[name] = value
        argv = [str(python), *interpreter, started, *args]
        yield Prepared(line, program, patched, argv, variables, root, events_file)


def run_program(
    line: str,
    program: str,
    *,
    endpoint: Served | None = None,
    patched: bool = True,
    env: Mapping[str, str | None] | None = None,
    args: Sequence[str] = (),
    interpreter: Sequence[str] = (),
    timeout: float = 120,
    check: bool = True,
    complete: bool = True,
) -> Run:
    """Run a program to its end and hold its events against the contract; arguments as for `prepared`.

    Args:
        line: The framework line, or BARE.
        program: File or folder (with a `main.py`) among the fixture programs.
        endpoint: The model endpoint it finds in its environment.
        patched: Load the patcher.
        env: Further variables; None takes one away.
        args: Arguments of the program.
        interpreter: Options of the interpreter, before the program.
        timeout: Seconds it may take.
        check: Hold the events against the contract.
        complete: Everything that was opened must be closed; not so after `os._exit` or a kill.
    """
    with prepared(
        line, program, endpoint=endpoint, patched=patched, env=env, args=args, interpreter=interpreter
    ) as ready:
        run = ready.ended(ready.start(), timeout)
    if check and patched:
        run.check(complete=complete)
        coverage.RECORDER.note(line, run.produced)
    if not patched:
        assert not run.raw, "a program without the patcher wrote events"
    return run


def _environment(endpoint: Served | None, root: Path, home: Path, events_file: Path) -> dict[str, str]:
    """What the runner sets (events.md section 7), the same with and without the patcher."""
    variables = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "NO_PROXY": "127.0.0.1",
        "STRATUM_EVENTS_FILE": str(events_file),
        "STRATUM_RUN_ID": RUN_ID,
        "STRATUM_REPO_ID": REPO_ID,
        "STRATUM_REPO_ROOT": str(root),
        "STRATUM_OUTPUT_DIR": str(events_file.parent),
        **QUIET,
        **dict.fromkeys(KEYS, PLACEHOLDER),
    }
    if endpoint is not None:
        variables |= {
            "VLLM_HOST": endpoint.url,
            "STRATUM_VLLM_MODEL": SERVED,
            "OPENAI_BASE_URL": endpoint.url + "/v1",
            "OPENAI_API_BASE": endpoint.url + "/v1",
            "ANTHROPIC_BASE_URL": endpoint.url,
        }
    return variables
