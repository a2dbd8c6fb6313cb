"""Detectors, one module a framework or subject; each fills the model from a project.

A detector is a module of this folder with one or more of four functions `(project, model) -> None`, called over all
detectors in this order: `agents` (definition sites), `groups` (crews, graphs, tasks, links, guardrails: all that needs
agents), `late` (what yields to everything else), `last` (facts about all that was found). A new file is found without
being listed.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Final

from stratum_lab.scan.model import Model
from stratum_lab.scan.source.project import Project

STAGES: Final = ("agents", "groups", "late", "last")

Stage = Callable[[Project, Model], None]


@cache
def stages() -> tuple[Stage, ...]:
    """Every stage of every detector, in the order they run."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    found = [(stage, getattr(module, stage, None)) for stage in STAGES for module in modules]
    return tuple(run for _, run in found if callable(run))


def detect(project: Project) -> Model:
    """The static model of a project, settled; capabilities are added by whoever needs them."""
    model = Model()
    for stage in stages():
        stage(project, model)
    model.settle()
    return model
