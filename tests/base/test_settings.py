"""Settings: where a value comes from, and what is refused (K-2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from dd0c.base import settings
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
        ({"DD0C_GATEWAY_PORT": "8081"}, "cannot both use port 8081"),
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


@pytest.mark.parametrize("text", ["gateway_prot = 1", "gateway_port = ", "gateway_port = true"])
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
