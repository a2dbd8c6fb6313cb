"""What the patcher writes in this process, for tests of its core without any framework."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stratum_patcher import emit
from stratum_patcher.frame import Frame
from stratum_patcher.spans import context, work
from stratum_patcher.spans import errors as known_errors

Events = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Events]:
    """The events written so far in this test, in file order."""
    path = tmp_path / "events.jsonl"
    monkeypatch.setattr(emit, "writer", emit.Writer(str(path), emit.FILE_BYTES))
    monkeypatch.setattr(emit, "_faults", set())
    monkeypatch.setattr(known_errors, "_seen", {})
    before = context.innermost.set(None)

    def read() -> list[dict[str, Any]]:
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        assert all(line.endswith(b"\n") for line in lines)
        return [json.loads(line) for line in lines]

    yield read
    emit.writer.close()
    context.innermost.reset(before)
    work._open_delegations.clear()


@pytest.fixture
def frame() -> Frame:
    """A frame of no framework in particular."""
    return Frame("openai", "openai", "openai")
