"""A function reaches a model by what it calls, at any depth, and never because a name looks like a model."""

# ruff: noqa: E501 - sources under test stand on one line each

from __future__ import annotations

import pytest

from stratum_lab.scan.detect.reach import class_reaches_model, reaches_model
from tests.support.projects import project

HEAD = """
from langchain_openai import ChatOpenAI
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.language_models import BaseChatModel
from langchain.chat_models import init_chat_model
from langchain.chains import LLMChain
from langchain_core.output_parsers import StrOutputParser
from openai import OpenAI
import litellm, boto3, anthropic
llm = ChatOpenAI()
prompt = ChatPromptTemplate.from_messages([])
"""


@pytest.mark.parametrize(
    "body",
    [
        "def f(s): return llm.invoke(s)",
        "async def f(s): return await llm.ainvoke(s)",
        "def f(s): return [c for c in llm.stream(s)]",
        "chain = prompt | llm | StrOutputParser()\ndef f(s): return chain.invoke(s)",
        "def f(s):\n    chain = prompt | llm.with_structured_output(dict)\n    return chain.invoke(s)",
        "def f(s): return (prompt | llm).invoke(s)",
        "def make(): return prompt | llm\ndef f(s): return make().invoke(s)",
        "def load(): return init_chat_model('x')\ndef f(s):\n    m = load().bind_tools([])\n    return m.invoke(s)",
        "def f(s, model): return model.bind_tools([]).invoke(s)",
        "def f(s, model: BaseChatModel): return model.invoke(s)",
        "def a(s): return b(s)\ndef b(s): return c(s)\ndef c(s): return llm.invoke(s)\nf = None\ndef f(s): return a(s)",
        "def f(s): return g(s)\ndef g(s):\n    f(s)\n    return llm.invoke(s)",
        "class W:\n    def __init__(self): self.chain = prompt | llm\n    def go(self, s): return self.chain.invoke(s)\ndef f(s): return W().go(s)",
        "class W:\n    def __init__(self, m): self.m = m\n    def go(self, s): return self.m.invoke(s)\nw = W(llm)\ndef f(s): return w.go(s)",
        "chain = LLMChain(llm=llm, prompt=prompt)\ndef f(s): return chain.run(s)",
        "def f(s): return OpenAI().chat.completions.create(model='x')",
        "client = OpenAI()\ndef f(s): return client.responses.create(model='x')",
        "def f(s, client): return client.chat.completions.create(model='x')",
        "def f(s): return anthropic.Anthropic().messages.create(model='x')",
        "def f(s): return litellm.completion(model='x')",
        "def f(s): return boto3.client('bedrock-runtime').converse(modelId='x')",
        "import asyncio\nasync def f(s): return await asyncio.to_thread(llm.invoke, s)",
        "def ask(s): return llm.invoke(s)\ndef f(xs): return list(map(ask, xs))",
        "def f(s):\n    def inner(): return llm.invoke(s)\n    return inner()",
        "def f(s): return llm(s)",
        "def ask(m, s): return m.invoke(s)\ndef g(s): return ask(s, s)\ndef f(s): return ask(llm, s)",
        "class P:\n    def __init__(self, m): self.m = m\n    @classmethod\n    def make(cls, k):\n        if k: m = llm\n        else: m = None\n"
        "        return cls(m)\n    def ask(self, s): return self.m.invoke(s)\ndef f(s): return P.make(s).ask(s)",
        "models = {'a': ChatOpenAI()}\ndef f(s): return models[s].invoke(s)",
        "def f(s, m): return (prompt | m | StrOutputParser()).invoke(s)",
        "from typing import Any\ndef f(s, m: Any): return (m | StrOutputParser()).invoke(s)",
        "class P(StrOutputParser): pass\ndef f(s, m): return (m | P()).invoke(s)",
        "from langgraph.graph.state import CompiledStateGraph\ndef f(s, g: CompiledStateGraph): return g.invoke(s)",
        "from dataclasses import dataclass, field\nM = ChatOpenAI | None\n@dataclass\nclass D:\n    m: M = field(default=None)\n"
        "    def ask(self, s): return self.m.invoke(s)\ndef f(s): return D().ask(s)",
    ],
)
def test_a_function_that_asks_a_model_reaches_it(body: str) -> None:
    p = project(main=HEAD + body)
    function = [f for f in p.functions() if f.name == "f"][-1]
    assert reaches_model(p, function)


@pytest.mark.parametrize(
    "body",
    [
        "def f(s): return {'x': 1}",
        "def f(s, llm): return llm.invoke(s)",
        "def f(s): return prompt.invoke(s)",
        "from langchain_core.runnables import RunnableLambda\ndef f(s): return (prompt | RunnableLambda(print)).invoke(s)",
        "from typing import Any\ndef f(s, m: Any): return m.invoke(s)",
        "def f(s): return llm",
        "def f(s): return s.graph.invoke(s)",
        "from langgraph.prebuilt import ToolNode\nnode = ToolNode([llm])\ndef f(s): return node.invoke(s)",
        "from twilio.rest import Client\ndef f(s): return Client().messages.create(body='x')",
        "from langchain_core.messages import ChatMessage\ndef f(s): return ChatMessage(s).run()",
        "def f(s): return g(s)\ndef g(s): return f(s)",
        "from langchain_chroma import Chroma\nstore = Chroma()\ndef f(s): return store.as_retriever().invoke(s)",
    ],
)
def test_a_function_that_does_not_ask_a_model_does_not_reach_it(body: str) -> None:
    p = project(main=HEAD + body)
    function = [f for f in p.functions() if f.name == "f"][-1]
    assert not reaches_model(p, function)


def test_functions_of_a_cycle_all_reach_the_model_whichever_is_asked_first() -> None:
    p = project(
        main=HEAD + "def f(s): return g(s)\ndef g(s):\n    f(s)\n    return llm.invoke(s)\ndef h(s): return f(s)"
    )
    assert {f.name: reaches_model(p, f) for f in p.functions()} == {"f": True, "g": True, "h": True}


def test_a_class_reaches_a_model_through_an_inherited_method() -> None:
    p = project(main=HEAD + "class A:\n    def go(self): return llm.invoke('')\nclass B(A): pass\nclass C: pass")
    assert [class_reaches_model(p, c) for c in p.classes()] == [True, True, False]
