"""The programs that are run side by side: per framework line with instrumentations, and what the model says in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.support.patcher import crewai_scenarios
from tests.support.patcher.endpoint import Endpoint, call, calls, chunks, failure, raw_arguments, text
from tests.support.patcher.langgraph_stories import SCRIPTS
from tests.support.patcher.wire import Reply


@dataclass(frozen=True)
class Case:
    """One program with its script.

    Attributes:
        line: The line, without `peers-`.
        program: Path among the fixture programs.
        shows: What it is about.
        replies: What the model says, in order.
        args: Arguments of the program.
        when: What the model says to requests that hold a text.
        always: What it says beyond.
        returncode: How the program ends.
    """

    line: str
    program: str
    shows: str
    replies: tuple[Reply, ...] = ()
    args: tuple[str, ...] = ()
    when: Mapping[str, list[Reply]] = field(default_factory=dict)
    always: Reply | None = None
    returncode: int = 0

    @property
    def name(self) -> str:
        """Its row in the table."""
        return " ".join((self.program, *self.args))

    @property
    def tokens(self) -> set[str]:
        """What the answers cost, as input+output; a stream of Messages starts by telling one token of output."""
        said = [*self.replies, *(reply for replies in self.when.values() for reply in replies)]
        said += [self.always] if self.always else []
        started = {1} if self.line == "anthropic" else set()
        return {f"{reply.input_tokens}+{used}" for reply in said for used in {reply.output_tokens} | started}

    def endpoint(self) -> Endpoint:
        """A fresh endpoint with the script."""
        return Endpoint(self.replies, when=self.when, always=self.always)


def _crewai(shows: str, *names: str) -> Case:
    line = crewai_scenarios.CURRENT
    return Case(
        line,
        crewai_scenarios.PROGRAM,
        shows,
        args=names,
        when=crewai_scenarios.answers(line),
        always=crewai_scenarios.final("fine"),
    )


def _graph(program: str, shows: str) -> Case:
    return Case("langgraph", f"langgraph/{program}.py", shows, tuple(SCRIPTS.get(program, ())))


def _code(source: str) -> Reply:
    return text(f"Thought: next.\n<code>\n{source}\n</code>")


def _said(*words: str) -> tuple[Reply, ...]:
    return tuple(text(word) for word in words)


_HELLO = text("hello")
CASES: tuple[Case, ...] = (
    Case(
        "openai",
        "openai/chat.py",
        "ways to call",
        (_HELLO,) * 5,
        ("plain", "asynchronous", "raw", "completion", "by_hand"),
    ),
    Case(
        "openai",
        "openai/tools.py",
        "tools the program runs",
        (call("add", a=1, b=2), raw_arguments("add", "not json"), text("3")),
    ),
    Case(
        "openai",
        "openai/streams.py",
        "streams, read, left and cut",
        (*(chunks("one", "two"),) * 4, text("second"), Reply("half an answer that nobody gets to read", cut=True)),
        ("read", "with_usage", "read_async", "left", "cut"),
    ),
    Case(
        "openai",
        "openai/errors.py",
        "refusals, attempts repeated",
        (failure(400, "boom"), failure(429, "slow down"), failure(500, "oops"), text("fine")),
        ("refused", "retried"),
    ),
    Case("openai", "openai/responses.py", "the Responses interface", (_HELLO,) * 3, ("create", "stream", "helper")),
    Case("anthropic", "anthropic/tools.py", "tools, whole and streamed", (call("add", a=1, b=2), call("add", a=3))),
    Case(
        "anthropic",
        "anthropic/runner.py",
        "tools the library runs, one fails",
        (call("add", a=1, b=2), call("fails"), text("done")),
    ),
    Case("anthropic", "anthropic/streams.py", "streams, read and left", always=chunks("one ", "two ", "three")),
    Case(
        "anthropic",
        "anthropic/failures.py",
        "refusals, attempts repeated",
        (failure(400, "bad"), failure(500, "broken"), text("ok"), Reply("half an answer nobody gets", cut=True)),
    ),
    _graph("routed", "a conditional edge"),
    _graph("created", "an agent with a tool"),
    _graph("commands", "a supervisor that routes by its model"),
    _graph("handoff", "two agents, a handoff"),
    _graph("streamed", "streams, read and left"),
    _graph("tool_errors", "tool errors, caught and raised"),
    _crewai("tasks in a row, a tool", "sequential"),
    _crewai("delegation to coworkers", "delegation"),
    _crewai("a manager that delegates", "hierarchical"),
    _crewai("a delegate that fails, a tool that fails", "failing_delegate", "tool_error"),
    Case(
        "autogen-0.7",
        "autogen_agentchat/tools.py",
        "tools, one fails",
        (call("add", a=1, b=2), call("broken", reason="worn"), call("total", a=1, b=2)),
    ),
    Case(
        "autogen-0.7",
        "autogen_agentchat/selector.py",
        "a group chat, its model selects",
        _said("alice", "A plan.", "STOP"),
    ),
    Case("autogen-0.7", "autogen_agentchat/swarm.py", "a handoff", (call("transfer_to_refunds"), text("DONE"))),
    Case("autogen-0.7", "autogen_agentchat/failing.py", "a model that refuses", (failure(400, "boom"),) * 3),
    Case(
        "ag2-0",
        "autogen/group_auto.py",
        "a group chat, its model selects",
        _said("alice", "A.", "bob", "B.", "nobody", "cat", "C.", "alice", "AA."),
    ),
    Case(
        "ag2-0",
        "autogen/tools.py",
        "tools, three fail",
        (
            call("add", a=1, b=2),
            call("divide", a=1, b=0),
            call("nothing"),
            raw_arguments("add", "not json"),
            text("DONE"),
        ),
    ),
    Case(
        "ag2-0",
        "autogen/handoffs.py",
        "handoffs of every kind",
        (call("transfer_to_bob_1"), call("book", seat="7A"), text("dan here"), text("eve here")),
        ("sync",),
    ),
    Case("ag2-0", "autogen/failing.py", "a model that refuses", always=failure(400, "boom")),
    Case(
        "openai-agents",
        "openai_agents/tools.py",
        "tools, one fails",
        (calls(("add", {"a": 2, "b": 3}), ("divide", {"a": 1, "b": 0})), text("5")),
    ),
    Case("openai-agents", "openai_agents/handoff.py", "a handoff", (call("transfer_to_billing_agent"), text("sorry"))),
    Case(
        "openai-agents",
        "openai_agents/as_tool.py",
        "an agent as a tool",
        (call("translate", input="hi"), text("salut"), text("Cher")),
    ),
    Case("openai-agents", "openai_agents/streamed.py", "a streamed run", (call("add", a=2, b=3), text("5"))),
    Case(
        "openai-agents",
        "openai_agents/failing.py",
        "a model that refuses",
        (failure(400, "too long"),),
        ("uncaught",),
        returncode=1,
    ),
    Case(
        "smolagents",
        "smolagents/managed.py",
        "a managed agent",
        (_code("report = researcher(task='moon')"), call("final_answer", answer="far"), _code("final_answer('far')")),
    ),
    Case(
        "smolagents",
        "smolagents/calling.py",
        "tools, one fails",
        (call("shout", text="break"), call("shout", text="hello"), call("final_answer", answer="HELLO")),
    ),
    Case(
        "smolagents",
        "smolagents/streamed.py",
        "a streamed run",
        (_code("total = add(2, 3)"), _code("final_answer(str(total))")),
    ),
    Case("smolagents", "smolagents/failing.py", "a model that refuses", (failure(400, "too long"),)),
    Case(
        "pydantic-ai",
        "pydantic_ai/tools.py",
        "tools, two calls fail",
        (
            calls(("add", {"a": 2, "b": 3}), ("guess", {"number": 1})),
            call("guess", number="x"),
            call("guess", number=7),
            text("5"),
        ),
    ),
    Case(
        "pydantic-ai",
        "pydantic_ai/delegate.py",
        "an agent in a tool",
        (call("ask", question="moon"), text("far"), text("very far")),
    ),
    Case("pydantic-ai", "pydantic_ai/streamed.py", "a streamed run", (call("add", a=2, b=3), chunks("a", "b", "c"))),
    Case("pydantic-ai", "pydantic_ai/failing.py", "a model that refuses", (failure(400, "too long"),)),
)
"""In the order of the table."""
