"""The resolver follows names as Python would, and knows nothing rather than guess."""

# ruff: noqa: E501 - sources under test stand on one line each

from __future__ import annotations

import ast

import pytest

from stratum_lab.scan.source.index import Call, Module
from stratum_lab.scan.source.indexer import index
from stratum_lab.scan.source.light import lighten
from stratum_lab.scan.source.project import Project
from stratum_lab.scan.source.value import Unknown, Value
from tests.support.projects import project


def call_named(p: Project, text: str) -> Call:
    """The one call whose callee reads so."""
    (found,) = [c for m in p.modules for c in m.calls if ast.unparse(c.node.func) == text]
    return found


def argument(p: Project, callee: str = "probe") -> Value:
    call = call_named(p, callee)
    return p.resolver.resolve(call.node.args[0], call.scope)


def elements(p: Project, callee: str = "probe") -> list[str | None]:
    call = call_named(p, callee)
    return [v.origin or v.text for v in p.resolver.items(call.node.args[0], call.scope).values]


@pytest.mark.parametrize(
    ("source", "origin"),
    [
        ("import crewai\nprobe(crewai.Agent)", "crewai.Agent"),
        ("import crewai.agent as ca\nprobe(ca.Agent)", "crewai.agent.Agent"),
        ("from crewai import Agent as A\nB = A\nprobe(B)", "crewai.Agent"),
        ("try:\n    from x import Y\nexcept ImportError:\n    Y = None\nprobe(Y)", "x.Y"),
        ("def f():\n    from x import Y\n    probe(Y())", "x.Y"),
        ("from x import Y\nclass C:\n    def __init__(self):\n        self.y = Y()\n    def g(self):\n        probe(self.y)", "x.Y"),
        ("from x import Y\nclass C:\n    y = Y()\n    def g(self):\n        probe(self.y)", "x.Y"),
        ("from x import Y\nclass C:\n    def make(self):\n        return Y(1)\nprobe(C().make())", "x.Y"),
        ("from x import Y\nclass B:\n    def make(self):\n        return Y(1)\nclass C(B): pass\nc = C()\nprobe(c.make())", "x.Y"),
        ("from x import Y\ndef make(flag):\n    y = Y() if flag else None\n    return y\nprobe(make(1))", "x.Y"),
        ("from x import Y\nprobe(Y().tools().first)", "x.Y.tools.first"),
        ("from x import Y\nprobe((z := Y()))", "x.Y"),
        ("from x import Y, Z\na, b = Y(), Z()\nprobe(b)", "x.Z"),
        ("from x import Y\nd = {'k': Y()}\nprobe(d['k'])", "x.Y"),
        ("from x import Y\nwith Y() as y:\n    probe(y)", "x.Y"),
        ("from x import Y\ndef f(y):\n    probe(y)\nf(Y())", "x.Y"),
        ("from x import Y\ndef f(y: Y | None = None):\n    probe(y)", "x.Y"),
        ("from x import Y\ny = None\ndef f():\n    probe(y)\ny = Y()", "x.Y"),
        ("from x import Y\nasync def f():\n    async with Y() as y:\n        probe(await y.go())", "x.Y.go"),
        ("import os\nprobe(os.environ)", "os.environ"),
    ],
)  # fmt: skip
def test_a_name_is_followed_to_its_origin(source: str, origin: str) -> None:
    assert argument(project(main=source)).origin == origin


@pytest.mark.parametrize(
    "source",
    [
        "probe(agent)",
        "def f(agent):\n    probe(agent)",
        "x = y\ny = x\nprobe(x)",
        "from x import Y\ndef f(y):\n    probe(y)\nf(Y())\nf(unknown())",
        "class C:\n    def g(self):\n        probe(self.nothing)",
        "def f():\n    return f()\nprobe(f())",
    ],
)
def test_what_cannot_be_followed_is_unknown(source: str) -> None:
    assert not argument(project(main=source)).known


def test_imports_are_followed_across_files_and_packages() -> None:
    p = project(
        {
            "app/main.py": "from .agents import make\nfrom app.tools import search\nimport app.tools as t\nprobe([make(), search, t.other])",
            "app/agents.py": "from crewai import Agent\nfrom .deep.more import late\ndef make():\n    return late()",
            "app/deep/more.py": "from crewai import Agent\ndef late():\n    return Agent(role='x')",
            "app/tools.py": "from lib import search\nfrom lib2 import thing as other",
        }
    )
    assert elements(p) == ["crewai.Agent", "lib.search", "lib2.thing"]


def test_a_package_re_exports_through_its_init() -> None:
    p = project(
        {
            "pkg/__init__.py": "from .inner import Thing",
            "pkg/inner.py": "class Thing: pass",
            "main.py": "from pkg import Thing\nprobe(Thing())",
        }
    )
    value = argument(p)
    assert value.kind == "instance"
    assert value.cls is not None
    assert value.cls.site.file == "pkg/inner.py"


