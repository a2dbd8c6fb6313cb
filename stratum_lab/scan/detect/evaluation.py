"""Evaluation (A11): frameworks by full module match, and evaluation folders or tests that run an agent.

Tests count here: that is where evaluations live. Vendored code does not.
"""

from __future__ import annotations

import ast
import posixpath
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.teams import run_by
from stratum_lab.scan.detect.telemetry import import_line
from stratum_lab.scan.model import Evaluation, Model, Site
from stratum_lab.scan.source.vocabulary import is_framework_root

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call, Function
    from stratum_lab.scan.source.project import Project

TOOLS: Final = {
    "openai.evals": ("openai.evals", "openai.resources.evals", "openai.types.evals"),
    "ragas": ("ragas",),
    "deepeval": ("deepeval",),
    "promptfoo": ("promptfoo",),
    "trulens": ("trulens", "trulens_eval"),
    "langchain.evaluation": ("langchain.evaluation", "langchain_classic.evaluation"),
    "langsmith.evaluation": ("langsmith.evaluation", "langsmith.evaluate", "langsmith.aevaluate"),
}
"""Evaluation tools and the modules or names whose import is evidence."""
_FOLDERS: Final = frozenset({"eval", "evals", "evaluation", "evaluations"})
_CONFIGS: Final = frozenset({"promptfooconfig.yaml", "promptfooconfig.yml", "promptfooconfig.json"})
_VENDORED: Final = frozenset({"vendor", "_vendor", "third_party"})
_MADE: Final = ("Agent", "Crew", "Team", "Runner", "AgentWorkflow", "AgentExecutor")
_RUNS: Final = frozenset({
    "run", "arun", "run_sync", "run_async", "run_stream", "run_live", "invoke", "ainvoke", "stream", "astream",
    "kickoff", "kickoff_async", "kickoff_for_each", "akickoff", "chat", "achat", "query", "print_response",
    "initiate_chat", "a_initiate_chat", "execute_task", "get_response", "step", "generate_reply", "__call__",
})  # fmt: skip


def last(project: Project, model: Model) -> None:
    """Note evaluation tools, and whether anything evaluates or tests an agent."""
    for tool, prefixes in TOOLS.items():
        for module in project.modules_importing(*prefixes):
            if not _is_vendored(module.path):
                model.evaluation.append(Evaluation(tool, Site(module.path, import_line(module, prefixes))))
                break
    if not any(found.tool == "openai.evals" for found in model.evaluation):
        calls = project.all_calls_to("openai.OpenAI.evals.*", "openai.AsyncOpenAI.evals.*")
        called = next((call for call, _ in calls if not _is_vendored(call.module.path)), None)
        if called is not None:
            model.evaluation.append(Evaluation("openai.evals", called.site))
    tests = (m for m in project.modules if m.excluded and not _is_vendored(m.path))
    runners = _Runners(project, model)
    model.evaluation_tests = any(_is_evaluation_path(path) for path in project.paths) or any(
        runners.starts(call) for module in tests for call in module.calls
    )


def _is_vendored(path: str) -> bool:
    return not _VENDORED.isdisjoint(path.split("/")[:-1])


def _is_evaluation_path(path: str) -> bool:
    """A Python file in an evaluation folder, or a promptfoo configuration."""
    folders = path.lower().split("/")[:-1]
    if not _VENDORED.isdisjoint(folders):
        return False
    return posixpath.basename(path) in _CONFIGS or (path.endswith(".py") and not _FOLDERS.isdisjoint(folders))


class _Runners:
    """Which calls start an agent or crew of the repository, themselves or through its functions."""

    def __init__(self, project: Project, model: Model) -> None:
        self.project = project
        self.model = model
        self.crews = {crew.site for crew in model.crews}
        self.known: dict[Function, bool] = {}

    def starts(self, call: Call) -> bool:
        if self._runs(call):
            return True
        function = self.project.callee(call).function
        if function is None:
            return False
        if function not in self.known:
            reached = self.project.resolver.reachable(function)
            self.known[function] = any(self._runs(inner) for one in reached for inner in one.calls)
        return self.known[function]

    def _runs(self, call: Call) -> bool:
        if run_by(self.project, self.model, call) is not None:
            return True
        func = call.node.func
        if not isinstance(func, ast.Attribute) or func.attr not in _RUNS:
            return False
        receiver = self.project.resolver.resolve(func.value, call.scope)
        if self.model.agent_of(receiver) is not None or any(made.site in self.crews for made in receiver.calls):
            return True
        root, _, rest = (receiver.origin or "").partition(".")  # an agent that the test makes for itself
        return is_framework_root(root) and rest.endswith(_MADE)
