"""What LiteLLM's answers say, whole or in pieces: text, tools, tokens, model, why the model stopped."""

from __future__ import annotations

from typing import Any


def _of(thing: Any, name: str) -> Any:
    """A field of one of LiteLLM's models, or of the same thing as plain JSON."""
    return thing.get(name) if isinstance(thing, dict) else getattr(thing, name, None)


class Answer:
    """Gathers what an answer says.

    Attributes:
        input_tokens: Of the prompt, when told.
        output_tokens: Of the answer, when told.
        model: The model that answered.
        finish: Why it stopped.
    """

    def __init__(self) -> None:
        self.input_tokens: Any = None
        self.output_tokens: Any = None
        self.model: Any = None
        self.finish: Any = None
        self._text: list[str] = []
        self._tools: dict[Any, list[str]] = {}

    def content(self) -> str | None:
        """The text; None when the model said none."""
        return "".join(self._text) if self._text else None

    def tools(self) -> list[tuple[str, str]]:
        """The tools it asked for, each with the text of its arguments."""
        return [(parts[0], "".join(parts[1:]) or "{}") for parts in self._tools.values()]

    def whole(self, answer: Any) -> None:
        """An answer of the chat, text or Responses form."""
        self._common(answer)
        choices = _of(answer, "choices")
        if isinstance(choices, list):
            for index, choice in enumerate(choices):
                self._choice(choice, _of(choice, "message"), index)
        output = _of(answer, "output")
        if isinstance(output, list):
            self.finish = self.finish or _of(answer, "status")
            for item in output:
                self._output(item)

    def piece(self, piece: Any) -> None:
        """A piece of a stream of any of these forms."""
        kind = _of(piece, "type")
        if isinstance(kind, str) and kind.startswith("response."):
            if kind in ("response.completed", "response.incomplete", "response.failed"):
                self._text, self._tools = [], {}
                self.whole(_of(piece, "response"))
            elif kind == "response.output_text.delta":
                self._say(_of(piece, "delta"))
            return
        self._common(piece)
        choices = _of(piece, "choices")
        if isinstance(choices, list):
            for index, choice in enumerate(choices):
                self._choice(choice, _of(choice, "delta"), index)

    def _common(self, thing: Any) -> None:
        model = _of(thing, "model")
        if isinstance(model, str) and model:
            self.model = model
        usage = _of(thing, "usage")
        if usage is not None:
            self.input_tokens = _first(usage, "prompt_tokens", "input_tokens")
            self.output_tokens = _first(usage, "completion_tokens", "output_tokens")

    def _choice(self, choice: Any, said: Any, index: int) -> None:
        reason = _of(choice, "finish_reason")
        if isinstance(reason, str):
            self.finish = reason
        self._say(_of(said, "content") if said is not None else _of(choice, "text"))
        calls = _of(said, "tool_calls")
        for order, call in enumerate(calls if isinstance(calls, list) else ()):
            number = _of(call, "index")
            self._use((index, order if number is None else number), _of(call, "function"))
        old = _of(said, "function_call")
        if old is not None:
            self._use((index, "function"), old)

    def _output(self, item: Any) -> None:
        kind = _of(item, "type")
        if kind == "function_call":
            self._use(len(self._tools), item)
        elif kind == "message":
            parts = _of(item, "content")
            for part in parts if isinstance(parts, list) else ():
                self._say(_of(part, "text"))

    def _say(self, text: Any) -> None:
        if isinstance(text, str) and text:
            self._text.append(text)

    def _use(self, key: Any, function: Any) -> None:
        name, arguments = _of(function, "name"), _of(function, "arguments")
        parts = self._tools.setdefault(key, [name if isinstance(name, str) else ""])
        if not parts[0] and isinstance(name, str):
            parts[0] = name
        if isinstance(arguments, str):
            parts.append(arguments)


def _first(usage: Any, *names: str) -> Any:
    return next((value for value in (_of(usage, name) for name in names) if isinstance(value, int)), None)
