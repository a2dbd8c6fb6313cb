"""Savers wherever they are made."""

# ruff: noqa: E501 - sources under test stand on one line each

from __future__ import annotations

import pytest

from stratum_lab.scan.detect import checkpoints
from tests.support.detected import run
from tests.support.projects import project


@pytest.mark.parametrize(
    ("source", "kinds"),
    [
        ("from langgraph.checkpoint.memory import MemorySaver\nm = MemorySaver()", ["memory_only"]),
        ("from langgraph.checkpoint.memory import InMemorySaver as S\ng.compile(checkpointer=S())", ["memory_only"]),
        ("from langgraph.checkpoint.sqlite import SqliteSaver\nwith SqliteSaver.from_conn_string('x') as s:\n    s.setup()",
         ["durable"]),
        ("from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver\nAsyncPostgresSaver(conn=1)", ["durable"]),
        ("from langgraph.checkpoint.memory import MemorySaver", []),
        ("from mine import MemorySaver\nMemorySaver()", []),
    ],
)  # fmt: skip
def test_a_saver_is_of_memory_or_durable(source: str, kinds: list[str]) -> None:
    assert list(run(project(main=source), checkpoints).checkpoints.values()) == kinds
