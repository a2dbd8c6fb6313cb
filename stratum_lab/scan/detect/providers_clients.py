"""Which library classes and functions talk to a model, and whose (A10): the table that other detectors share.

Names are compared by component: the root package of an origin, and one of its last parts.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from stratum_lab.scan.source.vocabulary import is_framework_root

CLIENT_CLASSES: Final[dict[str, str]] = {
    "ChatOpenAI": "openai", "OpenAI": "openai", "AsyncOpenAI": "openai", "OpenAIChat": "openai",
    "OpenAILike": "", "OpenAIEmbeddings": "openai", "OpenAIEmbedding": "openai", "OpenAIEmbeddingFunction": "openai",
    "OpenAIModel": "openai", "OpenAIChatModel": "openai", "OpenAIResponsesModel": "openai",
    "OpenAIResponses": "openai", "OpenAIServerModel": "openai", "OpenAIProvider": "openai",
    "OpenAIChatCompletionClient": "openai", "OpenAIGenerator": "openai", "OpenAIChatGenerator": "openai",
    "OpenAIChatCompletion": "openai", "OpenAIChatCompletionsModel": "openai",
    "AzureChatOpenAI": "azure_openai", "AzureOpenAI": "azure_openai", "AsyncAzureOpenAI": "azure_openai",
    "AzureOpenAIEmbeddings": "azure_openai", "AzureOpenAIEmbedding": "azure_openai",
    "AzureOpenAIChatCompletionClient": "azure_openai", "AzureOpenAIChatGenerator": "azure_openai",
    "AzureOpenAIGenerator": "azure_openai", "AzureChatCompletion": "azure_openai",
    "AzureOpenAIServerModel": "azure_openai", "AzureOpenAIModel": "azure_openai", "AzureProvider": "azure_openai",
    "ChatAnthropic": "anthropic", "Anthropic": "anthropic", "AsyncAnthropic": "anthropic", "Claude": "anthropic",
    "AnthropicModel": "anthropic", "AnthropicProvider": "anthropic", "AnthropicChatCompletion": "anthropic",
    "AnthropicChatCompletionClient": "anthropic", "AnthropicChatGenerator": "anthropic",
    "ChatGoogleGenerativeAI": "google", "ChatVertexAI": "google", "VertexAI": "google", "Gemini": "google",
    "GenerativeModel": "google", "GoogleGenerativeAI": "google", "GoogleGenAI": "google", "GeminiModel": "google",
    "GoogleModel": "google", "GoogleProvider": "google", "GoogleGLAProvider": "google",
    "GoogleVertexProvider": "google",
    "GoogleGenerativeAIEmbeddings": "google", "VertexAIEmbeddings": "google", "GoogleAIChatCompletion": "google",
    "GoogleAIGeminiGenerator": "google", "GoogleAIGeminiChatGenerator": "google", "GoogleGenAIChatGenerator": "google",
    "Ollama": "ollama", "ChatOllama": "ollama", "OllamaLLM": "ollama", "OllamaEmbeddings": "ollama",
    "OllamaEmbedding": "ollama", "OllamaChatCompletion": "ollama", "OllamaChatCompletionClient": "ollama",
    "OllamaGenerator": "ollama", "OllamaChatGenerator": "ollama",
    "ChatMistralAI": "mistral", "Mistral": "mistral", "MistralAI": "mistral", "MistralChat": "mistral",
    "MistralModel": "mistral", "MistralProvider": "mistral", "MistralAIEmbeddings": "mistral",
    "MistralAIChatCompletion": "mistral", "MistralChatGenerator": "mistral", "MistralClient": "mistral",
    "ChatGroq": "groq", "Groq": "groq", "AsyncGroq": "groq", "GroqModel": "groq", "GroqProvider": "groq",
    "ChatBedrock": "aws", "BedrockChat": "aws", "ChatBedrockConverse": "aws", "Bedrock": "aws", "BedrockLLM": "aws",
    "BedrockEmbeddings": "aws", "BedrockConverse": "aws", "BedrockConverseModel": "aws", "AwsBedrock": "aws",
    "AmazonBedrockChatGenerator": "aws", "AmazonBedrockGenerator": "aws", "AmazonBedrockServerModel": "aws",
    "AnthropicBedrock": "aws", "AsyncAnthropicBedrock": "aws", "BedrockChatCompletion": "aws",
    "ChatCohere": "cohere", "Cohere": "cohere", "CohereModel": "cohere", "CohereEmbeddings": "cohere",
    "ClientV2": "cohere", "AsyncClientV2": "cohere", "CohereChat": "cohere",
    "ChatTogether": "together", "Together": "together", "AsyncTogether": "together", "TogetherLLM": "together",
    "ChatFireworks": "fireworks", "Fireworks": "fireworks",
    "ChatDeepSeek": "deepseek", "DeepSeek": "deepseek", "DeepSeekProvider": "deepseek",
    "ChatXAI": "xai", "xAI": "xai", "XAI": "xai", "XaiModel": "xai", "GrokProvider": "xai",
    "ChatNVIDIA": "nvidia", "NVIDIA": "nvidia", "Nvidia": "nvidia",
    "ChatHuggingFace": "huggingface", "HuggingFaceEndpoint": "huggingface", "HuggingFaceHub": "huggingface",
    "HuggingFacePipeline": "huggingface", "HuggingFaceInferenceAPI": "huggingface", "InferenceClient": "huggingface",
    "AsyncInferenceClient": "huggingface", "HuggingFace": "huggingface", "HuggingFaceModel": "huggingface",
    "HfApiModel": "huggingface", "InferenceClientModel": "huggingface", "TransformersModel": "huggingface",
    "OpenRouter": "openrouter", "OpenRouterProvider": "openrouter", "ChatOpenRouter": "openrouter",
    "LlamaCpp": "local", "ChatLlamaCpp": "local", "LMStudio": "local",
    "LiteLLM": "", "LiteLlm": "", "ChatLiteLLM": "", "LiteLLMModel": "", "LitellmModel": "", "ChatLiteLLMRouter": "",
    "LiteLLMRouter": "", "LiteLLMRouterModel": "", "LLM": "", "LLMConfig": "", "OpenAIWrapper": "",
}  # fmt: skip
"""Class name to provider; "" when the provider is that of its model string."""
_ROOTED: Final[dict[str, str]] = {
    "google.genai.Client": "google", "genai.Client": "google", "cohere.Client": "cohere",
    "cohere.AsyncClient": "cohere", "ollama.Client": "ollama", "ollama.AsyncClient": "ollama",
    "mistralai.client.MistralClient": "mistral", "vertexai.generative_models.GenerativeModel": "google",
}  # fmt: skip
"""Classes whose name says nothing, by full origin."""
FACTORIES: Final = frozenset({"init_chat_model", "load_llm"})
"""Functions that make a chat model from a "vendor:model" string."""

CHAT_METHODS: Final[tuple[str, ...]] = (
    "chat.completions.create", "chat.completions.parse", "chat.completions.stream", "completions.create",
    "responses.create", "responses.parse", "responses.stream", "ChatCompletion.create", "ChatCompletion.acreate",
    "messages.create", "messages.stream", "messages.parse", "messages.tool_runner", "models.generate_content",
    "models.generate_content_stream", "generate_content", "generate_content_async", "chat.complete", "chat.stream",
    "chat.complete_async", "chat.stream_async", "chat_completion", "converse", "converse_stream", "invoke_model",
    "chat", "chat_stream", "send_message", "send_message_async", "send_message_stream",
)  # fmt: skip
"""Endings of the calls that ask a model, on a client of a provider's SDK."""
DISTINCT_METHODS: Final[tuple[str, ...]] = (
    "chat.completions.create", "chat.completions.parse", "chat.completions.stream", "responses.create",
    "responses.parse", "responses.stream", "ChatCompletion.create", "ChatCompletion.acreate", "messages.create",
    "messages.stream", "messages.tool_runner", "generate_content", "generate_content_async",
    "models.generate_content", "models.generate_content_stream", "chat.complete", "chat.complete_async",
)  # fmt: skip
"""Those that need no known client: in a file that imports a provider's SDK the ending is enough."""
SDK_ROOTS: Final[dict[str, str]] = {
    "openai": "openai", "anthropic": "anthropic", "groq": "groq", "mistralai": "mistral", "cohere": "cohere",
    "together": "together", "ollama": "ollama", "google": "google", "vertexai": "google", "genai": "google",
    "huggingface_hub": "huggingface", "boto3": "aws", "litellm": "", "fireworks": "fireworks", "cerebras": "",
    "portkey_ai": "", "instructor": "", "langfuse": "openai",
}  # fmt: skip
"""Import roots of SDKs; `langfuse.openai` is a drop-in."""
_FUNCTIONS: Final = frozenset({
    "litellm.completion", "litellm.acompletion", "litellm.text_completion", "litellm.responses", "litellm.aresponses",
    "litellm.main.completion", "litellm.main.acompletion", "ollama.chat", "ollama.generate",
})  # fmt: skip
"""Module functions that ask a model."""


