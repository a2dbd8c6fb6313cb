"""`python -m stratum_lab.contract`: release edited schemas (`make schemas`); refuses what breaks stored data."""

from __future__ import annotations

import sys

from stratum_lab.contract.lock import release, schema_dir
from stratum_lab.contract.ping_schema import generate
from stratum_lab.errors import StratumError

if __name__ == "__main__":
    try:
        lines = generate(schema_dir()) + release(schema_dir())
    except StratumError as exc:
        sys.stderr.write(f"{exc}\n")
        sys.exit(exc.exit_code)
    sys.stdout.write("\n".join(lines or ["no schema changed"]) + "\n")
