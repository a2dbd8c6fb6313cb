"""The published graph: what run time is compared with is the graph the ping measured."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given, settings

from stratum_lab.contract.events.graph import StructuralGraph
from stratum_lab.fold.structure import Structure
from stratum_lab.fold.topology import structural_metrics
from stratum_lab.scan.model import Model
from stratum_lab.scan.structure import structural_graph
from stratum_lab.scan.topology import build
from tests.support.static_models import models


@settings(max_examples=100, deadline=None)
@given(models())
def test_the_published_graph_has_the_metrics_of_the_ping(model: Model) -> None:
    topology = build(model)
    graph = structural_graph(model, topology, "0" * 12, None)
    published = structural_metrics(Structure(graph))
    for name, value in asdict(topology.metrics).items():
        assert getattr(published, name) == pytest.approx(value, abs=0.0101), (
            name
        )  # rounded half up here, half to even there


@settings(max_examples=50, deadline=None)
@given(models())
def test_edges_have_ends_and_ids_of_their_own(model: Model) -> None:
    graph = structural_graph(model, build(model), "0" * 12, "a" * 40)
    ids = {node.node_id for node in graph.nodes}
    assert len(ids) == len(graph.nodes)
    assert len({edge.edge_id for edge in graph.edges}) == len(graph.edges)
    assert all(edge.source in ids and edge.target in ids for edge in graph.edges)
    assert StructuralGraph.model_validate_json(graph.model_dump_json()) == graph
