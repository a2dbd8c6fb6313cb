"""Statements of the field catalogue and of the extraction rules, each held against a small awkward tree.

A case is a tree and the fields that its ping must carry; a dotted name is a key inside an object field.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from stratum_lab.ping.build import measured
from stratum_lab.scan.providers import provided
from stratum_lab.scan.result import Scan
from stratum_lab.scan.scanner import scan_tree

Files = dict[str, str]


def scan_of(root: Path, files: Files) -> Scan:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).removeprefix("\n"), encoding="utf-8")
    return scan_tree(root)


def fields_of(scan: Scan, names: list[str]) -> dict[str, Any]:
    values = measured(scan)
    found = {}
    for name in names:
        field, _, key = name.partition(".")
        found[name] = values[field][key] if key else values[field]
    return found


AGENT = "from crewai import Agent\na = Agent(role='r', goal='g', backstory='b')\n"
HOLDER = "from crewai import Agent\na = Agent(role='r', goal='g', backstory='b', tools=[{}])\n"
YAML_AGENT = "writer:\n  role: r\n  goal: g\n  llm: deepseek/deepseek-chat\n"


@pytest.mark.parametrize(
    ("files", "confidence", "slugs", "models"),
    [
        pytest.param({"agents.yaml": YAML_AGENT}, "detected", ["deepseek"], ["deepseek-chat"], id="a YAML only crew"),
        pytest.param({"any.yml": YAML_AGENT}, "detected", ["deepseek"], ["deepseek-chat"], id="YAML by its shape"),
        pytest.param({"tests/agents.yaml": YAML_AGENT}, "unknown", [], [], id="YAML of tests"),
        pytest.param({"any.yml": "job:\n  llm: gpt-4o\n"}, "unknown", [], [], id="YAML that is no configuration"),
        pytest.param(
            {".env.example": "MISTRAL_API_KEY=\n", "a.py": "import crewai\n"},
            "inferred_env_var",
            ["mistral"],
            [],
            id="a key name before the framework",
        ),
        pytest.param({"a.py": "import os\nos.getenv('MY_OPENAI_API_KEY')\n"}, "unknown", [], [], id="part of a name"),
        pytest.param({"a.py": "import smolagents\n"}, "unknown", [], [], id="a framework without a default"),
    ],
)
def test_the_first_tier_that_has_anything_gives_the_providers(
    tmp_path: Path, files: Files, confidence: str, slugs: list[str], models: list[str]
) -> None:
    assert provided(scan_of(tmp_path, files).model) == (confidence, slugs, models)
