"""How scripted replies look on the wire, whole and as server-sent events, in the three forms the clients speak."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

CREATED = 1_700_000_000
SERVED = "served-model"

Form = Literal["chat", "completion", "responses", "messages"]
Body = dict[str, Any]

_ENDINGS: tuple[tuple[str, Form], ...] = (
    ("/chat/completions", "chat"),
    ("/completions", "completion"),
    ("/responses", "responses"),
    ("/messages", "messages"),
)


@dataclass(frozen=True)
class Reply:
    """One scripted reply.

    Attributes:
        content: Text of the answer, or of the refusal.
        tools: Tools to call, each with the text of its arguments.
        input_tokens: Of the prompt.
        output_tokens: Of the answer.
        pieces: How a stream cuts the content; default: in words.
        finish: Reason why the model stopped, in the words of Chat Completions; default by what was said.
        status: HTTP status.
        cut: Close the connection half way.
        hang: Do not answer.
    """

    content: str = ""
    tools: tuple[tuple[str, str], ...] = ()
    input_tokens: int = 5
    output_tokens: int = 3
    pieces: tuple[str, ...] = ()
    finish: str | None = None
    status: int = 200
    cut: bool = False
    hang: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """The content as a stream brings it."""
        return self.pieces or tuple(word + " " for word in self.content.split(" ")[:-1]) + (
            (self.content.split(" ")[-1],) if self.content else ()
        )


def form_of(path: str) -> Form | None:
    """Which form a path speaks; None when it takes no scripted reply."""
    plain = path.partition("?")[0]
    return next((form for ending, form in _ENDINGS if plain.endswith(ending)), None)


def models() -> Body:
    """The list of served models."""
    return {"object": "list", "data": [{"id": SERVED, "object": "model", "created": CREATED, "owned_by": "tests"}]}


def embeddings(asked: Body) -> Body:
    """A short vector per input."""
    given = asked.get("input")
    inputs = given if isinstance(given, list) and not all(isinstance(part, int) for part in given) else [given]
    vectors = [{"object": "embedding", "index": n, "embedding": [0.5, 0.25, n / 8]} for n in range(len(inputs))]
    return {
        "object": "list",
        "model": asked.get("model", SERVED),
        "data": vectors,
        "usage": {"prompt_tokens": 2, "total_tokens": 2},
    }


def error(status: int, message: str, form: Form | None) -> Body:
    """A refusal."""
    if form == "messages":
        return {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": status}}


def whole(form: Form, reply: Reply, asked: Body, number: int) -> Body:
    """The answer as one object.

    Args:
        form: What the client speaks.
        reply: What is said.
        asked: Body of the request.
        number: Of the reply; makes ids that differ.
    """
    return _WHOLE[form](reply, asked, number)


def stream(form: Form, reply: Reply, asked: Body, number: int) -> list[str]:
    """The answer as server-sent events; arguments as for `whole`."""
    return list(_STREAM[form](reply, asked, number))


def _model(asked: Body) -> str:
    return str(asked.get("model", SERVED))


def _chat_head(kind: str, asked: Body, number: int) -> Body:
    return {"id": f"chatcmpl-{number}", "object": kind, "created": CREATED, "model": _model(asked)}


def _chat_usage(reply: Reply) -> Body:
    total = reply.input_tokens + reply.output_tokens
    return {"prompt_tokens": reply.input_tokens, "completion_tokens": reply.output_tokens, "total_tokens": total}


def _functions(asked: Body) -> bool:
    """Whether the client speaks of functions, the older word for tools."""
    return bool(asked.get("functions")) and not asked.get("tools")


def _chat_tools(reply: Reply, asked: Body, number: int) -> Body:
    if not reply.tools:
        return {}
    if _functions(asked):
        name, arguments = reply.tools[0]
        return {"function_call": {"name": name, "arguments": arguments}}
    made = [
        {"id": f"call_{number}_{n}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for n, (name, arguments) in enumerate(reply.tools)
    ]
    return {"tool_calls": made}


def _chat_finish(reply: Reply, asked: Body) -> str:
    wanted = ("function_call" if _functions(asked) else "tool_calls") if reply.tools else "stop"
    return reply.finish or wanted


def _chat_whole(reply: Reply, asked: Body, number: int) -> Body:
    content = None if reply.tools and not reply.content else reply.content
    message = {"role": "assistant", "content": content} | _chat_tools(reply, asked, number)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _chat_finish(reply, asked)}
    return _chat_head("chat.completion", asked, number) | {"choices": [choice], "usage": _chat_usage(reply)}


def _data(body: Body) -> str:
    return f"data: {json.dumps(body)}\n\n"


def _chat_stream(reply: Reply, asked: Body, number: int) -> Iterator[str]:
    head = _chat_head("chat.completion.chunk", asked, number)

    def piece(delta: Body, finish: str | None = None) -> str:
        return _data(head | {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]})

    yield piece({"role": "assistant", "content": None if reply.tools else ""})
    for part in reply.parts:
        yield piece({"content": part})
    made = _chat_tools(reply, asked, number)
    if "function_call" in made:
        yield piece(made)
    for n, tool in enumerate(made.get("tool_calls", ())):
        arguments = tool["function"]["arguments"]
        half = len(arguments) // 2
        opening = tool | {"index": n, "function": {"name": tool["function"]["name"], "arguments": arguments[:half]}}
        yield piece({"tool_calls": [opening]})
        yield piece({"tool_calls": [{"index": n, "function": {"arguments": arguments[half:]}}]})
    yield piece({}, _chat_finish(reply, asked))
    if (asked.get("stream_options") or {}).get("include_usage"):
        yield _data(head | {"choices": [], "usage": _chat_usage(reply)})
    yield "data: [DONE]\n\n"


def _completion_whole(reply: Reply, asked: Body, number: int) -> Body:
    head = {"id": f"cmpl-{number}", "object": "text_completion", "created": CREATED, "model": _model(asked)}
    choice = {"index": 0, "text": reply.content, "logprobs": None, "finish_reason": reply.finish or "stop"}
    return head | {"choices": [choice], "usage": _chat_usage(reply)}


def _completion_stream(reply: Reply, asked: Body, number: int) -> Iterator[str]:
    body = _completion_whole(reply, asked, number)
    del body["usage"]
    for part in reply.parts:
        yield _data(body | {"choices": [{"index": 0, "text": part, "logprobs": None, "finish_reason": None}]})
    last = {"index": 0, "text": "", "logprobs": None, "finish_reason": reply.finish or "stop"}
    yield _data(body | {"choices": [last]})
    yield "data: [DONE]\n\n"


def _said(reply: Reply, number: int) -> Body:
    part = {"type": "output_text", "text": reply.content, "annotations": [], "logprobs": []}
    return {
        "type": "message",
        "id": f"msg_{number}",
        "status": "completed",
        "role": "assistant",
        "content": [part],
    }


def _items(reply: Reply, number: int) -> list[Body]:
    items = [_said(reply, number)] if reply.content or not reply.tools else []
    for n, (name, arguments) in enumerate(reply.tools):
        ids = {"id": f"fc_{number}_{n}", "call_id": f"call_{number}_{n}"}
        items.append({"type": "function_call", "name": name, "arguments": arguments, "status": "completed"} | ids)
    return items


def _response(asked: Body, number: int, status: str, output: list[Body]) -> Body:
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": asked.get("instructions"),
        "metadata": {},
        "model": _model(asked),
        "output": output,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": asked.get("tool_choice") or "auto",
        "tools": asked.get("tools") or [],
        "top_p": 1.0,
        "usage": None,
    }


def _responses_whole(reply: Reply, asked: Body, number: int) -> Body:
    usage = {
        "input_tokens": reply.input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": reply.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": reply.input_tokens + reply.output_tokens,
    }
    return _response(asked, number, "completed", _items(reply, number)) | {"usage": usage}


def _responses_stream(reply: Reply, asked: Body, number: int) -> Iterator[str]:
    for sequence, (name, fields) in enumerate(_responses_events(reply, asked, number)):
        body = json.dumps({"type": name, "sequence_number": sequence} | fields)
        yield f"event: {name}\ndata: {body}\n\n"


def _responses_events(reply: Reply, asked: Body, number: int) -> Iterator[tuple[str, Body]]:
    begun = _response(asked, number, "in_progress", [])
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    for index, item in enumerate(_items(reply, number)):
        at = {"output_index": index, "item_id": item["id"]}
        if item["type"] == "message":
            empty = item | {"status": "in_progress", "content": []}
            part = item["content"][0]
            yield "response.output_item.added", {"output_index": index, "item": empty}
            yield "response.content_part.added", at | {"content_index": 0, "part": part | {"text": ""}}
            for piece in reply.parts:
                yield "response.output_text.delta", at | {"content_index": 0, "delta": piece, "logprobs": []}
            yield "response.output_text.done", at | {"content_index": 0, "text": reply.content, "logprobs": []}
            yield "response.content_part.done", at | {"content_index": 0, "part": part}
        else:
            empty = item | {"status": "in_progress", "arguments": ""}
            yield "response.output_item.added", {"output_index": index, "item": empty}
            yield "response.function_call_arguments.delta", at | {"delta": item["arguments"]}
            done = at | {"arguments": item["arguments"], "name": item["name"]}
            yield "response.function_call_arguments.done", done
        yield "response.output_item.done", {"output_index": index, "item": item}
    yield "response.completed", {"response": _responses_whole(reply, asked, number)}


def _blocks(reply: Reply, number: int) -> list[Body]:
    blocks: list[Body] = [{"type": "text", "text": reply.content}] if reply.content or not reply.tools else []
    for n, (name, arguments) in enumerate(reply.tools):
        try:
            given = json.loads(arguments)
        except ValueError:
            given = {"raw": arguments}
        blocks.append({"type": "tool_use", "id": f"toolu_{number}_{n}", "name": name, "input": given})
    return blocks


def _stop_reason(reply: Reply) -> str:
    if reply.finish:
        return {"length": "max_tokens", "stop": "end_turn", "tool_calls": "tool_use"}.get(reply.finish, reply.finish)
    return "tool_use" if reply.tools else "end_turn"


def _messages_whole(reply: Reply, asked: Body, number: int) -> Body:
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": _model(asked),
        "content": _blocks(reply, number),
        "stop_reason": _stop_reason(reply),
        "stop_sequence": None,
        "usage": {"input_tokens": reply.input_tokens, "output_tokens": reply.output_tokens},
    }


def _messages_stream(reply: Reply, asked: Body, number: int) -> Iterator[str]:
    for name, fields in _messages_events(reply, asked, number):
        yield f"event: {name}\ndata: {json.dumps({'type': name} | fields)}\n\n"


def _messages_events(reply: Reply, asked: Body, number: int) -> Iterator[tuple[str, Body]]:
    final = _messages_whole(reply, asked, number)
    begun = final | {
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": reply.input_tokens, "output_tokens": 1},
    }
    yield "message_start", {"message": begun}
    arguments = [text for _, text in reply.tools]
    for index, block in enumerate(final["content"]):
        at = {"index": index}
        if block["type"] == "text":
            yield "content_block_start", at | {"content_block": {"type": "text", "text": ""}}
            for piece in reply.parts:
                yield "content_block_delta", at | {"delta": {"type": "text_delta", "text": piece}}
        else:
            given = arguments.pop(0)
            yield "content_block_start", at | {"content_block": block | {"input": {}}}
            for piece in (given[: len(given) // 2], given[len(given) // 2 :]):
                yield "content_block_delta", at | {"delta": {"type": "input_json_delta", "partial_json": piece}}
        yield "content_block_stop", at
    ended = {"stop_reason": final["stop_reason"], "stop_sequence": None}
    yield "message_delta", {"delta": ended, "usage": {"output_tokens": reply.output_tokens}}
    yield "message_stop", {}


_WHOLE: dict[Form, Callable[[Reply, Body, int], Body]] = {
    "chat": _chat_whole,
    "completion": _completion_whole,
    "responses": _responses_whole,
    "messages": _messages_whole,
}
_STREAM: dict[Form, Callable[[Reply, Body, int], Iterator[str]]] = {
    "chat": _chat_stream,
    "completion": _completion_stream,
    "responses": _responses_stream,
    "messages": _messages_stream,
}
