"""The small model as an endpoint: a server process in an environment of its own, for the length of a context."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.kafka import cannot
from tests.support.patcher import environments
from tests.support.patcher.lines import MODEL

SERVER = Path(__file__).with_name("model_server.py")


class SmallModel(NamedTuple):
    """The running server; programs are given it like a scripted endpoint.

    Attributes:
        url: Address without `/v1`.
    """

    url: str


@contextmanager
def small_model() -> Iterator[SmallModel]:
    """Serve the small model.

    Raises:
        RuntimeError: The server did not come up.
    """
    try:
        python = environments.python(MODEL)
    except environments.IndexUnreachable as error:
        cannot(str(error))
    weights = environments.folder() / "weights" / "small.gguf"
    log = weights.with_name("server.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as errors:
        server = subprocess.Popen(
            [python, SERVER, weights], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    assert server.stdin is not None and server.stdout is not None
    try:
        url = server.stdout.readline().strip()
        if not url:
            raise RuntimeError(f"the small model's server ended with {server.wait()}: {log.read_text()[-2000:]}")
        yield SmallModel(url)
    finally:
        server.stdin.close()
        server.stdout.close()
        server.wait(30)
