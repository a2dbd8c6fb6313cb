"""Literal secrets of the tree (rule ENV-002): file and line only, as they were noted when the files were read."""

from __future__ import annotations

from stratum_lab.scan.model import Model
from stratum_lab.scan.source.project import Project


def agents(project: Project, model: Model) -> None:
    """Take over the places of literal secrets."""
    model.secrets = sorted(set(project.secrets))
