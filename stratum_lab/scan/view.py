"""What a report shows of one scan: names and places of agents, crews, tools, findings. Never part of a ping.

The view crosses from the scanning child to its parent as JSON, so it is a model of its own with bounded texts.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from stratum_lab.scan.model import Agent, Crew, GroupChat, Site, Step, Tool
from stratum_lab.scan.providers import provided
from stratum_lab.scan.result import Scan

MAX_TEXT = 2000
"""Characters of a text that are kept."""
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]


class _View(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlaceView(_View):
    """A place in the scanned tree."""

    file: Text
    line: int


class AgentView(_View):
    """One agent; `key` names it within the view."""

    key: Text
    name: Text
    framework: Text
    symbol: Text
    place: PlaceView
    tools: list[Text]
    crews: list[Text]
    confidence: Text


class CrewView(_View):
    """One crew with the keys of its members in order."""

    name: Text
    framework: Text
    process: Text
    place: PlaceView
    members: list[Text]
    manager: Text | None
    unknown_members: int


class ToolView(_View):
    """One tool identity with the keys of the agents that hold it."""

    name: Text
    kind: Text
    place: PlaceView
    agents: list[Text]


class EdgeView(_View):
    """An edge between two agents, by key."""

    source: Text
    target: Text
    edge_type: Text


class GuardrailView(_View):
    """One guardrail."""

    kind: Text
    framework: Text
    place: PlaceView
    active: bool


class InstanceView(_View):
    """One place where a rule fired."""

    place: PlaceView | None
    crew: Text | None
    text: Text
    severity: Text
    subjects: list[Text]


class CoverageView(_View):
    """Partial mitigation of a finding."""

    total_paths: int
    guarded_paths: int
    coverage_pct: int


class FindingView(_View):
    """One finding; `impact` is the change of the score when it is fixed, 0 or negative."""

    rule: Text
    title: Text
    rule_class: Text
    category: Text
    severity: Text
    adjusted: Text
    confidence: Text
    remediation: Text
    incident: Text | None
    risks: list[Text]
    coverage: CoverageView | None
    impact: int
    instances: list[InstanceView]


class SkippedView(_View):
    """A candidate file that was not parsed."""

    file: Text
    reason: Text


class ScanView(_View):
    """Everything a report shows beside the ping."""

    agents: list[AgentView] = Field(default_factory=list)
    crews: list[CrewView] = Field(default_factory=list)
    tools: list[ToolView] = Field(default_factory=list)
    edges: list[EdgeView] = Field(default_factory=list)
    guardrails: list[GuardrailView] = Field(default_factory=list)
    mcp_servers: list[Text] = Field(default_factory=list)
    providers: list[Text] = Field(default_factory=list)
    models: list[Text] = Field(default_factory=list)
    frameworks: list[Text] = Field(default_factory=list)
    findings: list[FindingView] = Field(default_factory=list)
    skipped: list[SkippedView] = Field(default_factory=list)


def view(scan: Scan, impacts: dict[str, int]) -> ScanView:
    """The view of a scan.

    Args:
        scan: The completed scan.
        impacts: Rule ID to the change of the score when the rule's instances are gone.
    """
    model = scan.model
    keys, known = _keys(model.agents), provided(model)
    return ScanView(
        agents=[_agent(agent, keys, model.crews) for agent in model.agents],
        crews=[_crew(crew, keys) for crew in model.crews],
        tools=_tools(model.agents, keys),
        edges=_edges(scan, keys),
        guardrails=[
            GuardrailView(kind=g.kind, framework=g.framework, place=_place(g.site), active=g.active)
            for g in model.guardrails
        ],
        mcp_servers=[_cut(server.name) for server in model.mcp_servers],
        providers=[_cut(slug) for slug in known.slugs],
        models=[_cut(name) for name in known.models],
        frameworks=sorted(model.frameworks),
        findings=[_finding(scan, index, impacts) for index in range(len(scan.findings))],
        skipped=[SkippedView(file=_cut(s.file), reason=_cut(s.reason)) for s in scan.files.skipped],
    )


def _cut(text: str) -> str:
    """A text that is valid UTF-8 and short: names of files may hold bytes that are neither."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")[:MAX_TEXT]