class ModelCall(NamedTuple):
    """A call that asks a model: provider of its client ("" unknown) and the SDK's import root."""

    slug: str
    root: str


def client_slug(origin: str | None) -> str | None:
    """Provider of a client or model class by its origin, "" when its model string decides, None when it is neither."""
    if origin is None:
        return None
    if origin in _ROOTED:
        return _ROOTED[origin]
    root, _, _ = origin.partition(".")
    if not is_framework_root(root) and root not in SDK_ROOTS:
        return None
    last = origin.rpartition(".")[2]
    if last in FACTORIES:
        return ""
    found = CLIENT_CLASSES.get(last)
    if found == "openai" and last == "OpenAI" and root in ("smolagents", "agents"):
        return None
    return found


def model_call(origin: str | None) -> ModelCall | None:
    """Whether an origin is a call of a provider's SDK that asks a model."""
    if origin is None:
        return None
    root, _, rest = origin.partition(".")
    if origin in _FUNCTIONS:
        return ModelCall(SDK_ROOTS.get(root, ""), root)
    if root not in SDK_ROOTS:
        return None
    for ending in CHAT_METHODS:
        if rest.endswith("." + ending) or rest == ending:
            return ModelCall(_client_of(origin, root), root)
    return None


def written_call(text: str) -> str | None:
    """The ending of a dotted call text that asks a model on a client that is not known, None when it does not."""
    return next((m for m in DISTINCT_METHODS if text.endswith("." + m)), None)


def _client_of(origin: str, root: str) -> str:
    """Provider of the client class named inside an origin such as openai.AzureOpenAI.chat.completions.create."""
    for part in origin.split(".")[1:]:
        slug = CLIENT_CLASSES.get(part)
        if slug is not None:
            return slug
    return SDK_ROOTS.get(root, "")
