"""Requests to model providers without any client library: which they are, and what their bodies say."""

from __future__ import annotations

import re
from json import loads
from typing import Any, NamedTuple

_LARGEST_BODY = 4 * 1024 * 1024
_HOSTS = frozenset(
    {
        "api.openai.com", "api.anthropic.com", "api.mistral.ai", "codestral.mistral.ai", "api.groq.com",
        "openrouter.ai", "api.deepseek.com", "api.together.xyz", "api.together.ai", "api.fireworks.ai", "api.x.ai",
        "api.cohere.com", "api.cohere.ai", "api.perplexity.ai", "api.cerebras.ai", "api.sambanova.ai",
        "api.deepinfra.com", "api.moonshot.cn", "api.moonshot.ai", "api.ai21.com", "api.replicate.com",
        "api-inference.huggingface.co", "router.huggingface.co", "generativelanguage.googleapis.com",
        "integrate.api.nvidia.com", "dashscope.aliyuncs.com", "open.bigmodel.cn", "models.inference.ai.azure.com",
    }
)  # fmt: skip
_DOMAINS = (
    ".openai.azure.com",
    ".services.ai.azure.com",
    "-aiplatform.googleapis.com",
    ".endpoints.huggingface.cloud",
)
_BEDROCK = re.compile(r"bedrock-runtime[.-].*\.amazonaws\.com$")
_GENERATION = re.compile(
    r"(/chat/completions|/completions|/responses|/v\d+/(messages|chat|generate|complete)|/text-generation/generation"
    r"|:(stream)?generatecontent|:(stream)?rawpredict|/invoke(-with-response-stream)?|/converse(-stream)?"
    r"|/models/[\w.-]+/[\w.-]+|/predictions)$"
)
_LOCAL = re.compile(r"(/v1/(chat/completions|completions|messages|responses)|/api/(chat|generate))$")
_IN_PATH = re.compile(r"^/models/([\w.-]+/[\w.-]+)$|/(?:models?|deployments|engines)/([^/:]+(?::\d+)?)(?=[/:]|$)")


class Question(NamedTuple):
    """What a request asks of a model.

    Attributes:
        model: Model it names, in body or path.
        messages: What it says to the model.
        tools: Whether it offers tools.
    """

    model: str | None
    messages: Any
    tools: bool


def is_generation(host: str, path: str, *, local: bool) -> bool:
    """Whether a request makes a model generate.

    Args:
        host: Host without its port, in lower case.
        path: Path, without the query.
        local: The host is this machine or the model endpoint, where the path alone tells.
    """
    low = path.rstrip("/").lower()
    if local:
        return _LOCAL.search(low) is not None
    known = host in _HOSTS or host.endswith(_DOMAINS) or _BEDROCK.search(host) is not None
    return known and _GENERATION.search(low) is not None


def question(path: str, body: Any) -> Question:
    """What a request's body and path say.

    Args:
        path: Path of the request.
        body: Its body as sent, or the object it is made from; what is no JSON object (a stream, a file) tells nothing.
    """
    said: dict[str, Any] = {}
    if isinstance(body, str) and len(body) <= _LARGEST_BODY:
        said = _object(body)
    elif isinstance(body, (bytes, bytearray)) and len(body) <= _LARGEST_BODY:
        said = _object(bytes(body))
    elif type(body) is dict:
        said = body
    model = said.get("model")
    if not isinstance(model, str):
        named = _IN_PATH.search(path)
        model = named.group(1) or named.group(2) if named is not None else None
    messages = said.get("messages") or said.get("input") or said.get("contents") or said.get("prompt")
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    tools = said.get("tools") or said.get("functions") or said.get("toolConfig")
    return Question(model, messages, bool(tools))


def _object(text: Any) -> dict[str, Any]:
    try:
        found = loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
