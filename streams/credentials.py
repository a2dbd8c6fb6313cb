"""The librdkafka security properties of the settings, as Faust's consumer wants them."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from faust import SASLCredentials, SSLCredentials
from faust.types.auth import CredentialsT

from stratum_lab.errors import SettingsError

PROTOCOL, MECHANISM = "security.protocol", "sasl.mechanism"
MECHANISMS = "sasl.mechanisms"
USER, PASSWORD = "sasl.username", "sasl.password"
CA, CERTIFICATE, KEY = "ssl.ca.location", "ssl.certificate.location", "ssl.key.location"
SASL = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


def credentials(security: Mapping[str, str]) -> CredentialsT | None:
    """Credentials for the settings' `kafka.security`; None for a plain connection.

    Raises:
        SettingsError: A protocol that is none of PROTOCOLS, or a mechanism that is none of SASL.
    """
    protocol = security.get(PROTOCOL, "PLAINTEXT").upper()
    if protocol not in PROTOCOLS:
        raise SettingsError(
            f"kafka.security has {PROTOCOL}={protocol}; valid: {', '.join(PROTOCOLS)}", remedy="correct the setting"
        )
    context = _context(security) if protocol.endswith("SSL") else None
    if protocol == "PLAINTEXT":
        return None
    if protocol == "SSL":
        return SSLCredentials(context)
    mechanism = (security.get(MECHANISM) or security.get(MECHANISMS) or "PLAIN").upper()
    if mechanism not in SASL:
        raise SettingsError(
            f"kafka.security has {MECHANISM}={mechanism}; the stream workers take: {', '.join(SASL)}",
            remedy="use a user of one of these mechanisms for the workers",
        )
    return SASLCredentials(
        username=security.get(USER), password=security.get(PASSWORD), mechanism=mechanism, ssl_context=context
    )


def _context(security: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=security.get(CA))
    if CERTIFICATE in security:
        context.load_cert_chain(security[CERTIFICATE], security.get(KEY))
    return context
