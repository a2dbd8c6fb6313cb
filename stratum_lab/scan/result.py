"""What one scan of a tree returns: file facts, model, graph, findings."""

from __future__ import annotations

from dataclasses import dataclass, field

from stratum_lab.scan.finding import Finding
from stratum_lab.scan.graph import Topology
from stratum_lab.scan.model import Model, Skipped


@dataclass(slots=True)
class FileFacts:
    """Counts over the files of a tree (ping.md sections 2 and 3).

    Attributes:
        repo_hash: 16 hex of the content; None when it could not be read in full.
        files_total: Regular files after the exclusion list.
        files_scanned: Candidates parsed without error.
        parser_errors: Candidates that failed, each with its reason in `skipped`.
        total_loc: Physical lines of the files in `files_scanned`.
    """

    repo_hash: str | None = None
    files_total: int = 0
    files_scanned: int = 0
    parser_errors: int = 0
    python_file_count: int = 0
    yaml_config_count: int = 0
    total_loc: int = 0
    skipped: list[Skipped] = field(default_factory=list)


@dataclass(slots=True)
class IncidentMatch:
    """An incident pattern that matched, with confidence 0.5 to 1.0 (finding_rules.md D3)."""

    incident: str
    confidence: float


@dataclass(slots=True)
class Scan:
    """One completed scan.

    Attributes:
        graph: None when the repository has no agent: then no topology is built and nothing is reported.
        findings: Sorted by rule ID; empty without agents.
        incidents: Matches with confidence of at least 0.5, sorted.
        regulations: Sorted labels of table D4 triggered by uncontrolled paths.
        control_bypasses: Distinct (upstream agent, downstream agent, store) triples of CR06.
    """

    files: FileFacts
    model: Model
    graph: Topology | None = None
    findings: list[Finding] = field(default_factory=list)
    incidents: list[IncidentMatch] = field(default_factory=list)
    regulations: list[str] = field(default_factory=list)
    control_bypasses: int = 0
