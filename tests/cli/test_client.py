"""Where verbs find the API, and with which key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dd0c.base.errors import SetupError
from dd0c.cli import client

OWNER = "dd0c_sk_" + "A" * 43


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "owner.key").write_text(OWNER + "\n")
    (tmp_path / "run").mkdir()
    return tmp_path


def find(home: Path, **env: str) -> tuple[str, str]:
    """Address and key for this home and environment."""
    target = client.find_target({"DD0C_HOME": str(home), "XDG_CONFIG_HOME": str(home), **env})
    return target.url, target.key.reveal()


def test_on_the_host_the_home_tells_address_and_key(home: Path) -> None:
    """On the host no setting is needed: what runs wrote down where it is."""
    facts = {"pid": 1, "console_url": "http://127.0.0.1:9001"}
    (home / "run" / "up.json").write_text(json.dumps(facts))
    assert find(home) == ("http://127.0.0.1:9001", OWNER)


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}"])
def test_stale_or_broken_facts_are_passed_over(home: Path, content: str | None) -> None:
    """A leftover of a crash never stands in the way: the settings' console port is tried."""
    if content is not None:
        (home / "run" / "up.json").write_text(content)
    assert find(home, DD0C_CONSOLE_PORT="9002") == ("http://127.0.0.1:9002", OWNER)


def test_the_environment_wins(home: Path) -> None:
    """DD0C_URL and DD0C_KEY reach another machine."""
    assert find(home, DD0C_URL="https://dd0c.example.net/", DD0C_KEY=" k1\n") == (
        "https://dd0c.example.net",
        "k1",
    )


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1:8081", "https://dd0c.example.net", "http://127.0.0.1.example.net"]
)
def test_the_owner_key_is_never_sent_to_another_machine(home: Path, url: str) -> None:
    """A DD0C_URL alone does not make this machine's owner key leave it."""
    with pytest.raises(SetupError, match="no key"):
        find(home, DD0C_URL=url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"])
def test_the_owner_key_serves_this_machine(home: Path, url: str) -> None:
    """Another port of this machine is still this machine."""
    assert find(home, DD0C_URL=url) == (url, OWNER)


def test_an_address_without_a_scheme_is_refused(home: Path) -> None:
    """A DD0C_URL that is none is told at once."""
    with pytest.raises(SetupError, match="http://"):
        find(home, DD0C_URL="dd0c.example.net")
