"""The loader counts what it parsed, and settles what only code can say."""

from __future__ import annotations

import pytest

from stratum_lab.scan.source.loader import Loader

CREW = b"""
from crewai.project import CrewBase
@CrewBase
class Desk:
    agents_config = "settings/people.yaml"
"""


@pytest.mark.parametrize("content", [b"writer:\n  llm: gpt-4o\n", b"writer: {role: a, goal: b}\n"])
def test_yaml_that_only_code_names_is_a_configuration(content: bytes) -> None:
    loader = Loader()
    loader.add("desk/crew.py", CREW)
    loader.add("desk/settings/people.yaml", content)
    loader.add("desk/settings/other.yaml", content.replace(b"writer", b"x"))
    project = loader.project(["desk/crew.py", "desk/settings/people.yaml", "desk/settings/other.yaml"])
    assert project.yaml["desk/settings/people.yaml"].config
    assert project.yaml["desk/settings/people.yaml"].data is not None
    assert loader.facts.parser_errors == 0


def test_broken_yaml_is_an_error_only_where_code_names_it() -> None:
    loader = Loader()
    loader.add("desk/crew.py", CREW)
    loader.add("desk/settings/people.yaml", b"writer: [\n")
    loader.add("compose.yaml", b"services: [\n")
    loader.project(["desk/crew.py", "desk/settings/people.yaml", "compose.yaml"])
    assert [s.file for s in loader.facts.skipped] == ["desk/settings/people.yaml"]
    assert loader.facts.parser_errors == 1
