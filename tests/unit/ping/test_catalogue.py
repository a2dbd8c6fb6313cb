"""Catalogue and functions belong together; rounding is exact."""

from __future__ import annotations

from fractions import Fraction
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_lab.contract.ping_fields import PingField, live
from stratum_lab.contract.score import score_of_counts
from stratum_lab.ping.catalogue import FIELDS, FUNCTIONS, field_functions
from stratum_lab.ping.rounding import half_up, percent, ratio
from stratum_lab.scan.detect.frameworks import DISPLAY
from stratum_lab.scan.providers import DEFAULT_PROVIDER


def module_with(*names: str) -> ModuleType:
    module = ModuleType("groups.test")
    for name in names:
        exec(f"def {name}(scan): return 0", module.__dict__)
        module.__dict__[name].__module__ = module.__name__
    return module


FIELD = PingField("agents", "int", "failed", 3, None, "test", "")


def test_every_field_has_its_function_and_no_other_is_there() -> None:
    assert set(FUNCTIONS) == {field.name for field in live()}
    assert live() == FIELDS


def test_a_field_without_a_function_is_named() -> None:
    with pytest.raises(LookupError, match="field agents has no function"):
        field_functions((FIELD,), {"test": module_with()})


def test_a_function_without_a_field_is_named() -> None:
    with pytest.raises(LookupError, match=r"function crews of groups/test\.py"):
        field_functions((FIELD,), {"test": module_with("agents", "crews", "_private")})


def test_default_providers_belong_to_frameworks_as_pings_name_them() -> None:
    assert set(DEFAULT_PROVIDER) <= set(DISPLAY.values())


@pytest.mark.parametrize(
    ("numerator", "denominator", "places", "shown"),
    [
        (1, 8, 2, 0.13),
        (1, 40, 2, 0.03),
        (3, 8, 2, 0.38),
        (2, 3, 2, 0.67),
        (5, 0, 2, 0.0),
        (0, 5, 2, 0.0),
        (1, 2, 0, 1.0),
    ],
)
def test_ratios_are_rounded_half_up(numerator: int, denominator: int, places: int, shown: float) -> None:
    assert ratio(numerator, denominator, places) == shown


@given(st.fractions(), st.integers(0, 6))
def test_rounding_moves_by_at_most_half_a_step_and_up_in_the_middle(value: Fraction, places: int) -> None:
    rounded, step = half_up(value, places), Fraction(1, 10**places)
    assert rounded % step == 0
    assert -step / 2 < value - rounded < step / 2 or value - rounded == -step / 2


@pytest.mark.check("M18", "V7")
@pytest.mark.parametrize(
    ("severities", "score"),
    [
        ({}, 0),
        ({"LOW": 1}, 8),
        ({"CRITICAL": 1, "HIGH": 3, "MEDIUM": 2}, 37),
        ({"CRITICAL": 4, "HIGH": 5, "MEDIUM": 8, "LOW": 1}, 62),
        ({"CRITICAL": 2, "HIGH": 5, "MEDIUM": 7, "LOW": 1}, 55),
        ({"CRITICAL": 100_000}, 100),
    ],
)
def test_the_score_is_the_formula_of_the_specification(severities: dict[str, int], score: int) -> None:
    assert score_of_counts(severities) == score


def test_percents_are_rounded_half_up() -> None:
    assert [percent(1, 8), percent(1, 3), percent(0, 0)] == [13, 33, 0]
