"""What an MCP server's command line and address tell (A12): package, exact version, publisher, whether it is remote."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from stratum_lab.scan.model import McpServer

_LOOPBACK: Final = re.compile(r"localhost|127(?:\.\d+){1,3}|0\.0\.0\.0|::1|host\.docker\.internal")
_EXACT_NPM: Final = re.compile(r"v?\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?")
_EXACT: Final = re.compile(r"v?\d[0-9A-Za-z.+!-]*")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{6,64}")
_WITH_VALUE: Final = frozenset({
    "-e", "--env", "--env-file", "-v", "--volume", "--mount", "--name", "--network", "--net", "-p", "--publish", "-w",
    "--workdir", "-u", "--user", "--entrypoint", "--platform", "--add-host", "-l", "--label", "--hostname", "-h",
    "-m", "--memory", "--cpus", "--pull", "--with", "--python", "--index-url", "--default-index", "--directory",
    "--with-requirements", "--with-editable", "--extra-index-url", "--index", "--project", "--registry", "--gpus",
})  # fmt: skip
"""Options of launchers whose value is the next word."""


class Package(NamedTuple):
    """What a command line starts; "" for what it does not say, and for a version that is not exact."""

    name: str
    version: str = ""
    publisher: str = ""


def fill(server: McpServer) -> McpServer:
    """Work out package, version, publisher and remoteness from command, arguments and address.

    An address on this machine is not remote whatever its transport: the clause on transports decides only where the
    address is not known.
    """
    package = package_of(server.command, server.args)
    host = host_of(server.url)
    server.package, server.version = package.name, package.version
    server.publisher = package.publisher if package.name else host
    far_argument = any(argument.startswith("https://") for argument in server.args)
    far = _LOOPBACK.fullmatch(host) is None if server.url else server.transport not in ("", "stdio")
    server.remote = far or far_argument
    return server


def host_of(url: str) -> str:
    """Host of an address, "" when it has none or is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def package_of(command: str, args: Sequence[str]) -> Package:
    """The package, module or image that a command line starts; a script of the repository is none."""
    launcher = posixpath.basename(command.replace("\\", "/")).lower()
    launcher = launcher.removesuffix(".cmd").removesuffix(".exe")
    words = list(args)
    if launcher == "cmd":
        words = [word for word in words if not word.startswith("/")]
        return package_of(words[0], words[1:]) if words and words[0] != "cmd" else Package("")
    if launcher in ("python", "python3", "py"):
        module = words[words.index("-m") + 1] if "-m" in words[:-1] else ""
        return Package(module, "", module.partition(".")[0])
    if launcher in ("npx", "bunx"):
        return _npm(_chosen(words, ("-p", "--package")))
    if launcher in ("npm", "pnpm", "yarn", "bun"):
        rest = _after(words, ("exec", "x", "dlx"))
        return _npm(_chosen(rest, ("-p", "--package"))) if rest is not None else Package("")
    if launcher in ("uvx", "uv", "pipx"):
        rest = words if launcher == "uvx" else _after(words, ("tool",)) if launcher == "uv" else words
        rest = rest if launcher == "uvx" or rest is None else _after(rest, ("run",))
        return _python(_chosen(rest, ("--from", "--spec"))) if rest is not None else Package("")
    if launcher in ("docker", "podman"):
        rest = _after(words, ("run",))
        return _image(_chosen(rest, ())) if rest is not None else Package("")
    return Package("")


def _after(words: Sequence[str], commands: Sequence[str]) -> list[str] | None:
    """Words after the launcher's own command, None when that is another one."""
    skip = False
    for position, word in enumerate(words):
        if skip or word.startswith("-"):
            skip = not skip and word in _WITH_VALUE
        elif word in commands:
            return list(words[position + 1 :])
        else:
            return None
    return None


def _chosen(words: Sequence[str], naming: Sequence[str]) -> str:
    """The word that names the package: the value of a naming option, else the first that is no option."""
    first = ""
    skip = False
    for position, word in enumerate(words):
        if skip:
            skip = False
        elif word in naming:
            return words[position + 1] if position + 1 < len(words) else ""
        elif word.startswith("-"):
            option, equals, value = word.partition("=")
            if equals and option in naming:
                return value
            skip = not equals and word in _WITH_VALUE
        else:
            first = word
            break
    return first


def _npm(word: str) -> Package:
    at = word.rfind("@")
    name, version = (word[:at], word[at + 1 :]) if at > 0 else (word, "")
    scope = name[1:].partition("/")[0] if name.startswith("@") else name
    return Package(name, version if _EXACT_NPM.fullmatch(version) else "", scope)


def _python(word: str) -> Package:
    if "://" in word:
        return Package(word, "", host_of(word.removeprefix("git+")))
    found = re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*(?:(===?|@)\s*(\S+))?", word)
    if found is None:
        return Package("")
    version = found[3] or ""
    return Package(found[1], version if _EXACT.fullmatch(version) else "", found[1].partition(".")[0])


def _image(word: str) -> Package:
    name, _, digest = word.partition("@")
    last = name.rpartition("/")[2]
    tag = last.partition(":")[2]
    name = name.removesuffix(f":{tag}") if tag else name
    version = digest if _DIGEST.fullmatch(digest) else tag if _EXACT.fullmatch(tag) else ""
    parts = name.split("/")
    owned = parts[1:] if len(parts) > 1 and (set(".:") & set(parts[0]) or parts[0] == "localhost") else parts
    return Package(name, version, owned[0])
