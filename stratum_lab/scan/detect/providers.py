"""Model providers, models, fallbacks, and the keys that agents take by explicit reference (A10).

A client constructed in code, a call of a provider's SDK, a model literal given to one of these or to an agent, and a
YAML `llm:` value count. A file that only imports an SDK says nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.guard import arguments
from stratum_lab.scan.detect.providers_clients import FACTORIES, client_slug, model_call, written_call
from stratum_lab.scan.detect.providers_credentials import take_credentials
from stratum_lab.scan.detect.providers_names import by_host, by_name, is_literal_model, model_of, prefixed
from stratum_lab.scan.model import Agent, Model, ModelUse, Site
from stratum_lab.scan.source.index import Call, chain
from stratum_lab.scan.source.loader import is_excluded
from stratum_lab.scan.source.vocabulary import is_framework_root

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Scope
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.value import Value

FRAMEWORK: Final = "generic"
_MODEL_ARGUMENTS: Final = frozenset({
    "model", "model_name", "model_id", "llm", "function_calling_llm", "manager_llm", "planning_llm", "chat_model",
    "model_client", "modelId", "ai_model_id", "embed_model", "fallback_model",
})  # fmt: skip
"""Names of Azure deployments are left out: they are the operator's own words, not a model's identifier."""
_BASE_ARGUMENTS: Final = ("base_url", "openai_api_base", "api_base", "azure_endpoint", "host", "endpoint")
_FALLBACKS: Final = frozenset({"with_fallbacks"})
_FALLBACK_CLASSES: Final = (
    "litellm.Router", "litellm.router.Router", "pydantic_ai.models.fallback.FallbackModel",
    "langchain.agents.middleware.ModelFallbackMiddleware", "haystack.components.generators.chat.FallbackChatGenerator",
    "langchain_core.runnables.RunnableWithFallbacks",
)  # fmt: skip
_POSITIONAL: Final = frozenset({"Agent", "create_agent", "create_react_agent", "create_supervisor", "FallbackModel",
                               "realtime"})  # fmt: skip
_POSITIONAL_ROOTS: Final = ("pydantic_ai", "langchain", "langgraph")
"""Definitions of agents whose first argument is a model; elsewhere it is a name."""
_ABSTRACTIONS: Final = frozenset({"langchain", "litellm", "haystack", "llama_index"})
_YAML_KEYS: Final = ("llm", "model", "function_calling_llm", "manager_llm")
_MAX_DEPTH: Final = 5


def late(project: Project, model: Model) -> None:
    """Providers and models of code and YAML, fallbacks, abstractions, and each agent's keys."""
    found: set[ModelUse] = set()
    for module in project.modules:
        if module.excluded:
            continue
        for call in module.calls:
            found.update(_of_call(project, model, call))
            _fallback(project, model, call)
        if any(root.partition(".")[0] in _ABSTRACTIONS or root.startswith("langchain_") for root in module.roots):
            model.abstraction = True
    found.update(_of_yaml(project))
    model.model_uses += sorted(found - set(model.model_uses), key=lambda use: (use.site, use.slug, use.model))
    take_credentials(project, model)


def _of_call(project: Project, model: Model, call: Call) -> Iterator[ModelUse]:
    """What one call says: as a client or model class, as a question to a model, or as a definition in a framework."""
    callee = project.callee(call)
    agent = model.agent_at(call.site)
    slug = client_slug(callee.origin) if callee.cls is None and callee.kind != "instance" else None
    if slug is not None:
        yield from _client(project, call, slug, agent)
        return
    asked = model_call(callee.origin)
    if asked is not None or (callee.origin is None and written_call(chain(call.node.func)) is not None):
        slug = _receiver_slug(project, callee) or (asked.slug if asked is not None else "")
        texts = list(_models(project, call))
        for text in texts:
            yield ModelUse(slug or _slug_of(text), model_of(text), call.site, agent)
        if not texts and slug:
            yield ModelUse(slug, "", call.site, agent)
        return
    root = (callee.origin or "").partition(".")[0]
    if agent is not None or is_framework_root(root):
        for text in _models(project, call):
            slug = _slug_of(text)
            if slug or agent is not None:
                yield ModelUse(slug, model_of(text), call.site, agent)
    for name in ("llm_config", "config_list", "filter_dict"):
        given = call.arg(name)
        if given is not None:
            yield from _configured(project, given, call.scope, agent)


def _client(project: Project, call: Call, slug: str, agent: Agent | None) -> Iterator[ModelUse]:
    """A client or model class. Its address decides first, then its class, then its model's name."""
    host = _address(project, call)
    decided = host or slug
    texts = list(_models(project, call))
    provider = call.arg("model_provider") or call.arg("api_type")
    named = project.resolver.text(provider, call.scope) if provider is not None else None
    for text in texts:
        own = decided or prefixed(f"{named}/x") or _slug_of(text)
        yield ModelUse(own, model_of(text), call.site, agent)
    if not texts and decided:
        yield ModelUse(decided, "", call.site, agent)
    given = call.arg(None, 0) or call.arg("config_list")  # LLMConfig({"model": ...}), LLMConfig(config_list=[...])
    if given is not None and (project.callee(call).origin or "").endswith("LLMConfig"):
        yield from _configured(project, given, call.scope, agent)


