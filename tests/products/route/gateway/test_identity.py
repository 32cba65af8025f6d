"""Who may be the gateway of a home."""

from __future__ import annotations

import os
import subprocess

import pytest

from dd0c.base.errors import SetupError
from dd0c.base.home import Home
from dd0c.products.route.gateway import identity


def test_a_second_gateway_on_the_same_home_is_refused(place: Home) -> None:
    """A spool has one shipper: the second gateway is told what to do, exit status 2 (K-2)."""
    with (
        identity.claim(place, patience_s=0),
        pytest.raises(SetupError, match="another gateway runs") as caught,
        identity.claim(place, patience_s=0.1),
    ):
        pass
    assert caught.value.exit_status == 2
    assert "--home" in caught.value.hint


def test_the_id_stays_with_the_home(place: Home) -> None:
    """A restarted gateway finds the spool that it left (R-15)."""
    with identity.claim(place, patience_s=0) as first:
        assert first.spool.stat().st_mode & 0o077 == 0
    with identity.claim(place, patience_s=0) as second:
        assert (second.id, second.spool) == (first.id, first.spool)


def test_the_claim_lasts_until_the_last_worker_is_gone(place: Home) -> None:
    """Whoever holds the claim may take every spool file there is for a dead worker's (R-15)."""
    with identity.claim(place, patience_s=0) as me:
        worker = subprocess.Popen(["sleep", "60"], pass_fds=(me.lock,))
    try:
        with pytest.raises(SetupError), identity.claim(place, patience_s=0):
            pass
    finally:
        os.kill(worker.pid, 9)
        worker.wait()
    with identity.claim(place, patience_s=0):
        pass
