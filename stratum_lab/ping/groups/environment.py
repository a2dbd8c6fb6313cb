"""Fields of group environment: how many variables the code names; never which."""

from __future__ import annotations

from stratum_lab.scan.result import Scan


def env_var_count(scan: Scan) -> int:
    """Distinct names."""
    return len({reference.name for reference in scan.model.env_references})


def has_env_in_gitignore(scan: Scan) -> bool:
    """A file named .env at the root would be ignored."""
    return scan.model.env_ignored
