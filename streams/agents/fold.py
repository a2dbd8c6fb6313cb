"""The one agent: what could not be folded as it was read comes here by Faust's queue and goes to its partition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratum_lab.contract.topics import full_name
from streams.ending import ends_process
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
            with ends_process:
                owner = app.owner
                assert owner is not None
                m = app.raw(message)
                if not owner.take(m, message.partition):
                    await owner.take_slowly(m, message.partition, highwater(message.tp) or 0)
