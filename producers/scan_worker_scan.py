"""The scanner of the worker: fetches a source into the scratch folder, scans it in a child process."""

from __future__ import annotations

from producers.scan_worker_attempt import Request, Scanned


def scan_source(request: Request) -> Scanned:
    """Fetch and scan; always a ping, whatever the source does."""
    raise NotImplementedError
