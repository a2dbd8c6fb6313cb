"""`stratum doctor`: everything this machine needs, each with the line that fixes it.

A check is a function from the settings to one `Check`; CHECKS lists them in the order shown. A check never raises.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Callable
from typing import Literal, NamedTuple

import typer
from rich.text import Text

from stratum_lab.cli.output import JsonFlag, command, emit_json, say, settings, stdout
from stratum_lab.errors import EXIT_CONFIG, StratumError
from stratum_lab.kafka import broker
from stratum_lab.kafka.address import bootstrap
from stratum_lab.kafka.backends import docker
from stratum_lab.kafka.backends.apache import MIN_JAVA, java_major
from stratum_lab.kafka.backends.base import free_port, port_holder, port_taken
from stratum_lab.kafka.backends.memory import INSTALL, PACKAGE
from stratum_lab.kafka.backends.select import obstacles
from stratum_lab.observe.logs import clean
from stratum_lab.settings import Settings

doctor_app = typer.Typer(add_completion=False)

MIN_PYTHON = (3, 11)
MIN_FREE_BYTES = 2 * 1024**3
"""A broker with its jars, a small log and a warehouse fit; below this the check warns."""

STREAM_PACKAGES = ("faust-streaming", "mode-streaming", "aiokafka", "cramjam")
_PROBE_S = 3.0

Level = Literal["ok", "warn", "fail"]


class Check(NamedTuple):
    """What one check found; `fix` is empty when all is well."""

    name: str
    level: Level
    detail: str
    fix: str = ""


def _python(_: Settings) -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < MIN_PYTHON:
        return Check("python", "fail", f"{version}, 3.11 or newer is needed", "apt-get install python3.11")
    return Check("python", "ok", version)


def _streams(_: Settings) -> Check:
    found, missing = [], []
    for package in STREAM_PACKAGES:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(package)
    # Faust puts a module without a spec in its place once it is imported; then it needs no looking for.
    missing += [n for n in ("faust", "cramjam") if n not in sys.modules and importlib.util.find_spec(n) is None]
    if missing:
        why = "without cramjam a compressed batch kills the worker" if "cramjam" in missing else "not installed"
        return Check("streams", "fail", f"missing: {', '.join(missing)} ({why})", "make setup")
    return Check("streams", "ok", ", ".join(found))


def _duckdb(_: Settings) -> Check:
    # DuckDB is loaded only by the commands that need it; this is one.
    try:
        from stratum_lab.warehouse.database import connect_memory
    except ImportError as exc:
        return Check("duckdb", "fail", f"cannot be imported: {exc}", "make setup")
    try:
        connect_memory().close()
    except StratumError as exc:
        return Check("duckdb", "fail", exc.message, exc.remedy or "make setup")
    return Check("duckdb", "ok", f"{importlib.metadata.version('duckdb')}, extensions load")


def _git(_: Settings) -> Check:
    """Git fetches repositories to scan; two small programs end it when its worker dies."""
    if shutil.which("git") is None:
        return Check("git", "warn", "none here; repositories at Git addresses cannot be scanned", "apt-get install git")
    lacking = [name for name in ("setpriv", "timeout") if sys.platform == "linux" and shutil.which(name) is None]
    if lacking:
        note = f"found; without {', '.join(lacking)} a clone outlives a worker that is killed"
        return Check("git", "warn", note, "apt-get install util-linux coreutils")
    return Check("git", "ok", shutil.which("git") or "")


def _java(_: Settings) -> Check:
    major, fix = java_major(), "apt-get install openjdk-17-jre-headless"
    if major is None:
        return Check("java", "warn", "none here; the apache back-end needs it", fix)
    if major < MIN_JAVA:
        return Check("java", "warn", f"{major}, the apache back-end needs {MIN_JAVA} or newer", fix)
    return Check("java", "ok", str(major))


def _maven(_: Settings) -> Check:
    found = shutil.which("mvn")
    if found is None:
        return Check("maven", "warn", "none here; the apache back-end needs it once", "apt-get install maven")
    return Check("maven", "ok", found)


def _engine(_: Settings) -> Check:
    try:
        return Check("container engine", "ok", docker.engine_version())
    except StratumError as exc:
        return Check("container engine", "warn", exc.message, exc.remedy or docker.START_ENGINE)


def _compose(_: Settings) -> Check:
    if docker.has_compose():
        return Check("compose", "ok", "plugin found")
    return Check(
        "compose",
        "warn",
        "no plugin; Kafka alone starts without it, the registry, Prometheus and Grafana profiles do not",
        "apt-get install docker-compose-plugin",
    )


def _image(loaded: Settings) -> Check:
    image = loaded.broker.image
    if docker.image_present(image):
        return Check("kafka image", "ok", image)
    return Check(
        "kafka image",
        "warn",
        f"{image} is not here",
        f"docker pull {image}; or compose/image/build.sh, then STRATUM_BROKER__IMAGE=stratum/kafka:"
        f"{loaded.broker.kafka_version}",
    )


def _memory(_: Settings) -> Check:
    if importlib.util.find_spec(PACKAGE) is None:
        return Check("memory broker", "warn", "the optional extra is not installed", INSTALL)
    return Check("memory broker", "ok", "Tansu found; its log dies with it")


def _backend(loaded: Settings) -> Check:
    found = obstacles(loaded)
    wanted = loaded.broker.backend
    if wanted != "auto":
        obstacle = found[wanted]
        if obstacle is not None:
            return Check("back-end", "fail", f"{wanted}: {obstacle.reason}", obstacle.fix)
        return Check("back-end", "ok", wanted)
    usable = [name for name, obstacle in found.items() if obstacle is None]
    if not usable:
        return Check("back-end", "fail", "none applies here", "apt-get install openjdk-17-jre-headless maven")
    return Check("back-end", "ok", f"auto tries {', '.join(usable)}")


def _home(loaded: Settings) -> Check:
    home = loaded.home
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as exc:
        return Check(
            "home", "fail", f"{home} cannot be written: {exc.strerror}", "set STRATUM_HOME to a folder of yours"
        )
    return Check("home", "ok", str(home.absolute()))


def _disk(loaded: Settings) -> Check:
    place = loaded.home.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    floor = loaded.warehouse.min_free_mb * 1024**2
    shown = f"{free / 1024**3:.1f} GiB free in {place}"
    if free < floor:
        return Check("disk", "fail", f"{shown}, below warehouse.min_free_mb", "make room, or set STRATUM_HOME")
    if free < MIN_FREE_BYTES:
        return Check("disk", "warn", shown, "make room, or set STRATUM_HOME")
    return Check("disk", "ok", shown)


def _broker(loaded: Settings) -> Check:
    try:
        where = bootstrap(loaded)
    except StratumError as exc:
        return Check("broker", "warn", exc.message, "stratum up")
    if broker.answers(loaded, where, _PROBE_S):
        return Check("broker", "ok", f"answers at {where}")
    fix = "check STRATUM_BROKER__BOOTSTRAP" if loaded.broker.bootstrap else "stratum up"
    return Check("broker", "fail", f"{where} does not answer", fix)


def _port(loaded: Settings) -> Check:
    host, port = loaded.broker.host, loaded.broker.port
    if loaded.broker.bootstrap:
        return Check("port", "ok", "not needed, the broker is external")
    try:
        ours = broker.running(loaded)
    except StratumError as exc:
        return Check("port", "fail", exc.message, exc.remedy or "stratum down")
    if ours is not None:
        return Check("port", "ok", f"{ours.bootstrap} is our broker's")
    if not port_taken(host, port):
        return Check("port", "ok", f"{host}:{port} is free")
    holder = port_holder(port)
    by = f" by {holder}" if holder else ""
    return Check("port", "warn", f"{host}:{port} is in use{by}", f"stratum up --port {free_port(host)}")


def _registry(loaded: Settings) -> Check:
    if loaded.registry.url is None:
        return Check("registry", "ok", "none configured; the ids of the lock file are written")
    # The HTTP client costs start-up time and most machines have no registry.
    from stratum_lab.kafka.registry import HttpRegistry

    try:
        with HttpRegistry(loaded.registry) as registry:
            registry.check()
    except StratumError as exc:
        fix = exc.remedy or "check STRATUM_REGISTRY__URL"
        return Check("registry", "fail", exc.message, fix)
    return Check("registry", "ok", f"answers at {loaded.registry.url}")


CHECKS: tuple[Callable[[Settings], Check], ...] = (
    _python,
    _streams,
    _duckdb,
    _home,
    _disk,
    _git,
    _java,
    _maven,
    _engine,
    _compose,
    _image,
    _memory,
    _backend,
    _port,
    _broker,
    _registry,
)


_STYLE = {"ok": "green", "warn": "yellow", "fail": "red"}


def _show(check: Check) -> None:
    """One line, and below it the fix; never wrapped by us, so that a fix can be copied whole."""
    line = Text.assemble((f"{check.level:4}", _STYLE[check.level]), f"  {check.name:16}  {clean(check.detail)}")
    stdout.print(line, soft_wrap=True)
    if check.fix:
        stdout.print(f"      fix: {clean(check.fix)}", markup=False, soft_wrap=True)


@doctor_app.command()
@command
def doctor(as_json: JsonFlag = False) -> None:
    """Check everything this machine needs, each with its fix. Exits 78 when something required is missing."""
    loaded = settings()
    found = [check(loaded) for check in CHECKS]
    failed = [c for c in found if c.level == "fail"]
    if as_json:
        emit_json({"ok": not failed, "checks": [c._asdict() for c in found]})
    else:
        for c in found:
            _show(c)
        if failed:
            say(f"missing: {', '.join(c.name for c in failed)}")
        else:
            say("everything required is here")
    if failed:
        raise typer.Exit(EXIT_CONFIG)
