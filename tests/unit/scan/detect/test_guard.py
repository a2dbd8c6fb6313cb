"""Guardrails by argument, by filter library and by schema (A9)."""

from __future__ import annotations

import ast

import pytest

from stratum_lab.scan.detect import guard
from stratum_lab.scan.model import Agent, Crew, Guardrail, Model, Site, Task
from stratum_lab.scan.source.project import Project
from tests.support.projects import project


def _argument(text: str, framework: str = "crewai") -> list[str]:
    tree = project(main=f"from lib import make\nNUMBER = 5\nasync def check(x): ...\nthing = make({text})\n")
    model = Model()
    call = next(c for c in tree.modules[0].calls if ast.unparse(c.node.func) == "make")
    return [g.kind for g in guard.keyword_guardrails(call, tree, model, framework, [])]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("max_iter=3", ["rate_limit"]),
        ("max_iter=NUMBER", ["rate_limit"]),
        ("max_iter=None", []),
        ("max_iter=0", []),
        ("max_iter=True", []),
        ("max_rpm=settings.rpm", []),
        ("**{'max_turns': 4}", ["rate_limit"]),
        ("human_input=True", ["hitl"]),
        ("human_input=False", []),
        ("human_input_mode='ALWAYS'", ["hitl"]),
        ("human_input_mode='TERMINATE'", ["hitl"]),
        ("human_input_mode='NEVER'", []),
        ("needs_approval=check", ["hitl"]),
        ("needs_approval=False", []),
        ("output_pydantic=Report", ["validation"]),
        ("output_json=None", []),
        ("output_type=str", []),
        ("output_type=list[int]", ["validation"]),
        ("response_format={'type': 'json_object'}", ["validation"]),
        ("response_format={'type': 'text'}", []),
        ("guardrail=check", ["validation"]),
        ("input_guardrails=[check]", ["input_filter"]),
        ("input_guardrails=[]", []),
        ("output_guardrails=elsewhere", ["output_filter"]),
        ("isinstance=1, note='max_iter=3'", []),
    ],
)
def test_an_argument_is_a_guardrail_only_when_it_is_switched_on(text: str, kinds: list[str]) -> None:
    assert _argument(text) == kinds


def test_a_task_guardrail_is_one_of_crewai_only() -> None:
    assert _argument("guardrail=check", "agno") == []


def test_two_arguments_on_two_lines_are_two_guardrails_and_mark_what_they_cover() -> None:
    tree = project(
        main="from lib import make\nmake(\n    max_iter=3,\n    human_input=True, output_json=dict(a=1),\n)\n"
    )
    model = Model()
    crew, task = Crew(Site("main.py", 1), "crewai", "c", "sequential"), Task(Site("main.py", 2), "t")
    guard.keyword_guardrails(tree.modules[0].calls[0], tree, model, "crewai", [crew, task])
    assert [(g.site[:2], g.kind) for g in model.guardrails] == [
        (("main.py", 3), "rate_limit"), (("main.py", 4), "hitl"), (("main.py", 4), "validation"),
    ]  # fmt: skip
    assert crew.rate_limited
    assert task.hitl
    assert task.validated


def test_one_place_and_kind_is_one_guardrail_however_often_it_is_given() -> None:
    tree = project(main="from lib import make\nmake(max_iter=3)\n")
    model = Model()
    for crew in (Crew(Site("a.py", n), "crewai", "c", "sequential") for n in (1, 2)):
        guard.keyword_guardrails(tree.modules[0].calls[0], tree, model, "crewai", [crew])
    (found,) = model.guardrails
    assert len(found.targets) == 2


def _late(files: dict[str, str]) -> tuple[Model, list[tuple[int, str, bool, str]]]:
    tree = project(files)
    model = Model()
    _register(tree, model)
    guard.last(tree, model)
    return model, [_row(g) for g in sorted(model.guardrails, key=lambda g: (g.site, g.kind))]


def _register(tree: Project, model: Model) -> None:
    """One agent for every function called agent_*."""
    for function in tree.functions():
        if function.name.startswith("agent_"):
            agent = Agent(function.site, "langgraph", function.name, function.name, code=[function])
            model.add_agent(agent, function)


def _row(found: Guardrail) -> tuple[int, str, bool, str]:
    return (found.site.line, found.kind, found.active, found.vendor)


def test_a_filter_library_counts_when_it_is_used_and_not_when_it_is_merely_made() -> None:
    model, rows = _late({"main.py": """
        from guardrails import Guard
        from nemoguardrails import LLMRails, RailsConfig
        from llm_guard import scan_output, scan_prompt
        from llm_guard.input_scanners import PromptInjection

        guard = Guard().use(Toxic)
        idle = Guard()
        rails = LLMRails(RailsConfig.from_path("rails"))

        def agent_reply(text):
            scan_prompt([PromptInjection()], text)
            answer = rails.generate(text)
            guard.validate(answer)
            return scan_output([], text, answer)
        """})  # fmt: skip
    assert rows == [
        (7, "output_filter", True, "guardrails"),
        (8, "output_filter", False, "guardrails"),
        (9, "input_filter", True, "nemoguardrails"),
        (12, "input_filter", True, "llm_guard"),
        (15, "output_filter", True, "llm_guard"),
    ]
    assert all(g.targets == model.agents for g in model.guardrails if g.active)
    assert all(g.by_unit for g in model.guardrails)


def test_a_schema_on_a_models_output_covers_the_agent_whose_code_asks_for_it() -> None:
    model, rows = _late({"main.py": """
        from pydantic import BaseModel
        from langchain_openai import ChatOpenAI
        from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
        from openai import OpenAI

        class Plan(BaseModel):
            steps: list[str]

        llm = ChatOpenAI(model="gpt-4o", max_tokens=400)
        planner = llm.with_structured_output(Plan)
        chain = llm | JsonOutputParser()
        idle = JsonOutputParser()
        client = OpenAI()

        def ask(text):
            answer = client.chat.completions.create(model="gpt-4o", messages=[text], max_tokens=9)
            return answer.choices[0].message.content

        def agent_plan(text):
            planner.invoke(text)
            (chain | StrOutputParser()).invoke(text)
            return Plan.model_validate_json(ask(text))

        def read_file(path):
            return Plan.model_validate_json(path.read_text())
        """})  # fmt: skip
    assert rows == [
        (10, "rate_limit", True, ""),
        (11, "validation", True, ""),
        (12, "validation", True, ""),
        (13, "validation", False, ""),
        (17, "rate_limit", True, ""),
        (23, "validation", True, ""),
    ]
    covered = {g.site.line: [getattr(t, "name", "") for t in g.targets] for g in model.guardrails}
    assert covered == {
        10: ["agent_plan"], 11: ["agent_plan"], 12: ["agent_plan"], 13: [], 17: ["agent_plan"], 23: ["agent_plan"],
    }  # fmt: skip


def test_words_in_comments_and_isinstance_are_no_guardrails() -> None:
    _, rows = _late({"main.py": """
        # human_input=True, max_iter=5, rate_limit
        import guardrails
        def agent_x(text):
            if isinstance(text, str):
                return "with_structured_output"
        """})  # fmt: skip
    assert rows == []
