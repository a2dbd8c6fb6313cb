"""Which frames watch which module; read at every interpreter start, so it is a plain table that imports nothing."""

TARGETS = {
    "anthropic._base_client": ("anthropic",),
    "anthropic._response": ("anthropic",),
    "anthropic._streaming": ("anthropic",),
    "anthropic.lib.tools._beta_functions": ("anthropic",),
    "openai._base_client": ("openai",),
    "openai._legacy_response": ("openai",),
    "openai._response": ("openai",),
    "openai._streaming": ("openai",),
    "openai.api_requestor": ("openai",),
    "openai.lib.azure": ("openai",),
    "openai.lib.streaming.chat._completions": ("openai",),
    "openai.lib.streaming.responses._responses": ("openai",),
}  # type: dict[str, tuple[str, ...]]
"""Module name -> names of the modules in `frames` that have a hook for it."""
