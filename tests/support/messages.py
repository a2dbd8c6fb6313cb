"""One example of every message, with every field filled; the wire fixtures are made of these."""

from __future__ import annotations

from datetime import UTC, datetime

from stratum_lab.contract.events import (
    BehavioralRecord,
    CountedRun,
    DeadHeader,
    DeadLetter,
    EventBatch,
    GraphEdge,
    GraphMetrics,
    GraphNode,
    Message,
    Ping,
    PingDocument,
    Place,
    RepoIdentity,
    RunFinished,
    RunStarted,
    ScanJob,
    ScanLimits,
    ScanStatus,
    StructuralGraph,
    TierRange,
    TopologyMetrics,
)
from stratum_lab.contract.events.batch import build_batch
from stratum_lab.contract.events.lines import Event, Node
from tests.support.pings import rescan

REPO = "054ccbae67e4"
_WHEN = datetime(2026, 2, 17, 4, 40, 33, 122638, tzinfo=UTC)
_AGENT = Node("crewai:Writer:main.py:3", "agent", "Writer")


def events(count: int = 3) -> list[Event]:
    """Events with and without each optional field, by turns."""
    return [
        Event(
            event_id=f"evt_{n:016x}",
            timestamp_ns=1_771_302_788_850_961_960 + n,
            run_id="283afbc5e6ea44dc",
            repo_url="https://github.com/example/agents",
            framework="crewai" if n % 2 else None,
            event_type=("agent.task_start", "llm.call_end", "weather.changed")[n % 3],
            source_node=_AGENT if n % 3 != 2 else None,
            target_node=Node("generic:http:é.example:-:0", None, None) if n % 2 else None,
            edge_type="calls" if n % 2 else None,
            parent_event_id=f"evt_{n - 1:016x}" if n % 2 else None,
            stack_depth=n % 5 if n % 3 else None,
            payload='{"text":"äöü"}' if n % 2 else "",
            extra='{"mood":"fine"}' if n % 3 == 1 else "",
        )
        for n in range(count)
    ]


def batch(count: int = 3) -> EventBatch:
    """A batch of `events`."""
    return build_batch(
        events(count),
        repo_id=REPO,
        run_number=1,
        attempt=2,
        run_id="bc756a9c5f9a4398",
        tier=1,
        batch_seq=4,
        first_seq=2001,
    )


def _metrics(n: int) -> GraphMetrics:
    return GraphMetrics(
        graph_node_count=n,
        graph_edge_count=n + 1,
        edge_density=0.25,
        diameter=n,
        avg_degree=1.5,
        max_degree=n,
        clustering_coefficient=0.5,
        connected_components=1,
        longest_chain=n,
        hub_score=0.75,
    )


