-- What scan jobs leave: pings, graphs and, in schema `private`, everything that names a repository.
-- Table pings has one column per field of the ping catalogue, whatever the schema; a test compares the two.

CREATE TABLE pings (
    "scan_id" VARCHAR NOT NULL,
    "timestamp" TIMESTAMP,
    "version" VARCHAR,
    "schema_version" VARCHAR,
    "total_capabilities" BIGINT,
    "capability_distribution" MAP(VARCHAR, BIGINT),
    "trust_level_distribution" MAP(VARCHAR, BIGINT),
    "trust_crossings" MAP(VARCHAR, BIGINT),
    "total_trust_crossings" BIGINT,
    "topology_signature_hash" VARCHAR,
    "trust_crossing_adjacency" MAP(VARCHAR, BIGINT),
    "archetype_class" VARCHAR,
    "mcp_server_count" BIGINT,
    "mcp_remote_count" BIGINT,
    "mcp_auth_ratio" DOUBLE,
    "mcp_pinned_ratio" DOUBLE,
    "guardrail_count" BIGINT,
    "has_any_guardrails" BOOLEAN,
    "guardrail_types" VARCHAR[],
    "risk_score" BIGINT,
    "finding_severities" MAP(VARCHAR, BIGINT),
    "finding_confidences" MAP(VARCHAR, BIGINT),
    "finding_rules" VARCHAR[],
    "env_var_count" BIGINT,
    "has_env_in_gitignore" BOOLEAN,
    "error_handling_rate" DOUBLE,
    "timeout_rate" DOUBLE,
    "checkpoint_type" VARCHAR,
    "has_financial_tools" BOOLEAN,
    "financial_validation_rate" DOUBLE,
    "mitigation_coverage" STRUCT(outbound_output_filter_rate DOUBLE, destructive_hitl_rate DOUBLE, financial_validation_rate DOUBLE),
    "agent_count" BIGINT,
    "crew_count" BIGINT,
    "findings_by_class" MAP(VARCHAR, BIGINT),
    "is_rescan" BOOLEAN,
    "prev_score" BIGINT,
    "score_delta" BIGINT,
    "resolved_count" BIGINT,
    "new_count" BIGINT,
    "pre_scan_id" VARCHAR,
    "finding_coverages" MAP(VARCHAR, STRUCT(total_paths BIGINT, guarded_paths BIGINT, coverage_pct BIGINT)),
    "severity_downgrades" MAP(VARCHAR, STRUCT(original VARCHAR, adjusted VARCHAR, reason VARCHAR)),
    "crews_clean" BIGINT,
    "crews_with_findings" BIGINT,
    "progress_card_shown" BOOLEAN,
    "provider_confidence_breakdown" MAP(VARCHAR, BIGINT),
    "has_memory_store" BOOLEAN,
    "memory_store_types" VARCHAR[],
    "has_learning_loop" BOOLEAN,
    "learning_type" VARCHAR,
    "has_context_provenance" BOOLEAN,
    "has_context_rollback" BOOLEAN,
    "has_shared_context" BOOLEAN,
    "telemetry_destination_count" BIGINT,
    "has_eval_framework" BOOLEAN,
    "has_eval_conflict" BOOLEAN,
    "has_shared_credentials" BOOLEAN,
    "has_agent_identity" BOOLEAN,
    "graph_node_count" BIGINT,
    "graph_edge_count" BIGINT,
    "graph_node_type_distribution" MAP(VARCHAR, BIGINT),
    "graph_edge_type_distribution" MAP(VARCHAR, BIGINT),
    "uncontrolled_path_count" BIGINT,
    "max_path_hops" BIGINT,
    "data_sensitivity_types" VARCHAR[],
    "control_coverage_pct" DOUBLE,
    "regulatory_framework_count" BIGINT,
    "downward_trust_crossings" BIGINT,
    "max_blast_radius" BIGINT,
    "control_bypass_count" BIGINT,
    "has_hitl_anywhere" BOOLEAN,
    "has_observability" BOOLEAN,
    "incident_match_count" BIGINT,
    "incident_ids" VARCHAR[],
    "has_pii" BOOLEAN,
    "has_financial_data" BOOLEAN,
    "edge_density" DOUBLE,
    "shared_tool_max_agents" BIGINT,
    "external_sink_count" BIGINT,
    "findings_by_category" MAP(VARCHAR, BIGINT),
    "blast_radius_distribution" BIGINT[],
    "guardrail_linked_count" BIGINT,
    "regulatory_surface" VARCHAR[],
    "repo_hash" VARCHAR,
    "scan_status" VARCHAR,
    "scan_duration_ms" BIGINT,
    "files_scanned" BIGINT,
    "files_total" BIGINT,
    "parser_errors" BIGINT,
    "schema_id" BIGINT NOT NULL,
    "finding_count" BIGINT,
    "total_tool_count" BIGINT,
    "normalized_features" STRUCT(findings_per_agent DOUBLE, findings_per_crew DOUBLE, guardrails_per_agent DOUBLE, tools_per_agent DOUBLE, external_exposure_ratio DOUBLE, guardrail_coverage_ratio DOUBLE),
    "graph_topology_metrics" STRUCT(diameter BIGINT, avg_degree DOUBLE, max_degree BIGINT, clustering_coefficient DOUBLE, connected_components BIGINT, longest_chain BIGINT, hub_score DOUBLE),
    "crew_size_distribution" BIGINT[],
    "agent_tool_count_distribution" BIGINT[],
    "repo_metadata" STRUCT(python_file_count BIGINT, yaml_config_count BIGINT, total_loc BIGINT, primary_framework VARCHAR, framework_count BIGINT),
    "finding_rule_count" BIGINT,
    "finding_co_occurrence" VARCHAR[][],
    "per_crew_finding_density" STRUCT(max BIGINT, min BIGINT, mean DOUBLE, median DOUBLE, stddev DOUBLE),
    "provider_confidence" VARCHAR,
    "finding_instance_counts" MAP(VARCHAR, BIGINT),
    "total_finding_instances" BIGINT,
    "fix_impact_estimates" MAP(VARCHAR, BIGINT),
    "llm_providers" VARCHAR[],
    "llm_models" VARCHAR[],
    "framework_versions" MAP(VARCHAR, VARCHAR),
    "deployment_signals" STRUCT(has_dockerfile BOOLEAN, has_ci_config BOOLEAN, has_tests BOOLEAN, has_lockfile BOOLEAN, has_env_example BOOLEAN, deployment_score BIGINT),
    "inter_crew_edges" BIGINT,
    "failure_reason" VARCHAR,
    "scanner_version" VARCHAR,
    "frameworks" VARCHAR[],
    original VARCHAR NOT NULL
);
COMMENT ON TABLE pings IS 'One row per scan attempt: every field of every ping schema. Null is what the ping has as null or its schema did not know (see schema_id and view pings_read).';
COMMENT ON COLUMN pings."scan_id" IS '8 lowercase hex characters drawn at random by whoever submits the job, once for every attempt (a redelivery of the same attempt keeps it), checked against those already drawn; never derived from the repo.';
COMMENT ON COLUMN pings."timestamp" IS 'ISO 8601 UTC time, with offset +00:00 and microseconds, at which the ping was emitted (end of the scan).';
COMMENT ON COLUMN pings."version" IS 'Version string of the scanner program that emitted the ping. Renamed to scanner_version at schema 5. A reader maps version to scanner_version. Schemas 1 to 4.';
COMMENT ON COLUMN pings."schema_version" IS 'Human-readable schema label. 0.2 for schema 1 and 2; 0.3.0 for schema 3; 0.3.1 for schema 4; 0.3.2 for schema 5. Never used for filtering (use schema_id).';
COMMENT ON COLUMN pings."total_capabilities" IS 'Number of capabilities. A capability is a distinct (project unit, symbol, kind): project unit and symbol as in finding_rules.md A1, A7c; kind from the capability taxonomy. Equals the sum of capability_distribution values and of trust_level_distribution values. 0 when none.';
COMMENT ON COLUMN pings."capability_distribution" IS 'Count of capabilities per kind (outbound, data_access, destructive, code_exec, financial, file_system). Kinds with 0 are omitted. {} when none.';
COMMENT ON COLUMN pings."trust_level_distribution" IS 'Count of capabilities per trust level (privileged, restricted, internal, external, public). Levels with 0 are omitted. {} when none.';
COMMENT ON COLUMN pings."trust_crossings" IS 'For every unordered pair of distinct trust levels present, count(a)*count(b) over all capabilities; key is the two level names in alphabetical order joined by U+2192. {} when fewer than two levels are present.';
COMMENT ON COLUMN pings."total_trust_crossings" IS 'Sum of the values of trust_crossings; 0 when empty.';
COMMENT ON COLUMN pings."topology_signature_hash" IS '16 lowercase hex characters: fingerprint of the SHAPE of the topology graph (types only, no names, no paths), so identical agent graphs in different repos collide on purpose. Start label = node type; three refinement rounds, each new label = SHA-256 of (own label, sorted outgoing (edge type, neighbour label), sorted incoming (edge type, neighbour label)); result = first 16 hex of SHA-256 over the sorted final labels. null when the graph has no node or the scan failed. Never used as repo identity.';
COMMENT ON COLUMN pings."trust_crossing_adjacency" IS 'For every ordered pair (a,b) of distinct trust levels, count(a)*count(b) over capabilities whose confidence is not heuristic; key a U+2192 b. Both directions are listed. {} when fewer than two levels.';
COMMENT ON COLUMN pings."archetype_class" IS 'One of multi_agent_orchestrator, code_agent, email_processor, data_pipeline, rag_chatbot, research_agent, custom; first matching rule in that order (rules in finding_rules.md, section Archetypes).';
COMMENT ON COLUMN pings."mcp_server_count" IS 'Number of MCP server entries in MCP JSON configs plus MCP clients constructed in code; one per (file, server name).';
COMMENT ON COLUMN pings."mcp_remote_count" IS 'MCP servers that have a url that is not loopback, a non-stdio transport, or an https:// argument.';
COMMENT ON COLUMN pings."mcp_auth_ratio" IS 'servers with authentication / mcp_server_count, 2 decimals; 0.0 when mcp_server_count = 0. Authentication = a passed env name or header name containing TOKEN, KEY, SECRET, AUTH, PASSWORD, OAUTH or BEARER.';
COMMENT ON COLUMN pings."mcp_pinned_ratio" IS 'servers whose package reference carries an exact version / mcp_server_count, 2 decimals; 0.0 when mcp_server_count = 0.';
COMMENT ON COLUMN pings."guardrail_count" IS 'Number of guardrail nodes: distinct (source file, line, kind) signals. Only active ones (finding_rules.md A7c). Equals graph_node_type_distribution.guardrail (0 if the key is missing).';
COMMENT ON COLUMN pings."has_any_guardrails" IS 'guardrail_count > 0.';
COMMENT ON COLUMN pings."guardrail_types" IS 'Sorted distinct kinds among guardrails: hitl, input_filter, output_filter, rate_limit, validation. [] when none.';
COMMENT ON COLUMN pings."risk_score" IS '0..100. raw = 10*CRITICAL + 5*HIGH + 2*MEDIUM + 1*LOW over finding_severities (already adjusted for partial mitigation); score = 100*raw/(raw+50) rounded half up; if finding_count > 0 the score is at least 8; if finding_count = 0 it is 0; never above 100.';
COMMENT ON COLUMN pings."finding_severities" IS 'Count of findings per adjusted severity, keys CRITICAL, HIGH, MEDIUM, LOW; zero counts omitted. Values sum to finding_count.';
COMMENT ON COLUMN pings."finding_confidences" IS 'Count of findings per confidence, keys confirmed, probable, heuristic; zero counts omitted. Values sum to finding_count. A consolidated finding takes the strongest confidence among its instances.';
COMMENT ON COLUMN pings."finding_rules" IS 'Sorted (byte order) list of distinct finding rule IDs that fired, sub-IDs such as STRATUM-CR05.1 counted as their own entry. [] when none.';
COMMENT ON COLUMN pings."env_var_count" IS 'Number of distinct environment variable NAMES referenced in Python (os.environ[...], os.environ.get, os.getenv, pydantic settings env aliases) or declared in .env, .env.*, .env.example, .env.template, .env.sample anywhere in the scanned tree. Names and values never leave the scanner.';
COMMENT ON COLUMN pings."has_env_in_gitignore" IS 'true when a .gitignore that applies to the repo root contains a pattern matching a file named .env (for example .env, .env*, *.env).';
COMMENT ON COLUMN pings."error_handling_rate" IS 'Among call sites (line > 0) of capabilities of kind outbound, data_access or financial: share that is lexically inside the body of a try statement; 2 decimals; 0.0 when there is none.';
COMMENT ON COLUMN pings."timeout_rate" IS 'Among call sites of outbound capabilities in requests, httpx, aiohttp or urllib.request: share with an effective timeout; 2 decimals; 0.0 when there is none. requests and urllib need an explicit non-None timeout; httpx and aiohttp have a library default and count as timed unless set to None.';
COMMENT ON COLUMN pings."checkpoint_type" IS 'durable, memory_only or none. durable when any persistent checkpointer or crew persistence is used (Postgres, SQLite, Redis, MongoDB saver; CrewAI flow persistence); memory_only when only an in-memory saver is used; else none.';
COMMENT ON COLUMN pings."has_financial_tools" IS 'At least one capability of kind financial.';
COMMENT ON COLUMN pings."financial_validation_rate" IS 'Share of call sites of financial capabilities whose enclosing function validates its input before the call (isinstance, assert, comparison guarding a raise/return, schema validation); 2 decimals; 0.0 when there is none.';
COMMENT ON COLUMN pings."mitigation_coverage" IS 'Object with the three rates below; always all three keys.';
COMMENT ON COLUMN pings."agent_count" IS 'Number of distinct agent definitions, keyed by the definition site (file, line, column of the call, decorated method or add_node); never merged by name across files. 0 for scan_status empty.';
COMMENT ON COLUMN pings."crew_count" IS 'Number of crews: groups of at least one agent that run together (rules in finding_rules.md). Flows and graphs that own no agent of their own are not crews.';
COMMENT ON COLUMN pings."findings_by_class" IS 'Count of findings per class, keys hygiene, operational, architecture; zero counts omitted. Values sum to finding_count.';
COMMENT ON COLUMN pings."is_rescan" IS 'true when a previous ping for the same local project (command line) or source (worker) is known. At schema 1 and 2 the field is present only on rescans (absent means false); from schema 3 it is always present.';
COMMENT ON COLUMN pings."prev_score" IS 'Present only when is_rescan is true. risk_score stored in the previous ping, copied unchanged even if that ping used another schema.';
COMMENT ON COLUMN pings."score_delta" IS 'Present only when is_rescan is true. risk_score - prev_score; negative = improvement.';
COMMENT ON COLUMN pings."resolved_count" IS 'Present only when is_rescan is true. Number of rule IDs in the previous finding_rules that are not in the current finding_rules.';
COMMENT ON COLUMN pings."new_count" IS 'Present only when is_rescan is true. Number of rule IDs in the current finding_rules that are not in the previous finding_rules.';
COMMENT ON COLUMN pings."pre_scan_id" IS 'Present only when is_rescan is true. scan_id of the previous ping this rescan is compared with; never empty.';
COMMENT ON COLUMN pings."finding_coverages" IS 'One entry per path-coverage finding (base IDs STRATUM-001, STRATUM-BR01) whose mitigation is partial, i.e. 0 < coverage_pct < 100; key = rule ID. {} when nothing is partially mitigated (usual first scan).';
COMMENT ON COLUMN pings."severity_downgrades" IS 'One entry per rule ID whose severity was lowered by partial mitigation. Keys are a subset of the keys of finding_coverages. {} when none.';
COMMENT ON COLUMN pings."crews_clean" IS 'Number of crews with no finding instance attributed to them. Computed on every scan.';
COMMENT ON COLUMN pings."crews_with_findings" IS 'Number of crews with at least one attributed finding instance. crews_clean + crews_with_findings = crew_count.';
COMMENT ON COLUMN pings."progress_card_shown" IS 'Removed at schema 3. Whether a progress card was drawn on the terminal. Display state, ignored by readers. Schemas 2 to 2.';
COMMENT ON COLUMN pings."provider_confidence_breakdown" IS 'Removed at schema 3. Fleet-wide counts per provider confidence tier copied into each ping. Readers drop it; the fleet report recomputes it from provider_confidence. Schemas 2 to 2.';
COMMENT ON COLUMN pings."has_memory_store" IS 'A memory store is actually constructed or imported from a recognised store module (full dotted match) in a file that belongs to the scanned tree.';
COMMENT ON COLUMN pings."memory_store_types" IS 'Sorted distinct store types: vector_memory, conversation_memory, agent_memory, index_memory, kv_memory. [] when none. Non-empty if and only if has_memory_store.';
COMMENT ON COLUMN pings."has_learning_loop" IS 'One store object is both written to and read from by agent code (receiver resolved to the store, not matched by method name alone), or a distillation or fine-tuning pipeline exists.';
COMMENT ON COLUMN pings."learning_type" IS 'trajectory_rl, experience_distillation, context_level, in that priority; null when has_learning_loop is false.';
COMMENT ON COLUMN pings."has_context_provenance" IS 'At least one resolved memory write passes a provenance argument (metadata, metadatas, source, author, agent_id, timestamp). false when there is no memory write.';
COMMENT ON COLUMN pings."has_context_rollback" IS 'Positive evidence of snapshot, backup or version restore of a detected store. false when there is no store (absence of a finding is not evidence).';
COMMENT ON COLUMN pings."has_shared_context" IS 'Two or more agents or scopes use the same named collection or store object.';
COMMENT ON COLUMN pings."telemetry_destination_count" IS 'Number of distinct telemetry providers detected by import or by env var name.';
COMMENT ON COLUMN pings."has_eval_framework" IS 'An evaluation framework is imported by full module match. Importing langchain alone is not evidence.';
COMMENT ON COLUMN pings."has_eval_conflict" IS 'Rule EVAL-001 fired.';
COMMENT ON COLUMN pings."has_shared_credentials" IS 'Rule IDENTITY-001 fired.';
COMMENT ON COLUMN pings."has_agent_identity" IS 'agent_count > 0 and every agent carries an explicit identifier (role, name or id literal or config key).';
COMMENT ON COLUMN pings."graph_node_count" IS 'N: number of nodes of the topology graph. Equals the sum of graph_node_type_distribution. 0 for empty.';
COMMENT ON COLUMN pings."graph_edge_count" IS 'E: number of distinct (source, target, edge type) triples, self-loops excluded. Equals the sum of graph_edge_type_distribution.';
COMMENT ON COLUMN pings."graph_node_type_distribution" IS 'Nodes per type: capability, external, data_store, mcp_server, guardrail, agent; zero counts omitted.';
COMMENT ON COLUMN pings."graph_edge_type_distribution" IS 'Edges per type: reads_from, writes_to, sends_to, tool_of, feeds_into, delegates_to, shares_tool, shares_with, filtered_by, gated_by, connects_to; zero counts omitted.';
COMMENT ON COLUMN pings."uncontrolled_path_count" IS 'Number of distinct (source store, sink) pairs joined by a directed data path of at most 6 edges that is uncontrolled (finding_rules.md part B; the virtual hop counts); not capped.';
COMMENT ON COLUMN pings."max_path_hops" IS 'Largest edge count among uncontrolled paths; 0 when there is none.';
COMMENT ON COLUMN pings."data_sensitivity_types" IS 'Sorted distinct source sensitivities of uncontrolled paths, excluding public and unknown: credentials, financial, health, internal, personal. [] when none.';
COMMENT ON COLUMN pings."control_coverage_pct" IS '100 * (edges needing a control that have one) / (edges needing a control), 1 decimal. An edge needs a control when its target is external or mcp_server, or it carries personal, financial, health or credentials data to anything but a data_store. No edge needs one: 100.0 if agent_count > 0 else 0.0.';
COMMENT ON COLUMN pings."regulatory_framework_count" IS 'len(regulatory_surface).';
COMMENT ON COLUMN pings."downward_trust_crossings" IS 'Edges whose source node has a strictly higher trust rank than the target (privileged 4, restricted 3, internal 2, external 1, public 0).';
COMMENT ON COLUMN pings."max_blast_radius" IS 'Largest value of blast_radius_distribution; 0 when empty.';
COMMENT ON COLUMN pings."control_bypass_count" IS 'Distinct (upstream agent, downstream agent, data store) triples of the STRATUM-CR06 pattern; not capped.';
COMMENT ON COLUMN pings."has_hitl_anywhere" IS 'hitl is in guardrail_types.';
COMMENT ON COLUMN pings."has_observability" IS 'telemetry_destination_count > 0 or a tracing library is imported.';
COMMENT ON COLUMN pings."incident_match_count" IS 'len(incident_ids).';
COMMENT ON COLUMN pings."incident_ids" IS 'Sorted IDs of known incidents whose pattern matches with confidence >= 0.5. [] when none.';
COMMENT ON COLUMN pings."has_pii" IS 'A data_store node of sensitivity personal or health exists in the graph.';
COMMENT ON COLUMN pings."has_financial_data" IS 'A node of sensitivity financial exists in the graph.';
COMMENT ON COLUMN pings."edge_density" IS 'E / (N*(N-1)) for the directed graph, 6 decimals; 0.0 when N < 2.';
COMMENT ON COLUMN pings."shared_tool_max_agents" IS 'Largest number of agents of one crew holding the same tool. 1 when tools exist but none is shared; 0 when no agent has a tool.';
COMMENT ON COLUMN pings."external_sink_count" IS 'Number of nodes of type external plus nodes of type mcp_server.';
COMMENT ON COLUMN pings."findings_by_category" IS 'Count of findings per category, keys security, operational, business, compounding, compliance; zero counts omitted. Values sum to finding_count.';
COMMENT ON COLUMN pings."blast_radius_distribution" IS 'For every (tool, crew) with at least two agents of the crew holding the tool: that number of agents; sorted descending; not capped. [] when none.';
COMMENT ON COLUMN pings."guardrail_linked_count" IS 'Number of distinct guardrails that have at least one filtered_by or gated_by edge backed by evidence (same task, same agent, named node or named tool). <= guardrail_count.';
COMMENT ON COLUMN pings."regulatory_surface" IS 'Sorted distinct regulation labels triggered by uncontrolled paths. [] when none.';
COMMENT ON COLUMN pings."repo_hash" IS '16 lowercase hex: hash of the repo CONTENT (algorithm in ping.md). Same content gives the same value whatever the path, name, host or scan time. null only when scan_status is failed and the content could not be read. Equals repo_hash in the batch record. Primary join key.';
COMMENT ON COLUMN pings."scan_status" IS 'success, partial, failed or empty; decision table in ping.md.';
COMMENT ON COLUMN pings."scan_duration_ms" IS 'Wall-clock milliseconds (monotonic clock) from scan start to ping emission, rounded up, at least 1, on every status.';
COMMENT ON COLUMN pings."files_scanned" IS 'Number of candidate files the parsers processed without error (Python, agent/task/crew YAML, MCP JSON). 0 when nothing was parsed.';
COMMENT ON COLUMN pings."files_total" IS 'Number of regular files in the repo after the exclusion list of ping.md (version control, virtual environments, caches, installed packages). 0 when the tree could not be read.';
COMMENT ON COLUMN pings."parser_errors" IS 'Number of candidate files that failed: syntax error, undecodable text, unreadable, larger than 1,048,576 bytes, or beyond the candidate limits. files_scanned + parser_errors <= files_total.';
COMMENT ON COLUMN pings."schema_id" IS 'Integer version of the schema, 3 here. Readers filter on it.';
COMMENT ON COLUMN pings."finding_count" IS 'Total findings after consolidation = sum of finding_severities values. One finding per distinct rule ID (sub-IDs included), so at schema 3 it equals finding_rule_count. 0 for empty. Removed at schema 5 (use finding_rule_count). Schemas 3 to 4.';
COMMENT ON COLUMN pings."total_tool_count" IS 'Number of distinct tool identities held by at least one agent. Identity = class name for tool classes and toolkits, qualified function name for function tools, server name for MCP tools; variables are resolved to what they hold; the same class used by two agents counts once.';
COMMENT ON COLUMN pings."normalized_features" IS 'Object with the six ratios below; always all six keys; each rounded half up to 2 decimals.';
COMMENT ON COLUMN pings."graph_topology_metrics" IS 'Object with the seven metrics below, computed on the graph behind graph_node_count; always all seven keys.';
COMMENT ON COLUMN pings."crew_size_distribution" IS 'Number of distinct agents per crew, sorted descending; length = crew_count; every value >= 1.';
COMMENT ON COLUMN pings."agent_tool_count_distribution" IS 'Number of distinct tool identities per agent, sorted descending; length = agent_count; 0 allowed. Task-level tools count for the agent of the task.';
COMMENT ON COLUMN pings."repo_metadata" IS 'Object with the five values below; always all five keys. Never a name or address.';
COMMENT ON COLUMN pings."finding_rule_count" IS 'len(finding_rules).';
COMMENT ON COLUMN pings."finding_co_occurrence" IS 'Distinct pairs [a,b] with a < b (byte order) such that some crew has at least one instance of both rules; sorted. Only crew-attributed instances count. [] when none.';
COMMENT ON COLUMN pings."per_crew_finding_density" IS 'Statistics over the list d with one entry per crew: number of distinct rule IDs attributed to the crew. With crew_count = 0 every value is 0. Always all five keys.';
COMMENT ON COLUMN pings."provider_confidence" IS 'How this repo''s LLM providers were established: detected (model or client in code or config), else inferred_env_var, else inferred_framework, else unknown. Per repo, never a fleet aggregate.';
COMMENT ON COLUMN pings."finding_instance_counts" IS 'Rule ID to number of places where it fired: distinct (crew or file, line or symbol). Keys = finding_rules; every value >= 1. From schema 4.';
COMMENT ON COLUMN pings."total_finding_instances" IS 'Sum of the values of finding_instance_counts; >= finding_rule_count. From schema 4.';
COMMENT ON COLUMN pings."fix_impact_estimates" IS 'Rule ID to (risk_score recomputed with every instance of the rule removed) - risk_score; integer <= 0. Keys = finding_rules. A re-score, not a constant per severity. From schema 4.';
COMMENT ON COLUMN pings."llm_providers" IS 'Sorted distinct provider slugs behind provider_confidence. [] when unknown. From schema 4.';
COMMENT ON COLUMN pings."llm_models" IS 'Sorted distinct model identifiers found as literals in code or YAML. [] when none. From schema 4.';
COMMENT ON COLUMN pings."framework_versions" IS 'Detected framework to the version constraint found in dependency files (lowest bound or pin, without the operator); null when unknown. Keys = detected frameworks. From schema 4.';
COMMENT ON COLUMN pings."deployment_signals" IS 'Object with the six values below; always all six keys. From schema 4.';
COMMENT ON COLUMN pings."inter_crew_edges" IS 'Edges joining two agents that share no crew, plus feeds_into edges derived from a flow that passes one crew''s output to another; 0 <= value <= graph_edge_count. From schema 4.';
COMMENT ON COLUMN pings."failure_reason" IS 'null unless scan_status is failed; then one of timeout, unreadable, clone_failed, out_of_memory, internal_error. Never a message, path or trace. From schema 4.';
COMMENT ON COLUMN pings."scanner_version" IS 'Replaces version: version of the scanner program that emitted the ping. From schema 5.';
COMMENT ON COLUMN pings."frameworks" IS 'Sorted list of detected frameworks; same names as the keys of framework_versions; length = repo_metadata.framework_count. From schema 5.';
COMMENT ON COLUMN pings.original IS 'The ping as one line of JSON, as it was emitted; of another schema than the written one byte for byte as it came.';

