-- Tables. No primary keys on the large ones: what is stored is known by ranges (event_ranges), which costs one
-- dictionary look-up a batch instead of an index over every event.

CREATE TABLE events (
    repo_id VARCHAR NOT NULL,
    run_number INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    seq BIGINT NOT NULL,
    tier TINYINT NOT NULL,
    event_id VARCHAR NOT NULL,
    ts TIMESTAMP_NS,
    event_type VARCHAR NOT NULL,
    framework VARCHAR,
    source_node_id VARCHAR,
    source_node_type VARCHAR,
    source_node_name VARCHAR,
    target_node_id VARCHAR,
    target_node_type VARCHAR,
    target_node_name VARCHAR,
    edge_type VARCHAR,
    parent_event_id VARCHAR,
    stack_depth INTEGER,
    emitter_run_id VARCHAR,
    repo_url VARCHAR,
    payload JSON,
    extra JSON
);
COMMENT ON TABLE events IS 'One row per event; (repo_id, run_number, attempt, seq) is unique.';
COMMENT ON COLUMN events.repo_id IS 'Repository, 12 hex.';
COMMENT ON COLUMN events.run_number IS 'Run of the repository, from 1.';
COMMENT ON COLUMN events.attempt IS 'Attempt at the run, from 1.';
COMMENT ON COLUMN events.seq IS 'Number of the event in its attempt, from 1, dense over all tiers; the order of events.';
COMMENT ON COLUMN events.tier IS '0 unknown, 1 native, 2 synthetic harness.';
COMMENT ON COLUMN events.event_id IS 'Id by the emitter; parent_event_id refers to it.';
COMMENT ON COLUMN events.ts IS 'UTC by the container''s clock; informational, never an order; null outside 1678 to 2261.';
COMMENT ON COLUMN events.event_type IS 'Type, such as llm.call_end; unknown types are kept.';
COMMENT ON COLUMN events.framework IS 'Framework of the patch that emitted it.';
COMMENT ON COLUMN events.source_node_id IS 'Node that acted.';
COMMENT ON COLUMN events.source_node_type IS 'agent, capability, data_store, external, mcp_server, guardrail.';
COMMENT ON COLUMN events.source_node_name IS 'Its name.';
COMMENT ON COLUMN events.target_node_id IS 'Node acted upon.';
COMMENT ON COLUMN events.target_node_type IS 'As source_node_type.';
COMMENT ON COLUMN events.target_node_name IS 'Its name.';
COMMENT ON COLUMN events.edge_type IS 'Kind of the edge between the two.';
COMMENT ON COLUMN events.parent_event_id IS 'event_id of the opening event.';
COMMENT ON COLUMN events.stack_depth IS 'Length of the active-node stack.';
COMMENT ON COLUMN events.emitter_run_id IS 'run_id as the line had it.';
COMMENT ON COLUMN events.repo_url IS 'Source address as the line had it.';
COMMENT ON COLUMN events.payload IS 'Event data: payload->>''$.status''. JSON and not VARIANT: measured on recorded events, VARIANT took 65,000 rows/s in and 110 times longer to filter; JSON 740,000 rows/s. Text that is no valid JSON is kept as a JSON string.';
COMMENT ON COLUMN events.extra IS 'Envelope fields that are unknown or had an unexpected type.';

CREATE TABLE event_ranges (
    repo_id VARCHAR NOT NULL,
    run_number INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    first_seq BIGINT NOT NULL,
    last_seq BIGINT NOT NULL
);
COMMENT ON TABLE event_ranges IS 'Which events are stored: disjoint ranges, appended in the transaction of their rows.';
COMMENT ON COLUMN event_ranges.repo_id IS 'Repository.';
COMMENT ON COLUMN event_ranges.run_number IS 'Run.';
COMMENT ON COLUMN event_ranges.attempt IS 'Attempt.';
COMMENT ON COLUMN event_ranges.first_seq IS 'First stored seq of the range.';
COMMENT ON COLUMN event_ranges.last_seq IS 'Last stored seq of the range.';

