"""Fields of the ping message. Generated from schemas/ping_fields.csv by `make schemas`; not edited by hand."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _PingPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class MitigationCoverage(_PingPart):
    """The object `mitigation_coverage`."""

    outbound_output_filter_rate: float
    destructive_hitl_rate: float
    financial_validation_rate: float


class FindingCoverage(_PingPart):
    """A value of the map `finding_coverages`."""

    total_paths: int
    guarded_paths: int
    coverage_pct: int


class SeverityDowngrade(_PingPart):
    """A value of the map `severity_downgrades`."""

    original: str
    adjusted: str
    reason: str


class NormalizedFeatures(_PingPart):
    """The object `normalized_features`."""

    findings_per_agent: float
    findings_per_crew: float
    guardrails_per_agent: float
    tools_per_agent: float
    external_exposure_ratio: float
    guardrail_coverage_ratio: float


class GraphTopologyMetrics(_PingPart):
    """The object `graph_topology_metrics`."""

    diameter: int
    avg_degree: float
    max_degree: int
    clustering_coefficient: float
    connected_components: int
    longest_chain: int
    hub_score: float


class RepoMetadata(_PingPart):
    """The object `repo_metadata`."""

    python_file_count: int
    yaml_config_count: int
    total_loc: int
    primary_framework: str | None = None
    framework_count: int


class PerCrewFindingDensity(_PingPart):
    """The object `per_crew_finding_density`."""

    max: int
    min: int
    mean: float
    median: float
    stddev: float


class Rescan(_PingPart):
    """Comparison with the previous ping (group rescan)."""

    prev_score: int
    score_delta: int | None = None
    resolved_count: int | None = None
    new_count: int | None = None
    pre_scan_id: str


class PingModel(_PingPart):
    """The fields of a ping that are live at schema 3; definitions in docs/ping.md."""

    scan_id: str
    timestamp: str
    version: str
    schema_version: str
    total_capabilities: int | None = None
    capability_distribution: dict[str, int] | None = None
    trust_level_distribution: dict[str, int] | None = None
    trust_crossings: dict[str, int] | None = None
    total_trust_crossings: int | None = None
    topology_signature_hash: str | None = None
    trust_crossing_adjacency: dict[str, int] | None = None
    archetype_class: str | None = None
    mcp_server_count: int | None = None
    mcp_remote_count: int | None = None
    mcp_auth_ratio: float | None = None
    mcp_pinned_ratio: float | None = None
    guardrail_count: int | None = None
    has_any_guardrails: bool | None = None
    guardrail_types: list[str] | None = None
    risk_score: int | None = None
    finding_severities: dict[str, int] | None = None
    finding_confidences: dict[str, int] | None = None
    finding_rules: list[str] | None = None
    env_var_count: int | None = None
    has_env_in_gitignore: bool | None = None
    error_handling_rate: float | None = None
    timeout_rate: float | None = None
    checkpoint_type: str | None = None
    has_financial_tools: bool | None = None
    financial_validation_rate: float | None = None
    mitigation_coverage: MitigationCoverage | None = None
    agent_count: int | None = None
    crew_count: int | None = None
    findings_by_class: dict[str, int] | None = None
    is_rescan: bool
    finding_coverages: dict[str, FindingCoverage] | None = None
    severity_downgrades: dict[str, SeverityDowngrade] | None = None
    crews_clean: int | None = None
    crews_with_findings: int | None = None
    has_memory_store: bool | None = None
    memory_store_types: list[str] | None = None
    has_learning_loop: bool | None = None
    learning_type: str | None = None
    has_context_provenance: bool | None = None
    has_context_rollback: bool | None = None
    has_shared_context: bool | None = None
    telemetry_destination_count: int | None = None
    has_eval_framework: bool | None = None
    has_eval_conflict: bool | None = None
    has_shared_credentials: bool | None = None
    has_agent_identity: bool | None = None
    graph_node_count: int | None = None
    graph_edge_count: int | None = None
    graph_node_type_distribution: dict[str, int] | None = None
    graph_edge_type_distribution: dict[str, int] | None = None
    uncontrolled_path_count: int | None = None
    max_path_hops: int | None = None
    data_sensitivity_types: list[str] | None = None
    control_coverage_pct: float | None = None
    regulatory_framework_count: int | None = None
    downward_trust_crossings: int | None = None
    max_blast_radius: int | None = None
    control_bypass_count: int | None = None
    has_hitl_anywhere: bool | None = None
    has_observability: bool | None = None
    incident_match_count: int | None = None
    incident_ids: list[str] | None = None
    has_pii: bool | None = None
    has_financial_data: bool | None = None
    edge_density: float | None = None
    shared_tool_max_agents: int | None = None
    external_sink_count: int | None = None
    findings_by_category: dict[str, int] | None = None
    blast_radius_distribution: list[int] | None = None
    guardrail_linked_count: int | None = None
    regulatory_surface: list[str] | None = None
    repo_hash: str | None = None
    scan_status: str
    scan_duration_ms: int
    files_scanned: int
    files_total: int
    parser_errors: int
    schema_id: int
    finding_count: int | None = None
    total_tool_count: int | None = None
    normalized_features: NormalizedFeatures | None = None
    graph_topology_metrics: GraphTopologyMetrics | None = None
    crew_size_distribution: list[int] | None = None
    agent_tool_count_distribution: list[int] | None = None
    repo_metadata: RepoMetadata
    finding_rule_count: int | None = None
    finding_co_occurrence: list[list[str]] | None = None
    per_crew_finding_density: PerCrewFindingDensity | None = None
    provider_confidence: str | None = None
    rescan: Rescan | None = None
