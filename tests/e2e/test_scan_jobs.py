"""Jobs for every fixture repository and some projects of the package index, from `job submit` to rows in DuckDB."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stratum_lab.ping.build import measured, scan_status
from stratum_lab.scan.scanner import scan_tree
from stratum_lab.settings import Settings
from tests.support.kafka import wait_for
from tests.support.scans import environment, small_folders
from tests.support.trial import soak

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

FIXTURES = Path(__file__).parents[1] / "fixtures"
RULES = int(soak(16, 1000))
"""Of the repositories that show single rules, so many are among the sources."""
PACKAGES = (
    "pypi:llama-index-packs-multi-document-agents==0.4.1",
    "pypi:haystack-experimental==0.19.0.post1",
    "pypi:langgraph-swarm==0.1.0",
    "pypi:langgraph-supervisor==0.0.31",
    "pypi:smolagents==1.26.0",
    "pypi:phidata==2.7.10",
    "pypi:agno==3.1.10",
    "pypi:google-adk==2.13.0",
    "pypi:agency-swarm==0.7.2",
    "pypi:hayhooks==2.1.0",
)[: int(soak(3, 10))]
MEASURED = {"success", "partial", "empty"}
NO_INDEX = {"unreachable", "timeout"}
"""Reasons that tell of the machine's network, not of the package."""


class Script:
    """The `stratum` script with the settings of one test."""

    def __init__(self, settings: Settings) -> None:
        self.env = environment(settings, STRATUM_WAREHOUSE__PORT="0", STRATUM_WAREHOUSE__BATCH_SECONDS="0.2")
        self.logs = settings.home
        self.logs.mkdir(parents=True, exist_ok=True)

    def __call__(self, *args: str, code: int = 0, given: str | None = None) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "stratum_lab.cli", *args],
            env=self.env, input=given, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"stratum {' '.join(args)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def query(self, sql: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self("query", sql, "--json", "--limit", "0"))["rows"]
        return rows

    @contextmanager
    def worker(self, *args: str) -> Iterator[subprocess.Popen[bytes]]:
        """A worker that must end with 0 when asked to stop."""
        path = self.logs / f"{args[0]}.log"
        with path.open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "stratum_lab.cli", "worker", *args],
                env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, path.read_text(errors="replace")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def git(folder: Path, *args: str) -> str:
    """Run git in a folder, as nobody in particular."""
    who = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    who |= {f"GIT_{role}_{what}": "t@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", *args], cwd=folder, env={**os.environ, **who}, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def odd_sources(parent: Path) -> dict[str, str]:
    """Sources of every form and kind of trouble, each with the status its ping must have."""
    crew, partial, broken, empty, gone = small_folders(parent, 5)
    (partial / "broken.py").write_text("def (:\n", encoding="utf-8")
    (broken / "crew.py").write_text("def (:\n", encoding="utf-8")
    (empty / "crew.py").write_text("x = 1\n", encoding="utf-8")
    repository = parent / "repository"
    shutil.copytree(crew, repository)
    git(repository, "init", "--quiet")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "x")
    commit = git(repository, "rev-parse", "HEAD")
    bare = parent / "bare"
    bare.mkdir()
    git(bare, "init", "--quiet")
    other = parent / "other"
    shutil.copytree(repository, other)
    archive = parent / "crew.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(crew, "crew")
    damaged = parent / "damaged.zip"
    damaged.write_bytes(b"PK\x03\x04 no archive")
    return {
        str(crew): "success",
        str(partial): "partial",
        str(broken): "failed",
        str(empty): "empty",
        str(gone): "failed",
        f"file://{repository}@{commit}": "success",
        f"file://{bare}": "empty",
        f"file://{other}@{'0' * 40}": "failed",
        str(archive): "success",
        str(damaged): "failed",
        "https://nowhere.invalid/o/r": "failed",
    }


def test_every_job_becomes_exactly_one_ping_in_the_warehouse_with_the_status_expected(
    kafka_settings: Settings, tmp_path: Path
) -> None:
    folders = sorted(p for p in (FIXTURES / "scan").iterdir() if p.is_dir() and not p.name.startswith(("_", ".")))
    folders += sorted((FIXTURES / "rules").glob("*/*"))[:RULES]
    expected = {str(f): scan_status(measured(scan_tree(f))) for f in folders} | odd_sources(tmp_path / "sources")
    stratum = Script(kafka_settings)
    listing = "".join(f"{source}\n" for source in (*expected, *PACKAGES))
    submitted = json.loads(stratum("job", "submit", "--file", "-", "--json", given=listing))["submitted"]
    assert len(submitted) == len(expected) + len(PACKAGES)
    shutil.rmtree(tmp_path / "sources" / "repo004")  # it goes between submission and scan
    with stratum.worker("warehouse"), stratum.worker("scan"):
        counts = json.loads(stratum("job", "list", "--watch", "--json", "--limit", "0"))["counts"]
        assert counts["queued"] == counts["running"] == counts["cancelled"] == 0

        def stored() -> bool:
            return bool(
                stratum.query("SELECT count(*) = sum((p.scan_id IS NOT NULL)::INT) AS ok FROM private.scan_jobs j "
                              "LEFT JOIN pings p USING (scan_id) HAVING count(*) > 0")[0]["ok"]
            )  # fmt: skip

        wait_for(stored, "every job's ping is stored", 90)
        rows = stratum.query(
            "SELECT s.source, s.job_id, s.status, s.reason, s.repo_hash, p.repo_hash AS ping_hash, p.scan_status, "
            "p.scan_id FROM private.scan_jobs s JOIN pings p USING (scan_id)"
        )
        pings = stratum.query("SELECT count(*) AS n, count(DISTINCT scan_id) AS ids FROM pings")
        letters = stratum.query("SELECT reason, detail FROM dead_letters")
        examples = {
            view: stratum.query(f"FROM {view}")
            for view in ("finding_rates", "scan_counts", "density_by_crews", "hub_and_mesh", "cooccurrence_rates")
        }
    assert letters == []
    assert pings == [{"n": len(submitted), "ids": len(submitted)}]
    assert sorted(r["job_id"] for r in rows) == sorted(j["job_id"] for j in submitted)
    assert sorted(r["scan_id"] for r in rows) == sorted(j["scan_id"] for j in submitted)
    assert {r["source"]: r["scan_status"] for r in rows if r["source"] in expected} == expected
    assert all(r["status"] == r["scan_status"] and r["repo_hash"] == r["ping_hash"] for r in rows)  # check S1
    packages = {r["source"]: (r["scan_status"], r["reason"]) for r in rows if r["source"] in PACKAGES}
    assert set(packages) == set(PACKAGES)
    assert all(s in MEASURED or reason in NO_INDEX for s, reason in packages.values()), packages
    assert all(examples.values()), {view: len(found) for view, found in examples.items()}
    stratum("ping", "validate", "--topic")  # exits with 1 for an invalid ping
    assert json.loads(stratum("fleet", "--json"))
