"""Typed settings: flag, environment, file, default, in that order; unknown keys are refused.

The environment spells a key `STRATUM_<AREA>__<KEY>`. The file is `stratum.toml` in the current folder, or the one
that `STRATUM_CONFIG` names, with one table per area. This module owns every default; commands only override.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from stratum_lab.errors import SettingsError

ENV_PREFIX = "STRATUM_"
CONFIG_ENV = "STRATUM_CONFIG"
DEFAULT_FILE = "stratum.toml"

Backend = Literal["auto", "external", "docker", "apache", "memory"]


class _Area(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class BrokerSettings(_Area):
    """Where the log lives and, when it is ours to start, how."""

    backend: Backend = Field("auto", description="Which broker `stratum up` provides.")
    bootstrap: str | None = Field(None, description="host:port[,host:port] of a broker somebody else runs.")
    host: str = Field("127.0.0.1", description="Address a broker started here listens on.")
    port: int = Field(9092, ge=1, le=65535, description="Port a broker started here listens on.")
    controller_port: int = Field(9093, ge=1, le=65535, description="KRaft controller port (apache back-end).")
    heap_mb: int = Field(768, ge=256, description="Java heap of a broker started here, MiB.")
    start_timeout_s: float = Field(90.0, gt=0, description="How long `up` waits for the broker, seconds.")
    kafka_version: str = Field("4.1.1", description="Apache Kafka version of the apache back-end.")
    image: str = Field("apache/kafka:4.1.1", description="Image of the docker back-end.")
    registry_image: str = Field("apicurio/apicurio-registry:3.0.6", description="Image of the optional registry.")
    prometheus_image: str = Field("prom/prometheus:v3.5.0", description="Image of the metrics profile.")
    grafana_image: str = Field("grafana/grafana:12.1.0", description="Image of the dashboards profile.")
    profiles: tuple[Literal["registry", "prometheus", "grafana"], ...] = Field(
        (), description="Optional compose profiles started with the docker back-end."
    )


class KafkaSettings(_Area):
    """How clients talk to the broker and how topics are made."""

    topic_prefix: str = Field("stratum.", pattern=r"^[A-Za-z0-9._-]*$", description="Prefix of every topic name.")
    partitions: int = Field(12, ge=1, le=1000, description="Partitions of topics that do not say otherwise.")
    replication: int = Field(1, ge=1, description="Replication factor of created topics.")
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = Field("lz4", description="Producer compression.")
    security: dict[str, str] = Field(
        default_factory=dict, description="Extra librdkafka properties, such as security.protocol and sasl.*."
    )
    request_timeout_s: float = Field(20.0, gt=0, description="Time allowed to one broker call, seconds.")
    queue_messages: int = Field(100_000, ge=1, description="Messages a producer may hold before it blocks.")


class RegistrySettings(_Area):
    """Optional Confluent-compatible schema registry."""

    url: str | None = Field(None, description="Base URL of the registry; none: ids of the lock file are written.")
    username: str | None = Field(None, description="User for basic authentication.")
    password: SecretStr | None = Field(None, description="Password for basic authentication.")


class StreamsSettings(_Area):
    """The Faust application that folds events into records."""

    app_id: str = Field("stratum-streams", pattern=r"^[a-z0-9._-]+$", description="Faust application id.")
    datadir: Path | None = Field(None, description="Faust's data folder; default: <home>/faust.")
    session_timeout_s: float = Field(10.0, ge=1, description="Consumer session timeout, seconds.")
    commit_interval_s: float = Field(1.0, gt=0, description="Offset commit interval, seconds.")
    sweep_interval_s: float = Field(
        5.0, gt=0, description="How often missing input and unacknowledged output are sought."
    )
    incomplete_after_s: float = Field(
        600.0, gt=0, description="A finished run with holes is closed after this, seconds."
    )
    stuck_after_s: float = Field(
        120.0, gt=0, description="A committed offset that does not move this long is an alarm."
    )
    metrics_port: int = Field(0, ge=0, le=65535, description="Prometheus port of the worker; 0: none.")


class WarehouseSettings(_Area):
    """DuckDB and the door that serves it."""

    path: Path | None = Field(None, description="Database file; default: <home>/warehouse.duckdb.")
    host: str = Field("127.0.0.1", description="Address the read-only door listens on.")
    port: int = Field(9494, ge=0, le=65535, description="Port of the read-only door; 0: any free one.")
    token: SecretStr | None = Field(
        None, description="Token of the door; default: drawn once into <home>/warehouse.token."
    )
    batch_rows: int = Field(
        125_000, ge=1, description="Rows gathered before a transaction; from 122,880 on DuckDB writes them compressed."
    )
    batch_seconds: float = Field(1.0, gt=0, description="Time after which a smaller batch is written, seconds.")
    memory_limit: str = Field("4GB", description="DuckDB's memory limit.")
    threads: int = Field(2, ge=1, description="DuckDB's threads.")
    min_free_mb: int = Field(64, ge=0, description="Below this much free disk the sink pauses, MiB.")
    metrics_port: int = Field(0, ge=0, le=65535, description="Prometheus port of the sink; 0: none.")


class ArchiveSettings(_Area):
    """Avro container files of the raw topics."""

    dir: Path | None = Field(None, description="Folder of the archive; default: <home>/archive.")
    roll_mb: int = Field(128, ge=1, description="Size at which a file is closed, MiB.")
    roll_seconds: float = Field(300.0, gt=0, description="Age at which a file is closed, seconds.")


class ScanSettings(_Area):
    """How much one scan attempt may read and use."""

    timeout_seconds: float = Field(300.0, gt=0, description="Wall time of one attempt, fetching included, seconds.")
    memory_bytes: int = Field(1 << 30, ge=64 << 20, description="Memory of the scanning process, bytes.")
    clone_bytes: int = Field(2 << 30, ge=1, description="Size of a clone or of an unpacked archive, bytes.")
    files: int = Field(100_000, ge=1, description="Files walked; a tree with more fails.")
    candidate_files: int = Field(20_000, ge=1, description="Files parsed; one beyond counts as a parser error.")
    candidate_bytes: int = Field(256 << 20, ge=1, description="Bytes parsed; a file beyond counts as a parser error.")
    file_bytes: int = Field(1 << 20, ge=1, description="Size of one parsed file, bytes.")
    nesting: int = Field(1_000, ge=1, description="Depth of one expression or elif chain.")


class JobsSettings(_Area):
    """The workers that take scan jobs."""

    attempts: int = Field(2, ge=1, le=64, description="Scan attempts that run at once in one worker.")
    scratch: Path | None = Field(None, description="Folder for what is fetched; default: <home>/scratch.")
    min_free_mb: int = Field(512, ge=0, description="Below this much free disk in it no attempt begins, MiB.")
    stop_grace_s: float = Field(20.0, ge=0, description="Time running attempts have to end when stopped, seconds.")
    metrics_port: int = Field(0, ge=0, le=65535, description="Prometheus port of the worker; 0: none.")


class GithubSettings(_Area):
    """GitHub's API, asked by discovery and for lists that are checked."""

    url: str = Field("https://api.github.com", pattern=r"^https?://", description="Base address of the API.")
    token: SecretStr | None = Field(None, description="Token; without one GitHub is not asked.")