CREATE TABLE runs (
    repo_id VARCHAR NOT NULL,
    run_number INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    state VARCHAR NOT NULL,
    events_stored BIGINT NOT NULL,
    missing_ranges JSON NOT NULL,
    run_id VARCHAR,
    repo_url VARCHAR,
    repo_full_name VARCHAR,
    campaign_id VARCHAR,
    commit_sha VARCHAR,
    started_at TIMESTAMP,
    limits JSON,
    exit_code INTEGER,
    status VARCHAR,
    reason VARCHAR,
    tier TINYINT,
    entry_mode VARCHAR,
    entry_point VARCHAR,
    framework_detected VARCHAR,
    framework VARCHAR,
    frameworks_matched VARCHAR[],
    events_file VARCHAR,
    event_count BIGINT,
    events_dropped BIGINT,
    batch_count INTEGER,
    tiers JSON,
    finished_at TIMESTAMP,
    timeout_seconds DOUBLE,
    duration_seconds DOUBLE,
    model_name VARCHAR,
    recovered BOOLEAN,
    harness_variant VARCHAR,
    error_tail VARCHAR,
    metadata_event_count BIGINT,
    metadata_extra JSON,
    status_json VARCHAR
);
COMMENT ON TABLE runs IS 'One row per attempt at a run.';
COMMENT ON COLUMN runs.repo_id IS 'Repository, 12 hex.';
COMMENT ON COLUMN runs.run_number IS 'Run, from 1.';
COMMENT ON COLUMN runs.attempt IS 'Attempt, from 1.';
COMMENT ON COLUMN runs.state IS 'open: no end marker yet; finished: every event stored; incomplete: finished with missing events.';
COMMENT ON COLUMN runs.events_stored IS 'Events of the attempt in table events.';
COMMENT ON COLUMN runs.missing_ranges IS 'Missing seqs as [[first, last], ...]; up to event_count once finished.';
COMMENT ON COLUMN runs.run_id IS 'Execution id of the attempt.';
COMMENT ON COLUMN runs.repo_url IS 'Source address as listed.';
COMMENT ON COLUMN runs.repo_full_name IS 'owner/name.';
COMMENT ON COLUMN runs.campaign_id IS 'Campaign, when there is one.';
COMMENT ON COLUMN runs.commit_sha IS 'Resolved commit.';
COMMENT ON COLUMN runs.started_at IS 'Start, UTC.';
COMMENT ON COLUMN runs.limits IS 'Limits of the run.';
COMMENT ON COLUMN runs.exit_code IS 'Exit code; null when there was none.';
COMMENT ON COLUMN runs.status IS 'Run status, verbatim; view run_outcomes maps old ones.';
COMMENT ON COLUMN runs.reason IS 'Detail of the status.';
COMMENT ON COLUMN runs.tier IS 'Tier whose events count: 0 none or unknown, 1, 2.';
COMMENT ON COLUMN runs.entry_mode IS 'script, import_call, ...';
COMMENT ON COLUMN runs.entry_point IS 'Path in the container.';
COMMENT ON COLUMN runs.framework_detected IS 'Framework by text match.';
COMMENT ON COLUMN runs.framework IS 'Older name of the field above.';
COMMENT ON COLUMN runs.frameworks_matched IS 'Every framework that matched.';
COMMENT ON COLUMN runs.events_file IS 'Name of the events file.';
COMMENT ON COLUMN runs.event_count IS 'Highest seq of the attempt, by its end marker.';
COMMENT ON COLUMN runs.events_dropped IS 'Events the relay dropped.';
COMMENT ON COLUMN runs.batch_count IS 'Number of batches.';
COMMENT ON COLUMN runs.tiers IS 'First and last seq per tier.';
COMMENT ON COLUMN runs.finished_at IS 'End, UTC, by the runner''s clock.';
COMMENT ON COLUMN runs.timeout_seconds IS 'Time limit, seconds.';
COMMENT ON COLUMN runs.duration_seconds IS 'Duration, seconds; null for old runs.';
COMMENT ON COLUMN runs.model_name IS 'Served model.';
COMMENT ON COLUMN runs.recovered IS 'Closed by the campaign for a runner that died.';
COMMENT ON COLUMN runs.harness_variant IS 'Variant of the synthetic harness (tier 2).';
COMMENT ON COLUMN runs.error_tail IS 'End of standard error, at most 2,000 characters.';
COMMENT ON COLUMN runs.metadata_event_count IS 'event_count as the recorded metadata had it.';
COMMENT ON COLUMN runs.metadata_extra IS 'Metadata fields without a column here.';
COMMENT ON COLUMN runs.status_json IS 'The status file beside the metadata, as it stood.';

