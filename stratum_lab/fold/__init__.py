"""The fold: event batches into per-run statistics, records and topology metrics; pure.

State is one `AttemptState` per attempt; `derive_record` and `derive_topology` are functions of the states of the runs
that count. Nothing here knows of Kafka, files or clocks.
"""

from stratum_lab.fold.canonical import canonical_json
from stratum_lab.fold.facts import RunFacts, choose_runs, counted_stats, is_complete
from stratum_lab.fold.folder import Folder, Incomplete, Result
from stratum_lab.fold.record import derive_record
from stratum_lab.fold.snapshot import dump_attempt, load_attempt
from stratum_lab.fold.state import AttemptState, RunStats
from stratum_lab.fold.step import Folded, fold_batch
from stratum_lab.fold.topology import derive_topology
from stratum_lab.fold.validate import non_trivial_edge_validation, validate_record

__all__ = [
    "AttemptState",
    "Folded",
    "Folder",
    "Incomplete",
    "Result",
    "RunFacts",
    "RunStats",
    "canonical_json",
    "choose_runs",
    "counted_stats",
    "derive_record",
    "derive_topology",
    "dump_attempt",
    "fold_batch",
    "is_complete",
    "load_attempt",
    "non_trivial_edge_validation",
    "validate_record",
]
