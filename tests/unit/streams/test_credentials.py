"""The workers' consumer speaks to a secured broker with the same settings as every other client."""

from __future__ import annotations

import pytest

from stratum_lab.errors import SettingsError
from streams.credentials import credentials


def test_without_security_the_connection_is_plain() -> None:
    assert credentials({}) is None


@pytest.mark.parametrize(("protocol", "encrypted"), [("SASL_PLAINTEXT", False), ("sasl_ssl", True)])
def test_a_sasl_user_is_passed_on(protocol: str, encrypted: bool) -> None:
    made = credentials(
        {
            "security.protocol": protocol,
            "sasl.mechanism": "SCRAM-SHA-256",
            "sasl.username": "worker",
            "sasl.password": "word",
        }
    )
    assert made is not None
    assert (made.username, made.password, made.mechanism.value) == ("worker", "word", "SCRAM-SHA-256")
    assert (made.ssl_context is not None) == encrypted
    assert made.protocol.value == protocol.upper()


def test_an_encrypted_connection_without_a_user_is_made() -> None:
    made = credentials({"security.protocol": "ssl"})
    assert made is not None
    assert made.protocol.value == "SSL"


@pytest.mark.parametrize(
    "security", [{"security.protocol": "TLS"}, {"security.protocol": "SASL_SSL", "sasl.mechanism": "X"}]
)
def test_what_the_workers_cannot_speak_is_refused_with_the_valid_values(security: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"SASL_SSL|SCRAM"):
        credentials(security)
