"""What an answer of the OpenAI client library says: whole, as plain JSON, or piece by piece from a stream.

Answers are pydantic models of the library, or plain dictionaries where only the bytes were there to read.
"""

from __future__ import annotations

import json
from typing import Any

from .. import facts, spans

ERROR_CLASSES = {"rate_limit_exceeded": "rate_limit", "server_error": "api_error"}
"""Code of a failed response -> class of the error (events.md section 5)."""

_NOTHING: dict[str, Any] = {}


def _held(thing: Any) -> Any:
    """The fields of an answer or a part of one, model or dictionary; nothing for anything else."""
    if type(thing) is dict:
        return thing
    return getattr(thing, "__dict__", _NOTHING)


def _list(held: Any, name: str) -> Any:
    found = held.get(name)
    return found if isinstance(found, (list, tuple)) else ()


class Reader:
    """Collects what one answer says, whole or in pieces, and tells it to the span of its request."""

    model: Any = None
    finish: Any = None
    input_tokens: Any = None
    output_tokens: Any = None
    failure: tuple[str, str] | None = None

    def __init__(self) -> None:
        self.content: list[str] = []
        self.tools: dict[Any, list[str]] = {}

    def whole(self, answer: Any) -> None:
        """Read a complete answer."""
        raise NotImplementedError

    def item(self, chunk: Any) -> None:
        """Read one piece of a stream."""
        raise NotImplementedError

    def raw(self, text: bytes) -> None:
        """Read a complete answer from its bytes; anything but a JSON object says nothing."""
        try:
            answer = json.loads(text)
        except ValueError:
            return
        if isinstance(answer, dict):
            self.whole(answer)

    def tell(self, span: spans.Llm) -> None:
        """Tell the span of the request what was read."""
        span.served(self.model)
        span.usage(self.input_tokens, self.output_tokens)
        if self.content:
            span.answer("".join(self.content))
        span.finish(self.finish)
        if self.tools:
            span.tools_called([(name, arguments) for name, arguments in self.tools.values()])

    def close(self, span: spans.Llm) -> None:
        """Tell the span and end it: as a success, unless the answer itself says that it failed."""
        self.tell(span)
        if self.failure is None:
            span.done(None)
            return
        code, message = self.failure
        error_class = ERROR_CLASSES.get(code, "api_error")
        message = facts.scrub(message)[: facts.MESSAGE_CHARACTERS]
        if span.speaks:
            spans.error_text(span.frame, span.node, "APIError", message, error_class=error_class)
        span.close("error", error=message, error_type=error_class)

    def _usage(self, usage: Any, given: str, made: str) -> None:
        if usage is not None:
            held = _held(usage)
            self.input_tokens, self.output_tokens = held.get(given), held.get(made)

    def _text(self, text: Any) -> None:
        if text and isinstance(text, str):
            self.content.append(text)

    def _tool(self, key: Any, name: Any, arguments: Any) -> None:
        """A tool call, or another piece of one that has begun."""
        entry = self.tools.setdefault(key, ["", ""])
        if isinstance(name, str) and not entry[0]:
            entry[0] = name
        if isinstance(arguments, str):
            entry[1] += arguments


class Chat(Reader):
    """Answers of `/chat/completions`."""

    def whole(self, answer: Any) -> None:
        """A `ChatCompletion`; with several choices the first one is the answer."""
        held = _held(answer)
        self.model = held.get("model")
        self._usage(held.get("usage"), "prompt_tokens", "completion_tokens")
        for position, choice in enumerate(_list(held, "choices")):
            chosen = _held(choice)
            self._choice(position, chosen, chosen.get("message"))

    def item(self, chunk: Any) -> None:
        """A `ChatCompletionChunk`; Azure's first and the usage piece have no choices."""
        held = _held(chunk)
        if self.model is None:
            self.model = held.get("model")
        # The first 1.x know no such field, and keep it where only attribute access finds it.
        usage = held["usage"] if "usage" in held else getattr(chunk, "usage", None)
        self._usage(usage, "prompt_tokens", "completion_tokens")
        for choice in _list(held, "choices"):
            chosen = _held(choice)
            self._choice(chosen.get("index") or 0, chosen, chosen.get("delta"))

    def _choice(self, position: int, choice: Any, message: Any) -> None:
        held = _held(message)
        if position == 0:
            content = held.get("content") or held.get("refusal")
            if content and isinstance(content, str):
                self.content.append(content)
            self.finish = choice.get("finish_reason") or self.finish
        if not (held.get("tool_calls") or held.get("function_call")):
            return
        for number, each in enumerate(_list(held, "tool_calls")):
            call = _held(each)
            index = call.get("index")
            function = call.get("function")
            if function is not None:
                function = _held(function)
                key = (position, number if index is None else index)
                self._tool(key, function.get("name"), function.get("arguments"))
        function = held.get("function_call")
        if function is not None:
            function = _held(function)
            self._tool((position, "function_call"), function.get("name"), function.get("arguments"))


class Text(Reader):
    """Answers of `/completions`, whose stream pieces have the form of the whole."""

    def whole(self, answer: Any) -> None:
        """A `Completion`; with several choices the first one is the answer."""
        self.item(answer)

    def item(self, chunk: Any) -> None:
        """A `Completion` with the next piece of text."""
        held = _held(chunk)
        if self.model is None:
            self.model = held.get("model")
        self._usage(held.get("usage"), "prompt_tokens", "completion_tokens")
        for choice in _list(held, "choices"):
            chosen = _held(choice)
            if not chosen.get("index"):
                self._text(chosen.get("text"))
                self.finish = chosen.get("finish_reason") or self.finish


class Responses(Reader):
    """Answers of `/responses`; a stream's last event holds the whole response."""

    def whole(self, answer: Any) -> None:
        """A `Response`: output text, function calls, and the error of a failed one."""
        held = _held(answer)
        self.model = held.get("model")
        self.content.clear()
        self._usage(held.get("usage"), "input_tokens", "output_tokens")
        status = held.get("status")
        self.finish = _held(held.get("incomplete_details")).get("reason") or status
        for position, each in enumerate(_list(held, "output")):
            item = _held(each)
            if item.get("type") == "message":
                for part in _list(item, "content"):
                    said = _held(part)
                    self._text(said.get("text") or said.get("refusal"))
            elif item.get("type") == "function_call":
                self._tool(position, item.get("name"), item.get("arguments"))
        if status == "failed":
            self._failed(held.get("error"))

    def item(self, chunk: Any) -> None:
        """An event of the stream."""
        held = _held(chunk)
        kind = held.get("type")
        if kind == "response.output_text.delta":
            self._text(held.get("delta"))
        elif kind in ("response.completed", "response.incomplete", "response.failed"):
            self.whole(held.get("response"))
        elif kind == "error":
            self._failed(chunk)

    def _failed(self, error: Any) -> None:
        held = _held(error)
        code, message = held.get("code"), held.get("message")
        self.failure = (code if isinstance(code, str) else "", message if isinstance(message, str) else "")
