"""`faust -A streams.app worker`: the application, configured by STRATUM_* and stratum.toml."""

from __future__ import annotations

from stratum_lab.settings import current
from streams.application import create_app

app = create_app(current())
