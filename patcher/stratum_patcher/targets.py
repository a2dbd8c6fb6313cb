"""Which frames watch which module; read at every interpreter start, so it is a plain table that imports nothing."""

TARGETS = {}  # type: dict[str, tuple[str, ...]]
"""Module name -> names of the modules in `frames` that have a hook for it."""
