"""Very large trees: files without a fact keep only what others import through them."""

from __future__ import annotations

import ast
import textwrap

from stratum_lab.scan.source.loader import Loader
from stratum_lab.scan.source.project import Project


def _project(files: dict[str, str]) -> Project:
    loader = Loader(full_bytes=0, framework_bytes=0, light_bytes=0)
    for path, text in files.items():
        loader.add(path, textwrap.dedent(text).encode())
    return loader.project(files)


def test_agents_are_found_beyond_all_budgets() -> None:
    made = _project({"a.py": 'from crewai import Agent\ndef f():\n    return Agent(role="r")\n'})
    assert [value.origin for _, value in made.calls_to("crewai.Agent")] == ["crewai.Agent"]


def test_a_name_is_followed_through_a_file_without_facts() -> None:
    made = _project({"hub.py": "from library import Tool as T\ndef g(): return 1\n", "use.py": "from hub import T\n"})
    hub, use = made.modules
    assert hub.functions == []
    assert made.resolver.origin(ast.Name("T", ast.Load(), lineno=9, col_offset=0), use.scope) == "library.Tool"


def test_a_file_that_acts_keeps_its_functions_and_one_that_does_not_keeps_its_classes() -> None:
    made = _project(
        {
            "acts.py": "import requests\ndef f(url):\n    return requests.get(url)\n",
            "idle.py": "import re\nclass A(B):\n    x = 1\n    def m(self):\n        return self.x\n",
        }
    )
    acts, idle = made.modules
    assert [f.name for f in acts.functions] == ["f"]
    assert len(acts.calls) == 1
    assert idle.functions == []
    assert [(c.name, c.methods, len(c.bases)) for c in idle.classes] == [("A", {}, 1)]
