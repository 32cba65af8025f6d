"""A whole dd0c whose key-encryption key stays in a KMS, and goes on while that is away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.kernel.vault.kms import Transit
from tests.support import processes
from tests.support.product import Product, running, until

pytestmark = pytest.mark.e2e


CANARY = "not-a-secret-of-aws"


def carriers(product: Product) -> set[str]:
    """The parts that have it in their environment."""
    return {name for name, pid in product.parts().items() if CANARY in processes.environment(pid)}


def test_traffic_goes_on_while_the_kms_is_away(tmp_path: Path) -> None:
    """K-30: it starts without a key in the home; with the KMS gone requests are answered, a new key
    works and a revoked one does not, and a rotation says that the KMS is away. What opens a KMS is
    with the process that asks one, and with no other (K-32)."""
    kms = Transit(tmp_path)
    try:
        away = {"DD0C_VAULT": kms.name("dd0c"), "DD0C_VAULT_TOKEN_FILE": str(kms.token_file)}
        with running(None, AWS_SECRET_ACCESS_KEY=CANARY, **away) as product:
            assert carriers(product) == {"gateway"}
            assert not (product.home / "secrets" / "kek.key").exists()
            seen = json.loads(product.cli("vault", "status", "--json", **away).stdout)
            assert [one["name"] for one in seen["keys"]] == [kms.name("dd0c")]
            assert product.cli("vault", "rotate", "--kek", **away).returncode == 0
            assert product.chat().status_code == 200
            kms.end()
            made = product.api("POST", "/keys", json={"name": "while-away"}).json()
            until(lambda: product.is_known(made["key"]), "every worker knows the new key")
            assert product.chat(key=made["key"]).status_code == 200
            assert product.api("DELETE", f"/keys/{made['id']}").status_code < 300
            until(lambda: product.chat(key=made["key"]).status_code == 401, "it is revoked")
            refused = product.cli("vault", "rotate", **away)
            assert (refused.returncode, "does not answer" in refused.stderr) == (7, True)
            assert product.chat().status_code == 200
    finally:
        kms.end()
