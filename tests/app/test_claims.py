"""A supervisor's claims: one per home, and ports that nobody listens on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dd0c.app import claims
from dd0c.base import home as homes
from dd0c.base.errors import SetupError


def test_a_second_supervisor_of_a_home_is_refused(tmp_path: Path) -> None:
    """K-2: the second `up` on a home is told who has it and what to do."""
    home = homes.create(tmp_path / "home")
    code = (
        "import sys; from pathlib import Path; from dd0c.app import claims;"
        "from dd0c.base import home; place = home.find(Path(sys.argv[1]));"
        "claims.alone(place).__enter__()"
    )
    with claims.alone(home):
        done = subprocess.run(
            [sys.executable, "-c", code, str(home.path)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert f"dd0c already runs on {home.path} (process {os.getpid()})" in done.stderr
    with claims.alone(home):
        pass


def test_a_claim_tells_that_the_one_before_crashed(tmp_path: Path) -> None:
    """K-6: facts that are still there mean that nobody cleaned up; there is patience with ports."""
    home = homes.create(tmp_path / "home")
    with claims.alone(home) as crashed:
        assert not crashed
    claims.facts_path(home).write_text("{}")
    with claims.alone(home) as crashed:
        assert crashed


def test_a_taken_port_is_told_with_its_flag() -> None:
    """K-2: a taken port is found before anything starts, even where its owner shares it."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SetupError, match=f"the console cannot listen on 127.0.0.1 port {port}"):
            claims.listen("127.0.0.1", port, "console", after_crash=False)


def test_after_a_crash_a_taken_port_is_waited_for() -> None:
    """K-6: what a killed supervisor left behind may take its seconds to go."""
    with socket.create_server(("127.0.0.1", 0)) as leftover:
        port = leftover.getsockname()[1]
        threading.Timer(0.5, leftover.close).start()
        assert claims.free_port("127.0.0.1", port, "gateway", after_crash=True) == port


def test_port_zero_becomes_a_free_port() -> None:
    """Tests and crowded machines ask for any free port."""
    assert claims.free_port("127.0.0.1", 0, "gateway", after_crash=False) > 0