CREATE TABLE ping_findings (
    scan_id VARCHAR NOT NULL,
    repo_hash VARCHAR,
    rule VARCHAR NOT NULL,
    base_rule VARCHAR NOT NULL,
    family VARCHAR NOT NULL,
    total_paths BIGINT,
    guarded_paths BIGINT,
    coverage_pct BIGINT,
    original_severity VARCHAR,
    adjusted_severity VARCHAR,
    instances BIGINT,
    fix_impact BIGINT
);
COMMENT ON TABLE ping_findings IS 'One row per ping and rule that fired.';
COMMENT ON COLUMN ping_findings.scan_id IS 'Ping.';
COMMENT ON COLUMN ping_findings.repo_hash IS 'Content of the repository, as in the ping.';
COMMENT ON COLUMN ping_findings.rule IS 'Rule ID, sub-ID included.';
COMMENT ON COLUMN ping_findings.base_rule IS 'Rule ID without sub-ID.';
COMMENT ON COLUMN ping_findings.family IS 'Letters of the rule ID: STRATUM, STRATUM-BR, STRATUM-CR, STRATUM-OP, CONTEXT, LEARNING, ...';
COMMENT ON COLUMN ping_findings.total_paths IS 'Of the coverage of a rule that is mitigated in part.';
COMMENT ON COLUMN ping_findings.guarded_paths IS 'Of them, guarded.';
COMMENT ON COLUMN ping_findings.coverage_pct IS 'Percent.';
COMMENT ON COLUMN ping_findings.original_severity IS 'Severity before a downgrade by partial mitigation; null without one.';
COMMENT ON COLUMN ping_findings.adjusted_severity IS 'Severity after it.';
COMMENT ON COLUMN ping_findings.instances IS 'Places where it fired; known from schema 4 on.';
COMMENT ON COLUMN ping_findings.fix_impact IS 'Change of the score without it; known from schema 4 on.';

