"""`stratum job select`: which repositories to scan, best first, as lines that `job submit --file` takes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from stratum_lab.campaign.discovery import discover, still_alive
from stratum_lab.campaign.github import Github
from stratum_lab.campaign.selection import Candidate, Options, Selection, select, selection_hash
from stratum_lab.campaign.selection_input import in_order, listed, mode_of, scored_candidates
from stratum_lab.cli.output import JsonFlag, command, emit_json, say, settings
from stratum_lab.errors import UsageError
from stratum_lab.settings import Settings

MODES = ("auto", "scored", "list", "discover")


@command
def select_sources(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE",
            envvar="STRATUM_SELECT_FILE",
            help="Earlier scan results as JSON lines, or a plain list; `-`: standard input. Not with --mode discover.",
        ),
    ] = None,
    mode: Annotated[
        str,
        typer.Option(
            "--mode",
            envvar="STRATUM_SELECT_MODE",
            help="scored: score earlier results; list: keep the order; discover: search GitHub; auto: by the file.",
        ),
    ] = "auto",
    top: Annotated[
        int | None, typer.Option("--top", min=1, envvar="STRATUM_SELECT_TOP", help="At most so many.")
    ] = None,
    min_score: Annotated[
        float | None, typer.Option("--min-score", envvar="STRATUM_SELECT_MIN_SCORE", help="Lowest score taken.")
    ] = None,
    topology_diversity: Annotated[
        bool,
        typer.Option(
            "--topology-diversity",
            envvar="STRATUM_SELECT_TOPOLOGY_DIVERSITY",
            help="First one of each kind of topology before a second one of any.",
        ),
    ] = False,
    deduplicate: Annotated[
        bool,
        typer.Option(
            "--deduplicate",
            envvar="STRATUM_SELECT_DEDUPLICATE",
            help="Only the best of equal agent count, frameworks and primary framework.",
        ),
    ] = False,
    forks: Annotated[bool, typer.Option("--forks", envvar="STRATUM_SELECT_FORKS", help="Keep forks.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Print `score<TAB>address` lines, best first; `| stratum job submit --file -` submits them.

    Discovery needs a GitHub token (STRATUM_GITHUB__TOKEN); with one, a plain list is checked for archived, forked,
    stale and missing repositories.
    """
    if mode not in MODES:
        raise UsageError(f"--mode {mode!r} is unknown", remedy=f"one of {', '.join(MODES)}")
    if (mode == "discover") == (file is not None):
        raise UsageError(
            "name a file with earlier results or a list of addresses, or give --mode discover alone",
            remedy="stratum job select --help",
        )
    options = Options(top, min_score, topology_diversity, deduplicate, forks)
    loaded = settings()
    selection = _discovered(loaded, options) if file is None else _from_file(loaded, file, mode, options)
    if as_json:
        emit_json(_document(selection))
    else:
        sys.stdout.write("".join(c.line() + "\n" for c in selection.chosen))
    _report(selection)


def _from_file(loaded: Settings, file: str, mode: str, options: Options) -> Selection:
    lines, name = read_lines(file), "standard input" if file == "-" else file
    if (mode_of(lines) if mode == "auto" else mode) == "scored":
        return select(scored_candidates(lines, name), options)
    entries = listed(lines, name)
    dropped: dict[str, int] = {}
    considered = len(entries)
    if loaded.github.token is not None:
        with Github(loaded.github, told=say) as github:
            entries, dropped = still_alive(github, entries)
    return _kept_in_order(in_order(entries), considered, dropped, options)


def _kept_in_order(
    candidates: list[Candidate], considered: int, dropped: dict[str, int], options: Options
) -> Selection:
    """Mode B: every score is 0 and the order is the list's."""
    if options.topology_diversity or options.deduplicate or options.min_score is not None:
        raise UsageError(
            "a plain list says nothing to score or compare by",
            remedy="leave out --min-score, --deduplicate and --topology-diversity, or give earlier scan results",
        )
    chosen = candidates if options.top is None else candidates[: options.top]
    if len(chosen) < len(candidates):
        dropped = dropped | {"cut": len(candidates) - len(chosen)}
    return Selection(chosen, considered, dropped)


def _discovered(loaded: Settings, options: Options) -> Selection:
    with Github(loaded.github, told=say) as github:
        found = discover(github, told=lambda words, known: say(f"{known} repositories after the search {words!r}"))
    selection = select(found.candidates, options)
    selection.considered += sum(found.dropped.values())
    selection.dropped = found.dropped | selection.dropped
    return selection


def read_lines(file: str) -> list[str]:
    """The lines of a text file, or of standard input for `-`.

    Raises:
        UsageError: It cannot be read, or is no UTF-8.
    """
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode("utf-8").split("\n")
    except OSError as exc:
        raise UsageError(f"{file} cannot be read: {exc.strerror}", remedy="name a text file, or - for input") from exc
    except UnicodeDecodeError as exc:
        line = exc.object[: exc.start].count(b"\n") + 1
        raise UsageError(f"line {line} of {file} is no UTF-8", remedy="save the list as UTF-8") from exc


def _document(selection: Selection) -> object:
    return {
        "selected": [_entry(c) for c in selection.chosen],
        "considered": selection.considered,
        "dropped": selection.dropped,
        "distinct_topologies": selection.distinct_topologies,
        "cross_component": selection.cross_component,
    }


def _entry(candidate: Candidate) -> dict[str, object]:
    mark = None if candidate.features is None else selection_hash(candidate.features)
    return {
        "url": candidate.url,
        "repo_id": candidate.repo_id,
        "score": candidate.score,
        "selection_hash": mark,
    }


def _report(selection: Selection) -> None:
    dropped = ", ".join(f"{number} {reason}" for reason, number in selection.dropped.items())
    say(f"{len(selection.chosen)} of {selection.considered} selected" + (f"; left out: {dropped}" if dropped else ""))
    if selection.distinct_topologies is not None and selection.cross_component is not None:
        say(
            f"distinct topologies {_percent(selection, selection.distinct_topologies)}, "
            f"cross-component {_percent(selection, selection.cross_component)}"
        )


def _percent(selection: Selection, number: int) -> str:
    return f"{number} ({100 * selection.share(number):.1f} %)"
