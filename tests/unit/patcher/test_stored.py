"""Attributes of the program's objects are read as they are stored, and none of its code runs."""

from __future__ import annotations

from typing import Any

from stratum_patcher import stored


class Guarded:
    """An object whose code must not run."""

    kind = "a class's text"

    def __init__(self, **held: Any) -> None:
        object.__getattribute__(self, "__dict__").update(held)

    @property
    def name(self) -> str:
        raise AssertionError("a property ran")

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError("an attribute was looked up")


class Slotted:
    """An object without a dictionary."""

    __slots__ = ("name",)

    def __init__(self) -> None:
        self.name = "kept in a slot"


def test_what_an_object_holds_is_found_without_asking_it() -> None:
    thing = Guarded(name="ann", tools=[1])
    assert stored.held(thing, "name") == "ann"
    assert stored.held(thing, "tools") == [1]


def test_what_only_its_class_has_is_not_held() -> None:
    assert stored.held(Guarded(), "name") is None
    assert stored.held(Guarded(), "kind", "nothing") == "nothing"


def test_objects_without_a_dictionary_hold_nothing() -> None:
    assert stored.held(Slotted(), "name") is None
    assert stored.held(7, "real", 3) == 3


def test_a_text_may_be_the_objects_or_its_classs_but_never_a_propertys() -> None:
    class Named:
        kind = "poet"
        size = 3

        @property
        def name(self) -> str:
            raise AssertionError("a property ran")

    thing = Named()
    assert stored.text(thing, "kind") == "poet"
    vars(thing)["kind"] = "critic"
    assert stored.text(thing, "kind") == "critic"
    assert [stored.text(thing, name) for name in ("name", "size", "missing")] == [None, None, None]


def test_a_text_of_a_class_of_the_programs_own_is_made_a_plain_one() -> None:
    class Loud(str):
        def __str__(self) -> str:
            raise AssertionError("shown")

    class Named:
        name = Loud("ann")

    assert type(stored.text(Named(), "name")) is str
