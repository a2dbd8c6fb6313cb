"""What is told of any program: uncaught errors, files, requests; here without libraries and without a network."""

from __future__ import annotations

import gc
import http.client
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from stratum_patcher import _start, emit, nodes, redirect, spans, threads, wrap
from stratum_patcher.frame import Frame
from stratum_patcher.frames import errors, files, http_models
from stratum_patcher.frames import http as requests_out

from .conftest import Events


def raised(error: BaseException) -> BaseException:
    """The exception, with a traceback."""
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


def test_an_uncaught_exception_is_told_at_its_innermost_place_in_the_repository(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "ROOT", str(Path(__file__).parent) + os.sep)
    errors.tell_uncaught(raised(RuntimeError("boom")))
    (told,) = events()
    place = f"{Path(__file__).name}:{raised.__code__.co_firstlineno + 3}"
    assert told["event_type"] == "error.occurred"
    assert told["source_node"]["node_id"] == f"generic:exception:{place}"
    assert told["payload"]["error_message"] == "boom"


def test_an_exception_without_a_traceback_has_no_place(events: Events) -> None:
    errors.tell_uncaught(RuntimeError("boom"))
    assert events()[0]["source_node"]["node_id"] == "generic:exception:-:0"


@pytest.mark.parametrize("error", [None, SystemExit(1), KeyboardInterrupt(), GeneratorExit()], ids=str)
def test_ways_to_end_a_program_are_no_errors(events: Events, error: BaseException | None) -> None:
    errors.tell_uncaught(error)
    assert events() == []


def test_what_a_span_told_is_not_told_again(events: Events, frame: Frame) -> None:
    error = raised(RuntimeError("boom"))
    spans.error(frame, nodes.node("openai", "x"), error)
    errors.tell_uncaught(error)
    assert len(events()) == 1


def threading_like() -> ModuleType:
    """A module with the factory of `threading`."""
    module = ModuleType("threading")

    def _make_invoke_excepthook() -> Any:
        return lambda thread: ("shown", thread, sys.exc_info()[1])

    module._make_invoke_excepthook = _make_invoke_excepthook  # type: ignore[attr-defined]
    return module


def test_a_threads_exception_is_told_and_then_handled_as_ever(events: Events) -> None:
    module = threading_like()
    assert threads.watch(module) and threads.watch(module)
    invoke = module._make_invoke_excepthook()
    error = LookupError("gone")
    try:
        raise error
    except LookupError:
        assert invoke("thread") == ("shown", "thread", error)
    assert [event["payload"]["error_type"] for event in events()] == ["LookupError"]
    errors.watch_threads(module)