CREATE TABLE records (
    repo_id VARCHAR NOT NULL,
    repo_full_name VARCHAR,
    source_partition INTEGER NOT NULL,
    source_offset BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    schema_version VARCHAR,
    total_runs INTEGER,
    total_events BIGINT,
    success_rate DOUBLE,
    mean_duration_seconds DOUBLE,
    model_name VARCHAR,
    topology_hash VARCHAR,
    frameworks VARCHAR[],
    statuses VARCHAR[],
    edges_total INTEGER,
    edges_activated INTEGER,
    edges_dead INTEGER,
    edges_emergent INTEGER,
    match_rate DOUBLE,
    counted_runs JSON,
    execution_metadata JSON,
    edge_validation JSON,
    emergent_edges JSON,
    node_activation JSON,
    error_propagation JSON,
    failure_modes JSON,
    monitoring_baselines JSON,
    record JSON
);
COMMENT ON TABLE records IS 'The v6 behavioral record of each repository, newest only.';
COMMENT ON COLUMN records.repo_id IS 'Repository, 12 hex; unique.';
COMMENT ON COLUMN records.repo_full_name IS 'owner/name, or the repo_id.';
COMMENT ON COLUMN records.source_partition IS 'Partition of the source topics; -1 when folded without a broker.';
COMMENT ON COLUMN records.source_offset IS 'Highest folded offset of run.status; the larger wins.';
COMMENT ON COLUMN records.revision IS 'Number of the emission; decides between equal source_offset.';
COMMENT ON COLUMN records.schema_version IS 'v6.';
COMMENT ON COLUMN records.total_runs IS 'Counted runs, N.';
COMMENT ON COLUMN records.total_events IS 'Valid events of the counted runs.';
COMMENT ON COLUMN records.success_rate IS 'Share of success-class runs.';
COMMENT ON COLUMN records.mean_duration_seconds IS 'Mean duration where known.';
COMMENT ON COLUMN records.model_name IS 'Served model.';
COMMENT ON COLUMN records.topology_hash IS 'Shape of the first run, 12 hex.';
COMMENT ON COLUMN records.frameworks IS 'Distinct frameworks of the runs.';
COMMENT ON COLUMN records.statuses IS 'Status per run, run order.';
COMMENT ON COLUMN records.edges_total IS 'Structural edges.';
COMMENT ON COLUMN records.edges_activated IS 'Structural edges traversed in some run.';
COMMENT ON COLUMN records.edges_dead IS 'Structural edges never traversed.';
COMMENT ON COLUMN records.edges_emergent IS 'Edges seen at run time only.';
COMMENT ON COLUMN records.match_rate IS 'structural_prediction_match_rate.';
COMMENT ON COLUMN records.counted_runs IS 'Runs and attempts the record was derived from.';
COMMENT ON COLUMN records.execution_metadata IS 'Section of the record.';
COMMENT ON COLUMN records.edge_validation IS 'Section of the record.';
COMMENT ON COLUMN records.emergent_edges IS 'Section of the record.';
COMMENT ON COLUMN records.node_activation IS 'Section of the record.';
COMMENT ON COLUMN records.error_propagation IS 'Section of the record.';
COMMENT ON COLUMN records.failure_modes IS 'Section of the record.';
COMMENT ON COLUMN records.monitoring_baselines IS 'Section of the record.';
COMMENT ON COLUMN records.record IS 'The nine-key record, canonical JSON as emitted.';

CREATE TABLE record_edges (
    repo_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    edge_id VARCHAR,
    source VARCHAR,
    target VARCHAR,
    edge_type VARCHAR,
    runs_seen INTEGER,
    rate DOUBLE,
    dead BOOLEAN,
    classification VARCHAR,
    possible_reasons VARCHAR[]
);
COMMENT ON TABLE record_edges IS 'Edges of every record, structural and emergent.';
COMMENT ON COLUMN record_edges.repo_id IS 'Repository.';
COMMENT ON COLUMN record_edges.kind IS 'structural or emergent.';
COMMENT ON COLUMN record_edges.edge_id IS 'Id of a structural edge.';
COMMENT ON COLUMN record_edges.source IS 'Node id.';
COMMENT ON COLUMN record_edges.target IS 'Node id.';
COMMENT ON COLUMN record_edges.edge_type IS 'Kind of edge.';
COMMENT ON COLUMN record_edges.runs_seen IS 'Runs that hold it.';
COMMENT ON COLUMN record_edges.rate IS 'runs_seen over all runs.';
COMMENT ON COLUMN record_edges.dead IS 'Structural and never traversed.';
COMMENT ON COLUMN record_edges.classification IS 'consistent or intermittent, of emergent edges.';
COMMENT ON COLUMN record_edges.possible_reasons IS 'Why a dead edge may be dead.';

