"""From a folder to a project: walk, read once, parse each candidate once, with every limit applied."""

from __future__ import annotations

from pathlib import Path

from stratum_lab.scan.result import FileFacts
from stratum_lab.scan.source.limits import DEFAULT, Limits
from stratum_lab.scan.source.loader import Loader
from stratum_lab.scan.source.project import Project
from stratum_lab.scan.source.read import REASONS, Reader
from stratum_lab.scan.source.walk import walk


def load(root: Path, limits: Limits = DEFAULT) -> tuple[FileFacts, Project]:
    """Read the tree at `root`.

    Returns:
        The counts over its files, and its parsed files.

    Raises:
        stratum_lab.scan.source.limits.TreeError: It holds too many files, or a part of it cannot be read.
    """
    tree = walk(root, limits)
    reader = Reader(tree, limits)
    loader = Loader(limits=limits)
    for content in reader.contents():
        if content.data is not None:
            loader.add(content.path, content.data)
        elif content.certain and content.error is not None:
            loader.fail(content.path, REASONS[content.error])
    for content in reader.env_files():
        if content.data is not None:
            loader.add(content.path, content.data)
    project = loader.project((entry.path for entry in tree.entries), (entry.path for entry in tree.untracked))
    facts = loader.facts
    facts.files_total = reader.files_total
    facts.repo_hash = reader.repo_hash
    facts.python_file_count = sum(entry.raw.endswith(b".py") for entry in tree.entries)
    return facts, project


def content_facts(root: Path, limits: Limits = DEFAULT) -> FileFacts:
    """What is known of the tree at `root` without parsing: its hash and its number of files.

    Raises:
        stratum_lab.scan.source.limits.TreeError: It holds too many files, or a part of it cannot be read.
    """
    tree = walk(root, limits)
    reader = Reader(tree, limits)
    for _ in reader.contents():
        pass
    return FileFacts(
        repo_hash=reader.repo_hash,
        files_total=reader.files_total,
        python_file_count=sum(entry.raw.endswith(b".py") for entry in tree.entries),
    )
