"""Distillation and fine-tuning on run data (A11)."""

from __future__ import annotations

import pytest

from stratum_lab.scan.detect import learning
from tests.support.detected import detected, run
from tests.support.projects import project


def test_data_sets_logged_answers_and_tuning_jobs_are_found_with_their_places() -> None:
    model = detected("memory_library", learning)[1]
    assert [(found.kind, found.site.file, found.site.line) for found in model.learning] == [
        ("distillation", "library/observe.py", 13),
        ("distillation", "library/observe.py", 14),
        ("fine_tuning", "library/tune.py", 9),
        ("distillation", "library/tune.py", 12),
        ("fine_tuning", "library/tune.py", 13),
    ]


@pytest.mark.parametrize(
    "source",
    [
        'import wandb\nwandb.log({"loss": 0.1})',
        "from langsmith import Client\nClient().list_datasets()",
        'import mlflow\nmlflow.log_metric("x", 1)',
        'class Client:\n    def create_dataset(self): ...\nClient().create_dataset()',
    ],
)  # fmt: skip
def test_metrics_and_other_objects_are_no_learning(source: str) -> None:
    assert run(project(main=source), learning).learning == []
