"""Library calls as capabilities (finding_rules.md A8): what each call does, to which service, and how carefully."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from stratum_lab.fold.services import services
from stratum_lab.scan.model import CallSite
from stratum_lab.scan.tables.libraries import DATABASES, PATTERNS, TIMED, Use, library_of, use_of

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call, Function
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.value import Value

DESTRUCTIVE_SQL: Final = re.compile(
    r"\b(DELETE\s+FROM|DROP\s+(TABLE|DATABASE|SCHEMA|VIEW|INDEX|COLLECTION)|TRUNCATE\s+(TABLE\s+)?\w)", re.IGNORECASE
)
_HOST = re.compile(r"^[a-z][a-z0-9+.-]*://(?:[^/?#@]*@)?(\[[^\]]*\]|[^/?#:]+)", re.IGNORECASE)
_LONGEST_HOST: Final = 253
_CHANNELS: Final = {"slack": "slack", "email": "email", "sms": "sms", "discord": "discord", "telegram": "telegram"}
_SECOND_IS_URL: Final = frozenset({"request", "stream"})
_GOOGLE: Final = "googleapiclient.discovery.build"
_GOOGLE_SERVICES: Final = {"gmail": "gmail", "people": "contacts"}
_VALIDATING: Final = frozenset({
    "isinstance", "model_validate", "model_validate_json", "validate_python", "validate_json", "parse_obj", "validate",
})  # fmt: skip
_RECEIVERS: Final = 12


class LibraryCall(NamedTuple):
    """One call with what it does; a file written is `written`, which only counts inside a tool."""

    call: Call
    use: Use
    facts: CallSite
    written: bool = False


def library_calls(project: Project) -> Iterator[LibraryCall]:
    """Calls of known libraries in files that may give agents, in order of place; one call may do two things."""
    judge = _Judge(project)
    for call, callee in project.calls_to(*PATTERNS, f"{_GOOGLE}.*"):
        if callee.origin is not None and callee.function is None:
            yield from judge.read(call, callee, callee.origin)


def destructive_texts(project: Project) -> Iterator[Function]:
    """Functions with destructive SQL in a string of a file that imports a database library (probable evidence)."""
    for module in project.modules_importing(*DATABASES):
        if module.excluded:
            continue
        for function in module.functions:
            if function.node is not None and any(
                isinstance(node, ast.Constant) and isinstance(node.value, str) and DESTRUCTIVE_SQL.search(node.value)
                for node in _own_nodes(function.node)
                if not _is_docstring(node, function)
            ):
                yield function


def host_of(address: str) -> str:
    """Host of an address that spells it; "" when it has none or a placeholder in it."""
    found = _HOST.match(address.strip())
    spelled = found is not None and len(found[1]) <= _LONGEST_HOST and "{" not in found[1] and "%" not in found[1]
    return found[1].casefold() if found is not None and spelled else ""


class _Judge:
    def __init__(self, project: Project) -> None:
        self._project = project
        self._resolver = project.resolver
        self._validations: dict[Function, list[int]] = {}

    def read(self, call: Call, callee: Value, origin: str) -> Iterator[LibraryCall]:
        use = self._google(callee, origin) if origin.startswith(_GOOGLE) else use_of(origin)
        if use is None:
            return
        host, written = "", False
        if use.argument == "url":
            host = self._host(call, callee, origin)
            if host:
                service = services().of_domain(host)
                channel = _CHANNELS.get(service, "") if not use.fetches else ""
                use = use._replace(service=service, channel=channel)
        elif use.argument == "host":
            made = callee.receiver.call if callee.receiver is not None else None
            given = made.arg("host", 0) if made is not None else None
            host = (self._resolver.text(given, call.scope) or "") if given is not None else ""
            use = use._replace(service=services().of_domain(host) if host and "{" not in host else use.service)
        elif use.argument in ("mode", "written"):
            written = use.argument == "written" or self._writes(call, origin)
        facts = CallSite(
            site=call.site,
            library=origin,
            method=origin.rpartition(".")[2],
            in_try=call.in_try,
            timed=self._timed(call, callee, origin) if use.kind == "outbound" else None,
            validated=self._validated(call),
            literal_host=host,
        )
        yield LibraryCall(call, use, facts, written)
        if use.argument == "sql" and self._destroys(call):
            yield LibraryCall(call, use._replace(kind="destructive"), facts)

    def _google(self, callee: Value, origin: str) -> Use | None:
        """A Google API client of a literal service: reading or sending mail, reading contacts."""
        root = callee
        for _ in range(_RECEIVERS):
            if root.receiver is None:
                break
            root = root.receiver
        given = root.call.arg("serviceName", 0) if root.call is not None else None
        name = self._resolver.text(given, root.call.scope) if given is not None and root.call is not None else None
        service = _GOOGLE_SERVICES.get(name or "")
        if service is None:
            return None
        path = origin.removeprefix(_GOOGLE).strip(".").split(".")
        if path[-1] in ("list", "get", "searchContacts", "batchGet"):
            return Use("data_access", service)
        if path[-1] == "send":
            return Use("outbound", service, channel="email")
        return Use("outbound", service, channel="email", draft=True) if path[-2:] == ["drafts", "create"] else None

    def _host(self, call: Call, callee: Value, origin: str) -> str:
        second = origin.rpartition(".")[2] in _SECOND_IS_URL
        given = call.arg("url", 1 if second else 0)
        address = self._resolver.text(given, call.scope) if given is not None else None
        if given is not None and address is None:
            request = self._resolver.resolve(given, call.scope).call  # urlopen(Request(...))
            inner = request.arg("url", 0) if request is not None else None
            address = self._resolver.text(inner, request.scope) if inner is not None and request is not None else None
        host = host_of(address) if address is not None else ""
        made = callee.receiver.call if callee.receiver is not None else None
        base = made.arg("base_url", 0 if "aiohttp" in origin else None) if made is not None else None
        if not host and base is not None and made is not None:
            host = host_of(self._resolver.text(base, made.scope) or "")
        return host

    def _writes(self, call: Call, origin: str) -> bool:
        given = call.arg("mode", 1 if origin.startswith(("builtins.", "io.")) else 0)
        mode = self._resolver.text(given, call.scope) if given is not None else None
        return mode is not None and any(letter in mode for letter in "wax+")

    def _timed(self, call: Call, callee: Value, origin: str) -> bool | None:
        """Whether a call has an effective timeout: its own, its client's, or its library's default."""
        library = library_of(origin)
        if library not in TIMED:
            return None
        by_default = TIMED[library]
        given = call.arg("timeout", 2 if library == "urllib.request" else None)
        made = callee.receiver.call if callee.receiver is not None and by_default else None
        if given is None and made is not None:
            given, call = made.arg("timeout"), made
        return by_default if given is None else not self._is_none(given, call)

    def _is_none(self, given: ast.expr, call: Call) -> bool:
        """None itself, or a timeout object that says none: `httpx.Timeout(None)`, `ClientTimeout(total=None)`."""
        if self._resolver.literal(given, call.scope) is None:
            return True
        made = self._resolver.resolve(given, call.scope)
        if made.call is None or made.origin not in ("httpx.Timeout", "aiohttp.ClientTimeout"):
            return False
        inner = made.call.arg("timeout" if made.origin == "httpx.Timeout" else "total", 0)
        return inner is not None and self._resolver.literal(inner, made.call.scope) is None

    def _destroys(self, call: Call) -> bool:
        given = call.arg(None, 0)
        if given is None:
            return False
        text = self._resolver.text(given, call.scope)
        if text is None:  # sqlalchemy.text("...")
            made = self._resolver.resolve(given, call.scope).call
            inner = made.arg("text", 0) if made is not None else None
            text = self._resolver.text(inner, made.scope) if inner is not None and made is not None else None
        return text is not None and DESTRUCTIVE_SQL.search(text) is not None

    def _validated(self, call: Call) -> bool:
        if call.function is None or call.function.node is None:
            return False
        known = self._validations.get(call.function)
        if known is None:
            known = self._validations[call.function] = _validation_lines(call.function)
        return any(line < call.node.lineno for line in known)


def _validation_lines(function: Function) -> list[int]:
    """Lines on which a function checks what it was given: isinstance, assert, a guarded raise or return, a schema."""
    names = {name for name in function.parameters if name not in ("self", "cls")}
    lines: list[int] = []
    nodes = sorted(_own_nodes(function.node), key=lambda node: getattr(node, "lineno", 0))
    for node in nodes:
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.For) and _mentions(node, names):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)}
        if isinstance(node, ast.Assert | ast.If | ast.Call) and _checks(node) and _mentions(node, names):
            lines.append(node.lineno)
    return lines


def _checks(node: ast.Assert | ast.If | ast.Call) -> bool:
    if isinstance(node, ast.Assert):
        return True
    if isinstance(node, ast.If):
        compares = any(
            isinstance(part, ast.Compare) or (isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.Not))
            for part in ast.walk(node.test)
        )
        return compares and isinstance(node.body[-1], ast.Raise | ast.Return)
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in _VALIDATING


def _mentions(node: ast.AST, names: set[str]) -> bool:
    looked_at: ast.AST = node
    if isinstance(node, ast.If):
        looked_at = node.test
    elif isinstance(node, ast.For):
        looked_at = node.iter
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        if node.value is None:
            return False
        looked_at = node.value
    return any(isinstance(leaf, ast.Name) and leaf.id in names for leaf in ast.walk(looked_at))


def _own_nodes(root: ast.AST | None) -> Iterator[ast.AST]:
    """Nodes of a function without those of functions and classes inside it."""
    todo = list(ast.iter_child_nodes(root)) if root is not None else []
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            todo.extend(ast.iter_child_nodes(node))


def _is_docstring(node: ast.AST, function: Function) -> bool:
    body = getattr(function.node, "body", None)
    first = body[0] if isinstance(body, list) and body else None
    return isinstance(first, ast.Expr) and first.value is node
