CREATE VIEW pings_read AS
SELECT * REPLACE (
    coalesce(version, scanner_version) AS version,
    coalesce(is_rescan, false) AS is_rescan,
    coalesce(finding_rule_count, len(finding_rules)) AS finding_rule_count,
    coalesce(finding_count, finding_rule_count, list_sum(map_values(finding_severities))::BIGINT) AS finding_count,
    coalesce(has_any_guardrails, guardrail_count > 0) AS has_any_guardrails,
    coalesce(edge_density, CASE
        WHEN graph_node_count < 2 THEN 0.0
        ELSE round(graph_edge_count / (graph_node_count * (graph_node_count - 1)), 6) END) AS edge_density,
    coalesce(external_sink_count, coalesce(graph_node_type_distribution['external'], 0)
        + coalesce(graph_node_type_distribution['mcp_server'], 0)
        + CASE WHEN graph_node_type_distribution IS NULL THEN NULL ELSE 0 END) AS external_sink_count
)
FROM pings;
COMMENT ON VIEW pings_read IS 'Pings as a reader at schema 3 sees them: fields that follow exactly from others are filled for older and newer schemas; what was not recorded stays null. Filter on schema_id >= 3 for statistics of fields that schema 3 brought.';

CREATE VIEW current_pings AS
SELECT p.* FROM pings_read p
WHERE scan_status IN ('success', 'partial', 'empty')
    AND NOT EXISTS (
        SELECT 1 FROM pings later
        WHERE later.pre_scan_id = p.scan_id AND later.scan_id <> p.scan_id AND later.scan_status <> 'failed'
    );
COMMENT ON VIEW current_pings IS 'Measured pings that no measured rescan has replaced; from schema 3 on.';

CREATE VIEW scan_counts AS
SELECT coalesce(scan_status, 'not recorded') AS scan_status, schema_id, count(*) AS pings,
    count(DISTINCT repo_hash) AS contents, round(avg(scan_duration_ms), 1) AS mean_ms, sum(files_scanned)::BIGINT AS files_scanned,
    sum(parser_errors)::BIGINT AS parser_errors
FROM pings
GROUP BY ALL
ORDER BY pings DESC, scan_status, schema_id;
COMMENT ON VIEW scan_counts IS 'Pings per status and schema, with time and files.';

CREATE VIEW finding_rates AS
WITH scanned AS (
    SELECT scan_id, coalesce(repo_metadata.primary_framework, 'none') AS framework, finding_rules
    FROM current_pings WHERE scan_status <> 'empty'
), totals AS (SELECT framework, count(*) AS repositories FROM scanned GROUP BY framework),
fired AS (
    SELECT framework, rule, count(*) AS affected
    FROM (SELECT framework, unnest(finding_rules) AS rule FROM scanned)
    GROUP BY ALL
)
SELECT framework, rule, affected, repositories, round(affected / repositories, 4) AS rate
FROM fired JOIN totals USING (framework)
ORDER BY framework, affected DESC, rule;
COMMENT ON VIEW finding_rates IS 'How often each rule fires, by primary framework, over repositories with agents.';

CREATE VIEW density_by_crews AS
SELECT crew_count, count(*) AS repositories, round(avg(per_crew_finding_density.mean), 2) AS mean_density,
    max(per_crew_finding_density.max) AS max_density, round(avg(finding_count), 2) AS mean_findings,
    round(avg(risk_score), 2) AS mean_score,
    round(sum(crews_clean) / nullif(sum(crew_count), 0), 4) AS clean_share
FROM current_pings
WHERE scan_status <> 'empty'
GROUP BY crew_count
ORDER BY crew_count;
COMMENT ON VIEW density_by_crews IS 'Findings per crew by number of crews, over repositories with agents.';

CREATE VIEW hub_and_mesh AS
SELECT
    CASE
        WHEN graph_topology_metrics.hub_score > 0.3 THEN 'hub_and_spoke'
        WHEN graph_topology_metrics.hub_score < 0.05 THEN 'mesh'
        ELSE 'between'
    END AS shape,
    count(*) AS repositories, round(avg(risk_score), 2) AS mean_score, round(avg(finding_count), 2) AS mean_findings,
    round(avg(agent_count), 2) AS mean_agents, round(avg(graph_node_count), 2) AS mean_nodes,
    round(avg(graph_topology_metrics.clustering_coefficient), 4) AS mean_clustering,
    round(avg(uncontrolled_path_count), 2) AS mean_uncontrolled_paths
FROM current_pings
WHERE scan_status <> 'empty'
GROUP BY shape
ORDER BY shape;
COMMENT ON VIEW hub_and_mesh IS 'Risk of graphs around a hub (hub_score above 0.3) against graphs without one (below 0.05).';

CREATE VIEW cooccurrence_rates AS
SELECT rule_a, rule_b, count(*) AS repositories,
    round(count(*) / (SELECT nullif(count(*), 0) FROM current_pings WHERE crew_count > 0), 4) AS rate
FROM ping_cooccurrence SEMI JOIN current_pings USING (scan_id)
GROUP BY ALL
ORDER BY repositories DESC, rule_a, rule_b;
COMMENT ON VIEW cooccurrence_rates IS 'Pairs of rules that fire in one crew, over repositories with crews.';

CREATE VIEW provider_tiers AS
SELECT provider_confidence, count(*) AS repositories,
    round(count(*) / sum(count(*)) OVER (), 4) AS share
FROM current_pings
GROUP BY provider_confidence
ORDER BY repositories DESC, provider_confidence;
COMMENT ON VIEW provider_tiers IS 'How the model providers of repositories were established.';

CREATE VIEW private.scan_jobs AS
SELECT * EXCLUDE (rank)
FROM (
    SELECT s.*, row_number() OVER (
        PARTITION BY job_id
        ORDER BY attempt DESC, list_position(['queued', 'running', 'cancelled', 'done'], state) DESC
    ) AS rank
    FROM private.scan_status s
)
WHERE rank = 1;
COMMENT ON VIEW private.scan_jobs IS 'Latest state of every job: highest attempt, then done over cancelled over running over queued.';

CREATE VIEW private.job_counts AS
SELECT state, coalesce(status, '') AS status, coalesce(reason, '') AS reason, count(*) AS jobs
FROM private.scan_jobs
GROUP BY ALL
ORDER BY jobs DESC, state, status, reason;
COMMENT ON VIEW private.job_counts IS 'Jobs by state, scan status and reason.';

CREATE VIEW private.latest_scans AS
SELECT * EXCLUDE (rank)
FROM (
    SELECT j.*, row_number() OVER (PARTITION BY repo_id ORDER BY recorded_at DESC, scan_id) AS rank
    FROM private.scan_jobs j
    WHERE state = 'done' AND status <> 'failed'
)
WHERE rank = 1;
COMMENT ON VIEW private.latest_scans IS 'Newest measured scan of every repository: what the fleet report shows.';

CREATE VIEW private.provider_concentration AS
WITH scans AS (SELECT repo_id, providers FROM private.latest_scans)
SELECT provider, count(*) AS repositories,
    round(count(*) / (SELECT count(*) FROM scans WHERE len(providers) > 0), 4) AS share_of_known,
    count(*) FILTER (WHERE alone) AS only_provider
FROM (SELECT unnest(providers) AS provider, len(providers) = 1 AS alone FROM scans)
GROUP BY provider
ORDER BY repositories DESC, provider;
COMMENT ON VIEW private.provider_concentration IS 'Repositories per model provider, and how many have no other. A ping of schema 3 names no provider, so this rests on scan_status.';
