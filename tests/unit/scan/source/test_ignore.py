"""Ignore files are read as Git reads them; Git itself is the judge where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from stratum_lab.scan.source.ignore import IgnoreRules


@pytest.mark.parametrize(
    ("text", "covered"),
    [
        (".env\n", True),
        (".env*\n", True),
        ("*.env\n", True),
        ("/.env\r\n", True),
        ("\ufeff.env\n", True),
        (".env  \n", True),
        ("**/.env\n", True),
        (".*\n", True),
        ("*\n", True),
        (".env\n!.env\n", False),
        ("!.env\n.env\n", True),
        (".env/\n", False),
        ("# .env\n", False),
        ("config/.env\n", False),
        (".env.local\n", False),
        ("env\n", False),
        ("", False),
    ],
)
def test_the_root_file_covers_dot_env_only_by_a_pattern_that_matches_it(text: str, covered: bool) -> None:
    assert IgnoreRules({".gitignore": text}).ignores_env_at_root() is covered


def test_an_ignore_file_of_a_sub_folder_says_nothing_about_the_root() -> None:
    rules = IgnoreRules({"app/.gitignore": ".env\n"})
    assert not rules.ignores_env_at_root()
    assert not rules.ignores(".env")
    assert rules.ignores("app/.env")
    assert rules.ignores("app/deep/.env")


CASES = {
    "nested file takes back": {".gitignore": ".env\n", "app/.gitignore": "!.env\n"},
    "nothing below an ignored folder comes back": {".gitignore": "app/\n!app/.env\n", "app/.gitignore": "!.env\n"},
    "children of a folder ignored, one taken back": {".gitignore": "app/*\n!app/.env\n"},
    "everything inside, one taken back": {".gitignore": "app/**\n!app/.env\n"},
    "everything but folders": {".gitignore": "*\n!*/\n!.env.local\n"},
    "anchored": {".gitignore": "/.env\n"},
    "anchored by an inner slash": {".gitignore": "app/.env\n"},
    "negation names the folder only": {".gitignore": ".env*\n!app\n"},
    "any depth between": {".gitignore": "app/**/.env\n"},
    "character class and question mark": {".gitignore": "[.]en?\n.env.[lp]*\n"},
    "escaped": {".gitignore": "\\.env\n\\#x\n"},
    "folder pattern": {".gitignore": "deep/\n"},
    "double star alone": {".gitignore": "**\n!.env\n"},
    "negated folder then file": {".gitignore": "*\n!app/\n!app/.env\n"},
    "nested anchored": {"app/.gitignore": "/.env\n"},
    "leading double star": {".gitignore": "**/deep/.env\n"},
    "same name twice": {".gitignore": "app\n"},
}
PATHS = [
    ".env",
    ".env.local",
    "app/.env",
    "app/.env.production",
    "app/deep/.env",
    "app/app/.env",
    "lib/.env",
    "deep/.env",
]


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git_and_the_rules_agree(tmp_path: Path) -> None:
    """One repository holds every case in a folder of its own, so that Git is asked once."""
    asked = [f"{case}/{path}" for case in CASES for path in PATHS]
    for case, files in CASES.items():
        for path, text in (*files.items(), *((path, "A=1\n") for path in PATHS)):
            place = tmp_path / case / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    done = subprocess.run(
        ["git", "-c", "core.excludesFile=", "-C", tmp_path, "check-ignore", "--no-index", "--stdin"],
        input="\n".join(asked), capture_output=True, text=True, check=True,
    )  # fmt: skip
    ours = [f"{case}/{path}" for case, files in CASES.items() for path in PATHS if IgnoreRules(files).ignores(path)]
    assert ours == done.stdout.splitlines()
    assert 0 < len(ours) < len(asked)


def test_a_pattern_made_to_be_slow_is_left_out_and_the_others_hold() -> None:
    rules = IgnoreRules({".gitignore": "*a" * 200 + "b\n.env\n[z-\n"})
    assert rules.ignores(".env")
    assert not rules.ignores("a" * 250)
