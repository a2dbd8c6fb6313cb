"""`python -m stratum_lab.cli`: the same as the `stratum` script."""

from __future__ import annotations

from stratum_lab.cli.main import main

if __name__ == "__main__":
    main()
