"""The home: made whole, never on somebody else's files, its sockets where they fit (K-2, K-6)."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from dd0c.base import home
from dd0c.base.errors import SetupError


def test_a_new_home_is_closed(tmp_path: Path) -> None:
    """K-6: folders for their owner only, and an installation id that stays."""
    first = home.create(tmp_path / "deep" / "home")
    assert first.installation.startswith("ins_")
    for folder in (first.secrets, first.spool, first.run, first.log):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    passable = 0o711 if os.geteuid() == 0 else 0o700
    assert stat.S_IMODE(first.path.stat().st_mode) == passable
    assert home.create(first.path) == home.find(first.path) == first


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    """K-2: a foreign home is not touched: nothing is added, no mode changes."""
    tmp_path.chmod(0o750)
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(SetupError, match="not empty and not a home of dd0c"):
        home.create(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


def test_settings_may_be_there_first(tmp_path: Path) -> None:
    """K-2: a folder that holds only dd0c.toml, or the marker of a killed start, is a new home."""
    (tmp_path / "dd0c.toml").write_text("workers = 1\n")
    (tmp_path / "home.json.new").write_text("{")
    assert home.create(tmp_path).installation.startswith("ins_")


@pytest.mark.parametrize("marker", ["", "{", "[]", '{"format": 1}', '{"format": "x"}'])
def test_a_damaged_marker_is_named(tmp_path: Path, marker: str) -> None:
    """K-2: a damaged marker, an empty one for example, is named and can be mended as told."""
    path = tmp_path / "home.json"
    path.write_text(marker)
    with pytest.raises(SetupError, match=r"home\.json is damaged") as error:
        home.create(tmp_path)
    assert path.read_text() == marker
    assert [entry.name for entry in tmp_path.iterdir()] == ["home.json"]
    path.write_text(error.value.hint.partition("write into it: ")[2])
    assert home.create(tmp_path).path == tmp_path


@pytest.mark.parametrize(("known", "whose"), [(2, "a newer dd0c"), (0, "an unknown dd0c")])
def test_a_home_of_another_version_is_refused(tmp_path: Path, known: int, whose: str) -> None:
    """K-2: a home whose format we do not know is left alone; both formats are named."""
    (tmp_path / "home.json").write_text(json.dumps({"format": known, "installation": "ins_x"}))
    with pytest.raises(SetupError, match=rf"{whose} \(format {known}, this one reads 1\)"):
        home.create(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["home.json"]


def test_a_disk_without_room_is_refused(tmp_path: Path) -> None:
    """K-2: too little room is told with how much there is and how much it takes."""
    place = home.create(tmp_path / "home")
    home.refuse_full(place, 1)
    with pytest.raises(SetupError, match=r"only \d+ MB are free under .*a start takes 1048576 MB"):
        home.refuse_full(place, 2**40)


def test_no_home_says_how_to_get_one(tmp_path: Path) -> None:
    """K-2: a part started alone where no home is says what to start first."""
    with pytest.raises(SetupError, match="not a home") as error:
        home.find(tmp_path / "none")
    assert "dd0c up" in error.value.hint


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    """K-2: a file where the folder should be is one line that says what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match="cannot be used"):
        home.create(tmp_path / "file")


def test_sockets_of_a_long_home_are_short(tmp_path: Path) -> None:
    """K-6: every socket path fits into 107 bytes, and is the same in each process."""
    place = home.create(tmp_path / ("ü" * 60))
    socket = place.sockets / home.LONGEST_SOCKET
    assert len(os.fsencode(socket)) <= home.SOCKET_PATH_BYTES_MAX
    assert home.find(place.path).sockets == place.sockets
    assert place.sockets != home.create(tmp_path / ("ö" * 60)).sockets


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """K-6: what a killed writer left beside the file does not hinder the next."""
    path = tmp_path / "facts.json"
    (tmp_path / "facts.json.new").write_text("half")
    home.write_atomically(path, "whole")
    assert path.read_text() == "whole"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["facts.json"]
