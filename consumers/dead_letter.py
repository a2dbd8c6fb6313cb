"""Dead letters of the sinks: each refused message goes to `dead.letters` before the offset after it is stored."""

from __future__ import annotations

from stratum_lab.contract.events import DeadLetter
from stratum_lab.contract.topics import DEAD_LETTERS
from stratum_lab.kafka.producer import Producer
from stratum_lab.settings import Settings

_FLUSH_S = 10.0


class DeadLetterWriter:
    """Sends dead letters; opens its producer when the first one comes.

    A crash between sending and storing the offset sends a letter again: readers know it by its coordinates and stage.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: Producer | None = None
        self._waiting: list[DeadLetter] = []

    def add(self, letter: DeadLetter) -> None:
        """Keep a letter for the next `flush`."""
        self._waiting.append(letter)

    def flush(self) -> int:
        """Send what waits and wait for its acknowledgement; nothing is forgotten when that fails.

        Returns:
            Letters sent.

        Raises:
            BrokerUnavailable: Not acknowledged in time; call again.
        """
        if not self._waiting:
            return 0
        if self._producer is None:
            self._producer = Producer(self._settings, delivery_timeout_s=_FLUSH_S)
        for letter in self._waiting:
            self._producer.send(DEAD_LETTERS, letter.key, letter)
        self._producer.flush(_FLUSH_S)
        sent = len(self._waiting)
        self._waiting.clear()
        return sent
