"""Translation of librdkafka's errors into the error tree; nothing outside this package sees a KafkaException."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

from stratum_lab.errors import (
    BrokerUnavailable,
    Busy,
    LogIdentityChanged,
    PrerequisiteError,
    ProblemsFound,
    SettingsError,
    StratumError,
)

_REFUSED = {
    KafkaError._AUTHENTICATION,
    KafkaError._SSL,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.UNSUPPORTED_SASL_MECHANISM,
    KafkaError.ILLEGAL_SASL_STATE,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}
_BAD_VALUE = {
    KafkaError._INVALID_ARG,
    KafkaError.INVALID_CONFIG,
    KafkaError.INVALID_PARTITIONS,
    KafkaError.INVALID_REPLICATION_FACTOR,
    KafkaError.INVALID_SESSION_TIMEOUT,
    KafkaError.POLICY_VIOLATION,
    KafkaError.TOPIC_EXCEPTION,
}
_NO_TOPIC = {
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}
_OTHER_LOG = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError.UNKNOWN_TOPIC_ID}
_NOT_MINE = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError._MAX_POLL_EXCEEDED,
    KafkaError._ASSIGNMENT_LOST,
    KafkaError._FENCED,
}
SETTLING = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
}
"""Answers of a broker that has just started or just made a topic; asking again helps."""

_TOO_LARGE = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE}


def translate(error: KafkaError, doing: str) -> StratumError:
    """The error of this project for one of librdkafka's.

    Args:
        error: What librdkafka reported.
        doing: What was being done and on what, for the message.
    """
    code, text = error.code(), f"{doing}: {error.name()}: {error.str()}"
    if code in _REFUSED:
        return SettingsError(
            f"the broker refused this client while {text}",
            remedy="correct kafka.security (STRATUM_KAFKA__SECURITY) or the rights of this user",
        )
    if code in _BAD_VALUE:
        return SettingsError(f"refused while {text}", remedy="correct the setting it names (`stratum settings`)")
    if code in _NO_TOPIC:
        return PrerequisiteError(f"no such topic or partition while {text}", remedy="stratum up")
    if code in _OTHER_LOG:
        return LogIdentityChanged(
            f"the log no longer holds the offset asked for, while {text}",
            remedy="the topic was recreated or cut; see `stratum warehouse rebase --help`",
        )
    if code in _NOT_MINE:
        return Busy(f"another member of the group owns the partition now, while {text}")
    if code in _TOO_LARGE:
        return ProblemsFound(f"message too large while {text}", remedy="send smaller batches (at most 2 MiB each)")
    return BrokerUnavailable(
        f"the broker does not answer while {text}", remedy="`stratum status`; `stratum up` starts a broker"
    )


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Run a block; a KafkaException in it leaves as an error of this project.

    Args:
        doing: What the block does and on what.
    """
    try:
        yield
    except KafkaException as exc:
        first = exc.args[0] if exc.args else None
        if isinstance(first, KafkaError):
            raise translate(first, doing) from exc
        raise BrokerUnavailable(f"{doing}: {exc}", remedy="stratum status") from exc
