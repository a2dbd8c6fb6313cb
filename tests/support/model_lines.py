"""A static model as short lines, so that tests state exactly what a fixture repository holds."""

from __future__ import annotations

from stratum_lab.scan.model import Agent, Crew, GroupChat, Model, Site, Step, Task, Tool


def at(site: Site) -> str:
    """File and line."""
    return f"{site.file}:{site.line}"


def named(thing: Agent | Crew | GroupChat | Step | Task | Tool) -> str:
    """The symbol of an agent, its name when it is anonymous; the name of anything else."""
    return thing.symbol if isinstance(thing, Agent) and ":" not in thing.symbol else thing.name


def agents(model: Model) -> list[tuple[str, str, str]]:
    """Place, symbol and name of every agent."""
    return [(at(a.site), a.symbol, a.name) for a in model.agents]


def tools(model: Model) -> dict[str, list[str]]:
    """Tool identities by agent, agents without tools left out."""
    return {named(a): [t.identity for t in a.tools] for a in model.agents if a.tools}


def crews(model: Model) -> list[tuple[str, str, str, str]]:
    """Place, name, process and members of every crew."""
    return [(at(c.site), c.name, c.process, ", ".join(named(m) for m in c.members)) for c in model.crews]


def links(model: Model) -> list[str]:
    """Every link as text, sorted: "a > b" feeds into, "a => b" delegates to; then the crew or kind."""
    arrows = {"feeds_into": ">", "delegates_to": "=>"}
    out = []
    for link in model.links:
        where = link.crew.name if link.crew is not None else "flow" if link.flow else "-"
        kind = " contracted" if link.contracted else ""
        out.append(f"{named(link.source)} {arrows[link.edge_type]} {named(link.target)} [{where}{kind}]")
    return sorted(out)


def guardrails(model: Model) -> list[tuple[str, str, str]]:
    """Place, kind and targets of every guardrail; an inactive one has "off" before its kind."""
    return [
        (at(g.site), ("" if g.active else "off ") + g.kind, ", ".join(sorted(named(t) for t in g.targets)))
        for g in model.guardrails
    ]


def only(model: Model, symbol: str) -> Agent:
    """The one agent with this symbol."""
    (found,) = [a for a in model.agents if a.symbol == symbol]
    return found
