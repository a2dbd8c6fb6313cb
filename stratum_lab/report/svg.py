"""The agent graph as an SVG picture: layered from senders to receivers, one frame colour a crew."""

from __future__ import annotations

from typing import Final, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from grandalf.graphs import Edge, Graph, Vertex
from grandalf.layouts import SugiyamaLayout

from stratum_lab.observe.logs import clean
from stratum_lab.scan.view import AgentView, ScanView

WIDTH: Final = 190
HEIGHT: Final = 52
GAP_X: Final = 36
GAP_Y: Final = 64
MARGIN: Final = 28
MAX_AGENTS: Final = 400
"""Agents drawn; a larger graph says how many are left out."""
_ROW: Final = 6
_LABEL: Final = 26
_COLOURS = ("#0b7285", "#5f3dc4", "#2b8a3e", "#a61e4d", "#e67700", "#364fc7", "#087f5b", "#862e9c")
_ALONE = "#495057"


class Placed(NamedTuple):
    """An agent with the middle of its box."""

    agent: AgentView
    x: float
    y: float


class _Box:
    """What the layout needs of a vertex: its size; it writes `xy`."""

    def __init__(self) -> None:
        self.w, self.h = WIDTH, HEIGHT
        self.xy = (0.0, 0.0)


def layout(view: ScanView) -> list[Placed]:
    """Places agents: connected ones in layers, the others in rows below."""
    agents = view.agents[:MAX_AGENTS]
    vertices = {agent.key: Vertex(agent) for agent in agents}
    edges = [
        Edge(vertices[e.source], vertices[e.target])
        for e in view.edges
        if e.source in vertices and e.target in vertices
    ]
    joined = {vertex.data.key for edge in edges for vertex in edge.v}
    placed: list[Placed] = []
    top = 0.0
    graph = Graph([vertices[key] for key in vertices if key in joined], edges)
    for component in graph.C:
        for vertex in component.sV:
            vertex.view = _Box()
        drawing = SugiyamaLayout(component)
        drawing.xspace, drawing.yspace = GAP_X, GAP_Y
        drawing.init_all()
        drawing.draw()
        points = [(vertex.data, *vertex.view.xy) for vertex in component.sV]
        left, high = min(p[1] for p in points), min(p[2] for p in points)
        placed += [Placed(agent, x - left, top + y - high) for agent, x, y in points]
        top = max(p.y for p in placed) + HEIGHT + GAP_Y
    alone = [agent for agent in agents if agent.key not in joined]
    for index, agent in enumerate(alone):
        row, column = divmod(index, _ROW)
        placed.append(Placed(agent, column * (WIDTH + GAP_X), top + row * (HEIGHT + GAP_Y / 2)))
    return placed


def svg(view: ScanView, title: str) -> str:
    """The picture as one XML document; all text from the source is escaped."""
    placed = layout(view)
    where = {p.agent.key: p for p in placed}
    width = max((p.x for p in placed), default=0) + WIDTH + 2 * MARGIN
    height = max((p.y for p in placed), default=0) + HEIGHT + 2 * MARGIN + 24
    colours = {crew.name: _COLOURS[i % len(_COLOURS)] for i, crew in enumerate(view.crews)}
    left_out = len(view.agents) - len(placed)
    caption = f"{title}: {len(view.agents)} agents" + (f", {left_out} not drawn" if left_out else "")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" font-family="system-ui, sans-serif" role="img" '
        f"aria-label={quoteattr(_plain(caption))}>",
        '<defs><marker id="to" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        'orient="auto-start-reverse"><path d="M0 0 10 5 0 10z" fill="#868e96"/></marker></defs>',
        f'<rect width="100%" height="100%" fill="#ffffff"/><text x="{MARGIN}" y="{MARGIN}" font-size="14" '
        f'font-weight="600" fill="#212529">{escape(_plain(caption))}'
        '<tspan font-size="11" font-weight="400" fill="#495057">   solid: hands its result on, dashed: delegates'
        "</tspan></text>",
        f'<g transform="translate({MARGIN + WIDTH / 2:.0f} {MARGIN + 24 + HEIGHT / 2:.0f})">',
    ]
    for edge in view.edges:
        if edge.source in where and edge.target in where:
            parts.append(_edge(where[edge.source], where[edge.target], edge.edge_type))
    for spot in placed:
        crews = spot.agent.crews
        parts.append(_agent(spot, colours.get(crews[0], _ALONE) if crews else _ALONE))
    return "\n".join([*parts, "</g>", "</svg>", ""])


def _plain(text: str) -> str:
    """Text that XML 1.0 can hold."""
    return "".join(c for c in clean(text) if c >= " " and not "\ud800" <= c <= "\udfff")


def _cut(text: str) -> str:
    plain = " ".join(_plain(text).split())
    return plain if len(plain) <= _LABEL else plain[: _LABEL - 1] + "…"


def _edge(source: Placed, target: Placed, kind: str) -> str:
    dash = ' stroke-dasharray="5 4"' if kind == "delegates_to" else ""
    down = target.y >= source.y
    y1 = source.y + (HEIGHT / 2 if down else -HEIGHT / 2)
    y2 = target.y + (-HEIGHT / 2 if down else HEIGHT / 2)
    bend = (y1 + y2) / 2
    curve = f"M{source.x:.1f} {y1:.1f} C{source.x:.1f} {bend:.1f} {target.x:.1f} {bend:.1f} {target.x:.1f} {y2:.1f}"
    return f'<path d="{curve}" fill="none" stroke="#868e96" stroke-width="1.5"{dash} marker-end="url(#to)"/>'


def _agent(spot: Placed, colour: str) -> str:
    agent = spot.agent
    x, y = spot.x - WIDTH / 2, spot.y - HEIGHT / 2
    tools = f"{len(agent.tools)} tool{'' if len(agent.tools) == 1 else 's'}" if agent.tools else "no tools"
    hint = escape(_plain(f"{agent.name or agent.symbol}\n{agent.place.file}:{agent.place.line}"))
    return (
        f'<g><title>{hint}</title><rect x="{x:.1f}" y="{y:.1f}" width="{WIDTH}" height="{HEIGHT}" rx="8" '
        f'fill="#f8f9fa" stroke="{colour}" stroke-width="2"/>'
        f'<text x="{spot.x:.1f}" y="{spot.y - 3:.1f}" text-anchor="middle" font-size="13" font-weight="600" '
        f'fill="#212529">{escape(_cut(agent.name or agent.symbol))}</text>'
        f'<text x="{spot.x:.1f}" y="{spot.y + 15:.1f}" text-anchor="middle" font-size="11" fill="#495057">'
        f"{escape(_cut(agent.framework + ', ' + tools))}</text></g>"
    )
