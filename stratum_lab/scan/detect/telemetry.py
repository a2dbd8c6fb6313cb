"""Telemetry providers (A11): imports by full module match, environment names, and whether the receiver is local.

A collector on this machine is no hosted provider. What a library does when nothing is said counts too: MLflow writes
to a folder, Phoenix and OpenTelemetry send to localhost.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from stratum_lab.scan.detect.environment import is_env_file, is_example
from stratum_lab.scan.model import Model, Site, Telemetry

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Module, Scope
    from stratum_lab.scan.source.project import Project


class Provider(NamedTuple):
    """One provider: import prefixes, env names that switch it on, env names that hold its address, its default."""

    name: str
    prefixes: tuple[str, ...]
    switches: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    hosted: bool = True


PROVIDERS: Final = (
    Provider("langsmith", ("langsmith",), ("LANGCHAIN_TRACING_V2", "LANGSMITH_API_KEY"),
             ("LANGCHAIN_ENDPOINT", "LANGSMITH_ENDPOINT")),
    Provider("langfuse", ("langfuse",), ("LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY", "LANGFUSE_HOST"),
             ("LANGFUSE_HOST", "LANGFUSE_BASE_URL")),
    Provider("arize", ("arize",), ("ARIZE_API_KEY", "ARIZE_SPACE_KEY")),
    Provider("arize", ("phoenix",), (), ("PHOENIX_COLLECTOR_ENDPOINT",), hosted=False),
    Provider("galileo", ("galileo", "galileo_observe", "galileo_core"), ("GALILEO_API_KEY",), ("GALILEO_CONSOLE_URL",)),
    Provider("braintrust", ("braintrust",), ("BRAINTRUST_API_KEY",), ("BRAINTRUST_API_URL",)),
    Provider("wandb", ("wandb", "weave"), ("WANDB_API_KEY",), ("WANDB_BASE_URL",)),
    Provider("mlflow", ("mlflow",), ("MLFLOW_TRACKING_URI",), ("MLFLOW_TRACKING_URI",), hosted=False),
    Provider("datadog", ("ddtrace", "datadog"), ("DD_API_KEY", "DD_LLMOBS_ENABLED"), ("DD_AGENT_HOST",)),
    Provider("opentelemetry", ("opentelemetry",), ("OTEL_EXPORTER_OTLP_ENDPOINT",), ("OTEL_EXPORTER_OTLP_ENDPOINT",),
             hosted=False),
    Provider("helicone", ("helicone",), ("HELICONE_API_KEY",)),
    Provider("agentops", ("agentops",), ("AGENTOPS_API_KEY",)),
    Provider("logfire", ("logfire",)),
)  # fmt: skip
"""Every provider of A11; Phoenix is Arize's, in a row of its own because it runs at home by default."""
_ADDRESS_ARGUMENTS: Final = (
    "host",
    "endpoint",
    "base_url",
    "url",
    "tracking_uri",
    "uri",
    "api_url",
    "collector_endpoint",
)
_LOCAL: Final = re.compile(
    r"(localhost|127\.\d+\.\d+\.\d+|0\.0\.0\.0|::1|host\.docker\.internal)$|.*\.local(host|domain)?$"
)
_DECLARED: Final = re.compile(r"\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=\s*[\"']?([^\s\"'#]*)")


def late(project: Project, model: Model) -> None:
    """Note each provider once by import and once by environment name."""
    values = _environment_values(project)
    for provider in PROVIDERS:
        hosts = [h for name in provider.addresses for h in values.get(name, ())] + _hosts_in_code(project, provider)
        known = [is_local(host) for host in hosts]
        imported = _imported(project, provider)
        if imported is not None:
            hosted = provider.hosted if not known else not all(known)
            model.telemetry.append(Telemetry(provider.name, imported, hosted, "import"))
        named = next((r for r in model.env_references if r.name in provider.switches), None)
        if named is not None:
            hosted = not (known and all(known))
            model.telemetry.append(Telemetry(provider.name, named.site, hosted, "env"))


def is_local(address: str) -> bool:
    """Whether an address names this machine, or a file or folder."""
    if "://" not in address and not re.match(r"[\w.-]+:\d+", address):
        return not re.fullmatch(r"[\w-]+(\.[\w-]+)+", address) or _LOCAL.match(address) is not None
    parsed = address if "://" in address else f"//{address}"
    if parsed.startswith(("file:", "sqlite:")):
        return True
    try:
        host = urlsplit(parsed).hostname or ""
    except ValueError:
        return False
    return _LOCAL.match(host) is not None


def _imported(project: Project, provider: Provider) -> Site | None:
    for module in project.modules_importing(*provider.prefixes):
        if not module.excluded:
            return Site(module.path, import_line(module, provider.prefixes))
    return None


def import_line(module: Module, prefixes: tuple[str, ...]) -> int:
    """Line of the first import of one of these prefixes in a file; 1 for a star import."""
    scopes: list[Scope] = [module.scope, *(f.scope for f in module.functions), *(c.scope for c in module.classes)]
    lines = [
        binding.line
        for scope in scopes
        for bindings in scope.bindings.values()
        for binding in bindings
        if binding.kind == "import" and any(_under(binding.dotted, prefix) for prefix in prefixes)
    ]
    return min(lines, default=1)


def _under(dotted: str, prefix: str) -> bool:
    """At a component boundary; `import a.b` binds only `a`, so that a shorter name counts too."""
    return dotted == prefix or dotted.startswith(prefix + ".") or prefix.startswith(dotted + ".")


def _hosts_in_code(project: Project, provider: Provider) -> list[str]:
    """Literal addresses that calls of the provider's library are given."""
    found: list[str] = []
    for call, value in project.calls_to(*(f"{prefix}.*" for prefix in provider.prefixes)):
        given = [argument for name in _ADDRESS_ARGUMENTS if (argument := call.arg(name)) is not None]
        if value.origin in ("mlflow.set_tracking_uri", "mlflow.tracking.set_tracking_uri"):
            given += call.node.args[:1]
        texts = (project.resolver.text(argument, call.scope) for argument in given)
        found += [text for text in texts if text and "{" not in text]
    return found


def _environment_values(project: Project) -> dict[str, list[str]]:
    """Values that env files and assignments to os.environ give to names; used here and kept nowhere."""
    values: dict[str, list[str]] = {}
    for path, text in project.texts.items():
        if is_env_file(path) and not is_example(path):
            for line in text.splitlines():
                declared = _DECLARED.match(line)
                if declared is not None and declared[2]:
                    values.setdefault(declared[1], []).append(declared[2])
    for module in project.modules:
        for target, assigned, scope in _assigned(module):
            name = project.resolver.text(target, scope)
            value = project.resolver.text(assigned, scope)
            if name and value and "{" not in value:
                values.setdefault(name, []).append(value)
    return values


def _assigned(module: Module) -> list[tuple[ast.expr, ast.expr, Scope]]:
    """Names and values of `os.environ["X"] = ...` and `os.environ.setdefault("X", ...)`."""
    found = [(node.slice, value, scope) for node, scope, value in module.environ if value is not None]
    for call in module.calls:
        func = call.node.func
        if isinstance(func, ast.Attribute) and func.attr == "setdefault" and len(call.node.args) == 2:
            found.append((call.node.args[0], call.node.args[1], call.scope))
    return found
