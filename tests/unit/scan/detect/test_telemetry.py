"""Telemetry providers (A11) and where they send to."""

from __future__ import annotations

import pytest

from stratum_lab.scan.detect import environment, telemetry
from stratum_lab.scan.model import Model
from stratum_lab.scan.source.project import Project
from tests.support.detected import detected, run
from tests.support.projects import project


def _told(model: Model) -> dict[tuple[str, str], bool]:
    return {(found.provider, found.by): found.hosted for found in model.telemetry}


def test_providers_are_found_by_import_and_a_local_host_is_not_hosted() -> None:
    model = detected("memory_library", environment, telemetry)[1]
    assert _told(model) == {
        ("langsmith", "import"): True,
        ("langfuse", "import"): False,
        ("arize", "import"): True,
        ("wandb", "import"): True,
        ("mlflow", "import"): True,
    }


@pytest.mark.parametrize(
    ("source", "provider", "hosted"),
    [
        ("import mlflow", "mlflow", False),
        ('import mlflow\nmlflow.set_tracking_uri("http://127.0.0.1:5000")', "mlflow", False),
        ('import mlflow\nmlflow.set_tracking_uri("sqlite:///x.db")', "mlflow", False),
        ('import mlflow as m\nm.set_tracking_uri("https://m.acme.dev")', "mlflow", True),
        ("import phoenix as px\npx.launch_app()", "arize", False),
        (
            'from phoenix.otel import register\nregister(endpoint="https://app.phoenix.arize.com/v1/traces")',
            "arize",
            True,
        ),
        ("from opentelemetry import trace", "opentelemetry", False),
        ("import agentops", "agentops", True),
        ("try:\n    import logfire\nexcept ImportError:\n    logfire = None", "logfire", True),
        ("def f():\n    from ddtrace import tracer", "datadog", True),
    ],
)
def test_a_library_sends_where_it_is_told_else_where_it_does_by_default(
    source: str, provider: str, hosted: bool
) -> None:
    assert _told(run(project(main=source), telemetry)) == {(provider, "import"): hosted}


@pytest.mark.parametrize(
    ("line", "hosted"),
    [
        ("LANGFUSE_HOST=http://localhost:3000", False),
        ('LANGFUSE_HOST="https://cloud.langfuse.com"', True),
        ("LANGFUSE_SECRET_KEY=x", True),
    ],
)
def test_an_env_name_switches_a_provider_on_and_its_address_decides(line: str, hosted: bool) -> None:
    model = run(Project([], texts={".env": line + "\n"}, untracked=[".env"]), environment, telemetry)
    assert _told(model) == {("langfuse", "env"): hosted}


def test_an_address_set_in_code_counts_as_the_environments() -> None:
    source = 'import os\nos.environ["LANGFUSE_HOST"] = "http://0.0.0.0:3000"\nfrom langfuse import Langfuse'
    model = run(project(main=source), environment, telemetry)
    assert _told(model) == {("langfuse", "import"): False, ("langfuse", "env"): False}


@pytest.mark.parametrize("source", ["import langchain", "import phoenix_db", "from mine import wandb", "import openai"])
def test_like_names_and_other_libraries_are_no_telemetry(source: str) -> None:
    assert run(project(main=source), telemetry).telemetry == []
