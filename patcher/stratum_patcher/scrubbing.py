"""Cuts keys, tokens and passwords out of texts: by what they look like, and by value for those in the environment.

Free text (error messages; content where it is captured) is searched for anything that may be a secret. Names of tools
and agents are what events are joined by, so there only what can hardly be a name is cut out. Most texts hold no sign of
a secret and are searched for nothing; the expressions are made when a sign is first seen.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from re import Match, Pattern

SECRET = "[secret]"
"""Stands where a secret stood."""
_EDGE = r"(?<![A-Za-z0-9])"
_PREFIXES = r"gh[pousr]_ | github_pat_ | glpat- | xox[abposr]- | AIza | ya29\."
_PREFIX_SIGNS = ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "aiza", "ya29.")

_TEXTS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("sk-", "pk-", "rk-", "xai-", "hf-", "pplx-", "r8-", "key-", "tok-"),
        _EDGE + r"(?: [srp]k | xai | gsk | hf | pplx | r8 | key (?= -\w*\d) | tok (?= -\w*\d) ) - [\w\-*]{8,}",
    ),
    (("sk_", "pk_", "rk_", "hf_", "r8_"), _EDGE + r"(?: [srp]k | gsk | hf | r8 ) _ (?= \w*\d) [\w\-*]{8,}"),
    (
        (*_PREFIX_SIGNS, "akia", "asia", "eyj"),
        _EDGE + rf"(?: {_PREFIXES} | AKIA | ASIA | eyJ ) [\w\-./+=*]{{8,}}",
    ),
    (
        ("private key-----",),
        r"-----BEGIN\ [A-Z\ ]{0,30}PRIVATE\ KEY----- [\w+/=\s\\]{0,10000} (?: -----END\ [A-Z\ ]{0,30}KEY----- )?",
    ),
    (
        ("authorization",),
        r"""(?i: (?P<kept> authorization ["']? \s{0,5} [:=] \s{0,5} ["']? )
            (?: (?: basic | bearer | token ) \s{1,5} )? ) [^\s"',;}]{4,}""",
    ),
    (
        ("bearer ", "bearer\t"),
        r"(?i: bearer ) \s{1,5} (?: (?= [^\s]{0,20} [\d._~+/=\-] ) [\w.~+/\-]{6,} | [A-Za-z]{16,} ) =*",
    ),
    (("://",), r"(?<= ://) [^/\s:@]{1,200} : [^/\s@]{1,200} (?= @)"),
    (
        ("key=", "sig=", "signature=", "code=", "auth=", "token="),
        r"""(?<= [?&]) (?P<kept> (?i: key | sig | signature | code | auth | token ) = ) [^\s&"'\#]{4,}""",
    ),
    (
        ("key", "secret", "passw", "token", "credential"),
        r"""(?i: (?P<kept>
                (?: api[_\-]?key | access[_\-]?key | secret | passw(?:or)?d | token | credential )
                [\w\-]{0,40} ["']? \s{0,5} [=:] \s{0,5} ["']? ) )
            (?! \d+ (?: [\s"',;&}.)] | $ ) | \[secret ) [^\s"',;&}]{4,}""",
    ),
)
"""Signs in lower case -> what is cut out of a text that holds one of them."""
_NAMES: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("sk-", "rk-"),
        _EDGE + r"[sr]k- [A-Za-z0-9_\-]{0,20} (?= [A-Za-z_\-]{0,40} \d ) [A-Za-z0-9_\-]{16,}",
    ),
    (("sk_", "rk_", "pk_"), _EDGE + r"[srp]k_ (?: live | test ) _ [A-Za-z0-9]{16,}"),
    ((*_PREFIX_SIGNS, "gsk_", "hf_"), _EDGE + rf"(?: {_PREFIXES} | gsk_ | hf_ ) [A-Za-z0-9_\-.]{{16,}}"),
    (("akia", "asia"), _EDGE + r"(?: AKIA | ASIA ) [A-Z0-9]{12,}"),
    (("bearer ",), r"(?i: bearer ) [ ] (?= [^\s]{0,20} \d ) [A-Za-z0-9._~+/\-]{12,} =*"),
)
"""The same for names."""
_SHORTEST = 8
"""Characters of the shortest value of the environment that is cut out, and of the shortest name that is looked at."""
_VARIABLES = frozenset(
    (
        *("KEY", "KEYS", "APIKEY", "TOKEN", "TOKENS", "SECRET", "SECRETS"),
        *("PASSWORD", "PASSWD", "PASSPHRASE", "PWD", "CREDENTIAL", "CREDENTIALS"),
    )
)
"""Last word of the name of a variable that holds a secret."""
_KEPT = 4096

_patterns: dict[str, Pattern[str]] = {}
_names: dict[str, str] = {}
_secret_variables: dict[bytes | str, str] = {}


def scrub(text: str) -> str:
    """A text with everything that looks like a key, token or password replaced by `[secret]`."""
    return _cut(_without_values(text), _TEXTS)


def scrub_name(name: str) -> str:
    """A name with what is certainly a key or token replaced by `[secret]`."""
    if len(name) < _SHORTEST:
        return name
    known = _names.get(name)
    if known is None:
        if len(_names) >= _KEPT:
            _names.clear()
        known = _names[name] = _cut(_without_values(name), _NAMES)
    return known


def _cut(text: str, kinds: tuple[tuple[tuple[str, ...], str], ...]) -> str:
    low = text.lower()
    for signs, expression in kinds:
        for sign in signs:
            if sign in low:
                text = (_patterns.get(expression) or _compiled(expression)).sub(_replaced, text)
                break
    return text


def _compiled(expression: str) -> Pattern[str]:
    import re

    return _patterns.setdefault(expression, re.compile("(?x)" + expression))


def _replaced(found: Match[str]) -> str:
    return (found.groupdict().get("kept") or "") + SECRET


def _without_values(text: str) -> str:
    """A text without the values of environment variables that hold secrets, wherever they came from."""
    held = [value for value in _values() if value in text]
    held.sort(key=len, reverse=True)
    for value in held:
        text = text.replace(value, SECRET)
    return text


def _values() -> Iterator[str]:
    """The values that the environment's secret variables have now; a program may load more of them at any time."""
    # Names as the environment itself holds them: decoding each one costs more than all the rest.
    for name in list(getattr(os.environ, "_data", os.environ)):
        variable = _secret_variables.get(name)
        if variable is None:
            text = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
            last = text.upper().rstrip("_0123456789").rpartition("_")[2]
            variable = _secret_variables[name] = text if last in _VARIABLES else ""
        if variable:
            value = os.environ.get(variable, "")
            if len(value) >= _SHORTEST and not value.isdigit():
                yield value