CREATE TABLE record_findings (
    repo_id VARCHAR NOT NULL,
    finding_id VARCHAR NOT NULL,
    finding_name VARCHAR,
    failure_type VARCHAR,
    manifested BOOLEAN,
    occurrences BIGINT,
    failure_description VARCHAR
);
COMMENT ON TABLE record_findings IS 'Failure modes of every record, five a repository.';
COMMENT ON COLUMN record_findings.repo_id IS 'Repository.';
COMMENT ON COLUMN record_findings.finding_id IS 'STRAT- id.';
COMMENT ON COLUMN record_findings.finding_name IS 'Its name.';
COMMENT ON COLUMN record_findings.failure_type IS 'What it leads to.';
COMMENT ON COLUMN record_findings.manifested IS 'Seen at run time.';
COMMENT ON COLUMN record_findings.occurrences IS 'Sum of its signals over all runs.';
COMMENT ON COLUMN record_findings.failure_description IS 'The signals, when manifested.';

CREATE TABLE baselines (
    repo_id VARCHAR NOT NULL,
    metric VARCHAR NOT NULL,
    finding_id VARCHAR,
    observed_baseline DOUBLE,
    observed_stddev DOUBLE,
    suggested_threshold DOUBLE,
    confidence VARCHAR,
    sample_size INTEGER
);
COMMENT ON TABLE baselines IS 'Monitoring baselines of every record.';
COMMENT ON COLUMN baselines.repo_id IS 'Repository.';
COMMENT ON COLUMN baselines.metric IS 'Metric of a run.';
COMMENT ON COLUMN baselines.finding_id IS 'Finding it watches.';
COMMENT ON COLUMN baselines.observed_baseline IS 'Mean over runs.';
COMMENT ON COLUMN baselines.observed_stddev IS 'Population standard deviation.';
COMMENT ON COLUMN baselines.suggested_threshold IS 'Mean plus two standard deviations.';
COMMENT ON COLUMN baselines.confidence IS 'medium from three runs on, else low.';
COMMENT ON COLUMN baselines.sample_size IS 'Runs with a value.';

CREATE TABLE topology (
    repo_id VARCHAR NOT NULL,
    graph VARCHAR NOT NULL,
    revision BIGINT NOT NULL,
    source_partition INTEGER NOT NULL,
    source_offset BIGINT NOT NULL,
    graph_node_count DOUBLE,
    graph_edge_count DOUBLE,
    edge_density DOUBLE,
    diameter DOUBLE,
    avg_degree DOUBLE,
    max_degree DOUBLE,
    clustering_coefficient DOUBLE,
    connected_components DOUBLE,
    longest_chain DOUBLE,
    hub_score DOUBLE,
    nodes_structural BIGINT,
    nodes_runtime BIGINT,
    nodes_both BIGINT,
    edges_structural BIGINT,
    edges_runtime BIGINT,
    edges_both BIGINT,
    edges_not_observable BIGINT,
    ambiguous_nodes BIGINT,
    edges_missing_endpoint BIGINT
);
COMMENT ON TABLE topology IS 'Topology metrics: one row per repository and graph; overlap counts repeat on each.';
COMMENT ON COLUMN topology.repo_id IS 'Repository.';
COMMENT ON COLUMN topology.graph IS 'runtime; structural and difference when a structural graph is known.';
COMMENT ON COLUMN topology.revision IS 'As in records.';
COMMENT ON COLUMN topology.source_partition IS 'As in records.';
COMMENT ON COLUMN topology.source_offset IS 'As in records.';
COMMENT ON COLUMN topology.graph_node_count IS 'Nodes.';
COMMENT ON COLUMN topology.graph_edge_count IS 'Edges.';
COMMENT ON COLUMN topology.edge_density IS 'Edges over possible edges.';
COMMENT ON COLUMN topology.diameter IS 'Largest over components.';
COMMENT ON COLUMN topology.avg_degree IS 'Mean degree.';
COMMENT ON COLUMN topology.max_degree IS 'Largest in plus out degree.';
COMMENT ON COLUMN topology.clustering_coefficient IS 'Transitivity.';
COMMENT ON COLUMN topology.connected_components IS 'Components, isolated nodes included.';
COMMENT ON COLUMN topology.longest_chain IS 'Longest path in edges; -1 with a cycle.';
COMMENT ON COLUMN topology.hub_score IS 'max_degree over nodes.';
COMMENT ON COLUMN topology.nodes_structural IS 'Joinable structural nodes.';
COMMENT ON COLUMN topology.nodes_runtime IS 'Joinable run-time nodes.';
COMMENT ON COLUMN topology.nodes_both IS 'Nodes in both.';
COMMENT ON COLUMN topology.edges_structural IS 'Comparable structural edges.';
COMMENT ON COLUMN topology.edges_runtime IS 'Comparable run-time edges.';
COMMENT ON COLUMN topology.edges_both IS 'Edges in both.';
COMMENT ON COLUMN topology.edges_not_observable IS 'Structural edges no event can show.';
COMMENT ON COLUMN topology.ambiguous_nodes IS 'Structural nodes that share a join key.';
COMMENT ON COLUMN topology.edges_missing_endpoint IS 'Run-time edges dropped for an empty end.';

