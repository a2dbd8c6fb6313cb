"""Lines of a text that hold a literal secret (rule ENV-002); the match itself is never kept."""

from __future__ import annotations

import re
from collections.abc import Iterator

_KEYS = {
    "sk-": re.compile(r"(?<![A-Za-z0-9_-])sk-[A-Za-z0-9_-]{20,}"),
    "sk_live_": re.compile(r"(?<![A-Za-z0-9_])sk_live_[A-Za-z0-9]{10,}"),
    "Bearer ": re.compile(r"(?<![A-Za-z0-9_])Bearer +[A-Za-z0-9._~+/=-]{20,}"),
    "bearer ": re.compile(r"(?<![A-Za-z0-9_])bearer +[A-Za-z0-9._~+/=-]{20,}"),
}
"""What a key starts with, and the key: the text is searched for the start only, which is many times faster."""
_SCHEME = re.compile(
    r"(?:postgres(?:ql)?|mysql|mariadb|mssql|oracle|mongodb|rediss?|amqps?|clickhouse|cockroachdb|neo4j|bolt)"
    r"(?:\+[a-z0-9_]{1,20})?$"
)
_LOGIN = re.compile(
    r"://(?P<user>[^\s:/@'\"`<>]{0,64}):(?P<password>[^\s:/@'\"`]{1,128})@(?P<host>[^\s/:'\"`?]{1,253})"
)
_NO_HOSTS = ("example.com", "example.org", "example.net", ".example", ".test", ".invalid")
"""Hosts that nobody has."""
_SCHEME_ROOM = 34
"""Characters before "://" that a scheme and driver take at most."""
_PLACEHOLDER = re.compile(
    r"your|xxx|example|placeholder|dummy|fake|sample|test|mock|demo|insert|replace|change|redacted|todo|secret"
    r"|1234567890|abcdefgh|(.)\1{4}"
)
_PLACEHOLDER_PASSWORD = re.compile(r"pass(?:word|wd|phrase)?|pwd|pw|user(?:name)?|admin|root|hidden|\.{3}|\*+|[<{$%].*")


def secret_lines(text: str) -> list[int]:
    """Lines, from 1, that hold a key, a bearer token or a database address with its password.

    Placeholders are left out: a character repeated five times, a word such as "your" or "example", a key without any
    digit (a style-sheet class such as sk-toggleable__label), a password that is a variable or equals the user's name.
    """
    starts: set[int] = set()
    for mark, key in _KEYS.items():
        for place in _places(text, mark):
            found = key.match(text, place)
            if found is not None and _is_key(found.group()):
                starts.add(place)
    for place in _places(text, "://"):
        found = _LOGIN.match(text, place)
        if found is not None and _SCHEME.search(text[max(0, place - _SCHEME_ROOM) : place]) and _is_password(found):
            starts.add(place)
    return sorted({text.count("\n", 0, start) + 1 for start in starts})


def _places(text: str, mark: str) -> Iterator[int]:
    place = text.find(mark)
    while place >= 0:
        yield place
        place = text.find(mark, place + 1)


def _is_key(match: str) -> bool:
    return any(c.isdigit() for c in match) and _PLACEHOLDER.search(match.lower()) is None


def _is_password(found: re.Match[str]) -> bool:
    password = found["password"].lower()
    return (
        password != found["user"].lower()
        and _PLACEHOLDER.search(password) is None
        and _PLACEHOLDER_PASSWORD.fullmatch(password) is None
        and len(password) > 2
        and not found["host"].lower().endswith(_NO_HOSTS)
    )