class LogSettings(_Area):
    """What is logged, and how it looks."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level shown.")
    format: Literal["auto", "console", "json"] = Field("auto", description="auto: console on a terminal, else JSON.")


class Settings(_Area):
    """All settings of one process."""

    home: Path = Field(Path(".stratum"), description="Folder for everything this project keeps on this machine.")
    broker: BrokerSettings = Field(default_factory=lambda: BrokerSettings())
    kafka: KafkaSettings = Field(default_factory=lambda: KafkaSettings())
    registry: RegistrySettings = Field(default_factory=lambda: RegistrySettings())
    streams: StreamsSettings = Field(default_factory=lambda: StreamsSettings())
    warehouse: WarehouseSettings = Field(default_factory=lambda: WarehouseSettings())
    archive: ArchiveSettings = Field(default_factory=lambda: ArchiveSettings())
    scan: ScanSettings = Field(default_factory=lambda: ScanSettings())
    jobs: JobsSettings = Field(default_factory=lambda: JobsSettings())
    github: GithubSettings = Field(default_factory=lambda: GithubSettings())
    log: LogSettings = Field(default_factory=lambda: LogSettings())

    @property
    def warehouse_path(self) -> Path:
        """The database file."""
        return self.warehouse.path or self.home / "warehouse.duckdb"

    @property
    def archive_dir(self) -> Path:
        """The folder of the archive."""
        return self.archive.dir or self.home / "archive"

    @property
    def scratch_dir(self) -> Path:
        """The folder for what scan workers fetch."""
        return self.jobs.scratch or self.home / "scratch"

    @property
    def faust_dir(self) -> Path:
        """The data folder of the stream worker."""
        return self.streams.datadir or self.home / "faust"


_AREAS: tuple[str, ...] = tuple(n for n, f in Settings.model_fields.items() if n != "home")


def _known_keys() -> Iterator[str]:
    yield "home"
    for area in _AREAS:
        model = Settings.model_fields[area].annotation
        assert isinstance(model, type) and issubclass(model, BaseModel)
        for key in model.model_fields:
            yield f"{area}.{key}"


def known_keys() -> tuple[str, ...]:
    """Every settings key, dotted, sorted."""
    return tuple(sorted(_known_keys()))


def env_name(key: str) -> str:
    """The environment variable of a dotted settings key."""
    return ENV_PREFIX + key.upper().replace(".", "__")


def _unknown(key: str, where: str, spelled: str) -> SettingsError:
    near = difflib.get_close_matches(key, known_keys(), n=1, cutoff=0.0)
    hint = near[0] if near else "home"
    shown = env_name(hint) if where == "environment" else hint
    return SettingsError(
        f"unknown setting {spelled} in the {where}",
        remedy=f"the nearest setting is {shown}; `stratum settings` lists all",
    )


def _from_env(env: Mapping[str, str]) -> dict[str, Any]:
    known = {env_name(k): k for k in known_keys()}
    out: dict[str, Any] = {}
    for name, value in env.items():
        if not name.startswith(ENV_PREFIX):
            continue
        if name in known:
            _put(out, known[name], _parse(known[name], value))
        elif "__" in name[len(ENV_PREFIX) :]:
            # Variables without a double underscore belong to other parts (the patcher's, the test runner's).
            raise _unknown(name[len(ENV_PREFIX) :].lower().replace("__", "."), "environment", name)
    return out


def _parse(key: str, value: str) -> Any:
    """Lists and maps are written `a,b` and `k=v,k=v` in the environment."""
    if key == "broker.profiles":
        return tuple(v.strip() for v in value.split(",") if v.strip())
    if key == "kafka.security":
        return dict(part.split("=", 1) for part in value.split(",") if "=" in part)
    return value


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    area, _, leaf = key.rpartition(".")
    (tree.setdefault(area, {}) if area else tree)[leaf] = value


def _from_file(path: Path) -> dict[str, Any]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise SettingsError(f"settings file {path} cannot be read: {exc}", remedy="correct or remove the file") from exc
    known = set(known_keys())
    out: dict[str, Any] = {}
    for area, value in data.items():
        if area in _AREAS and isinstance(value, dict):
            for leaf, leaf_value in value.items():
                if f"{area}.{leaf}" not in known:
                    raise _unknown(f"{area}.{leaf}", f"file {path}", f"{area}.{leaf}")
                _put(out, f"{area}.{leaf}", leaf_value)
        elif area in known:
            out[area] = value
        else:
            raise _unknown(area, f"file {path}", area)
    return out


def load(
    env: Mapping[str, str] | None = None, file: Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Read the settings of this process.

    Args:
        env: Environment; default: that of the process.
        file: Settings file; default: `STRATUM_CONFIG`, else `stratum.toml` here when there is one.
        overrides: Dotted keys from command-line flags; they win.

    Raises:
        SettingsError: A key is unknown (the nearest known one is named), or a value is refused.
    """
    env = os.environ if env is None else env
    if file is None:
        named = env.get(CONFIG_ENV)
        file = Path(named) if named else (Path(DEFAULT_FILE) if Path(DEFAULT_FILE).is_file() else None)
    tree: dict[str, Any] = _from_file(file) if file is not None else {}
    for source in (_from_env(env), _nested(overrides or {})):
        for key, value in source.items():
            if isinstance(value, dict) and key in _AREAS:
                tree[key] = {**tree.get(key, {}), **value}
            else:
                tree[key] = value
    try:
        return Settings.model_validate(tree)
    except ValidationError as exc:
        first = exc.errors()[0]
        key = ".".join(str(p) for p in first["loc"])
        shown = "***" if any(s in key for s in ("token", "password", "security")) else repr(first.get("input"))
        raise SettingsError(
            f"setting {key} has the value {shown}: {first['msg']}",
            remedy=f"set {env_name(key)} to a valid value",
        ) from exc


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in flat.items():
        if key not in known_keys():
            raise _unknown(key, "command line", key)
        _put(out, key, value)
    return out


@lru_cache(maxsize=1)
def current() -> Settings:
    """The settings of this process, read once; for entry points that nobody passes settings to."""
    return load()