CREATE TABLE dead_letters (
    stage VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    detail VARCHAR,
    topic VARCHAR,
    partition INTEGER,
    "offset" BIGINT,
    source_file VARCHAR,
    source_line BIGINT,
    repo_id VARCHAR,
    run_number INTEGER,
    attempt INTEGER,
    message_key BLOB,
    body BLOB,
    body_length BIGINT,
    body_sha256 VARCHAR,
    headers JSON
);
COMMENT ON TABLE dead_letters IS 'Input that could not be used, once per place and stage.';
COMMENT ON COLUMN dead_letters.stage IS 'Part that refused it.';
COMMENT ON COLUMN dead_letters.reason IS 'Reason, from a closed list per stage.';
COMMENT ON COLUMN dead_letters.detail IS 'One sentence.';
COMMENT ON COLUMN dead_letters.topic IS 'Topic it came from; null for a file.';
COMMENT ON COLUMN dead_letters.partition IS 'Its partition.';
COMMENT ON COLUMN dead_letters."offset" IS 'Its offset.';
COMMENT ON COLUMN dead_letters.source_file IS 'File it came from; null for a message.';
COMMENT ON COLUMN dead_letters.source_line IS 'Its line.';
COMMENT ON COLUMN dead_letters.repo_id IS 'Repository, when known.';
COMMENT ON COLUMN dead_letters.run_number IS 'Run, when known.';
COMMENT ON COLUMN dead_letters.attempt IS 'Attempt, when known.';
COMMENT ON COLUMN dead_letters.message_key IS 'Original message key.';
COMMENT ON COLUMN dead_letters.body IS 'Original bytes, at most 256 KiB.';
COMMENT ON COLUMN dead_letters.body_length IS 'Full length, bytes.';
COMMENT ON COLUMN dead_letters.body_sha256 IS 'Of the full body.';
COMMENT ON COLUMN dead_letters.headers IS 'Original headers as [[key, hex or null], ...].';

CREATE TABLE sink_offsets (
    sink VARCHAR NOT NULL,
    topic VARCHAR NOT NULL,
    topic_id VARCHAR NOT NULL,
    partition INTEGER NOT NULL,
    next_offset BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    committed_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE sink_offsets IS 'How far the log is stored; written in the transaction of the rows.';
COMMENT ON COLUMN sink_offsets.sink IS 'Which sink.';
COMMENT ON COLUMN sink_offsets.topic IS 'Full topic name.';
COMMENT ON COLUMN sink_offsets.topic_id IS 'Identity the broker gave the topic.';
COMMENT ON COLUMN sink_offsets.partition IS 'Partition.';
COMMENT ON COLUMN sink_offsets.next_offset IS 'Offset to read next.';
COMMENT ON COLUMN sink_offsets.epoch IS 'Epoch of the owner that wrote it.';
COMMENT ON COLUMN sink_offsets.committed_at IS 'When, UTC.';

CREATE TABLE sink_owner (sink VARCHAR NOT NULL, epoch BIGINT NOT NULL);
COMMENT ON TABLE sink_owner IS 'Newest owner of each sink; a transaction of an older one is refused.';
COMMENT ON COLUMN sink_owner.sink IS 'Which sink.';
COMMENT ON COLUMN sink_owner.epoch IS 'Grows by one with every start.';