CREATE TABLE ping_cooccurrence (
    scan_id VARCHAR NOT NULL,
    repo_hash VARCHAR,
    rule_a VARCHAR NOT NULL,
    rule_b VARCHAR NOT NULL
);
COMMENT ON TABLE ping_cooccurrence IS 'One row per ping and pair of rules that fired in one crew.';
COMMENT ON COLUMN ping_cooccurrence.scan_id IS 'Ping.';
COMMENT ON COLUMN ping_cooccurrence.repo_hash IS 'As in the ping.';
COMMENT ON COLUMN ping_cooccurrence.rule_a IS 'Lower rule ID, byte order.';
COMMENT ON COLUMN ping_cooccurrence.rule_b IS 'Higher rule ID.';

CREATE TABLE graphs (
    repo_id VARCHAR NOT NULL,
    commit_sha VARCHAR,
    scanner_version VARCHAR,
    node_count BIGINT NOT NULL,
    edge_count BIGINT NOT NULL,
    nodes STRUCT(node_id VARCHAR, node_type VARCHAR, name VARCHAR, file VARCHAR, line BIGINT, places STRUCT(file VARCHAR, line BIGINT)[], groups VARCHAR[], service VARCHAR)[],
    edges STRUCT(edge_id VARCHAR, source VARCHAR, target VARCHAR, edge_type VARCHAR)[]
);
COMMENT ON TABLE graphs IS 'Newest structural graph of each repository.';
COMMENT ON COLUMN graphs.repo_id IS 'Repository, 12 hex.';
COMMENT ON COLUMN graphs.commit_sha IS 'Commit that was scanned.';
COMMENT ON COLUMN graphs.scanner_version IS 'Version of the scanner.';
COMMENT ON COLUMN graphs.node_count IS 'Nodes, steps and group chats included, so at least the ping''s graph_node_count.';
COMMENT ON COLUMN graphs.edge_count IS 'Edges.';
COMMENT ON COLUMN graphs.nodes IS 'Nodes, as in the message StructuralGraph.';
COMMENT ON COLUMN graphs.edges IS 'Typed edges.';

