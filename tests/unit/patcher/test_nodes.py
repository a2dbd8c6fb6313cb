"""Node ids: cleaned names, places inside the repository, one object one id."""

from __future__ import annotations

import functools
import gc
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stratum_patcher import nodes


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that counts as the repository."""
    monkeypatch.setattr(nodes, "ROOT", f"{tmp_path.resolve()}/")
    for table in (nodes._of_file, nodes._of_library):
        monkeypatch.setattr(nodes, "_of_file" if table is nodes._of_file else "_of_library", {})
    yield tmp_path


def run(path: Path, text: str, **names: Any) -> dict[str, Any]:
    """Execute a file of a made-up program and return its names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    names = {"__name__": "made_up", **names}
    exec(compile(text, str(path), "exec"), names)
    return names


@pytest.mark.parametrize(
    "name, identity",
    [
        ("Senior  Analyst:\n Data\n", "crewai:Senior Analyst_ Data:a.py:1"),
        ("", "crewai:unnamed:a.py:1"),
        ("e\u0301", "crewai:\u00e9:a.py:1"),
        ("x" * 130, "crewai:" + "x" * 120 + ":a.py:1"),
        (7, "crewai:int:a.py:1"),
    ],
)
def test_names_are_cleaned_in_ids(name: object, identity: str) -> None:
    assert nodes.node("crewai", name, ("a.py", 1)).id == identity


def test_the_innermost_frame_of_the_repository_is_the_place(repository: Path) -> None:
    library = repository / "site-packages" / "framework" / "core.py"
    made = run(library, "def make(here):\n\n    return here()\n")
    found = run(
        repository / "pkg" / "app.py",
        "def build():\n    return make(\n        here,\n    )\nplace = build()\n",
        make=made["make"],
        here=nodes.here,
    )
    assert found["place"] == ("pkg/app.py", 2)


def test_without_a_frame_in_the_repository_there_is_no_place(repository: Path) -> None:
    assert nodes.here() == nodes.NOWHERE


def test_the_caller_of_a_client_is_a_library_file_without_the_machine_s_folders(repository: Path) -> None:
    client = run(
        repository / "lib" / "site-packages" / "openai" / "client.py",
        "def post(caller):\n    return caller(('openai',))\n",
    )
    framework = run(
        repository / "lib" / "site-packages" / "crewai" / "llm.py",
        "def call(post, caller):\n    x = 1\n    return post(caller)\n",
    )
    assert framework["call"](client["post"], nodes.caller) == ("crewai/llm.py", 3)


def test_a_decorated_function_is_placed_where_it_is_written(repository: Path) -> None:
    found = run(
        repository / "app.py",
        "import functools\n"
        "def deco(f):\n"
        "    @functools.wraps(f)\n"
        "    def inner(): return f()\n"
        "    return inner\n"
        "@deco\n"
        "def node(): pass\n",
    )
    assert nodes.place_of(found["node"]) == ("app.py", 6)
    assert nodes.place_of(functools.wraps(found["node"])(lambda: None)) == ("app.py", 6)
    assert nodes.place_of(len) == nodes.NOWHERE


def test_a_class_is_placed_where_it_is_written(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("made_up_classes")
    file = repository / "classes.py"
    file.write_text("x = 1\n\nclass Tool:\n    pass\n")
    module.__file__ = str(file)
    monkeypatch.setitem(sys.modules, "made_up_classes", module)
    exec(compile(file.read_text(), str(file), "exec"), vars(module))
    assert nodes.place_of(module.Tool) == ("classes.py", 3)


def test_a_method_is_placed_where_its_function_is_written_also_under_a_decorator(repository: Path) -> None:
    found = run(
        repository / "app.py",
        "import functools\n"
        "class Crew:\n"
        "    def work(self): pass\n"
        "    @functools.lru_cache\n"
        "    def kept(self): pass\n"
        "    @staticmethod\n"
        "    def alone(): pass\n",
    )
    crew = found["Crew"]
    assert nodes.place_of(crew().work) == ("app.py", 3)
    assert nodes.place_of(crew.kept) == ("app.py", 4)
    assert nodes.place_of(vars(crew)["alone"]) == ("app.py", 6)


class _Asked:
    """A tool that is an object, whose class has a say in what is asked of it."""

    def __getattr__(self, name: str) -> object:
        raise SystemExit(name)


class _Proxy:
    """A stand-in that makes what it stands for when it is asked."""

    @property
    def __wrapped__(self) -> object:
        raise SystemExit("made")


@pytest.mark.parametrize("thing", [_Asked(), _Proxy()], ids=["asked", "proxy"])
def test_an_object_that_would_answer_by_its_own_code_is_not_asked_for_its_place(thing: object) -> None:
    assert nodes.place_of(thing) == nodes.NOWHERE


def test_names_that_never_end_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "_of_name", {})
    monkeypatch.setattr(nodes, "_KEPT", 10)
    for number in range(50):
        agent = types.SimpleNamespace()
        nodes.remember(agent, nodes.node("crewai", f"agent {number}"))
    assert len(nodes._of_name) <= 11


@pytest.mark.parametrize("path", ["<string>", "", "/elsewhere/x.py"])
def test_files_outside_are_no_place(repository: Path, path: str) -> None:
    assert nodes.relative(path) is None


def test_a_remembered_object_is_known_until_it_is_gone() -> None:
    class Agent:
        pass

    agent, found = Agent(), nodes.node("crewai", "Known", ("a.py", 4))
    nodes.remember(agent, found)
    assert nodes.known(agent) is found
    key = id(agent)
    del agent
    gc.collect()
    assert key not in nodes._of_object


def test_an_object_that_allows_no_weak_reference_is_known_too() -> None:
    held = {"slot": 1}
    found = nodes.remember(held, nodes.node("crewai", "Slot", ("a.py", 9)))
    assert nodes.known(held) is found
    assert nodes.known({"slot": 1}) is None


def test_few_objects_that_allow_no_weak_reference_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "_of_held", {})
    monkeypatch.setattr(nodes, "_HELD", 3)
    tools = [{"slot": number} for number in range(10)]
    for tool in tools:
        nodes.remember(tool, nodes.node("crewai", "Slot", ("a.py", 9)))
    assert [nodes.known(tool) is not None for tool in tools] == [False] * 7 + [True] * 3


def test_a_copy_is_found_by_a_name_that_only_one_has() -> None:
    class Agent:
        pass

    original, copy, other = Agent(), Agent(), Agent()
    found = nodes.remember(original, nodes.node("crewai", "Only one", ("a.py", 5)))
    assert nodes.of(copy, "crewai", "Only one") is found
    nodes.remember(other, nodes.node("crewai", "Only one", ("b.py", 6)))
    assert nodes.of(copy, "crewai", "Only one").id == "crewai:Only one:-:0"