def _place(site: Site) -> PlaceView:
    return PlaceView(file=_cut(site.file), line=site.line)


def _keys(agents: list[Agent]) -> dict[Agent, str]:
    """A short unique key per agent: its name, with its place where names repeat."""
    names: dict[str, int] = {}
    for agent in agents:
        names[agent.name or agent.symbol] = names.get(agent.name or agent.symbol, 0) + 1
    keys: dict[Agent, str] = {}
    for agent in agents:
        name = agent.name or agent.symbol
        keys[agent] = _cut(
            name if names[name] == 1 else f"{name} ({agent.site.file}:{agent.site.line}:{agent.site.column})"
        )
    return keys


def _agent(agent: Agent, keys: dict[Agent, str], crews: list[Crew]) -> AgentView:
    return AgentView(
        key=keys[agent],
        name=_cut(agent.name),
        framework=agent.framework,
        symbol=_cut(agent.symbol),
        place=_place(agent.site),
        tools=[_cut(tool.identity) for tool in agent.tools],
        crews=[_cut(crew.name) for crew in crews if agent in crew.members],
        confidence=agent.confidence.label,
    )


def _crew(crew: Crew, keys: dict[Agent, str]) -> CrewView:
    return CrewView(
        name=_cut(crew.name),
        framework=crew.framework,
        process=crew.process,
        place=_place(crew.site),
        members=[keys[agent] for agent in crew.members if agent in keys],
        manager=keys.get(crew.manager) if crew.manager is not None else None,
        unknown_members=crew.unknown_members,
    )


def _tools(agents: list[Agent], keys: dict[Agent, str]) -> list[ToolView]:
    first: dict[tuple[str, str], Tool] = {}
    holders: dict[tuple[str, str], list[str]] = {}
    for agent in agents:
        for tool in agent.tools:
            first.setdefault(tool.key, tool)
            holders.setdefault(tool.key, []).append(keys[agent])
    return [
        ToolView(name=_cut(tool.identity), kind=tool.kind, place=_place(tool.site), agents=holders[key])
        for key, tool in sorted(first.items())
    ]


def _edges(scan: Scan, keys: dict[Agent, str]) -> list[EdgeView]:
    """Edges between agents as the ping counts them: steps contracted, a chat standing for its first member."""
    found: dict[tuple[str, str, str], None] = {}
    heads = {crew.chat: crew.members[0] for crew in scan.model.crews if crew.chat is not None and crew.members}
    for link in scan.model.links:
        source: Agent | GroupChat | Step | None = link.source
        if isinstance(source, GroupChat):
            source = heads.get(source)
        target = link.target
        if isinstance(source, Agent) and isinstance(target, Agent) and source is not target:
            found.setdefault((keys[source], keys[target], link.edge_type))
    return [EdgeView(source=s, target=t, edge_type=e) for s, t, e in sorted(found)]


def _finding(scan: Scan, index: int, impacts: dict[str, int]) -> FindingView:
    finding = scan.findings[index]
    return FindingView(
        rule=finding.rule,
        title=finding.title,
        rule_class=finding.rule_class,
        category=finding.category,
        severity=finding.severity,
        adjusted=finding.adjusted,
        confidence=finding.confidence.label,
        remediation=_cut(finding.remediation),
        incident=finding.incident,
        risks=list(finding.risks),
        coverage=None if finding.coverage is None else CoverageView(**finding.coverage._asdict()),
        impact=impacts.get(finding.rule, 0),
        instances=[
            InstanceView(
                place=None if i.site is None else _place(i.site),
                crew=None if i.crew is None else _cut(i.crew.name),
                text=_cut(i.text),
                severity=i.severity,
                subjects=[_cut(s) for s in i.subjects],
            )
            for i in finding.instances
        ],
    )
