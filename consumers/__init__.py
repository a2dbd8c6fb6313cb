"""Sinks: processes that read the log and write somewhere else; `loop.py` is what they share."""
