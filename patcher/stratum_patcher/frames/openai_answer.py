"""What an answer of the OpenAI client library says: whole, as plain JSON, or piece by piece from a stream.

Answers are pydantic models of the library, or plain dictionaries where only the bytes were there to read.
"""

from __future__ import annotations

import json
from typing import Any

from .. import facts, spans

ERROR_CLASSES = {"rate_limit_exceeded": "rate_limit", "server_error": "api_error"}
"""Code of a failed response -> class of the error (events.md section 5)."""


def _of(thing: Any, name: str) -> Any:
    """A field of an answer, model or dictionary; None when it is not there."""
    if type(thing) is dict:
        return thing.get(name)
    return getattr(thing, name, None)


def _list(thing: Any, name: str) -> Any:
    found = _of(thing, name)
    return found if isinstance(found, (list, tuple)) else ()


class Reader:
    """Collects what one answer says, whole or in pieces, and tells it to the span of its request."""

    def __init__(self) -> None:
        self.model: Any = None
        self.finish: Any = None
        self.input_tokens: Any = None
        self.output_tokens: Any = None
        self.content: list[str] = []
        self.tools: dict[Any, list[str]] = {}
        self.failure: tuple[str, str] | None = None

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
        if isinstance(self.model, str):
            span.served(self.model)
        if isinstance(self.input_tokens, int) or isinstance(self.output_tokens, int):
            span.usage(self.input_tokens, self.output_tokens)
        content = [piece for piece in self.content if isinstance(piece, str)]
        span.answer("".join(content) if content else None)
        if isinstance(self.finish, str):
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
            self.input_tokens, self.output_tokens = _of(usage, given), _of(usage, made)

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
        self.model = _of(answer, "model")
        self._usage(_of(answer, "usage"), "prompt_tokens", "completion_tokens")
        for position, choice in enumerate(_list(answer, "choices")):
            self._choice(position, choice, _of(choice, "message"))

    def item(self, chunk: Any) -> None:
        """A `ChatCompletionChunk`; Azure's first and the usage piece have no choices."""
        if self.model is None:
            self.model = _of(chunk, "model")
        self._usage(_of(chunk, "usage"), "prompt_tokens", "completion_tokens")
        for choice in _list(chunk, "choices"):
            self._choice(_of(choice, "index") or 0, choice, _of(choice, "delta"))

    def _choice(self, position: int, choice: Any, message: Any) -> None:
        if position == 0:
            content = _of(message, "content") or _of(message, "refusal")
            if content:
                self.content.append(content)
            self.finish = _of(choice, "finish_reason") or self.finish
        for number, call in enumerate(_list(message, "tool_calls")):
            index = _of(call, "index")
            key = (position, number if index is None else index)
            function = _of(call, "function")
            if function is not None:
                self._tool(key, _of(function, "name"), _of(function, "arguments"))
        function = _of(message, "function_call")
        if function is not None:
            self._tool((position, "function_call"), _of(function, "name"), _of(function, "arguments"))


class Text(Reader):
    """Answers of `/completions`, whose stream pieces have the form of the whole."""

    def whole(self, answer: Any) -> None:
        """A `Completion`; with several choices the first one is the answer."""
        self.item(answer)

    def item(self, chunk: Any) -> None:
        """A `Completion` with the next piece of text."""
        if self.model is None:
            self.model = _of(chunk, "model")
        self._usage(_of(chunk, "usage"), "prompt_tokens", "completion_tokens")
        for choice in _list(chunk, "choices"):
            if not _of(choice, "index"):
                self.content.append(_of(choice, "text"))
                self.finish = _of(choice, "finish_reason") or self.finish


class Responses(Reader):
    """Answers of `/responses`; a stream's last event holds the whole response."""

    def whole(self, answer: Any) -> None:
        """A `Response`: output text, function calls, and the error of a failed one."""
        self.model = _of(answer, "model")
        self.content.clear()
        self._usage(_of(answer, "usage"), "input_tokens", "output_tokens")
        status = _of(answer, "status")
        self.finish = _of(_of(answer, "incomplete_details"), "reason") or status
        for position, each in enumerate(_list(answer, "output")):
            if _of(each, "type") == "message":
                for part in _list(each, "content"):
                    self.content.append(_of(part, "text") or _of(part, "refusal"))
            elif _of(each, "type") == "function_call":
                self._tool(position, _of(each, "name"), _of(each, "arguments"))
        if status == "failed":
            self._failed(_of(answer, "error"))

    def item(self, chunk: Any) -> None:
        """An event of the stream."""
        kind = _of(chunk, "type")
        if kind == "response.output_text.delta":
            self.content.append(_of(chunk, "delta"))
        elif kind in ("response.completed", "response.incomplete", "response.failed"):
            self.whole(_of(chunk, "response"))
        elif kind == "error":
            self._failed(chunk)

    def _failed(self, error: Any) -> None:
        code, message = _of(error, "code"), _of(error, "message")
        self.failure = (str(code) if isinstance(code, str) else "", message if isinstance(message, str) else "")
