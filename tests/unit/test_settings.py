"""Settings: where values come from, what is refused, what is hidden."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stratum_lab.cli.main import app
from stratum_lab.errors import EXIT_CONFIG, SettingsError
from stratum_lab.settings import Settings, env_name, known_keys, load


def test_the_defaults_are_settings() -> None:
    assert load(env={}, file=None) == Settings()


def test_flag_before_environment_before_file_before_default(tmp_path: Path) -> None:
    file = tmp_path / "stratum.toml"
    file.write_text('[broker]\nport = 1001\nhost = "file"\ncontroller_port = 1002\n')
    env = {"STRATUM_BROKER__PORT": "2001", "STRATUM_BROKER__HOST": "env"}
    found = load(env=env, file=file, overrides={"broker.port": 3001}).broker
    assert (found.port, found.host, found.controller_port, found.heap_mb) == (3001, "env", 1002, 768)


def test_the_file_is_the_one_that_the_environment_names(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text('home = "/somewhere"\n')
    assert load(env={"STRATUM_CONFIG": str(file)}).home == Path("/somewhere")


def test_a_file_in_the_current_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stratum.toml").write_text("[kafka]\npartitions = 3\n")
    monkeypatch.chdir(tmp_path)
    assert load(env={}).kafka.partitions == 3


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("STRATUM_BROKER__BOOTSTAP", "STRATUM_BROKER__BOOTSTRAP"),
        ("STRATUM_KAFKA__TOPICPREFIX", "STRATUM_KAFKA__TOPIC_PREFIX"),
        ("STRATUM_KAFAK__PARTITIONS", "STRATUM_KAFKA__PARTITIONS"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_one(name: str, nearest: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(env={name: "x"})
    assert name in caught.value.message
    assert nearest in (caught.value.remedy or "")
    assert caught.value.exit_code == EXIT_CONFIG == 78


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("[broker]\nprot = 1\n", "broker.port"),
        ("[brokers]\nport = 1\n", "broker"),
        ('broker = "x"\n', "broker"),
        ("hom = 1\n", "home"),
    ],
)
def test_an_unknown_key_in_a_file_is_refused_with_the_nearest_one(tmp_path: Path, text: str, nearest: str) -> None:
    file = tmp_path / "stratum.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(env={}, file=file)
    assert nearest in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("STRATUM_BROKER__PORT", "many"),
        ("STRATUM_BROKER__PORT", "70000"),
        ("STRATUM_BROKER__BACKEND", "rabbit"),
        ("STRATUM_KAFKA__TOPIC_PREFIX", "a/b"),
        ("STRATUM_KAFKA__PARTITIONS", "0"),
        ("STRATUM_LOG__LEVEL", "loud"),
    ],
)
def test_a_refused_value_is_named_with_its_key(key: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(env={key: value})
    assert key.split("__")[1].lower() in caught.value.message.lower()


@pytest.mark.parametrize("content", [b"[broker", b"\xff\xfe", b"a = "])
def test_an_unreadable_file_is_a_settings_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "stratum.toml"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match="cannot be read"):
        load(env={}, file=file)
    with pytest.raises(SettingsError, match="cannot be read"):
        load(env={"STRATUM_CONFIG": str(tmp_path / "missing.toml")})


def test_variables_of_other_parts_are_left_alone() -> None:
    env = {"STRATUM_RUN_ID": "x", "STRATUM_JSON": "1", "STRATUM_REQUIRE_ALL": "1", "OTHER__KEY": "x"}
    assert load(env=env) == Settings()


def test_lists_and_maps_have_a_form_in_the_environment() -> None:
    env = {
        "STRATUM_BROKER__PROFILES": "registry, grafana",
        "STRATUM_KAFKA__SECURITY": "security.protocol=SASL_SSL,sasl.password=a=b",
    }
    found = load(env=env)
    assert found.broker.profiles == ("registry", "grafana")
    assert found.kafka.security == {"security.protocol": "SASL_SSL", "sasl.password": "a=b"}


def test_a_refused_secret_is_not_repeated() -> None:
    with pytest.raises(SettingsError) as caught:
        load(env={"STRATUM_KAFKA__PARTITIONS": "x", "STRATUM_REGISTRY__PASSWORD": "hunter2"})
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(load(env={"STRATUM_REGISTRY__PASSWORD": "hunter2"}))


def test_every_key_has_a_description_and_an_environment_name() -> None:
    for key in known_keys():
        area, _, leaf = key.rpartition(".")
        model = Settings.model_fields[area].annotation if area else Settings
        if leaf != "home":
            assert model.model_fields[leaf].description, key  # type: ignore[union-attr]
        assert env_name(key).startswith("STRATUM_")


def test_the_listing_masks_secrets() -> None:
    env = {
        "STRATUM_REGISTRY__PASSWORD": "hunter2",
        "STRATUM_WAREHOUSE__TOKEN": "hunter3",
        "STRATUM_KAFKA__SECURITY": "sasl.password=hunter4",
    }
    for flags in ([], ["--json"]):
        done = CliRunner().invoke(app, ["settings", *flags], env=env)
        assert done.exit_code == 0
        assert "hunter" not in done.output
    document = json.loads(CliRunner().invoke(app, ["settings", "--json"], env=env).stdout)
    assert set(document["settings"]) == set(known_keys())


def test_an_unknown_setting_ends_a_command_with_78_and_an_envelope() -> None:
    done = CliRunner().invoke(app, ["settings", "--json"], env={"STRATUM_BROKER__PROT": "1"})
    assert done.exit_code == 78
    error = json.loads(done.stdout)["error"]
    assert error["kind"] == "settings"
    assert "STRATUM_BROKER__PORT" in error["remedy"]
