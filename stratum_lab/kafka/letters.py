"""Dead letters of messages read from the log."""

from __future__ import annotations

from stratum_lab.contract.events import DeadLetter
from stratum_lab.kafka.consumer import RawMessage


def letter_of(message: RawMessage, *, stage: str, reason: str, detail: str) -> DeadLetter:
    """The dead letter of a message as it was read.

    Args:
        message: The message, with its coordinates.
        stage: Part of the product that refused it.
        reason: From the stage's closed list.
        detail: One sentence for people.
    """
    return DeadLetter.from_message(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        headers=message.headers,
        stage=stage,
        reason=reason,
        detail=detail,
    )