def test_a_framework_is_external_beside_a_folder_of_its_name_and_agents_is_the_repository_s_own() -> None:
    p = project(
        {
            "examples/run.py": "from crewai import Agent\nprobe(Agent)",
            "crewai/__init__.py": "class Agent: pass",
            "agents/__init__.py": "from .one import Agent",
            "agents/one.py": "class Agent: pass",
            "main.py": "from agents import Agent\nother(Agent)",
        }
    )
    assert argument(p).kind == "external"
    assert argument(p, "other").kind == "class"


def test_circular_imports_end() -> None:
    p = project({"a.py": "from b import y as x\nprobe(x)", "b.py": "from a import x as y"})
    assert not argument(p).known


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("probe([A(), B()])", ["x.A", "x.B"]),
        ("t = [A()]\nt.append(B())\nprobe(t)", ["x.A", "x.B"]),
        ("t = [A()]\nt += [B()]\nprobe(t)\nt.append(A())", ["x.A", "x.B"]),
        ("one = [A()]\ntwo = [B()]\nprobe(one + two)", ["x.A", "x.B"]),
        ("one = [A()]\nprobe([*one, B()])", ["x.A", "x.B"]),
        ("def make():\n    return [A(), B()]\nprobe(make())", ["x.A", "x.B"]),
        ("class C:\n    def __init__(self):\n        self.t = [A()]\n        self.t.append(B())\n    def g(self):\n        probe(self.t)", ["x.A", "x.B"]),
        ("class C:\n    t = [A(), B()]\n    def g(self):\n        probe(self.t)", ["x.A", "x.B"]),
        ("t = []\nfor k in [A(), B()]:\n    t.append(k)\nprobe(t)", ["x.A", "x.B"]),
        ("probe([k for k in (A(), B())])", ["x.A", "x.B"]),
        ("d = {'a': A(), 'b': B()}\nprobe(list(d.values()))", ["x.A", "x.B"]),
        ("def f(t):\n    probe(t)\nf([A(), B()])", ["x.A", "x.B"]),
        ("probe(A().get_tools())", ["x.A.get_tools"]),
    ],
)  # fmt: skip
def test_lists_are_read_however_they_are_built(source: str, expected: list[str]) -> None:
    assert elements(project(main="from x import A, B\n" + source)) == expected


def test_a_list_of_another_file_keeps_what_was_added_there() -> None:
    p = project(
        {"tools.py": "from x import A, B\nALL = [A()]\nALL.append(B())", "main.py": "from tools import ALL\nprobe(ALL)"}
    )
    assert elements(p) == ["x.A", "x.B"]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("probe('a' 'b')", "ab"),
        ("topic = input()\nprobe(f'{topic} researcher')", "{topic} researcher"),
        ("N = 'Max'\nprobe(f'I am {N}')", "I am Max"),
        ("probe('%s writer' % topic)", "{value} writer"),
        ("X = 'a'\nprobe(X + ' b')", "a b"),
        ("import textwrap\nprobe(textwrap.dedent('''\n    hello\n'''))", "hello"),
        ("probe('{topic} expert'.format(topic=t))", "{topic} expert"),
    ],
)
def test_texts_keep_their_placeholders(source: str, text: str) -> None:
    p = project(main=source)
    call = call_named(p, "probe")
    assert p.resolver.text(call.node.args[0], call.scope) == text


def test_factories_are_remembered_with_the_calls_they_came_through() -> None:
    p = project({"main.py": "from crewai import Agent\ndef make():\n    return Agent(role='r')\nprobe(make())"})
    value = argument(p)
    assert [c.node.lineno for c in value.calls] == [3, 4]
    assert [f.name for f in value.via] == ["make"]


def test_reachable_functions_include_those_of_other_files_and_methods_and_end_in_cycles() -> None:
    p = project(
        {
            "main.py": "from b import helper\nclass S:\n    def run(self):\n        return self.step()\n    def step(self):\n        return helper()",
            "b.py": "def helper():\n    return other()\ndef other():\n    return helper()",
        }
    )
    (run,) = [f for f in p.functions() if f.name == "run"]
    assert sorted(f.qualname for f in p.resolver.reachable(run)) == ["S.run", "S.step", "helper", "other"]


def test_symbols_name_what_a_call_is_assigned_to() -> None:
    p = project(
        {
            "main.py": "class C:\n    def __init__(self):\n        self.a = one()\n    def make(self):\n        return two()\nx = three()\nprint(four())"
        }
    )
    assert [p.resolver.symbol_of(call_named(p, n)) for n in ("one", "two", "three", "four")] == [
        "C.a", "C.make", "x", "main.py:7",
    ]  # fmt: skip


def test_calls_are_found_by_origin_prefix_and_last_name() -> None:
    p = project(
        {
            "main.py": "import requests\nfrom crewai.agents.agent import Agent\nrequests.get('u')\nrequests.post('u')\nAgent()"
        }
    )
    assert len(list(p.calls_to("requests.*"))) == 2
    assert len(list(p.calls_to("crewai.**.Agent"))) == 1
    assert len(list(p.calls_to("requests.get", "requests.*"))) == 2


