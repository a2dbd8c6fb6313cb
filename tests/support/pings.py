"""Pings that pass every check, for tests to read or to break: a first scan, a rescan, an empty and a failed one."""

from __future__ import annotations

import copy
from typing import Any

from stratum_lab.contract.ping_fields import live

_FIRST: dict[str, Any] = {
    # A ping is open JSON, hence Any.
    "scan_id": "1a2b3c4d",
    "timestamp": "2026-02-14T01:35:42.117203+00:00",
    "version": "0.1.0",
    "schema_version": "0.3.0",
    "total_capabilities": 4,
    "capability_distribution": {"outbound": 2, "data_access": 1, "financial": 1},
    "trust_level_distribution": {"external": 2, "internal": 1, "restricted": 1},
    "trust_crossings": {"external→internal": 2, "external→restricted": 2, "internal→restricted": 1},
    "total_trust_crossings": 5,
    "topology_signature_hash": "f9e0f129986fd183",
    "trust_crossing_adjacency": {
        "external→internal": 2,
        "external→restricted": 2,
        "internal→external": 2,
        "internal→restricted": 1,
        "restricted→external": 2,
        "restricted→internal": 1,
    },
    "archetype_class": "multi_agent_orchestrator",
    "mcp_server_count": 1,
    "mcp_remote_count": 1,
    "mcp_auth_ratio": 1.0,
    "mcp_pinned_ratio": 0.0,
    "guardrail_count": 2,
    "has_any_guardrails": True,
    "guardrail_types": ["hitl", "output_filter"],
    "risk_score": 17,
    "finding_severities": {"HIGH": 1, "MEDIUM": 2, "LOW": 1},
    "finding_confidences": {"confirmed": 3, "probable": 1},
    "finding_rules": ["CONTEXT-001", "STRATUM-001", "STRATUM-BR01", "STRATUM-CR02"],
    "env_var_count": 3,
    "has_env_in_gitignore": True,
    "error_handling_rate": 0.33,
    "timeout_rate": 0.5,
    "checkpoint_type": "memory_only",
    "has_financial_tools": True,
    "financial_validation_rate": 1.0,
    "mitigation_coverage": {
        "outbound_output_filter_rate": 0.5,
        "destructive_hitl_rate": 0.0,
        "financial_validation_rate": 1.0,
    },
    "agent_count": 4,
    "crew_count": 2,
    "findings_by_class": {"hygiene": 1, "architecture": 3},
    "is_rescan": False,
    "finding_coverages": {"STRATUM-001": {"total_paths": 2, "guarded_paths": 1, "coverage_pct": 50}},
    "severity_downgrades": {
        "STRATUM-001": {"original": "critical", "adjusted": "high", "reason": "partial_mitigation_50pct"}
    },
    "crews_clean": 1,
    "crews_with_findings": 1,
    "has_memory_store": True,
    "memory_store_types": ["vector_memory"],
    "has_learning_loop": True,
    "learning_type": "context_level",
    "has_context_provenance": False,
    "has_context_rollback": False,
    "has_shared_context": False,
    "telemetry_destination_count": 1,
    "has_eval_framework": False,
    "has_eval_conflict": False,
    "has_shared_credentials": False,
    "has_agent_identity": True,
    "graph_node_count": 13,
    "graph_edge_count": 11,
    "graph_node_type_distribution": {
        "agent": 4, "capability": 4, "data_store": 1, "external": 1, "guardrail": 2, "mcp_server": 1,
    },
    "graph_edge_type_distribution": {
        "reads_from": 1, "writes_to": 1, "sends_to": 1, "tool_of": 4, "feeds_into": 2, "gated_by": 1, "connects_to": 1,
    },
    "uncontrolled_path_count": 1,
    "max_path_hops": 3,
    "data_sensitivity_types": ["personal"],
    "control_coverage_pct": 50.0,
    "regulatory_framework_count": 1,
    "downward_trust_crossings": 2,
    "max_blast_radius": 2,
    "control_bypass_count": 0,
    "has_hitl_anywhere": True,
    "has_observability": True,
    "incident_match_count": 1,
    "incident_ids": ["ECHOLEAK-2025"],
    "has_pii": True,
    "has_financial_data": False,
    "edge_density": 0.070513,
    "shared_tool_max_agents": 2,
    "external_sink_count": 2,
    "findings_by_category": {"compliance": 1, "business": 1, "security": 1, "compounding": 1},
    "blast_radius_distribution": [2],
    "guardrail_linked_count": 1,
    "regulatory_surface": ["GDPR Art. 35"],
    "repo_hash": "251a61b1b78437bd",
    "scan_status": "success",
    "scan_duration_ms": 1389,
    "files_scanned": 8,
    "files_total": 12,
    "parser_errors": 0,
    "schema_id": 3,
    "finding_count": 4,
    "total_tool_count": 3,
    "normalized_features": {
        "findings_per_agent": 1.0,
        "findings_per_crew": 2.0,
        "guardrails_per_agent": 0.5,
        "tools_per_agent": 0.75,
        "external_exposure_ratio": 0.5,
        "guardrail_coverage_ratio": 0.25,
    },
    "graph_topology_metrics": {
        "diameter": 4,
        "avg_degree": 1.69,
        "max_degree": 4,
        "clustering_coefficient": 0.0,
        "connected_components": 3,
        "longest_chain": 5,
        "hub_score": 0.31,
    },
    "crew_size_distribution": [2, 2],
    "agent_tool_count_distribution": [2, 1, 1, 0],
    "repo_metadata": {
        "python_file_count": 6,
        "yaml_config_count": 1,
        "total_loc": 420,
        "primary_framework": "CrewAI",
        "framework_count": 2,
    },
    "finding_rule_count": 4,
    "finding_co_occurrence": [
        ["STRATUM-001", "STRATUM-BR01"],
        ["STRATUM-001", "STRATUM-CR02"],
        ["STRATUM-BR01", "STRATUM-CR02"],
    ],
    "per_crew_finding_density": {"max": 3, "min": 0, "mean": 1.5, "median": 1.5, "stddev": 1.5},
    "provider_confidence": "detected",
}  # fmt: skip

