"""The hard end of a worker process."""

from __future__ import annotations

import logging
import os
from types import TracebackType
from typing import NoReturn

from stratum_lab.errors import EXIT_TRY_LATER, IntegrityError
from stratum_lab.observe import logs

log = logs.get("streams.ending")


def end_process(exc: BaseException) -> NoReturn:
    """End at once, without acknowledging anything: raising in an agent would acknowledge and skip its message."""
    code = exc.exit_code if isinstance(exc, IntegrityError) else EXIT_TRY_LATER
    log.error("the worker ends and is started again", error=str(exc), kind=type(exc).__name__, exc_info=exc)
    logging.shutdown()
    os._exit(code)


class EndsProcess:
    """Context manager around work after whose failure nothing may be acknowledged: an exception ends the process.

    Faust would log the exception and go on without the work. Cancellation passes through.
    """

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, where: TracebackType | None
    ) -> None:
        """End the process if the work failed."""
        if isinstance(exc, Exception):
            end_process(exc)


ends_process = EndsProcess()
"""`with ends_process:` around such work; it holds nothing, so one serves all."""
