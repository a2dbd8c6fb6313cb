"""Environment variables, env files and ignore files."""

from __future__ import annotations

import pytest

from stratum_lab.scan.detect import environment
from stratum_lab.scan.model import EnvFile, EnvReference, Model, Site
from stratum_lab.scan.source.project import Project
from tests.support.detected import detected, run


def _shop() -> Model:
    return detected("environment_shop", environment)[1]


def test_names_are_those_that_python_or_an_env_file_names_tests_included() -> None:
    assert {reference.name for reference in _shop().env_references} == {
        "SHOP_KEY", "SHOP_OTHER", "SHOP_THIRD", "SHOP_THIRD_OLD", "SHOP_SET", "SHOP_GET", "SHOP_TOKEN",
        "SHOP_DEFAULTED", "SHOP_READ", "SHOP_TEST_ONLY", "SHOP_EXAMPLE", "STRIPE_KEY", "WEATHER_URL",
    }  # fmt: skip


def test_a_reference_has_its_place() -> None:
    references = _shop().env_references
    assert EnvReference("SHOP_TOKEN", Site(".env.example", 2)) in references
    assert EnvReference("SHOP_SET", Site("shop/config.py", 22, 4)) in references


def test_env_files_are_known_with_whether_a_gitignore_covers_them_untracked_ones_too() -> None:
    texts = {".gitignore": ".env\n!keep/.env\n", "app/.gitignore": "!.env\n", "app/.env": "A_KEY=1\n"}
    model = run(
        Project([], texts=texts, paths=["app/.env"], untracked=[".env", "keep/.env", ".env.local"]), environment
    )
    assert model.env_files == [
        EnvFile(".env", True),
        EnvFile(".env.local", False),
        EnvFile("app/.env", False),
        EnvFile("keep/.env", False),
    ]
    assert model.env_ignored
    assert [reference.name for reference in model.env_references] == ["A_KEY"]


@pytest.mark.parametrize("name", [".env.example", ".env.template", "x/.env.sample", ".env.local.example", ".env.dist"])
def test_examples_declare_names_and_are_no_real_env_files(name: str) -> None:
    model = run(Project([], texts={name: "A=1\n"}, paths=[name]), environment)
    assert (model.env_files, [r.name for r in model.env_references]) == ([], ["A"])


def test_files_that_only_look_alike_are_no_env_files() -> None:
    model = run(Project([], texts={"prod.env": "A=1", "environment": "B=1", ".envrc": "C=1"}), environment)
    assert (model.env_files, model.env_references) == ([], [])
    assert not model.env_ignored