def test_a_python_that_hands_thread_errors_over_in_another_way_is_told_so() -> None:
    with pytest.raises(wrap.NotApplied, match="_make_invoke_excepthook"):
        errors.watch_threads(ModuleType("threading"))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository with an output folder inside."""
    folder = tmp_path.resolve() / "app"
    (folder / "output").mkdir(parents=True)
    monkeypatch.setattr(nodes, "ROOT", str(folder) + os.sep)
    monkeypatch.setattr(files, "_APART", (str(folder / "output") + os.sep,))
    monkeypatch.setattr(files, "_told", set())
    monkeypatch.chdir(folder)
    yield folder


def told(events: Events) -> list[tuple[str, str, str]]:
    """Type, path and mode of the events of files."""
    return [(event["event_type"], event["payload"]["path"], event["payload"]["mode"]) for event in events()]


def test_plain_files_of_the_repository_are_told_by_relative_path(events: Events, root: Path) -> None:
    (root / "a.txt").touch()
    files.opened("a.txt", "r", os.O_RDONLY)
    files.opened(str(root / "a.txt"), "rb", os.O_RDONLY)
    files.opened(str(root / "sub" / ".." / "a.txt"), "r+", os.O_RDWR)
    files.opened("new.txt", None, os.O_WRONLY | os.O_CREAT)
    files.opened("log.txt", None, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    assert told(events) == [
        ("file.read", "a.txt", "r"),
        ("file.write", "a.txt", "r+"),
        ("file.write", "new.txt", "w"),
        ("file.write", "log.txt", "a"),
    ]
    assert events()[0]["source_node"]["node_id"] == "generic:file_io:a.txt:0"


def test_what_is_no_data_of_the_repository_is_not_told(events: Events, root: Path) -> None:
    for path in ("code.py", ".git/index", "__pycache__/x.pyc", "lib/site-packages/x.txt", "output/run.jsonl", "plain"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    (root / "folder").mkdir()
    for path in ("code.py", ".git/index", "__pycache__/x.pyc", "lib/site-packages/x.txt", "output/run.jsonl"):
        files.opened(path, "r", os.O_RDONLY)
    files.opened("folder", "r", os.O_RDONLY)
    files.opened("none.txt", "r", os.O_RDONLY)
    files.opened("nowhere/none.txt", "w", os.O_WRONLY | os.O_CREAT)
    files.opened("none.txt", None, os.O_WRONLY)
    files.opened("/etc/hostname", "r", os.O_RDONLY)
    files.opened("../outside.txt", "w", os.O_WRONLY | os.O_CREAT)
    assert told(events) == []


def test_one_file_is_told_once_for_each_agent_at_work(events: Events, root: Path, frame: Frame) -> None:
    for name in ("ann", "ben"):
        with_agent = spans.Agent(frame, nodes.node("autogen", name))
        files.opened("a.txt", "w", os.O_WRONLY | os.O_CREAT)
        files.opened("a.txt", "a", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        with_agent.close()
    written = [event for event in events() if event["event_type"] == "file.write"]
    assert [event["stack_depth"] for event in written] == [1, 1]


def test_beyond_the_limit_files_are_counted(events: Events, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST", 2)
    for name in "abcd":
        files.opened(name, "w", os.O_WRONLY | os.O_CREAT)
    assert len(told(events)) == 2
    assert emit.writer.dropped == {"files_beyond_limit": 2}


def test_the_audit_hook_hands_over_only_what_may_be_data(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Any, ...]] = []
    monkeypatch.setattr(_start, "_opened", lambda *args: seen.append(args))
    audit = _start._audit("/app/")
    for event, args in (
        ("open", ("/app/data.txt", "r", 0)),
        ("open", ("data.txt", "w", 1)),
        ("open", ("/app/made.py", "w", 1)),
        ("open", ("/app/main.py", "r", 0)),
        ("open", ("/app/x/__pycache__/main.pyc.12", None, 1)),
        ("open", ("/etc/passwd", "r", 0)),
        ("open", (3, "r", 0)),
        ("open", (b"/app/data.txt", "r", 0)),
        ("import", ("json",)),
        ("os.listdir", ("/app",)),
    ):
        audit(event, args)
    assert [args[0] for args in seen] == ["/app/data.txt", "data.txt", "/app/made.py"]


@pytest.mark.parametrize(
    ("host", "path", "local", "generates"),
    [
        ("api.openai.com", "/v1/chat/completions", False, True),
        ("api.openai.com", "/v1/responses", False, True),
        ("api.openai.com", "/v1/files", False, False),
        ("api.anthropic.com", "/v1/messages", False, True),
        ("api.anthropic.com", "/v1/messages/batches", False, False),
        ("generativelanguage.googleapis.com", "/v1beta/models/gemini-pro:streamGenerateContent", False, True),
        ("generativelanguage.googleapis.com", "/v1beta/models", False, False),
        ("team.openai.azure.com", "/openai/deployments/gpt/chat/completions", False, True),
        ("bedrock-runtime.us-east-1.amazonaws.com", "/model/anthropic.claude-v2:1/invoke", False, True),
        ("api-inference.huggingface.co", "/models/google/flan-t5", False, True),
        ("localhost", "/api/chat", True, True),
        ("127.0.0.1", "/v1/chat/completions", True, True),
        ("127.0.0.1", "/orders/completions", True, False),
        ("api.example.com", "/v1/chat/completions", False, False),
    ],
)
def test_requests_that_make_a_model_generate_are_known_by_host_and_path(
    host: str, path: str, local: bool, generates: bool
) -> None:
    assert http_models.is_generation(host, path, local=local) is generates


@pytest.mark.parametrize(
    ("path", "body", "model", "messages", "tools"),
    [
        ("/v1/chat/completions", b'{"model": "m", "messages": [1, 2], "tools": [1]}', "m", [1, 2], True),
        ("/v1/completions", '{"model": "m", "prompt": "Hi."}', "m", [{"role": "user", "content": "Hi."}], False),
        ("/v1beta/models/gemini-pro:generateContent", b'{"contents": [1]}', "gemini-pro", [1], False),
        ("/model/anthropic.claude-v2:1/invoke", b"not json", "anthropic.claude-v2:1", None, False),
        ("/models/google/flan-t5", b'{"inputs": "x"}', "google/flan-t5", None, False),
        ("/openai/deployments/gpt/chat/completions", iter(()), "gpt", None, False),
        ("/v1/chat/completions", {"model": "m", "messages": [], "tools": []}, "m", None, False),
        ("/v1/chat/completions", b"[" * 100_000, None, None, False),
        ("/v1/chat/completions", b"[]", None, None, False),
    ],
)
def test_what_a_request_asks_is_read_from_its_body_and_path(
    path: str, body: Any, model: str | None, messages: Any, tools: bool
) -> None:
    assert http_models.question(path, body) == (model, messages, tools)


def out(host: str = "api.example.com", port: int | None = None, path: str = "/x", verb: str = "GET") -> Any:
    """The span of a request, if it is told."""
    return requests_out.begin(requests_out.Request("urllib", verb, host, port, path))


def test_inside_a_model_call_or_another_request_nothing_is_told(events: Events, frame: Frame) -> None:
    outer = out()
    assert out() is None
    outer.close()
    call = spans.Llm(frame, nodes.node("openai", "x", nodes.NOWHERE, "capability"), requested="m")
    assert out() is None
    tool = spans.Tool(frame, nodes.node("openai", "t", nodes.NOWHERE, "capability"), tool_name="t")
    assert out("api.other.com") is not None
    tool.close()
    call.close()
    hosts = [event["payload"]["domain"] for event in events() if event["event_type"] == "external.call"]
    assert hosts == ["api.example.com", "api.example.com", "api.other.com"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "[::1]", "0.0.0.0", "", "LOCALHOST."])
def test_this_machine_is_no_service(events: Events, host: str) -> None:
    assert out(host) is None
    assert events() == []


def test_the_endpoint_is_no_service_and_a_bare_question_to_it_a_model_call(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = redirect.Target("http://models:8000", "http://models:8000/v1", "served", "models:8000")
    monkeypatch.setattr(redirect, "_found", target)
    assert out("models", 8000, "/v1/models") is None
    out("models", 8000, "/v1/chat/completions", "POST").close()
    assert [event["event_type"] for event in events()] == ["llm.call_start", "llm.call_end"]
    assert events()[0]["source_node"]["node_id"] == "generic:http:models:-:0"
    assert out("models", 9000) is not None


def test_a_request_without_a_question_for_its_answer_ends_with_its_connection(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Connection:
        def __init__(self) -> None:
            self.host, self.port = "api.example.com", 443

        def putrequest(self, method: str, url: str) -> None:
            """Sends nothing."""

        def getresponse(self) -> Any:
            return SimpleNamespace(status=204)

        def close(self) -> None:
            """Closes nothing."""

    module = ModuleType("http.client")
    module.HTTPConnection = Connection  # type: ignore[attr-defined]
    with wrap.owned_by("test"):
        requests_out.watch_http_client(module)
    connection = Connection()
    connection.putrequest("GET", "/one?key=secret")
    assert spans.current() is None
    connection.putrequest("GET", "https://api.other.com/two")
    connection.getresponse()
    connection.putrequest("GET", "/three")
    connection.close()
    connection.putrequest("GET", "/four")
    del connection
    gc.collect()
    wrap.undo("test")
    assert requests_out._open == {}
    ended = [event["payload"] for event in events() if event["payload"]["phase"] == "end"]
    assert [(each["domain"], each["status"], each.get("status_code")) for each in ended] == [
        ("api.example.com", "abandoned", None),
        ("api.other.com", "success", 204),
        ("api.example.com", "abandoned", None),
        ("api.example.com", "abandoned", None),
    ]


def test_hooks_of_the_standard_library_can_be_taken_back() -> None:
    before = http.client.HTTPConnection.putrequest, urllib.request.AbstractHTTPHandler.do_open
    with wrap.owned_by("test"):
        requests_out.watch_http_client(http.client)
        requests_out.watch_urllib(urllib.request)
    assert http.client.HTTPConnection.putrequest is not before[0]
    wrap.undo("test")
    assert (http.client.HTTPConnection.putrequest, urllib.request.AbstractHTTPHandler.do_open) == before


def test_threads_and_sources_load_nothing_of_the_patcher_beyond_its_start(tmp_path: Path) -> None:
    """A program that only has threads and imports its own modules pays for nothing."""
    (tmp_path / "part.py").write_text("import threading\n")
    code = (
        f"import sys; sys.path[:0] = [{str(Path(_start.__file__).parents[1])!r}, {str(tmp_path)!r}]\n"
        "from stratum_patcher import _start\n"
        "assert _start.start()\n"
        "import part, threading\n"
        "print(hasattr(threading._make_invoke_excepthook, '__stratum_original__'))\n"
        "print(sorted(name for name in sys.modules if name.startswith('stratum_patcher.')))\n"
    )
    environment = {"STRATUM_EVENTS_FILE": str(tmp_path / "events.jsonl"), "STRATUM_REPO_ROOT": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-S", "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    watched, loaded = ran.stdout.splitlines()
    assert watched == "True"
    assert loaded == str([f"stratum_patcher.{name}" for name in ("_start", "finder", "targets", "threads")])


def test_a_request_whose_answer_cannot_be_read_ends_all_the_same(events: Events) -> None:
    def send() -> object:
        return object()

    def begin(call: wrap.Call) -> wrap.Watch:
        return requests_out._Told(out(), lambda response: response.status)

    module = SimpleNamespace(send=send)
    wrap.method(module, "send", begin)
    assert type(module.send()) is object
    assert spans.current() is None
    assert [e["payload"]["status"] for e in events() if e["payload"].get("phase") == "end"] == ["aborted"]


@pytest.mark.parametrize(
    ("status", "told"),
    [(http.HTTPStatus.NOT_FOUND, ("success", 404)), (503, ("success", 503)), ("gone", ("aborted", None))],
)
def test_the_status_of_an_answer_is_told_as_a_plain_number(
    events: Events, status: Any, told: tuple[str, int | None]
) -> None:
    requests_out._Told(out(), lambda response: status).done(None)
    end = events()[-1]["payload"]
    assert (end["status"], end.get("status_code")) == told
    assert type(end.get("status_code")) in (int, type(None))
