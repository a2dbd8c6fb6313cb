"""The nine-key record: one module per section, each a pure function of a view over the counted runs."""

from stratum_lab.fold.record.derive import derive_record

__all__ = ["derive_record"]
