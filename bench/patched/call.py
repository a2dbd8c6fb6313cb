"""Time of one model call through the openai client on an in-process transport, in whatever this interpreter loads.

Arguments: number of calls, and what to load first: nothing, `openinference` or `opentelemetry`. Prints one JSON line:
median microseconds of a call, the number of calls, and how many spans the instrumentation made.
"""

import json
import statistics
import sys
import time

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "served",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Paris. " * 10}}],
    "usage": {"prompt_tokens": 30, "completion_tokens": 20, "total_tokens": 50},
}
MESSAGES = [
    {"role": "system", "content": "You answer questions about geography in one sentence. " * 4},
    {"role": "user", "content": "What is the capital of France, and how many people live there? " * 3},
]


class Counted:
    """An exporter that costs nothing but counts."""

    spans = 0

    def export(self, spans):
        """Count them."""
        from opentelemetry.sdk.trace.export import SpanExportResult

        Counted.spans += len(spans)
        return SpanExportResult.SUCCESS

    def shutdown(self):
        """Nothing to end."""

    def force_flush(self, timeout_millis=30_000):
        """Nothing is held."""
        return True


def instrument(kind):
    """Load a peer with the SDK's own provider and batching processor; returns the provider."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Counted(), max_queue_size=1 << 16))
    if kind == "openinference":
        from openinference.instrumentation.openai import OpenAIInstrumentor
    else:
        from opentelemetry.instrumentation.openai import OpenAIInstrumentor
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    return provider


def client():
    """A client whose requests are answered in this process."""
    import httpx
    import openai

    body = json.dumps(ANSWER).encode()

    def answer(request):
        return httpx.Response(200, content=body, headers={"content-type": "application/json"})

    return openai.OpenAI(
        api_key="sk-none",
        base_url="http://endpoint.test/v1",
        http_client=httpx.Client(transport=httpx.MockTransport(answer)),
    )


def main():
    """Measure and print."""
    number, kind = int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""
    provider = instrument(kind) if kind else None
    create = client().chat.completions.create
    for _ in range(number // 10):
        create(model="gpt-4o", messages=MESSAGES, temperature=0)
    times = []
    clock = time.perf_counter_ns
    for _ in range(number):
        begun = clock()
        create(model="gpt-4o", messages=MESSAGES, temperature=0)
        times.append(clock() - begun)
    if provider is not None:
        provider.force_flush()
    told = {"median_us": statistics.median(times) / 1000, "calls": number, "spans": Counted.spans}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
