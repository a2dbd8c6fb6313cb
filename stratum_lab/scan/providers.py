"""Which model providers a repository uses, and how that is known (ping.md section 8, finding_rules.md A10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from stratum_lab.scan.model import Model
from stratum_lab.scan.rules.facts import table

KEY_NAMES: Mapping[str, str] = table("companies.json")["provider_keys"]
"""Environment variable -> provider."""

DEFAULT_PROVIDER: Mapping[str, str] = dict.fromkeys(
    ("LangChain", "LangGraph", "CrewAI", "AutoGen", "Haystack", "OpenAI Agents SDK"), "openai"
)
"""Framework, as a ping names it -> the provider it uses when nothing is said; other frameworks have none."""


class Provided(NamedTuple):
    """Providers of one repository.

    Attributes:
        confidence: detected, inferred_env_var, inferred_framework or unknown.
        slugs: Sorted providers behind it.
        models: Sorted model names found as literals, without provider prefix.
    """

    confidence: str
    slugs: list[str]
    models: list[str]


def provided(model: Model) -> Provided:
    """The first tier that has anything."""
    models = sorted({use.model.rsplit("/", 1)[-1] for use in model.model_uses if use.model})
    if model.model_uses:
        return Provided("detected", sorted({use.slug for use in model.model_uses if use.slug}), models)
    named = {KEY_NAMES[r.name] for r in model.env_references if r.name in KEY_NAMES}
    if named:
        return Provided("inferred_env_var", sorted(named), models)
    default = {DEFAULT_PROVIDER[name] for name in model.frameworks if name in DEFAULT_PROVIDER}
    if default:
        return Provided("inferred_framework", sorted(default), models)
    return Provided("unknown", [], models)
