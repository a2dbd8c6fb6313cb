"""The hard end of a worker process."""

from __future__ import annotations

import logging
import os
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
