"""Every error of librdkafka becomes one of ours, of the kind that decides whether to try again."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException
from structlog.testing import capture_logs

from stratum_lab import errors
from stratum_lab.kafka.clients import ClientLog
from stratum_lab.kafka.failures import translate, translated


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("_ALL_BROKERS_DOWN", errors.BrokerUnavailable),
        ("_TRANSPORT", errors.BrokerUnavailable),
        ("_TIMED_OUT", errors.BrokerUnavailable),
        ("_MSG_TIMED_OUT", errors.BrokerUnavailable),
        ("NOT_ENOUGH_REPLICAS", errors.BrokerUnavailable),
        ("SASL_AUTHENTICATION_FAILED", errors.SettingsError),
        ("TOPIC_AUTHORIZATION_FAILED", errors.SettingsError),
        ("INVALID_REPLICATION_FACTOR", errors.SettingsError),
        ("UNKNOWN_TOPIC_OR_PART", errors.PrerequisiteError),
        ("_UNKNOWN_TOPIC", errors.PrerequisiteError),
        ("OFFSET_OUT_OF_RANGE", errors.LogIdentityChanged),
        ("_AUTO_OFFSET_RESET", errors.LogIdentityChanged),
        ("ILLEGAL_GENERATION", errors.Busy),
        ("_MAX_POLL_EXCEEDED", errors.Busy),
        ("MSG_SIZE_TOO_LARGE", errors.ProblemsFound),
    ],
)
def test_a_code_becomes_the_error_that_tells_what_to_do(code: str, kind: type[errors.StratumError]) -> None:
    found = translate(KafkaError(getattr(KafkaError, code)), "reading t [3]")
    assert type(found) is kind
    assert "reading t [3]" in found.message
    assert code in found.message


def test_every_known_code_is_translated() -> None:
    codes = {v for k, v in vars(KafkaError).items() if k.strip("_").isupper() and isinstance(v, int)}
    assert len(codes) > 100
    for code in codes:
        found = translate(KafkaError(code), "x")
        assert isinstance(found, errors.Transient) != isinstance(found, errors.Terminal)


def test_no_kafka_exception_leaves_a_translated_block() -> None:
    with pytest.raises(errors.BrokerUnavailable), translated("x"):
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))
    with pytest.raises(errors.BrokerUnavailable, match="odd"), translated("x"):
        raise KafkaException("odd")


def test_a_line_that_librdkafka_repeats_is_logged_once_and_cleaned() -> None:
    log = ClientLog()
    with capture_logs() as lines:
        for attempt in range(5):
            log.log(
                50, "%s [%s] [thrd:127.0.0.1:1/bootstrap]: \x1b[31mrefused %d", "FAIL", "stratum#producer-1", attempt
            )
    assert len(lines) == 1
    assert "\x1b" not in lines[0]["event"]
    assert lines[0]["log_level"] == "warning"
