"""Generator of hostile trees, archives and repositories, and a record of what must not change outside them."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

AGENT = (
    'from crewai import Agent, Crew\n\na = Agent(role="writer", goal="g", backstory="b")\nCrew(agents=[a], tasks=[])\n'
)
"""A Python file with one agent."""

TOO_DEEP = {
    "brackets": "x = " + "(" * 10_000 + ")" * 10_000,
    "negations": "x = " + "not " * 10_000 + "1",
    "sums": "x = 1" + "+1" * 10_000,
    "attributes": "x = a" + ".b" * 10_000,
    "calls": "x = a" + "()" * 10_000,
    "lambdas": "x = " + "lambda: " * 10_000 + "1",
    "branches": "if a: pass\n" + "elif a: pass\n" * 10_000,
    "newer_brackets": "type X = int\ny = " + "[" * 10_000 + "]" * 10_000,
    "newer_patterns": "type X = int\nmatch x:\n case " + "[" * 10_000 + "a" + "]" * 10_000 + ": pass",
}
"""Sources nested ten thousand deep."""


def unpleasant_files(root: Path, outside: Path) -> None:
    """Fill a folder with an agent and with everything that is no file to be followed, opened or parsed."""
    (root / "agent.py").write_text(AGENT)
    (root / "null.py").write_bytes(b"x = 1\0\n")
    (root / "latin.py").write_bytes(b"# \xe9\nx = 1\n")
    (root / "codec.py").write_bytes(b"# coding: zlib\nx = 1\n")
    (root / "large.py").write_bytes(b"#" * (1 << 20) + b"\n")
    (root / "line.py").write_bytes(b"x = '" + b"a" * (10 << 20) + b"'\n")
    (root / "two.py").write_text("print 'x'\n")
    (root / "agents.yaml").write_text("a: [\n")
    (root / "mcp.json").write_text("{")
    (root / "line\nbreak.py").write_text("x = 1\n")
    (root / os.fsdecode(b"by\xfftes.py")).write_text(AGENT.replace("writer", "reader"))
    (root / "link.py").symlink_to(outside)
    (root / "up").symlink_to(outside.parent)
    (root / "loop").symlink_to(root)
    (root / "gone.py").symlink_to(root / "nothing")
    os.mkfifo(root / "pipe.py")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(os.path.relpath(root / "door.py"))
    for name, text in TOO_DEEP.items():
        (root / f"deep_{name}.py").write_text(text)


def sparse(path: Path, size: int) -> None:
    """A file of this size that takes no room on the disk."""
    with path.open("wb") as file:
        file.truncate(size)


def git(folder: Path, *arguments: str) -> str:
    """Run git as a test's author, without the machine's configuration."""
    env = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.invalid", "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.invalid", "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
        "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z", "GIT_ALLOW_PROTOCOL": "file",
    }  # fmt: skip
    done = subprocess.run(["git", *arguments], cwd=folder, env=env, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def repository(folder: Path, files: dict[str, str]) -> str:
    """A Git repository with one commit; returns the commit."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "--initial-branch=main", "--template=", ".")
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "m")
    return git(folder, "rev-parse", "HEAD")


def armed(folder: Path, proof: Path) -> None:
    """Make a repository run a program by every means its own configuration has; each one writes `proof`."""
    act = folder.parent / "act.sh"
    act.write_text(f"#!/bin/sh\necho ran >> {proof}\ncat\n")
    act.chmod(0o755)
    hooks = folder / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc", "post-merge"):
        (hooks / hook).write_text(act.read_text())
        (hooks / hook).chmod(0o755)
    included = folder.parent / "included"
    included.write_text(f"[core]\n\tfsmonitor = {act}\n")
    with (folder / ".git" / "config").open("a") as config:
        config.write(
            f"[core]\n\tfsmonitor = {act}\n\thooksPath = {hooks}\n\tpager = {act}\n\tsshCommand = {act}\n"
            f"\talternateRefsCommand = {act}\n\tworktree = /\n"
            f'[alias]\n\tls-files = !{act}\n[filter "evil"]\n\tclean = {act}\n\tsmudge = {act}\n\tprocess = {act}\n'
            f'\trequired = true\n[diff "evil"]\n\ttextconv = {act}\n\tcommand = {act}\n'
            f'[include]\n\tpath = {included}\n[includeIf "gitdir:/**"]\n\tpath = {included}\n'
            f"[credential]\n\thelper = !{act}\n[uploadpack]\n\tpackObjectsHook = {act}\n"
            f'[remote "origin"]\n\turl = ext::{act}\n\tpromisor = true\n[extensions]\n\tpartialClone = origin\n'
        )


def zip_of(path: Path, files: dict[str, bytes]) -> Path:
    """A zip archive with these members, whatever their names."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return path


def tar_of(path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    """A compressed tar archive of these members."""
    with tarfile.open(path, "w:gz") as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    """Head of a tar member."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@contextmanager
def silent_server() -> Iterator[int]:
    """A port of this machine that accepts connections and says nothing; yields its number."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in held:
                connection.close()


def record(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Mode, time of change and content of everything below a folder; equal records mean nothing was touched."""
    found: dict[str, tuple[int, int, bytes]] = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path)] = (facts.st_mode, facts.st_mtime_ns, content)
    return found