-- Schema private holds names and addresses: it is left out of everything that is given away.
CREATE SCHEMA private;

CREATE TABLE private.identities (
    repo_id VARCHAR NOT NULL,
    repo_hash VARCHAR,
    source VARCHAR,
    address VARCHAR,
    display_name VARCHAR,
    commit_sha VARCHAR,
    scan_id VARCHAR,
    recorded_at TIMESTAMP
);
COMMENT ON TABLE private.identities IS 'Whose content a repo_hash is: newest scan of each repository.';
COMMENT ON COLUMN private.identities.repo_id IS 'Repository, 12 hex.';
COMMENT ON COLUMN private.identities.repo_hash IS '16 hex of its content; null when it could not be read.';
COMMENT ON COLUMN private.identities.source IS 'Source address as submitted.';
COMMENT ON COLUMN private.identities.address IS 'Canonical address.';
COMMENT ON COLUMN private.identities.display_name IS 'Name for lists and reports.';
COMMENT ON COLUMN private.identities.commit_sha IS 'Resolved commit.';
COMMENT ON COLUMN private.identities.scan_id IS 'Scan that found it.';
COMMENT ON COLUMN private.identities.recorded_at IS 'When, UTC.';

CREATE TABLE private.scan_status (
    job_id VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    state VARCHAR NOT NULL,
    scan_id VARCHAR,
    repo_id VARCHAR,
    repo_hash VARCHAR,
    status VARCHAR,
    reason VARCHAR,
    risk_score BIGINT,
    finding_rules VARCHAR[],
    provider_confidence VARCHAR,
    display_name VARCHAR,
    source VARCHAR,
    providers VARCHAR[],
    models VARCHAR[],
    frameworks VARCHAR[],
    agent_count BIGINT,
    finding_count BIGINT,
    recorded_at TIMESTAMP,
    worker VARCHAR,
    campaign_id VARCHAR,
    schema_id INTEGER
);
COMMENT ON TABLE private.scan_status IS 'Every state of every scan job, once.';
COMMENT ON COLUMN private.scan_status.job_id IS 'Job, 16 hex.';
COMMENT ON COLUMN private.scan_status.attempt IS 'Attempt, from 1.';
COMMENT ON COLUMN private.scan_status.state IS 'queued, running, done or cancelled.';
COMMENT ON COLUMN private.scan_status.scan_id IS 'Attempt and its ping.';
COMMENT ON COLUMN private.scan_status.repo_id IS 'Repository.';
COMMENT ON COLUMN private.scan_status.repo_hash IS 'Of the ping.';
COMMENT ON COLUMN private.scan_status.status IS 'scan_status of the ping, once done.';
COMMENT ON COLUMN private.scan_status.reason IS 'Why it failed or was cancelled.';
COMMENT ON COLUMN private.scan_status.risk_score IS 'Of the ping.';
COMMENT ON COLUMN private.scan_status.finding_rules IS 'Of the ping.';
COMMENT ON COLUMN private.scan_status.provider_confidence IS 'Of the ping.';
COMMENT ON COLUMN private.scan_status.display_name IS 'Name for lists and reports.';
COMMENT ON COLUMN private.scan_status.source IS 'Source address as submitted.';
COMMENT ON COLUMN private.scan_status.providers IS 'Provider slugs.';
COMMENT ON COLUMN private.scan_status.models IS 'Model identifiers.';
COMMENT ON COLUMN private.scan_status.frameworks IS 'Detected frameworks.';
COMMENT ON COLUMN private.scan_status.agent_count IS 'Of the ping.';
COMMENT ON COLUMN private.scan_status.finding_count IS 'Of the ping.';
COMMENT ON COLUMN private.scan_status.recorded_at IS 'When, UTC, by the writer''s clock.';
COMMENT ON COLUMN private.scan_status.worker IS 'Worker that had the job.';
COMMENT ON COLUMN private.scan_status.campaign_id IS 'Campaign.';
COMMENT ON COLUMN private.scan_status.schema_id IS 'Schema of the ping.';
