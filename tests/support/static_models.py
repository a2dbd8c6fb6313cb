"""Hand-made static models: short ways to write agents, capabilities, crews and controls."""

from __future__ import annotations

from stratum_lab.scan.model import (
    Agent,
    Capability,
    CapabilityKind,
    Confidence,
    Crew,
    Guardrail,
    GuardrailKind,
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
