"""How a long-lived process is asked to end: SIGTERM and SIGINT set an event, a second SIGINT ends it at once."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType

from stratum_lab.errors import EXIT_INTERRUPTED, EXIT_OK


class StopSignals:
    """Takes over both signals while it is entered; the main thread only.

    Attributes:
        stop: Set when the process shall end.
        code: Exit code: 0 after SIGTERM, 130 after SIGINT.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.code = EXIT_OK

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self.stop.is_set():
                os._exit(EXIT_INTERRUPTED)
            self.code = EXIT_INTERRUPTED
        self.stop.set()

    def __enter__(self) -> StopSignals:
        self._before = {s: signal.signal(s, self._on_signal) for s in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
