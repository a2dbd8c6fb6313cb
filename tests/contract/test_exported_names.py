"""The public API is what `stratum_lab` exports; this list is the promise."""

from __future__ import annotations

import subprocess
import sys

import stratum_lab

PUBLIC = ["Answer", "Reader", "Settings", "StratumError", "load", "open_warehouse"]


def test_exactly_these_names_are_public() -> None:
    assert stratum_lab.__all__ == PUBLIC == sorted(PUBLIC)


def test_every_public_name_can_be_used() -> None:
    for name in PUBLIC:
        assert getattr(stratum_lab, name).__doc__


def test_importing_the_package_loads_no_client_library() -> None:
    code = "import sys, stratum_lab; assert not {'duckdb', 'pyarrow', 'confluent_kafka', 'faust'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
