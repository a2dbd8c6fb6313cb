"""A killed program keeps every event that its writer had taken, and leaves no torn line among them."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import time

import pytest

from tests.support.patcher.program import BARE, prepared

pytestmark = pytest.mark.faults
KILLS = 200 if os.environ.get("STRATUM_SOAK") else 40


def acknowledged(process: subprocess.Popen[bytes], seconds: float, at_least: int) -> list[str]:
    """What the program said it wrote until it is killed at a random moment."""
    assert process.stdout is not None
    said, deadline = b"", None
    while deadline is None or time.monotonic() < deadline:
        left = 30.0 if deadline is None else max(0.0, deadline - time.monotonic())
        if select.select([process.stdout], [], [], left)[0]:
            said += os.read(process.stdout.fileno(), 1 << 20)
        if deadline is None and said.count(b"\n") >= at_least:
            deadline = time.monotonic() + seconds
    process.send_signal(signal.SIGKILL)
    said += process.stdout.read()
    process.stdout.close()
    process.wait(timeout=30)
    return said.decode().split("\n")[:-1]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("threads, most", [(1, 3000), (3, 3000), (1, 50_000), (3, 50_000)])
def test_no_acknowledged_event_is_lost_and_no_line_is_torn(threads: int, most: int) -> None:
    chance = random.Random(threads + most)
    for _ in range(KILLS // 4):
        with prepared(BARE, "faults/many_events.py", args=[str(threads), str(most)]) as ready:
            process = subprocess.Popen(
                ready.argv, cwd=ready.root, env=ready.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
            )
            acked = acknowledged(process, chance.uniform(0, 0.05), chance.randrange(1, 40))
            assert process.stdin is not None
            process.stdin.close()
            raw = ready.events_file.read_bytes()
        whole, _, rest = raw.rpartition(b"\n")
        assert most > 4096 or not rest.strip(), "a line that fits into a page is there or not"
        written = {json.loads(line)["event_id"] for line in whole.splitlines()}
        assert acked
        assert set(acked) <= written
