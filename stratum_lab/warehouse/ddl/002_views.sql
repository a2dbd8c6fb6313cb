CREATE VIEW run_outcomes AS
SELECT
    r.*,
    CASE
        WHEN status IN ('RUNTIME_ERROR', 'MAX_RETRIES_EXCEEDED', 'TIER2_FAILED') THEN 'CRASH'
        WHEN status = 'NO_EVENTS' THEN 'INSTRUMENTATION_FAILURE'
        WHEN status IN ('NO_ENTRY_POINT', 'SERVER_BASED') THEN 'ENTRY_POINT_FAILURE'
        WHEN status IN ('UNRESOLVABLE_IMPORT', 'CLONE_FAILED') THEN 'DEPENDENCY_FAILURE'
        WHEN status = 'TIMEOUT_NO_EVENTS' THEN 'TIMEOUT'
        WHEN status = 'TIER2_PARTIAL' THEN 'TIER2_SUCCESS'
        ELSE status
    END AS outcome,
    outcome IN ('SUCCESS', 'PARTIAL_SUCCESS', 'TIER2_SUCCESS') AS success_class,
    attempt = max(attempt) OVER (PARTITION BY repo_id, run_number) AS is_latest_attempt
FROM runs r;
COMMENT ON VIEW run_outcomes IS 'Every attempt with its status in today''s terms (old statuses mapped).';

CREATE VIEW outcome_counts AS
SELECT coalesce(outcome, 'OPEN') AS outcome, tier, count(*) AS runs, count(DISTINCT repo_id) AS repositories,
    sum(events_stored)::BIGINT AS events
FROM run_outcomes
WHERE is_latest_attempt
GROUP BY ALL
ORDER BY runs DESC, outcome, tier;
COMMENT ON VIEW outcome_counts IS 'Runs per outcome and tier, latest attempts.';

CREATE VIEW findings_overview AS
SELECT finding_id, any_value(finding_name) AS finding_name,
    count(*) FILTER (WHERE manifested) AS repositories_affected,
    count(*) AS repositories,
    round(repositories_affected / repositories, 4) AS prevalence,
    sum(occurrences)::BIGINT AS occurrences
FROM record_findings
GROUP BY finding_id
ORDER BY repositories_affected DESC, finding_id;
COMMENT ON VIEW findings_overview IS 'How common each finding is: repositories affected, share, occurrences.';

CREATE VIEW edge_activation AS
SELECT kind, edge_type, count(*) AS edges, count(*) FILTER (WHERE NOT dead) AS activated,
    count(*) FILTER (WHERE dead) AS dead, round(avg(rate), 4) AS mean_rate,
    count(*) FILTER (WHERE source = target) AS self_edges
FROM record_edges
GROUP BY ALL
ORDER BY kind, edges DESC, edge_type;
COMMENT ON VIEW edge_activation IS 'Edges of all records by kind and type, and how many were traversed.';

CREATE VIEW behavioral_yield AS
SELECT r.repo_id, r.run_number, r.attempt, r.repo_full_name, r.status, r.tier,
    count(*) FILTER (WHERE e.event_type LIKE 'agent.%start') AS agent_starts,
    count(*) FILTER (WHERE e.event_type = 'llm.call_start') AS llm_starts,
    CASE
        WHEN agent_starts > 0 AND llm_starts > 0 THEN 'FULL_BEHAVIORAL'
        WHEN agent_starts > 0 THEN 'AGENT_ONLY'
        WHEN llm_starts > 0 THEN 'LLM_ONLY'
        ELSE 'NO_BEHAVIORAL_DATA'
    END AS yield
FROM runs r
LEFT JOIN events e USING (repo_id, run_number, attempt)
GROUP BY ALL;
COMMENT ON VIEW behavioral_yield IS 'What kind of behavior each run showed.';

CREATE VIEW event_counts AS
SELECT event_type, count(*) AS events, count(DISTINCT (repo_id, run_number, attempt)) AS runs,
    count(DISTINCT repo_id) AS repositories
FROM events
GROUP BY event_type
ORDER BY events DESC, event_type;
COMMENT ON VIEW event_counts IS 'Events by type.';

CREATE VIEW llm_calls AS
SELECT coalesce(payload->>'$.model_requested', payload->>'$.model', 'unknown') AS model,
    count(*) FILTER (WHERE event_type = 'llm.call_start') AS started,
    count(*) FILTER (WHERE event_type = 'llm.call_end') AS ended,
    count(*) FILTER (WHERE event_type = 'llm.call_end' AND coalesce(payload->>'$.error', payload->>'$.error_type') IS NOT NULL) AS failed,
    count(DISTINCT repo_id) AS repositories
FROM events
WHERE event_type IN ('llm.call_start', 'llm.call_end')
GROUP BY model
ORDER BY started + ended DESC, model;
COMMENT ON VIEW llm_calls IS 'Model calls by requested model.';

CREATE VIEW errors_by_type AS
SELECT event_type, coalesce(nullif(payload->>'$.error_type', ''), 'unknown') AS error_type,
    count(*) AS events, count(DISTINCT repo_id) AS repositories
FROM events
WHERE event_type LIKE 'error.%'
GROUP BY ALL
ORDER BY events DESC, event_type, error_type;
COMMENT ON VIEW errors_by_type IS 'Error events by the error''s type.';

CREATE VIEW baseline_overview AS
SELECT metric, any_value(finding_id) AS finding_id, count(*) AS repositories,
    count(*) FILTER (WHERE confidence = 'medium') AS medium_confidence,
    round(avg(observed_baseline), 4) AS mean_baseline, max(suggested_threshold) AS highest_threshold
FROM baselines
GROUP BY metric
ORDER BY metric;
COMMENT ON VIEW baseline_overview IS 'Monitoring baselines over all repositories.';

CREATE VIEW open_problems AS
SELECT 'incomplete run' AS problem, repo_id, run_number, attempt, missing_ranges::VARCHAR AS detail
FROM runs WHERE state = 'incomplete'
UNION ALL
SELECT 'open run', repo_id, run_number, attempt, NULL FROM runs WHERE state = 'open'
UNION ALL
SELECT 'dead letter', repo_id, run_number, attempt,
    concat_ws(' ', stage, reason, coalesce(topic || '[' || partition || ']@' || "offset", source_file || ':' || source_line))
FROM dead_letters;
COMMENT ON VIEW open_problems IS 'Runs without an end or with missing events, and dead letters.';

CREATE VIEW freshness AS
SELECT topic, sum(next_offset)::BIGINT AS messages, max(committed_at) AS last_commit,
    count(*) AS partitions
FROM sink_offsets
GROUP BY topic
ORDER BY topic;
COMMENT ON VIEW freshness IS 'How far each topic is stored, and when the last commit with messages of it was.';
