"""What the scanner finds in a fixture program, to compare with what is seen when it runs."""

from __future__ import annotations

from stratum_lab.scan.capabilities import find_capabilities
from stratum_lab.scan.detect import detect
from stratum_lab.scan.source.loader import Loader
from stratum_lab.scan.structure import structural_graph
from stratum_lab.scan.topology import build
from tests.support.patcher.program import PROGRAMS

ACTORS = ("agent", "group_chat")


def static_ids(program: str) -> set[str]:
    """Ids of the agents and group chats that the scanner finds.

    Args:
        program: File among the fixture programs.
    """
    source = PROGRAMS / program
    loader = Loader()
    loader.add(source.name, source.read_bytes())
    project = loader.project([source.name])
    model = detect(project)
    find_capabilities(project, model)
    graph = structural_graph(model, build(model), "0" * 12, None)
    return {node.node_id for node in graph.nodes if node.node_type in ACTORS}
