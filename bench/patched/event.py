"""Time of one event: a payload of usual size, encoded and written to the events file. Argument: number of events."""

import json
import statistics
import sys
import time

from stratum_patcher import emit, nodes
from stratum_patcher.frame import Frame

FRAME = Frame("openai", "openai", "openai")
NODE = nodes.node("openai", "ChatCompletion", ("agents/planner.py", 120), "capability")
PAYLOAD = {
    "status": "success",
    "latency_ms": 812.43,
    "model_requested": "gpt-4o-mini",
    "active_node_stack": ["crewai:Planner:agents/planner.py:14"],
    "input_tokens": 512,
    "output_tokens": 96,
    "finish_reason": "stop",
    "output_hash": "0" * 64,
    "output_type": "long_text",
    "output_size_bytes": 2048,
}


def main():
    """Measure in rounds of a hundred, and print the median of an event."""
    number = int(sys.argv[1])
    times = []
    for _ in range(number // 100):
        begun = time.perf_counter_ns()
        for _ in range(100):
            emit.emit(FRAME, "llm.call_end", source=NODE, parent="evt_0123456789abcdef", payload=PAYLOAD, depth=1)
        times.append((time.perf_counter_ns() - begun) / 100)
    print(json.dumps({"median_us": statistics.median(times) / 1000, "events": number, "dropped": emit.writer.dropped}))


if __name__ == "__main__":
    main()
