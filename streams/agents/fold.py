"""The one agent: every message of the three source topics goes to the partition it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratum_lab.contract.topics import full_name
from streams.ending import end_process
from streams.messages import SOURCES

if TYPE_CHECKING:
    from streams.application import StreamsApp


def attach(app: StreamsApp) -> None:
    """Add the agent to an application."""
    prefix = app.stratum.kafka.topic_prefix
    topic = app.topic(*(full_name(prefix, name) for name in SOURCES), key_serializer="raw", value_serializer="raw")

    # Bytes in, so that what cannot be decoded is caught in our own code.
    @app.agent(topic, name="fold")
    async def fold(stream: Any) -> None:
        highwater = app.consumer.highwater
        async for event in stream.events():
            message = event.message
            try:
                owner = app.owner
                assert owner is not None
                m = app.raw(message)
                if not owner.take(m, message.partition):
                    await owner.take_slowly(m, message.partition, highwater(message.tp) or 0)
            except Exception as exc:  # noqa: BLE001 - Faust acknowledges and skips a message whose agent raised
                end_process(exc)
