"""Settings: where a value comes from, and what is refused (K-2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from dd0c.base import redact, settings
from dd0c.base.errors import SetupError


def test_flag_wins_over_environment_over_file_over_default(tmp_path: Path) -> None:
    """The order of sources is flag, environment, dd0c.toml, default (K-2)."""
    (tmp_path / "dd0c.toml").write_text("gateway_port = 1\nconsole_port = 2\nworkers = 3\n")
    env = {"DD0C_HOME": str(tmp_path), "DD0C_GATEWAY_PORT": "4", "DD0C_CONSOLE_PORT": "5"}
    found = settings.load({"gateway_port": 6, "workers": None}, env)
    assert (found.gateway_port, found.console_port, found.workers) == (6, 5, 3)
    assert found.header_bytes_max == 32_768
    assert found.home == tmp_path


def test_an_empty_environment_variable_is_not_set(tmp_path: Path) -> None:
    """`DD0C_GATEWAY_PORT=` means the default, as people expect of a shell."""
    found = settings.load({}, {"DD0C_HOME": str(tmp_path), "DD0C_GATEWAY_PORT": ""})
    assert found.gateway_port == 8080


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"DD0C_GATEWAY_PORT": "http"}, "DD0C_GATEWAY_PORT must be a whole number"),
        ({"DD0C_GATEWAY_PORT": "70000"}, "between 0 and 65535"),
        ({"DD0C_GATEWAY_PORT": "8081"}, "gateway_port and console_port cannot both be 8081"),
        ({"DD0C_GATEWAY_ADMIN_PORT": "8080"}, "gateway_port and gateway_admin_port cannot both"),
        ({"DD0C_DATABASE_ADMIN_URL": "postgresql://a@b/c"}, "without DD0C_DATABASE_URL"),
        ({"DD0C_CA_BUNDLE": "/nowhere/ca.pem"}, "ca_bundle /nowhere/ca.pem cannot be read"),
        (
            {"DD0C_GATEWAY_PROT": "1"},
            "DD0C_GATEWAY_PROT is no setting of dd0c; did you mean DD0C_GATEWAY_PORT",
        ),
        ({"DD0C_XYZZY": "1"}, "DD0C_XYZZY is no setting of dd0c$"),
        ({"DD0C_WORKERS": "-1"}, "workers must be between"),
        ({"DD0C_DRAIN_S": "0"}, "drain_s must be more than 0"),
        ({"DD0C_DRAIN_S": "nan"}, "drain_s must be more than 0"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_it(
    tmp_path: Path, env: dict[str, str], says: str
) -> None:
    """A setting we cannot use stops the start with its name (K-2)."""
    with pytest.raises(SetupError, match=says) as caught:
        settings.load({}, {"DD0C_HOME": str(tmp_path), **env})
    assert "\n" not in caught.value.message
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    "name",
    [
        "DD0C_KEY",
        "DD0C_SERVICE_HOST",
        "DD0C_PORT",
        "DD0C_PORT_8081_TCP_ADDR",
        "DD0C_UI_SERVICE_PORT",
    ],
)
def test_what_is_no_setting_of_ours_is_left_alone(tmp_path: Path, name: str) -> None:
    """K-2: the command line's own variables, and those that Kubernetes makes, hinder no start."""
    settings.load({}, {"DD0C_HOME": str(tmp_path), name: "tcp://10.0.0.1:8081"})


def test_a_file_without_settings_is_no_error(tmp_path: Path) -> None:
    """K-2: an empty dd0c.toml says nothing, and is left as it is."""
    (tmp_path / "dd0c.toml").touch()
    assert settings.load({}, {"DD0C_HOME": str(tmp_path)}).gateway_port == 8080


def test_a_misspelt_name_is_told_with_the_nearest(tmp_path: Path) -> None:
    """K-2: a typing error in dd0c.toml is told with the setting that was meant."""
    (tmp_path / "dd0c.toml").write_text("gateway_prot = 1")
    with pytest.raises(
        SetupError, match=r"unknown setting 'gateway_prot'; did you mean gateway_port"
    ):
        settings.load({}, {"DD0C_HOME": str(tmp_path)})


@pytest.mark.parametrize(
    "text", ["gateway_prot = 1", "gateway_port = ", "gateway_port = true", "workers = 1.5"]
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    """An unknown name, broken TOML or a wrong type in dd0c.toml is refused (K-2)."""
    (tmp_path / "dd0c.toml").write_text(text)
    with pytest.raises(SetupError, match=r"dd0c\.toml"):
        settings.load({}, {"DD0C_HOME": str(tmp_path)})


def test_a_wrong_secret_is_not_repeated_in_settings(tmp_path: Path) -> None:
    """The repr of all settings holds no provider key (K-32)."""
    found = settings.load({}, {"DD0C_HOME": str(tmp_path), "OPENAI_API_KEY": "sk-canary-1"})
    assert "sk-canary-1" not in repr(found)
    assert found.openai_api_key.reveal() == "sk-canary-1"


def test_every_setting_says_where_it_comes_from(tmp_path: Path) -> None:
    """Flag over environment over file over default, as far as it makes a difference; no secret."""
    (tmp_path / "dd0c.toml").write_text("gateway_port = 9000\ndrain_s = 30.0\nworkers = 3\n")
    env = {
        "DD0C_HOME": str(tmp_path),
        "DD0C_WORKERS": "5",
        "DD0C_CONSOLE_PORT": "8081",
        "DD0C_VALKEY_URL": "valkey://:hidden@127.0.0.1:1/0",
        "OPENAI_BASE_URL": "https://me:hidden@llm.example/v1",
    }
    flags = {"memory_mb": 100, "home": None}
    child = env | settings.environment(flags)  # as a supervisor with that flag starts it
    told = {each.name: each for each in settings.explain(settings.load(environ=child), child)}
    assert {name: told[name].source for name in ("home", "gateway_port", "workers")} == {
        "home": "environment",
        "gateway_port": "file",
        "workers": "environment",
    }
    assert (told["memory_mb"].source, told["memory_mb"].value) == ("flag", "100")
    assert (told["console_port"].source, told["drain_s"].source) == ("default", "default")
    assert told["valkey_url"].value == "set, hidden"
    assert told["openai_base_url"].value == "https://…@llm.example/v1"
    assert "hidden@" not in repr(told)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://dd0c:hunter%2f22@db/dd0c",
        "host=db user=dd0c password=hunter/22",
        "host=db password='hunter/22' user=dd0c",
        "postgresql://db/dd0c?user=x&password=hunter%2f22",
    ],
)
def test_the_password_in_an_address_is_known(url: str) -> None:
    """A password is masked from the moment its address is read, alone as well (K-40)."""
    settings.load({}, {"DD0C_HOME": "/nonexistent", "DD0C_DATABASE_URL": url})
    assert "hunter" not in redact.scrub("it is hunter/22 or hunter%2f22")
