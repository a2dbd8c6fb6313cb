"""Teams of AutoGen 0.4 to 0.7: where they are made, and their runs, those for somebody who is at work included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import spans, variables, wrap
from ..nodes import Node
from ..stored import held
from .autogen_agentchat_agents import IDENTITY, Making, Run, TeamTask, handed_down, input_of_turn, node_of
from .autogen_agentchat_groups import Group, groups

if TYPE_CHECKING:
    from ..wrap import Call, Watch


class TeamRun(wrap.Watch):
    """A run of a team: the program's, or a task that somebody has the team do."""

    def __init__(self, team: Any, task: Any) -> None:
        self.team_id = str(held(team, "_team_id"))
        node = node_of(team)
        self.span: spans.Span = _task(node, task) if spans.inside(IDENTITY) else Run(node, task)
        self.group = Group(team, self.span)
        if not held(team, "_is_running"):  # else it refuses this run, and goes on with the other
            groups[self.team_id] = self.group

    def done(self, result: Any) -> Any:
        """See `Watch`."""
        self._end(spans.ABORTED)
        return self.span.done(result)

    def failed(self, error: BaseException) -> None:
        """The library raises an error of its own that quotes the one which ended the turn: both are one."""
        if self.group.failure is not None and type(error) is RuntimeError:
            spans.stands_for(error, self.group.failure)
        self._end(**spans.error_facts(IDENTITY, error))
        self.span.failed(error)

    def item(self, value: Any) -> None:
        """See `Watch`."""
        self.span.item(value)

    def pause(self) -> None:
        """See `Watch`."""
        self.span.pause()

    def resume(self) -> None:
        """See `Watch`."""
        self.span.resume()

    def _end(self, status: str, **told: Any) -> None:
        if groups.get(self.team_id) is self.group:
            del groups[self.team_id]
        self.group.end(status, **told)


def _task(node: Node, task: Any) -> TeamTask:
    handed = handed_down(node, task if isinstance(task, str) else None)
    made = TeamTask(IDENTITY, node, input_source=input_of_turn.get())
    made.handed = handed
    return made


class MakingTeam(Making):
    """A team's constructor: the name it is given, else that of its variable, else its class's."""

    def __init__(self, team: Any) -> None:
        super().__init__(team)
        self.variable = variables.assigned()

    def name(self) -> str:
        """See `Making`."""
        given, kind = held(self.thing, "_name"), type(self.thing)
        if isinstance(given, str) and given.strip() and given != getattr(kind, "DEFAULT_NAME", None):
            return given
        return self.variable or kind.__name__


def watch_runs(module: Any) -> None:
    """Apply to `autogen_agentchat.teams._group_chat._base_group_chat`; `run` runs `run_stream`."""
    wrap.every_subclass(module.BaseGroupChat, "run_stream", _run)


def watch_making(module: Any) -> None:
    """Apply to the same module."""
    wrap.every_subclass(module.BaseGroupChat, "__init__", _made)


def _run(call: Call) -> Watch:
    return TeamRun(call.instance, call.get("task", -1))


def _made(call: Call) -> Watch:
    return MakingTeam(call.instance)
