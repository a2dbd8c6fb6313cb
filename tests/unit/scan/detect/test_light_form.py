"""Files of large trees are kept in a light form; agents, crews and links of a repository are the same in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stratum_lab.scan.detect import detect
from stratum_lab.scan.model import Model
from stratum_lab.scan.source.loader import Loader
from tests.support.detected import FIXTURES, agents, crews, guardrails, links

NAMES = ["smolagents_crew", "llama_index_desk", "agno_newsroom", "haystack_press", "google_adk_travel",
         "semantic_kernel_office", "environment_shop"]  # fmt: skip


def _model(root: Path, room: int) -> Model:
    loader = Loader(full_bytes=room, framework_bytes=room)
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    for name in names:
        loader.add(name, (root / name).read_bytes())
    return detect(loader.project(names))


@pytest.mark.parametrize("name", NAMES)
def test_the_light_form_loses_no_agent_crew_tool_link_guardrail_or_name(name: str) -> None:
    light, full = _model(FIXTURES / name, 0), _model(FIXTURES / name, 1 << 30)
    assert agents(light) == agents(full)
    assert crews(light) == crews(full)
    assert links(light) == links(full)
    assert guardrails(light) == guardrails(full)
    assert [server.name for server in light.mcp_servers] == [server.name for server in full.mcp_servers]
    assert light.env_references == full.env_references
    assert (light.frameworks, light.framework_versions) == (full.frameworks, full.framework_versions)
