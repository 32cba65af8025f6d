"""deploy/backup.sh: a copy of a running dd0c is a home that starts and lacks nothing (K-33)."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support.documents import ROOT
from tests.support.product import Product, product, running, until

__all__ = ["product"]

pytestmark = pytest.mark.e2e


def test_a_copy_of_a_running_home_starts_and_lacks_nothing(product: Product) -> None:
    """K-33: requests answered before the copy are in its ledger, once; keys open what they did."""
    before = product.chat().headers["x-dd0c-request-id"]
    with tempfile.TemporaryDirectory(prefix="dd0c-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o711)  # as root the database's account must pass through
        copy = Path(folder) / "copy"
        subprocess.run(
            [ROOT / "deploy/backup.sh", copy],
            env=os.environ | {"DD0C_HOME": str(product.home)},
            timeout=60,
            check=True,
        )
        after = product.chat().headers["x-dd0c-request-id"]
        with running(copy) as restored:
            path = f"/route/requests/{before}"
            until(lambda: restored.api("GET", path).status_code == 200, "it is in the ledger")
            assert len(restored.get_json(path)["attempts"]) == 1
            assert restored.api("GET", f"/route/requests/{after}").status_code == 404
            assert restored.chat(key=product.owner_key).status_code == 200
