"""Learning from run data (A11): data sets distilled from runs, and fine-tuning or reinforcement on them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.model import Learning, Model
from stratum_lab.scan.source.vocabulary import is_framework_root

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call
    from stratum_lab.scan.source.project import Project

_DISTILLING: Final = (
    "langsmith.Client.create_dataset", "langsmith.Client.create_example", "langsmith.Client.create_examples",
    "langsmith.client.Client.create_dataset", "langsmith.client.Client.create_example",
    "langsmith.client.Client.create_examples", "langsmith.AsyncClient.create_dataset",
    "langsmith.AsyncClient.create_example", "langsmith.AsyncClient.create_examples",
    "mlflow.log_artifact", "mlflow.log_artifacts", "mlflow.**.log_model", "mlflow.log_model",
    "mlflow.MlflowClient.log_artifact",
)  # fmt: skip
_LOGGING: Final = ("wandb.log", "wandb.save", "wandb.init.log", "wandb.init.save", "wandb.log_artifact",
                   "wandb.init.log_artifact")  # fmt: skip
_TUNING: Final = (
    "openai.**.fine_tuning.jobs.create", "openai.OpenAI.fine_tuning.jobs.create", "openai.FineTuningJob.create",
    "openai.AsyncOpenAI.fine_tuning.jobs.create", "openai.AzureOpenAI.fine_tuning.jobs.create",
    "openai.FineTune.create", "openai.fine_tuning.jobs.create", "trl.PPOTrainer",
    "trl.DPOTrainer", "trl.GRPOTrainer", "trl.**.PPOTrainer", "trl.**.DPOTrainer", "trl.**.GRPOTrainer",
)  # fmt: skip


def late(project: Project, model: Model) -> None:
    """Note each call that distils or fine-tunes."""
    found = [Learning("distillation", call.site) for call, _ in project.calls_to(*_DISTILLING)]
    found += [
        Learning("distillation", call.site)
        for call, _ in project.calls_to(*_LOGGING)
        if _logs_output(project, model, call)
    ]
    found += [Learning("fine_tuning", call.site) for call, _ in project.calls_to(*_TUNING)]
    model.learning = sorted(found, key=lambda learning: learning.site)


def _logs_output(project: Project, model: Model, call: Call) -> bool:
    """Whether an argument holds what a model, an agent or a framework returned."""
    for argument in (*call.node.args, *(k.value for k in call.node.keywords)):
        for node in ast.walk(argument):
            if not isinstance(node, ast.Name | ast.Attribute | ast.Call):
                continue
            value = project.resolver.resolve(node, call.scope)
            root = (value.origin or "").partition(".")[0]
            if value.kind == "instance" and is_framework_root(root):
                return True
            if any(model.agent_at(made.site) is not None for made in value.calls):
                return True
    return False