def _models(project: Project, call: Call) -> Iterator[str]:
    """Model literals among the arguments of a call; the first positional one where it is a model's name."""
    seen = set()
    for name, value, _ in arguments(call):
        if name in _MODEL_ARGUMENTS:
            text = _literal(project, value, call.scope)
            if text is not None and is_literal_model(text) and text not in seen:
                seen.add(text)
                yield text
    first = call.arg(None, 0)
    if first is None or seen:
        return
    origin = project.callee(call).origin
    root, _, rest = (origin or "").partition(".")
    last = rest.rpartition(".")[2]
    if client_slug(origin) is None and not (root.startswith(_POSITIONAL_ROOTS) and last in _POSITIONAL):
        return
    text = _literal(project, first, call.scope)
    if text is not None and is_literal_model(text) and (_slug_of(text) or last in FACTORIES):
        yield text


def _literal(project: Project, expr: ast.expr, scope: Scope) -> str | None:
    """A text, or the literal that stands in when an environment variable is not set."""
    text = project.resolver.text(expr, scope)
    value = project.resolver.resolve(expr, scope)
    if text is None and value.call is not None and value.origin in ("os.getenv", "os.environ.get"):
        given = value.call.arg("default", 1)
        text = project.resolver.text(given, value.call.scope) if given is not None else None
    return text


def _slug_of(text: str) -> str:
    return prefixed(text) or by_name(text)


def _address(project: Project, call: Call) -> str:
    for name in _BASE_ARGUMENTS:
        given = call.arg(name)
        text = project.resolver.text(given, call.scope) if given is not None else None
        slug = by_host(text) if text else ""
        if slug:
            return slug
    for name in ("provider", "openai_client", "client"):  # OpenAIChatModel("x", provider=OpenAIProvider(base_url=...))
        given = call.arg(name)
        inner = project.resolver.resolve(given, call.scope).call if given is not None else None
        if inner is not None and inner is not call and client_slug(project.callee(inner).origin) is not None:
            return _address(project, inner) or client_slug(project.callee(inner).origin) or ""
    return ""


def _receiver_slug(project: Project, callee: Value) -> str:
    """Provider of the client a call is made on, by the address and class of its construction."""
    receiver = callee.receiver
    for _ in range(_MAX_DEPTH):
        if receiver is None:
            return ""
        for made in receiver.calls:
            slug = client_slug(project.callee(made).origin)
            if slug is not None:
                return _address(project, made) or slug
        receiver = receiver.receiver
    return ""


def _configured(
    project: Project, expr: ast.expr, scope: Scope, agent: Agent | None, depth: int = 0
) -> Iterator[ModelUse]:
    """AutoGen's configuration: `{"config_list": [{"model": ..., "base_url": ...}]}` in any nesting."""
    if depth > _MAX_DEPTH:
        return
    resolver = project.resolver
    fields = resolver.mapping(expr, scope)
    if not fields:
        for value in resolver.items(expr, scope).values:
            if value.kind == "dict" and value.node is not None and value.scope is not None:
                yield from _configured(project, value.node, value.scope, agent, depth + 1)
        return
    if "config_list" in fields:
        yield from _configured(project, *fields["config_list"], agent, depth + 1)
    kind = resolver.text(*fields["api_type"]) if "api_type" in fields else None
    address = next((t for n in _BASE_ARGUMENTS if n in fields and (t := resolver.text(*fields[n]))), "")
    for name in ("model", "models"):
        if name not in fields:
            continue
        expr, where = fields[name]
        values = [resolver.text(expr, where)]
        values += [v.text for v in resolver.items(expr, where).values if v.kind == "text"]
        site = Site(where.module.path, expr.lineno, expr.col_offset)
        for text in dict.fromkeys(values):
            if text is not None and is_literal_model(text):
                slug = by_host(address) or prefixed(f"{kind}/x") or _slug_of(text)
                yield ModelUse(slug, model_of(text), site, agent)


def _of_yaml(project: Project) -> Iterator[ModelUse]:
    """`llm:` and the like in agent, task and crew configuration."""
    for path, file in sorted(project.yaml.items()):
        if is_excluded(path) or not file.config or not isinstance(file.data, dict):
            continue
        for key, entry in file.data.items():
            for name in _YAML_KEYS if isinstance(entry, dict) else ():
                text = entry.get(name)
                text = text.get("model") if isinstance(text, dict) else text
                if isinstance(text, str) and is_literal_model(text):
                    yield ModelUse(_slug_of(text), model_of(text), Site(path, file.lines.get(str(key), 1)))


def _fallback(project: Project, model: Model, call: Call) -> None:
    func = call.node.func
    given = call.arg("fallbacks") or call.arg("context_window_fallbacks")
    if isinstance(func, ast.Attribute) and func.attr in _FALLBACKS and project.callee(call).function is None:
        model.provider_fallback = True
    elif given is not None and (
        model_call(project.callee(call).origin) or client_slug(project.callee(call).origin) is not None
    ):
        model.provider_fallback = model.provider_fallback or bool(project.resolver.items(given, call.scope).values)
    elif project.callee(call).origin in _FALLBACK_CLASSES:
        model.provider_fallback = True
