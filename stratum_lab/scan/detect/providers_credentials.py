"""Which environment variable each agent takes its key from, by explicit reference (A10, rule IDENTITY-001).

Only a reference that leads from the definition of an agent, through the model object or configuration it is given, to a
key argument counts; a client that code outside of any agent constructs is a scope of its own.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.providers_clients import client_slug, model_call
from stratum_lab.scan.model import KeyUse, Model, Site
from stratum_lab.scan.source.index import Call, chain

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Scope
    from stratum_lab.scan.source.project import Project

_KEYS: Final = frozenset({
    "api_key", "openai_api_key", "anthropic_api_key", "google_api_key", "groq_api_key", "mistral_api_key", "token",
    "huggingfacehub_api_token", "azure_ad_token", "api_token",
})  # fmt: skip
_CARRIERS: Final = (
    "model", "llm", "model_client", "llm_config", "config_list", "provider", "openai_client", "client", "chat_model",
    "llm_client",
)  # fmt: skip
"""Arguments that hand a model object or its configuration on."""
_READERS: Final = frozenset({"os.getenv", "os.environ.get", "os.environ.__getitem__"})
_MAX_DEPTH: Final = 5


def take_credentials(project: Project, model: Model) -> None:
    """Fill `credentials` of every agent, and the keys of clients that belong to none."""
    reader = _Reader(project)
    calls = {call.site: call for module in project.modules if not module.excluded for call in reversed(module.calls)}
    for agent in model.agents:
        for site in (agent.site, *agent.places):
            if site in calls:
                reader.of_call(agent.credentials, calls[site], 0)
        for function in agent.code:
            for call in function.calls:
                reader.of_code(agent.credentials, call)
    for module in project.modules:
        for call in () if module.excluded else module.calls:
            if call.site in reader.read or client_slug(project.callee(call).origin) is None:
                continue
            found: dict[str, Site] = {}
            reader.of_call(found, call, _MAX_DEPTH - 1)
            scope = f"{module.path}:{call.function.qualname if call.function is not None else ''}"
            model.key_uses += [KeyUse(name, site, scope) for name, site in found.items()]


class _Reader:
    """Follows definitions to keys; `read` are the calls that were looked at."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.resolver = project.resolver
        self.read: set[Site] = set()

    def of_code(self, found: dict[str, Site], call: Call) -> None:
        """A client that an agent's own code constructs, or on which it asks a model."""
        callee = self.project.callee(call)
        if client_slug(callee.origin) is not None:
            self.of_call(found, call, 0)
        elif model_call(callee.origin) is not None and callee.receiver is not None:
            for made in callee.receiver.calls:
                if client_slug(self.project.callee(made).origin) is not None:
                    self.of_call(found, made, 0)

    def of_call(self, found: dict[str, Site], call: Call, depth: int) -> None:
        """Keys among the arguments of a call, and of what it is given."""
        if depth > _MAX_DEPTH:
            return
        self.read.add(call.site)
        for name in call.keywords():
            given = call.arg(name)
            if name in _KEYS and given is not None:
                self.key(found, given, call.scope)
        for given in (*(call.arg(name) for name in _CARRIERS), call.arg(None, 0), call.arg(None, 1)):
            if given is not None:
                self._carried(found, given, call, depth)

    def _carried(self, found: dict[str, Site], given: ast.expr, call: Call, depth: int) -> None:
        value = self.resolver.resolve(given, call.scope)
        made = value.call
        if value.kind != "instance" or made is None:
            self._mapping(found, given, call.scope, depth + 1)
        elif made is not call and client_slug(self.project.callee(made).origin) is not None:
            self.of_call(found, made, depth + 1)

    def _mapping(self, found: dict[str, Site], expr: ast.expr, scope: Scope, depth: int) -> None:
        """AutoGen's configuration dicts, in any nesting."""
        if depth > _MAX_DEPTH:
            return
        for name, (value, where) in self.resolver.mapping(expr, scope).items():
            if name in _KEYS:
                self.key(found, value, where)
            elif name == "config_list":
                for item in self.resolver.items(value, where).values:
                    if item.kind == "dict" and item.node is not None and item.scope is not None:
                        self._mapping(found, item.node, item.scope, depth + 1)

    def key(self, found: dict[str, Site], expr: ast.expr, scope: Scope) -> None:
        name = self.variable(expr, scope)
        if name:
            found.setdefault(name, Site(scope.module.path, expr.lineno, expr.col_offset))

    def variable(self, expr: ast.expr, scope: Scope) -> str:
        """The variable an expression reads: `os.environ["X"]`, `os.getenv("X")`, or a name for one of these."""
        for _ in range(_MAX_DEPTH):
            if isinstance(expr, ast.Subscript):
                environ = self.resolver.origin(expr.value, scope) == "os.environ"
                return (self.resolver.text(expr.slice, scope) or "") if environ else ""
            if isinstance(expr, ast.BoolOp):
                expr = expr.values[0]
            elif isinstance(expr, ast.Call):
                origin = self.resolver.origin(expr.func, scope) or ""
                if not expr.args or not (origin in _READERS or chain(expr.func).endswith(("SecretStr", "str"))):
                    return ""
                if origin in _READERS:
                    return self.resolver.text(expr.args[0], scope) or ""
                expr = expr.args[0]
            else:
                bound = self._bound(expr, scope)
                if bound is None:
                    return ""
                expr, scope = bound
        return ""

    def _bound(self, expr: ast.expr, scope: Scope) -> tuple[ast.expr, Scope] | None:
        """What was last assigned to a name, or to an attribute of a repo object."""
        if isinstance(expr, ast.Name):
            where: Scope | None = scope
            while where is not None and expr.id not in where.bindings:
                where = where.parent
            values = [b.value for b in where.bindings[expr.id] if b.kind == "assign"] if where is not None else []
            if where is not None and values and values[-1] is not None:
                return values[-1], where
        elif isinstance(expr, ast.Attribute):
            owner = self.resolver.resolve(expr.value, scope)
            if owner.module is not None and (name := owner.module.scope.bindings.get(expr.attr)):
                value = name[-1].value
                return (value, owner.module.scope) if value is not None else None
            for binding, inside in owner.cls.scope.attributes.get(expr.attr, ()) if owner.cls is not None else ():
                if binding.value is not None:
                    return binding.value, inside
        return None
