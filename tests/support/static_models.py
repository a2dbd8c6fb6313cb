"""Hand-made and random static models: short ways to write agents, capabilities, crews and controls."""

from __future__ import annotations

from hypothesis import strategies as st

from stratum_lab.scan.model import (
    Agent,
    Capability,
    CapabilityKind,
    Confidence,
    Crew,
    Guardrail,
    GuardrailKind,
    Link,
    Model,
    Site,
    Step,
    Task,
    Tool,
    Trust,
)

TRUST: dict[CapabilityKind, Trust] = {
    "outbound": "external",
    "data_access": "internal",
    "destructive": "internal",
    "code_exec": "privileged",
    "financial": "restricted",
    "file_system": "internal",
}


class ModelMaker:
    """A model under construction; every object gets a line of its own in `app.py`."""

    def __init__(self) -> None:
        self.model = Model()
        self._line = 0

    def site(self, file: str = "app.py") -> Site:
        """The next free line."""
        self._line += 1
        return Site(file, self._line)

    def agent(self, name: str, framework: str = "crewai", unit: str = "") -> Agent:
        """An agent that belongs to no crew yet."""
        return self.model.add_agent(Agent(self.site(), framework, name, name, unit=unit, role=name, identified=True))

    def crew(self, name: str, *members: Agent, process: str = "sequential", ordered: bool = True) -> Crew:
        """A crew of agents."""
        crew = Crew(self.site(), "crewai", name, process, members=list(members), ordered=ordered)
        self.model.crews.append(crew)
        return crew

    def tool(self, name: str, *agents: Agent) -> Tool:
        """A tool class that agents hold; no capability comes with it."""
        tool = Tool(name, name, "class", self.site())
        for agent in agents:
            agent.hold([tool])
        return tool

    def capability(
        self,
        symbol: str,
        kind: CapabilityKind,
        service: str,
        *agents: Agent,
        unit: str = "",
        tools: tuple[Tool, ...] = (),
        confidence: Confidence = Confidence.CONFIRMED,
    ) -> Capability:
        """A capability that agents hold."""
        made = Capability(unit, symbol, kind, TRUST[kind], confidence, [self.site()], service, agents=list(agents))
        made.tools.extend(tools)
        self.model.capabilities.append(made)
        return made

    def guard(self, kind: GuardrailKind, *targets: Agent | Tool | Task | Crew | Step, active: bool = True) -> Guardrail:
        """A guardrail with what it is linked to."""
        made = Guardrail(self.site(), kind, "crewai", targets=list(targets), active=active)
        self.model.guardrails.append(made)
        return made


READ = ["gmail", "postgresql", "stripe", "secret_store", "health_records", "web_search", "local_files"]
SEND = ["web", "gmail", "email"]


@st.composite
def models(draw: st.DrawFn) -> Model:
    """Small models with readers, senders, crews, delegations and guardrails."""
    make = ModelMaker()
    agents = [make.agent(f"a{n}") for n in range(draw(st.integers(1, 5)))]
    some = st.lists(st.sampled_from(agents), unique=True, max_size=3)
    for n in range(draw(st.integers(0, 4))):
        make.capability(f"read{n}", "data_access", draw(st.sampled_from(READ)), *draw(some))
    for n in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["outbound", "outbound", "financial", "code_exec", "destructive"]))
        make.capability(f"send{n}", kind, draw(st.sampled_from(SEND)), *draw(some))
    for n in range(draw(st.integers(0, 2))):
        members = draw(st.lists(st.sampled_from(agents), unique=True, min_size=1))
        crew = make.crew(f"c{n}", *members, ordered=draw(st.booleans()))
        for source, target in draw(st.lists(st.tuples(st.sampled_from(members), st.sampled_from(members)), max_size=6)):
            make.model.links.append(Link(source, target, "delegates_to", crew))
    kinds: list[GuardrailKind] = ["hitl", "output_filter", "validation", "input_filter", "rate_limit"]
    for kind in draw(st.lists(st.sampled_from(kinds), max_size=3)):
        make.guard(kind, *draw(some), active=draw(st.integers(0, 4)) > 0)
    return make.model
