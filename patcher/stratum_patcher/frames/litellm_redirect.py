"""Arguments of LiteLLM calls that are led to the run's endpoint: provider, address and key are replaced, and what only
another provider understands is left out.

LiteLLM picks a provider by the model's name before any transport is reached, so the name itself is replaced. Chat and
text completions pass OpenAI's client library, whose frame names the served model; until there they carry the name of a
model that LiteLLM knows, because for others it looks for a tokenizer on a model hub. Other forms carry the served name.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .. import redirect

if TYPE_CHECKING:
    from ..wrap import Call

PROVIDER = "openai/"
KNOWN_MODEL = "gpt-4o-mini"
"""Stands for the served model where OpenAI's client library will be passed."""
DROPPED = (
    "base_url",
    "custom_llm_provider",
    "api_version",
    "api_type",
    "deployment_id",
    "organization",
    "region_name",
    "hf_model_name",
    "thinking",
    "safety_settings",
)
"""Arguments that name another endpoint or that only another provider understands."""
DROPPED_FAMILIES = ("aws_", "azure_", "vertex_", "watsonx_", "gemini_", "ollama_")
OPENAI_CLIENTS = ("OpenAI", "AsyncOpenAI")
"""A client object that a program passes is kept when it is one of these: its own requests are redirected."""


def lead(call: Call, position: int, *, through_openai: bool) -> Any:
    """Lead one call to the endpoint.

    Args:
        call: The call, whose arguments are replaced.
        position: Where the model stands among the positional arguments.
        through_openai: Whether the request will pass OpenAI's client library.

    Returns:
        The model that will be asked, without the provider; None when the call is left as it is.
    """
    target = redirect.target()
    requested = call.get("model", position)
    if target is None or not isinstance(requested, str) or _answered_here(call, requested):
        return None
    served = redirect.model_for(requested)[0]
    if target.model is None:
        served = _without_provider(requested)
    known = through_openai and target.model is not None
    call.set("model", position, PROVIDER + (KNOWN_MODEL if known else served))
    for name in [name for name in call.kwargs if name in DROPPED or name.startswith(DROPPED_FAMILIES)]:
        del call.kwargs[name]
    client = call.kwargs.get("client")
    if client is not None and type(client).__name__ not in OPENAI_CLIENTS:
        del call.kwargs["client"]
    call.kwargs["api_base"] = target.api
    if not isinstance(call.kwargs.get("api_key"), str):
        call.kwargs["api_key"] = redirect.key()
    # Parameters that the program's own provider takes and this one does not must not stop it.
    call.kwargs["drop_params"] = True
    redirect.cap(call.kwargs)
    return served


def _answered_here(call: Call, model: str) -> bool:
    """Whether no provider is asked at all: a canned answer, or a handler that the program itself registered."""
    if call.kwargs.get("mock_response") is not None:
        return True
    own = vars(sys.modules["litellm"]).get("custom_provider_map") if "litellm" in sys.modules else None
    names = [entry.get("provider") for entry in own if isinstance(entry, dict)] if isinstance(own, list) else []
    provider = call.kwargs.get("custom_llm_provider") or model.partition("/")[0]
    return provider in names


def _without_provider(model: str) -> str:
    provider, slash, name = model.partition("/")
    known = vars(sys.modules["litellm"]).get("provider_list") if "litellm" in sys.modules else None
    listed = {str(getattr(entry, "value", entry)) for entry in known} if isinstance(known, list) else set()
    return name if slash and provider in listed else model