def test_lists_that_feed_each_other_in_a_circle_end() -> None:
    p = project(
        main="""
def one(items):
    for item in items:
        two(item)
    return [*items, *two(items)]
def two(things):
    for thing in things:
        one(thing)
    return one(things)
probe(one(two([1])))
"""
    )
    assert elements(p) is not None


def test_a_function_called_from_everywhere_takes_no_parameter_from_its_calls() -> None:
    calls = "\n".join("f(Y())" for _ in range(40))
    assert not argument(project(main=f"from x import Y\ndef f(y):\n    probe(y)\n{calls}")).known


def test_the_light_form_keeps_what_leads_to_a_fact() -> None:
    source = """
from crewai import Agent
from helpers import search, build
import requests
LIMIT = 3
def fetch(url):
    return requests.get(url, timeout=2)
def big():
    rows = [1, 2, 3]
    return sum(rows)
class Box:
    def __init__(self):
        self.agent = Agent(role="r", tools=[search])
    def agents(self):
        return [self.agent, build(1)]
"""
    module = lighten(index(ast.parse(source), Module("main.py", len(source))))
    p = Project([module, index(ast.parse("def search(): pass\ndef build(n): pass"), Module("helpers.py", 1))])
    assert [ast.unparse(call.node.func) for call in module.calls] == ["requests.get", "Agent"]
    assert [f.name for f in module.functions if f.node is not None] == ["fetch", "__init__"]
    ((agent, _),) = list(p.calls_to("crewai.Agent"))
    tools = agent.arg("tools")
    assert tools is not None
    assert [v.origin for v in p.resolver.items(tools, agent.scope).values] == ["helpers.search"]
    (listed,) = [f for f in p.functions() if f.name == "agents"]
    assert p.resolver.items(listed.returns[0], listed.scope).values[0].origin == "crewai.Agent"
    (big,) = [f for f in p.functions() if f.name == "big"]
    assert big.names == ("sum",)
    assert p.resolver.literal(ast.parse("LIMIT", mode="eval").body, module.scope) == 3


def test_literals_that_hold_themselves_end() -> None:
    p = project(main="def f(options):\n    options = {'a': 1, **options}\n    row = [row]\n    probe(options, row)")
    call = call_named(p, "probe")
    assert list(p.resolver.mapping(call.node.args[0], call.scope)) == ["a"]
    assert isinstance(p.resolver.literal(call.node.args[1], call.scope), list | Unknown)


def test_a_script_inside_a_package_sees_the_modules_beside_it() -> None:
    p = project(
        {"trip/__init__.py": "", "trip/people.py": "class A: pass", "trip/run.py": "from people import A\nprobe(A)"}
    )
    assert argument(p).origin == "trip.people.A"


def test_the_variable_of_a_later_comprehension_hides_no_import() -> None:
    p = project(main="from x import tool\ndef f(ts):\n    probe(tool)\n    return {tool.name for tool in ts}")
    assert argument(p).origin == "x.tool"


def test_a_star_import_brings_what_its_framework_is_known_to_export_and_nothing_else() -> None:
    assert argument(project(main="from crewai import *\nprobe(Agent)")).origin == "crewai.Agent"
    assert argument(project(main="from crewai import *\nprobe(Something)")).origin is None
    assert argument(project(main="from unknown import *\nprobe(Agent)")).origin is None


def test_a_star_import_of_a_module_of_the_repository_brings_its_imports() -> None:
    p = project({"shared.py": "from crewai import Agent", "main.py": "from shared import *\nprobe(Agent)"})
    assert argument(p).origin == "crewai.Agent"


@pytest.mark.parametrize(
    "field",
    [
        "m: Model",
        "m: Model = Field(...)",
        "m: SkipValidation[Model] = Field(...)",
        "m: 'Model | None' = None",
        "m: Alias",
    ],
)
def test_a_field_that_a_class_declares_with_a_type_is_an_instance_of_it(field: str) -> None:
    source = (
        "from pydantic import BaseModel, Field, SkipValidation\nfrom x import Model, Other\nAlias = Model | Other\n"
    )
    body = f"class C(BaseModel):\n    {field}\n    def f(self): probe(self.m)"
    assert (argument(project(main=source + body)).kind, argument(project(main=source + body)).origin) == (
        "instance",
        "x.Model",
    )


def test_any_says_nothing_about_a_parameter() -> None:
    assert not argument(project(main="from typing import Any\ndef f(m: Any): probe(m)")).known


@pytest.mark.parametrize("returned", ["TABLE[kind]", "TABLE.get(kind, [])"])
def test_a_list_of_a_table_is_the_one_that_the_call_asks_for(returned: str) -> None:
    source = f"from x import a, b\nTABLE = {{'one': (a,), 'two': (b,)}}\ndef of(kind): return {returned}\nof('one')\n"
    assert elements(project(main=source + "tools = of('two')\nprobe(list(tools))")) == ["x.b"]
    assert elements(project(main=source + "def f(k): probe(of(k))")) == []
