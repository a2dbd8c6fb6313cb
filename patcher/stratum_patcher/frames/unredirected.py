"""Clients of model providers whose requests do not go to the run's endpoint: told once per provider, as an error.

The event (`error.occurred` with `kind` = `unredirected_provider`) comes when a client is made, not when its library is
imported: frameworks import many providers and use one. Where a library makes a client of its own at import, it comes
with the first request. Without an endpoint nothing is told, since then nothing is redirected.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import nodes, redirect, spans, wrap
from ..emit import emit
from ..frame import Frame, Hook

if TYPE_CHECKING:
    from ..wrap import Call

KIND = "unredirected_provider"
BEDROCK = ("bedrock-runtime", "bedrock-agent-runtime", "sagemaker-runtime")
"""Services of Amazon's library that answer with a model's words."""


class Provider(NamedTuple):
    """One place where clients of a provider are made or used.

    Attributes:
        name: The provider.
        library: The distribution.
        module: The module that defines the clients.
        classes: Their classes; those that a version does not have are passed over.
        methods: What is called when one is made, or else when it asks.
    """

    name: str
    library: str
    module: str
    classes: tuple[str, ...]
    methods: tuple[str, ...] = ("__init__",)


_BEDROCK_CLIENTS = ("AnthropicBedrock", "AsyncAnthropicBedrock")
_MANTLE_CLIENTS = ("AnthropicBedrockMantle", "AsyncAnthropicBedrockMantle")
_VERTEX_CLIENTS = ("AnthropicVertex", "AsyncAnthropicVertex")
_CLOUD_CLIENTS = ("AnthropicGoogleCloud", "AsyncAnthropicGoogleCloud")

PROVIDERS = (
    Provider("anthropic_bedrock", "anthropic", "anthropic.lib.bedrock._client", _BEDROCK_CLIENTS),
    Provider("anthropic_bedrock", "anthropic", "anthropic.lib.bedrock._mantle", _MANTLE_CLIENTS),
    Provider("anthropic_vertex", "anthropic", "anthropic.lib.vertex._client", _VERTEX_CLIENTS),
    Provider("anthropic_aws", "anthropic", "anthropic.lib.aws._client", ("AnthropicAWS", "AsyncAnthropicAWS")),
    Provider("anthropic_google_cloud", "anthropic", "anthropic.lib.google_cloud._client", _CLOUD_CLIENTS),
    Provider("cohere", "cohere", "cohere.base_client", ("BaseCohere", "AsyncBaseCohere")),
    Provider("google_genai", "google-genai", "google.genai.client", ("Client",)),
    Provider(
        "google_generativeai", "google-generativeai", "google.generativeai.generative_models", ("GenerativeModel",)
    ),
    Provider("groq", "groq", "groq._client", ("Groq", "AsyncGroq")),
    Provider("huggingface", "huggingface-hub", "huggingface_hub.inference._client", ("InferenceClient",)),
    Provider(
        "huggingface",
        "huggingface-hub",
        "huggingface_hub.inference._generated._async_client",
        ("AsyncInferenceClient",),
    ),
    Provider("mistral", "mistralai", "mistralai.client_base", ("ClientBase",)),
    Provider("mistral", "mistralai", "mistralai.sdk", ("Mistral",)),
    Provider("mistral", "mistralai", "mistralai.client.sdk", ("Mistral",)),
    Provider("ollama", "ollama", "ollama._client", ("Client", "AsyncClient"), ("chat", "generate")),
    Provider("together", "together", "together._client", ("Together", "AsyncTogether")),
)

_told: set[str] = set()


def _begin(provider: Provider, _: Call) -> wrap.Watch | None:
    _tell(provider.name, (provider.module.partition(".")[0],))
    return None


def _begin_service(call: Call) -> wrap.Watch | None:
    service = call.get("service_name", 0)
    if service in BEDROCK:
        _tell("aws_" + str(service).replace("-", "_"), ("botocore", "boto3"))
    return None


def _tell(provider: str, packages: tuple[str, ...]) -> None:
    if redirect.target() is None or provider in _told:
        return
    _told.add(provider)
    emit(
        FRAME,
        "error.occurred",
        source=nodes.node("generic", provider, nodes.caller(packages), "capability"),
        payload={
            "kind": KIND,
            "error_type": "UnredirectedProvider",
            "error_message": f"requests to {provider} do not go to the model endpoint",
            "error_class": "api_error",
            "error_handling": "caught_silent",
        },
        depth=len(spans.stack()),
    )


def _apply(provider: Provider, module: Any) -> None:
    found = [cls for cls in (vars(module).get(name) for name in provider.classes) if cls is not None]
    if not found:
        raise wrap.NotApplied(f"{provider.module} has none of {', '.join(provider.classes)}")
    for cls in found:
        for method in provider.methods:
            wrap.method(cls, method, partial(_begin, provider))


def _apply_botocore(module: Any) -> None:
    wrap.method(module.Session, "create_client", _begin_service)


FRAME = Frame(
    "unredirected",
    family="generic",
    library="",
    hooks=(
        Hook("unredirected.botocore", "botocore.session", _apply_botocore, "botocore"),
        *(Hook(f"unredirected.{each.module}", each.module, partial(_apply, each), each.library) for each in PROVIDERS),
    ),
)
