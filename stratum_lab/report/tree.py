"""The topology in one picture of text: crews with their agents, tools and hand-overs, then agents in no crew."""

from __future__ import annotations

from rich.text import Text
from rich.tree import Tree

from stratum_lab.observe.logs import clean
from stratum_lab.scan.view import AgentView, CrewView, ScanView

MAX_AGENTS = 60
"""Agents shown below one heading; the rest is counted."""
MAX_TOOLS = 8
_ARROWS = {"feeds_into": "→", "delegates_to": "⇒"}


def topology_tree(view: ScanView) -> Tree:
    """Crews, agents and hand-overs as a tree; texts from the source are cleaned."""
    root = Tree(Text(_heading(view), style="bold"))
    agents = {agent.key: agent for agent in view.agents}
    shown: set[str] = set()
    for crew in view.crews:
        branch = root.add(_crew(crew))
        for key in crew.members[:MAX_AGENTS]:
            shown.add(key)
            if key in agents:
                branch.add(_agent(agents[key], view, manager=key == crew.manager))
        _more(branch, len(crew.members) - MAX_AGENTS)
        if crew.unknown_members:
            branch.add(Text(f"{_count(crew.unknown_members, 'member')} that could not be resolved", style="dim"))
    alone = [agent for agent in view.agents if agent.key not in shown and not agent.crews]
    if alone:
        branch = root.add(Text("in no crew", style="dim")) if view.crews else root
        for agent in alone[:MAX_AGENTS]:
            branch.add(_agent(agent, view, manager=False))
        _more(branch, len(alone) - MAX_AGENTS)
    return root


def _heading(view: ScanView) -> str:
    parts = [_count(len(view.agents), "agent"), _count(len(view.crews), "crew"), _count(len(view.tools), "tool")]
    if view.mcp_servers:
        parts.append(_count(len(view.mcp_servers), "MCP server"))
    return ", ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _crew(crew: CrewView) -> Text:
    text = Text(clean(crew.name), style="bold cyan")
    text.append(f"  {clean(crew.framework)}, {clean(crew.process)}", style="default")
    text.append(f"  {clean(crew.place.file)}:{crew.place.line}", style="dim")
    return text


def _agent(agent: AgentView, view: ScanView, *, manager: bool) -> Text:
    text = Text(clean(agent.name or agent.symbol), style="bold")
    if manager:
        text.append(" (manager)")
    if agent.tools:
        more = len(agent.tools) - MAX_TOOLS
        tools = ", ".join(clean(tool) for tool in agent.tools[:MAX_TOOLS]) + (f", +{more}" if more > 0 else "")
        text.append(f" [{tools}]", style="green")
    names = {other.key: other.name or other.symbol for other in view.agents}
    for kind, arrow in _ARROWS.items():
        targets = [names[e.target] for e in view.edges if e.source == agent.key and e.edge_type == kind]
        if targets:
            text.append(f" {arrow} {', '.join(clean(t) for t in targets[:MAX_TOOLS])}")
            text.append(f", +{len(targets) - MAX_TOOLS}" if len(targets) > MAX_TOOLS else "")
    text.append(f"  {clean(agent.place.file)}:{agent.place.line}", style="dim")
    return text


def _more(branch: Tree, left: int) -> None:
    if left > 0:
        branch.add(Text(f"and {left} more", style="dim"))
