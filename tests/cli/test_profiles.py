"""Profiles: which dd0c is meant, with which key, and that a key goes nowhere else."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from dd0c.base import home as homes
from dd0c.base.errors import Error, NotFound, SetupError
from dd0c.base.secrets import Secret
from dd0c.cli import client, profiles
from dd0c.cli.profiles import Profile, Profiles
from tests.cli import terminal

KEY = "dd0c_sk_" + "p" * 43
OTHER = "dd0c_sk_" + "e" * 43
OWNER = "dd0c_sk_" + "o" * 43
STAGING = "https://staging.example.net"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """XDG_CONFIG_HOME and a home with its owner.key, both in one folder."""
    homes.write_atomically(tmp_path / "owner.key", OWNER)
    return tmp_path


def written(folder: Path) -> Path:
    return folder / "dd0c" / "config.toml"


def keep(folder: Path, use: str | None = None) -> None:
    made = {"staging": Profile(STAGING, Secret(KEY)), "bare": Profile("http://127.0.0.1:1")}
    profiles.save(Profiles(written(folder), made, use))


ASKED = {
    "nothing is said": ({}, None, None, ("http://127.0.0.1:8081", OWNER, "owner.key")),
    "used": ({}, None, "staging", (STAGING, KEY, "dd0c profile use")),
    "named": ({"DD0C_PROFILE": "staging"}, None, None, (STAGING, KEY, "DD0C_PROFILE")),
    "flag": (
        {"DD0C_URL": "http://x", "DD0C_KEY": OTHER},
        "staging",
        None,
        (STAGING, KEY, "staging"),
    ),
    "environment before profile": (
        {"DD0C_URL": "http://x", "DD0C_KEY": OTHER, "DD0C_PROFILE": "staging"},
        None,
        "staging",
        ("http://x", OTHER, "DD0C_KEY"),
    ),
    "key before the profile's": (
        {"DD0C_KEY": OTHER, "DD0C_PROFILE": "staging"},
        None,
        None,
        (STAGING, OTHER, "DD0C_KEY"),
    ),
    "key alone": ({"DD0C_KEY": OTHER}, None, None, ("http://127.0.0.1:8081", OTHER, "DD0C_KEY")),
}


@pytest.mark.parametrize("case", ASKED)
def test_flag_then_environment_then_profile_then_host(folder: Path, case: str) -> None:
    """Address and key come from the first that says something, and are told with their source."""
    env, flag, use, (url, key, source) = ASKED[case]
    keep(folder, use)
    env = {"DD0C_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), **env}
    found = client.find_target(env, flag)
    assert (found.url, found.key.reveal()) == (url, key)
    assert source in found.key_from
    assert client.is_elsewhere(env, flag) is (case not in ("nothing is said", "key alone"))


@pytest.mark.parametrize(
    ("env", "flag", "kind", "message"),
    [
        (
            {"DD0C_URL": "http://x", "DD0C_PROFILE": "staging"},
            None,
            SetupError,
            "no key for http://x",
        ),
        ({}, "moon", NotFound, "no profile 'moon'"),
        ({}, "bare", SetupError, "profile bare has no key"),
    ],
)
def test_a_key_goes_only_where_it_belongs(
    folder: Path, env: dict[str, str], flag: str | None, kind: type[Error], message: str
) -> None:
    """Neither a profile's key nor the owner's is sent to another address that was named."""
    keep(folder, "staging")
    env = {"DD0C_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), **env}
    with pytest.raises(kind, match=message):
        client.find_target(env, flag)


def test_a_file_with_a_key_is_for_nobody_else(folder: Path) -> None:
    """It is written 0600, and refused when others may read it."""
    keep(folder)
    assert stat.S_IMODE(written(folder).stat().st_mode) == 0o600
    assert stat.S_IMODE(written(folder).parent.stat().st_mode) == 0o700
    written(folder).chmod(0o640)
    with pytest.raises(SetupError, match="others may read it") as refused:
        profiles.load({"XDG_CONFIG_HOME": str(folder)})
    assert "chmod 600" in refused.value.hint


def test_a_key_file_is_read_each_time_and_closed_to_others(folder: Path) -> None:
    """A key kept elsewhere may change there; an open one is refused."""
    path = folder / "key"
    homes.write_atomically(path, KEY + "\n")
    one = Profile(STAGING, key_file=path)
    assert one.read_key() == Secret(KEY)
    path.chmod(0o644)
    with pytest.raises(SetupError, match="others may read it"):
        one.read_key()
    path.unlink()
    with pytest.raises(SetupError, match="cannot be read"):
        one.read_key()


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "use = 'moon'",
        "profiles = 1",
        "[profiles.x]",
        "[profiles.x]\nurl = 'ftp://x'",
        "[profiles.x]\nurl = 'http://['",
        "[profiles.x]\nurl = 'http://x'\nkeys = 'y'",
        "[profiles.x]\nurl = 'http://x'\nkey = 1",
    ],
)
def test_a_file_that_is_none_is_named(folder: Path, text: str) -> None:
    """A mistake in the file is one line with its path, never a traceback."""
    written(folder).parent.mkdir()
    written(folder).write_text(text)
    with pytest.raises(SetupError):
        profiles.load({"XDG_CONFIG_HOME": str(folder)})


def test_what_is_written_is_read_again(folder: Path) -> None:
    """Quotes and backslashes in paths and addresses survive the file."""
    odd = {
        "a": Profile('http://x/"\\é', Secret(KEY)),
        "b": Profile("http://y", key_file=Path('/tmp/"\\x')),
    }
    profiles.save(Profiles(written(folder), odd, "b"))
    assert profiles.load({"XDG_CONFIG_HOME": str(folder)}) == Profiles(written(folder), odd, "b")


def test_the_verbs_keep_a_key_to_themselves(folder: Path) -> None:
    """A key comes by standard input or from the keyboard unseen, and no verb prints it again."""
    config = {"XDG_CONFIG_HOME": str(folder)}
    added = terminal.run("profile", "add", "prod", "--url", STAGING, given=f"{KEY}\n", env=config)
    assert (added.returncode, added.stderr) == (0, "")
    typed = terminal.show(
        "profile", "add", "test", "--url", "http://x", typed=f"{OTHER}\n", env=config
    )
    assert "Key for test" in typed
    assert OTHER not in typed
    used = terminal.run("profile", "use", "prod", env=config)
    listed = terminal.run("profile", "list", "--json", env=config)
    shown = {one["name"]: one for one in json.loads(listed.stdout)["items"]}
    assert {name: one["used"] for name, one in shown.items()} == {"prod": True, "test": False}
    nobody = terminal.run("profile", "add", "void", "--url", "http://x", given="\n", env=config)
    assert nobody.returncode == 2
    gone = terminal.run("profile", "remove", "prod", env=config)
    everything = [added, used, listed, nobody, gone]
    assert [done.returncode for done in everything] == [0, 0, 0, 2, 0]
    assert not any(KEY in done.stdout + done.stderr for done in everything)
    left = profiles.load({**os.environ, **config})
    assert (list(left.by_name), left.use) == (["test"], None)
    assert left.get("test").key == Secret(OTHER)
