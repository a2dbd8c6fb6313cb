"""Evaluation tools and tests that run agents (A11)."""

# ruff: noqa: E501 - sources under test stand on one line each

from __future__ import annotations

import pytest

from stratum_lab.scan.detect import evaluation, smolagents
from stratum_lab.scan.model import Model
from stratum_lab.scan.source.project import Project
from tests.support.detected import detected, run
from tests.support.projects import project

AGENT = "from smolagents import ToolCallingAgent\nagent = ToolCallingAgent(tools=[], model=None)\n\ndef ask(q):\n    return agent.run(q)\n"


def _with_test(source: str) -> Model:
    made = project({"app.py": AGENT, "tests/test_app.py": source})
    made.modules[1].excluded = True
    return run(made, smolagents, evaluation)


def test_a_framework_that_only_tests_import_counts_and_so_does_an_evaluation_folder() -> None:
    model = detected("memory_library", evaluation)[1]
    assert [found.tool for found in model.evaluation] == ["deepeval"]
    assert model.evaluation_tests


@pytest.mark.parametrize(
    ("source", "tool"),
    [
        ("from langsmith.evaluation import evaluate", "langsmith.evaluation"),
        ("from langsmith import evaluate", "langsmith.evaluation"),
        ("import langchain.evaluation", "langchain.evaluation"),
        ("from ragas.metrics import faithfulness", "ragas"),
        ("from trulens_eval import Tru", "trulens"),
        ("from openai import OpenAI\nOpenAI().evals.create(name='x')", "openai.evals"),
    ],
)
def test_full_modules_are_evidence(source: str, tool: str) -> None:
    assert [found.tool for found in run(project(main=source), evaluation).evaluation] == [tool]


@pytest.mark.parametrize(
    "source",
    ["import langchain", "from langchain.chains import LLMChain", "import langsmith", "import openai", "import ragas2"],
)
def test_the_library_around_is_no_evidence(source: str) -> None:
    model = run(project(main=source), evaluation)
    assert (model.evaluation, model.evaluation_tests) == ([], False)


def test_a_test_that_runs_an_agent_itself_or_through_the_repository_is_an_evaluation() -> None:
    assert _with_test("from app import agent\ndef test_x():\n    assert agent.run('x')").evaluation_tests
    assert _with_test("from app import ask\ndef test_x():\n    assert ask('x')").evaluation_tests
    own = "from smolagents import CodeAgent\ndef test_x():\n    assert CodeAgent(tools=[], model=None).run('x')"
    assert _with_test(own).evaluation_tests


def test_a_test_that_runs_none_is_no_evaluation() -> None:
    assert not _with_test("import app\ndef test_x():\n    assert app.agent.name\n    app.other.run()").evaluation_tests


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("evals/run.py", True),
        ("app/evaluation/cases.py", True),
        ("promptfooconfig.yaml", True),
        ("evals/README.md", False),
        ("vendor/evals/run.py", False),
        ("app/evaluator.py", False),
    ],
)
def test_evaluation_folders_hold_code(path: str, found: bool) -> None:
    assert run(Project([], paths=[path]), evaluation).evaluation_tests is found