_EMPTY: dict[str, Any] = {
    "object<string,int>": {},
    "object<string,object>": {},
    "list<string>": [],
    "list<int>": [],
    "list<[string,string]>": [],
    "int": 0,
    "float": 0.0,
    "bool": False,
}


def first_scan() -> dict[str, Any]:
    """A ping of schema 3 with something in every field."""
    return copy.deepcopy(_FIRST)


def rescan() -> dict[str, Any]:
    """The same repository scanned again: score 40 before, one rule new and two gone."""
    return first_scan() | {
        "is_rescan": True,
        "prev_score": 40,
        "score_delta": -23,
        "resolved_count": 2,
        "new_count": 1,
        "pre_scan_id": "0a0b0c0d",
    }


def empty_scan() -> dict[str, Any]:
    """A repository without agents, and without anything else but files."""
    out = first_scan()
    for field in live():
        if field.nullable == "failed" and field.type in _EMPTY:
            out[field.name] = copy.deepcopy(_EMPTY[field.type])
        elif field.nullable == "failed" and field.type == "object" and not field.conditional:
            out[field.name] = {key: 0 if isinstance(value, int) else 0.0 for key, value in out[field.name].items()}
        if field.conditional:
            out.pop(field.name, None)
    out |= {
        "scan_status": "empty",
        "archetype_class": "custom",
        "checkpoint_type": "none",
        "topology_signature_hash": None,
        "learning_type": None,
        "provider_confidence": "unknown",
    }
    out["repo_metadata"] |= {"primary_framework": None, "framework_count": 0}
    return out


def failed_scan() -> dict[str, Any]:
    """A repository whose content could not be read."""
    out = first_scan()
    for field in live():
        if field.conditional:
            out.pop(field.name, None)
        elif field.nullable == "failed":
            out[field.name] = None
    out |= {
        "scan_status": "failed",
        "topology_signature_hash": None,
        "learning_type": None,
        "repo_hash": None,
        "files_scanned": 0,
        "files_total": 0,
    }
    out["repo_metadata"] = {
        "python_file_count": 0,
        "yaml_config_count": 0,
        "total_loc": 0,
        "primary_framework": None,
        "framework_count": 0,
    }
    return out
