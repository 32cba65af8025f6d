"""Keys and organisations: what is revoked stops at once, what is another's does not exist."""

from __future__ import annotations

import json
import time

import httpx
import pytest

from tests.support.plain import NO_TLS
from tests.support.product import Product, until

pytestmark = pytest.mark.e2e


def models(product: Product, key: str, client: httpx.Client) -> int:
    """The status of a cheap call over the client's own connections."""
    answer = client.get(
        f"{product.gateway_url}/v1/models", headers={"Authorization": f"Bearer {key}"}
    )
    return answer.status_code


def test_a_revoked_key_stops_on_every_worker_within_a_second(product: Product, tenant: str) -> None:
    """K-20: a second after the revocation no worker accepts the key, on old or new connections."""
    made = product.cli("key", "create", "doomed", "--json", DD0C_KEY=tenant)
    doomed = json.loads(made.stdout)
    clients = [
        httpx.Client(verify=NO_TLS) for _ in range(12)
    ]  # spread over both workers by the kernel
    try:
        until(lambda: models(product, doomed["key"], clients[0]) == 200, "the new key works")
        until(
            lambda: all(models(product, doomed["key"], one) == 200 for one in clients),
            "the new key works on every worker",
        )
        revoked = product.cli("key", "revoke", doomed["id"], "--json", DD0C_KEY=tenant)
        moment = time.monotonic()
        assert json.loads(revoked.stdout)["id"] == doomed["id"]
        until(
            lambda: all(models(product, doomed["key"], one) == 401 for one in clients),
            "every worker refuses the key",
            within_s=1.0,
        )
        assert time.monotonic() - moment < 1.0
        assert all(models(product, doomed["key"], one) == 401 for one in clients)
    finally:
        for one in clients:
            one.close()


def test_two_organisations_do_not_see_each_other(product: Product) -> None:
    """K-11: another organisation's request and key are as if they were not; the owner's are."""
    (acme, acme_key), (globex, globex_key) = product.new_org(), product.new_org()
    answer = product.chat(key=acme_key)
    request_id = answer.headers["x-dd0c-request-id"]
    assert product.get_json(f"/route/requests/{request_id}", key=acme_key)["org"] == acme
    foreign = product.api("GET", f"/route/requests/{request_id}", key=globex_key)
    assert foreign.status_code == 404
    assert acme not in foreign.text
    assert product.get_json("/route/requests", key=globex_key)["items"] == []
    assert product.get_json("/route/usage", key=globex_key)["total"]["requests"] == 0
    mine = product.get_json("/keys", key=acme_key)["items"]
    assert len(mine) == 1
    taken = product.api("DELETE", f"/keys/{mine[0]['id']}", key=globex_key)
    assert taken.status_code == 404
    assert product.get_json("/keys", key=acme_key)["items"] == mine
    assert product.get_json("/me", key=globex_key)["org"] == globex


def test_org_create_answers_its_owner_key(product: Product) -> None:
    """`dd0c org create NAME --json` answers {org, owner_key}; the key works at once."""
    done = product.cli("org", "create", "initech", "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["org"] == "initech"
    until(lambda: product.chat(key=made["owner_key"]).status_code == 200, "its owner key works")
    again = product.cli("org", "create", "Initech", "--json")
    assert (again.returncode, again.stdout) == (5, "")
    assert "hint: choose another name" in again.stderr


def test_key_create_for_another_organisation(product: Product) -> None:
    """The platform's key makes keys for any organisation; the form without a name works."""
    name, _ = product.new_org()
    _, stranger = product.new_org()
    argv = ("key", "create", "--org", name, "--role", "viewer", "--scope", "gateway", "--json")
    done = product.cli(*argv)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert (made["org"], made["roles"], made["scopes"]) == (name, ["viewer"], ["gateway"])
    until(lambda: product.chat(key=made["key"]).status_code == 200, "the key may call models")
    assert product.api("GET", "/me", key=made["key"]).status_code == 403
    refused = product.cli(*argv, DD0C_KEY=stranger)
    assert (refused.returncode, refused.stdout) == (3, "")


def test_key_list_shows_no_key(product: Product, tenant: str) -> None:
    """Keys are listed by prefix; the text of a key is on stdout once, when it is made."""
    made = product.cli("key", "create", "laptop", DD0C_KEY=tenant)
    text = made.stdout.strip()
    assert text.startswith("dd0c_sk_")
    assert len(text) == 51
    for argv in (["key", "list"], ["key", "list", "--json"]):
        listed = product.cli(*argv, DD0C_KEY=tenant)
        assert "laptop" in listed.stdout
        assert text not in listed.stdout


def test_an_erased_organisation_ends_on_every_worker(product: Product) -> None:
    """K-14: erased from the command line, its key is refused by every worker and by the API, and
    its name is free."""
    name, key = product.new_org()
    clients = [httpx.Client(verify=NO_TLS) for _ in range(12)]
    try:
        assert {models(product, key, one) for one in clients} == {200}
        hesitant = product.cli("org", "erase", name)
        assert (hesitant.returncode, "--yes" in hesitant.stderr) == (2, True)
        assert models(product, key, clients[0]) == 200
        done = product.cli("org", "erase", name, "--yes", "--json")
        assert json.loads(done.stdout)["state"] == "erasing", done.stderr
        until(
            lambda: all(models(product, key, one) == 401 for one in clients),
            "every worker refuses the key",
        )
    finally:
        for one in clients:
            one.close()
    assert product.api("GET", "/me", key=key).status_code == 401
    assert product.api("POST", "/orgs", json={"name": name}).status_code == 201
