"""Providers by the text of a model's name, by its vendor prefix, and by the address of an endpoint (A10)."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

_COMPONENT = re.compile(r"[a-z0-9]+")
_NUMBERED = re.compile(r"^([a-z]+?)\d*[a-z]?$")
_NAMES: Final[dict[str, str]] = {
    "gpt": "openai", "chatgpt": "openai", "o1": "openai", "o3": "openai", "o4": "openai", "claude": "anthropic",
    "gemini": "google", "palm": "google", "llama": "meta", "mistral": "mistral", "mixtral": "mistral",
    "deepseek": "deepseek", "grok": "xai", "command": "cohere",
}  # fmt: skip
_PREFIXES: Final[dict[str, str]] = {
    "openai": "openai", "text-completion-openai": "openai", "openai-responses": "openai", "openai-chat": "openai",
    "azure": "azure_openai", "azure_openai": "azure_openai", "azure_ai": "azure_openai",
    "anthropic": "anthropic", "gemini": "google", "google": "google", "google-gla": "google",
    "google-vertex": "google", "google_genai": "google", "google_vertexai": "google", "vertex_ai": "google",
    "vertex_ai_beta": "google", "palm": "google", "ollama": "ollama", "ollama_chat": "ollama", "mistral": "mistral",
    "mistralai": "mistral", "codestral": "mistral", "groq": "groq", "bedrock": "aws", "bedrock_converse": "aws",
    "aws": "aws", "sagemaker": "aws", "cohere": "cohere", "cohere_chat": "cohere", "together": "together",
    "together_ai": "together", "fireworks": "fireworks", "fireworks_ai": "fireworks", "deepseek": "deepseek",
    "xai": "xai", "grok": "xai", "nvidia": "nvidia", "nvidia_nim": "nvidia", "huggingface": "huggingface",
    "openrouter": "openrouter", "lm_studio": "local", "hosted_vllm": "local",
}  # fmt: skip
"""Vendor in front of a model's name, as LiteLLM ("vendor/model") and others ("vendor:model") write it."""
_HOSTS: Final[dict[str, str]] = {
    "api.openai.com": "openai", "api.anthropic.com": "anthropic", "generativelanguage.googleapis.com": "google",
    "api.groq.com": "groq", "api.mistral.ai": "mistral", "api.deepseek.com": "deepseek", "api.x.ai": "xai",
    "api.together.xyz": "together", "api.together.ai": "together", "api.fireworks.ai": "fireworks",
    "api.cohere.com": "cohere", "api.cohere.ai": "cohere", "integrate.api.nvidia.com": "nvidia",
    "openrouter.ai": "openrouter", "router.huggingface.co": "huggingface",
    "api-inference.huggingface.co": "huggingface",
}  # fmt: skip
_HOST_ENDINGS: Final[dict[str, str]] = {
    ".openai.azure.com": "azure_openai", ".services.ai.azure.com": "azure_openai", ".amazonaws.com": "aws",
    ".googleapis.com": "google",
}  # fmt: skip
_LOCAL: Final = frozenset({"localhost", "0.0.0.0", "::1", "host.docker.internal"})
_ENV_NAME = re.compile(r"^[A-Z][A-Z0-9_]*$")


def is_literal_model(text: str | None) -> bool:
    """Whether a text can be a model's name: three characters or more, no placeholder, no name of a variable."""
    if text is None or len(text.strip()) < 3 or text.strip()[0] in "${":
        return False
    text = text.strip()
    return _ENV_NAME.match(text) is None and "{" not in text and not any(c.isspace() for c in text)


def model_of(text: str) -> str:
    """The model identifier of a literal: without the vendor that a framework wants in front."""
    text = text.strip()
    for separator in (":", "/"):
        vendor, found, rest = text.partition(separator)
        if found and rest and vendor.lower() in _PREFIXES:
            return rest
    return text


def prefixed(text: str) -> str:
    """Provider by the vendor in front of a name ("groq/llama3-70b", "openai:gpt-4o"), "" without a known one."""
    for separator in ("/", ":"):
        vendor, found, _ = text.strip().partition(separator)
        if found and vendor.lower() in _PREFIXES:
            return _PREFIXES[vendor.lower()]
    return ""


def by_name(text: str) -> str:
    """Provider by the first component of a model's name that is known; a number may follow it ("llama3")."""
    parts = _COMPONENT.findall(text.lower())
    for position, part in enumerate(parts):
        if part == "text" and parts[position + 1 : position + 2] == ["embedding"]:
            return "openai"
        slug = _NAMES.get(part)
        if slug is None and (match := _NUMBERED.match(part)) is not None and not part.startswith("o"):
            slug = _NAMES.get(match[1])
        if slug is not None:
            return slug
    return ""


def by_host(address: str) -> str:
    """Provider by an endpoint's address: `local` on this machine, known hosts by name, "" for others."""
    text = address if "://" in address else f"//{address}"
    try:
        host = (urlsplit(text).hostname or "").lower()
    except ValueError:
        return ""
    if host in _LOCAL or host.startswith("127."):
        return "local"
    return _HOSTS.get(host) or next((slug for ending, slug in _HOST_ENDINGS.items() if host.endswith(ending)), "")