def examples() -> dict[str, Message]:
    """Message name -> example."""
    return {
        "EventBatch": batch(),
        "RunStarted": RunStarted(
            repo_id=REPO,
            repo_url="https://github.com/example/agents",
            repo_full_name="example/agents",
            run_number=1,
            attempt=2,
            run_id="bc756a9c5f9a4398",
            campaign_id="c1",
            commit="a" * 40,
            started_at=_WHEN,
            limits='{"timeout_seconds":300}',
        ),
        "RunFinished": RunFinished(
            repo_id=REPO,
            repo_url="https://github.com/example/agents",
            repo_full_name="example/agents",
            run_number=1,
            attempt=2,
            run_id="bc756a9c5f9a4398",
            campaign_id="c1",
            commit="a" * 40,
            exit_code=-1,
            status="SUCCESS",
            reason="exit_1",
            tier=1,
            entry_mode="script",
            entry_point="main.py",
            framework_detected="crewai",
            framework="crewai",
            frameworks_matched=["crewai", "langgraph"],
            events_file="events_run_1.jsonl",
            event_count=2003,
            events_dropped=5,
            batch_count=5,
            tiers=[TierRange(tier=1, first_seq=1, last_seq=2003)],
            finished_at=_WHEN,
            timeout_seconds=300.0,
            duration_seconds=12.5,
            model_name="mistral",
            recovered=True,
            harness_variant="delegation",
            error_tail="Traceback",
            metadata_event_count=2001,
            metadata_extra='{"a":1}',
            status_json="{}",
        ),
        "BehavioralRecord": BehavioralRecord(
            repo_id=REPO,
            repo_full_name="example/agents",
            runs=[CountedRun(run_number=1, attempt=2, event_count=2003)],
            source_partition=3,
            source_offset=17,
            revision=2,
            record='{"schema_version":"v6"}',
        ),
        "TopologyMetrics": TopologyMetrics(
            repo_id=REPO,
            revision=2,
            source_partition=3,
            source_offset=17,
            structural=_metrics(4),
            runtime=_metrics(3),
            difference=_metrics(1),
            nodes_structural=4,
            nodes_runtime=3,
            nodes_both=2,
            edges_structural=5,
            edges_runtime=4,
            edges_both=3,
            edges_not_observable=1,
            ambiguous_nodes=1,
            edges_missing_endpoint=1,
        ),
        "StructuralGraph": StructuralGraph(
            repo_id=REPO,
            commit="a" * 40,
            scanner_version="1.0",
            nodes=[
                GraphNode(
                    node_id="crewai:Writer:main.py:3",
                    node_type="agent",
                    name="Writer",
                    file="main.py",
                    line=3,
                    places=[Place(file="b.py", line=9)],
                    groups=["crew"],
                    service="openai",
                )
            ],
            edges=[GraphEdge(edge_id="e1", source="a", target="b", edge_type="calls")],
        ),
        "ScanJob": ScanJob(
            job_id="0123456789abcdef",
            attempt=2,
            scan_id="1a2b3c4d",
            repo_id=REPO,
            source="https://github.com/example/agents@v1",
            what="both",
            run_first=1,
            run_last=5,
            campaign_id="c1",
            limits=ScanLimits(
                timeout_seconds=300.0,
                memory_bytes=1 << 30,
                clone_bytes=1 << 31,
                files=100_000,
                candidate_files=20_000,
                candidate_bytes=1 << 28,
                nesting=1_000,
            ),
            submitted_at=_WHEN,
            cancel=True,
            display_name="example/agents",
            force=True,
        ),
        "ScanStatus": ScanStatus(
            job_id="0123456789abcdef",
            attempt=2,
            scan_id="1a2b3c4d",
            repo_id=REPO,
            repo_hash="251a61b1b78437bd",
            state="done",
            status="partial",
            reason="parser_errors",
            risk_score=37,
            finding_rules=["STRATUM-001"],
            provider_confidence="detected",
            display_name="example/agents",
            source="https://github.com/example/agents@v1",
            providers=["openai"],
            models=["gpt-4o"],
            frameworks=["crewai"],
            agent_count=3,
            finding_count=1,
            at=_WHEN,
            worker="host-1",
            campaign_id="c1",
            schema_id=3,
        ),
        "RepoIdentity": RepoIdentity(
            repo_id=REPO,
            repo_hash="251a61b1b78437bd",
            source="https://github.com/example/agents@v1",
            address="https://github.com/example/agents",
            display_name="example/agents",
            commit="a" * 40,
            scan_id="1a2b3c4d",
            at=_WHEN,
        ),
        "Ping": Ping.from_json(rescan()),
        "PingDocument": PingDocument(
            scan_id="1a2b3c4d", schema_id=1, repo_hash="251a61b1b78437bd", body='{"scan_id":"1a2b3c4d"}'
        ),
        "DeadLetter": DeadLetter(
            key=b"k",
            topic="run.events",
            partition=1,
            offset=2,
            source_file="a/events_run_1.jsonl",
            source_line=7,
            stage="import",
            reason="not_json",
            detail="not JSON",
            repo_id=REPO,
            run_number=1,
            attempt=2,
            body=b"\x00\xff",
            body_length=2,
            body_sha256="0" * 64,
            headers=[DeadHeader(key="fp", value=b"\x01"), DeadHeader(key="x", value=None)],
        ),
    }
