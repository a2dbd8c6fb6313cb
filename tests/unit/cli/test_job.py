"""`stratum job`: what is refused before a broker is asked, and what selection prints."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from rich.console import Console
from typer.testing import CliRunner

from producers.job_state import JobStates
from stratum_lab.cli.job import job_app
from stratum_lab.cli.job_list import counts_line, jobs_table, list_jobs_of
from tests.support.scans import job, status

FLEET = Path(__file__).parents[2] / "fixtures" / "fleet" / "repo_features.jsonl"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRATUM_HOME", str(tmp_path))
    return CliRunner()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["submit"], "no source is given"),
        (["submit", "nonsense/x"], "no host"),
        (["submit", "https://example.org/o/r", "--what", "all"], "static, runs, both"),
        (["submit", "https://example.org/o/r", "--what", "runs"], "--runs"),
        (["submit", "https://example.org/o/r", "--what", "runs", "--runs", "5..1"], "N <= M"),
        (["submit", "--file", "missing.txt"], "cannot be read"),
        (["list", "--state", "lost"], "queued, running"),
        (["retry"], "--failed"),
        (["select"], "--mode discover"),
        (["select", "--mode", "best", "x"], "auto, scored"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_with_a_hint(run: CliRunner, arguments: list[str], said: str) -> None:
    done = run.invoke(job_app, arguments)
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_list_names_the_line_of_a_bad_source_on_standard_input(run: CliRunner) -> None:
    done = run.invoke(job_app, ["submit", "--file", "-"], input="https://example.org/o/r\nnonsense\n")
    assert done.exit_code == 2
    assert "standard input:2" in done.stderr


def test_a_list_that_is_no_text_names_its_line(run: CliRunner) -> None:
    Path("list.txt").write_bytes(b"# fine\n\xff\n")
    done = run.invoke(job_app, ["submit", "--file", "list.txt"])
    assert done.exit_code == 2
    assert "line 2 of list.txt is no UTF-8" in done.stderr


def test_selection_prints_lines_that_submission_reads_and_talks_on_stderr(run: CliRunner) -> None:
    done = run.invoke(job_app, ["select", str(FLEET), "--top", "5", "--topology-diversity"])
    assert done.exit_code == 0
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(lines) == 5
    assert all(url.startswith("https://github.com/") for _, url in lines)
    assert [float(score) for score, _ in lines] == sorted((float(score) for score, _ in lines), reverse=True)
    assert "5 of 40 selected" in done.stderr
    assert "distinct topologies 5 (100.0 %)" in done.stderr


def test_selection_as_json_gives_shares_and_hashes(run: CliRunner) -> None:
    done = run.invoke(job_app, ["select", str(FLEET), "--min-score", "30", "--json"])
    document = json.loads(done.stdout)
    assert document["considered"] == 40
    assert len(document["selected"]) + document["dropped"]["score"] == 40
    assert all(len(entry["selection_hash"]) == 8 for entry in document["selected"])


def test_a_plain_list_keeps_its_order_and_cannot_be_scored(run: CliRunner) -> None:
    text = "https://example.org/o/b\nhttps://example.org/o/a\n"
    assert run.invoke(job_app, ["select", "-", "--top", "1"], input=text).stdout == "0\thttps://example.org/o/b\n"
    assert run.invoke(job_app, ["select", "-", "--min-score", "1"], input=text).exit_code == 2


def test_discovery_without_a_token_names_the_setting(run: CliRunner) -> None:
    done = run.invoke(job_app, ["select", "--mode", "discover"])
    assert done.exit_code == 78
    assert "STRATUM_GITHUB__TOKEN" in done.stderr


def test_discovery_prints_the_best_first(run: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATUM_GITHUB__TOKEN", "tok")
    items = [
        {"full_name": f"o/r{n}", "html_url": f"https://github.com/o/r{n}", "stargazers_count": n, "forks_count": 0}
        for n in (20, 2000, 200)
    ]

    def send(_: httpx.Client, request: httpx.Request, **__: object) -> httpx.Response:
        return httpx.Response(200, json={"items": items}, request=request)

    monkeypatch.setattr(httpx.Client, "send", send)
    done = run.invoke(job_app, ["select", "--mode", "discover"])
    assert done.stdout.split() == [
        "15", "https://github.com/o/r2000", "10", "https://github.com/o/r200", "2", "https://github.com/o/r20",
    ]  # fmt: skip
    assert "tok" not in done.stdout + done.stderr.replace("token", "")


def test_jobs_are_filtered_by_state_ending_campaign_and_part_of_the_name() -> None:
    one, two = job("https://example.org/o/One", campaign_id="c"), job("https://example.org/o/two")
    states = JobStates()
    states.add(status(one, "done", status="failed", campaign_id="c"))
    states.add(status(two, "queued"))
    for given, found in [
        (("done", None, None), [one]),
        (("failed", None, None), [one]),
        (("queued", None, None), [two]),
        ((None, "c", None), [one]),
        ((None, None, "one"), [one]),
        ((None, None, None), [one, two]),
    ]:
        assert {s.job_id for s in list_jobs_of(states, *given)} == {j.job_id for j in found}
    assert counts_line(states) == "2 jobs: 1 queued, 1 failed"


def test_names_from_outside_reach_the_terminal_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    one = job()
    states = JobStates()
    states.add(status(one, "done", status="failed", reason="\x1b[2J[bold]x\n", display_name="[red]o/r"))
    Console(width=200).print(jobs_table(list(states)))
    shown = capsys.readouterr().out
    assert "\x1b[2J" not in shown
    assert "[bold]x\\n" in shown
    assert "[red]o/r" in shown
