"""The pages of webhooks as a browser without script uses them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import httpx
import pytest

from tests.kernel.hooks.receiver import receiving
from tests.kernel.hooks.worker import add, told, working
from tests.support.control import Served, serving
from tests.support.database import Cluster

PATH = "/console/webhooks"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{40,}=*")


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[Served]:
    """An installation that lets webhooks go to this machine."""
    with serving(cluster, outbound_allow="127.0.0.0/8") as served:
        yield served


class Browser:
    """Somebody who signed in with a key."""

    def __init__(self, client: httpx.Client, key: str, origin: str):
        self._client = client
        client.headers["origin"] = origin
        client.post("/console/sign-in", data={"key": key})

    def see(self, path: str) -> str:
        """The text of a page."""
        return html.unescape(self.raw(path))

    def raw(self, path: str) -> str:
        """The page itself."""
        return self._client.get(path).text

    def send(self, path: str, **form: str) -> httpx.Response:
        """A form, with the token of the page that has it."""
        token = re.findall(r'name="csrf" value="([0-9a-f]+)"', self.see(PATH))[0]
        return self._client.post(path, data=form | {"csrf": token})


@pytest.fixture
def owner(served: Served) -> Iterator[Browser]:
    """Acme's owner."""
    with served.client() as client:
        yield Browser(client, served.acme, served.url)


def test_a_secret_is_shown_once(owner: Browser, acme: httpx.Client) -> None:
    """By the answer to the form, and by no page after it; what is wrong is said beside the form,
    which keeps what was typed (K-70, K-32)."""
    assert "No webhooks yet" in owner.see(PATH)
    made = owner.send(f"{PATH}/sources", name="grafana", kind="standard")
    (secret,) = set(SECRET.findall(html.unescape(made.text)))
    (source,) = acme.get("/api/v1/hooks/sources").json()["items"]
    path = f"{PATH}/sources/{source['id']}"
    assert source["url"] in made.text
    assert secret not in owner.see(path) + owner.see(PATH)
    again = owner.send(f"{PATH}/sources", name="Grafana", kind="standard")
    assert (again.status_code, "There is a source named" in html.unescape(again.text)) == (
        400,
        True,
    )
    followed = owner.send(f"{path}/rotate", overlap="1d")
    assert set(SECRET.findall(html.unescape(followed.text))) - {secret}
    assert owner.send(f"{path}/rotate", overlap="1d").status_code == 400
    assert owner.send(f"{path}/rotate", overlap="never", secret="short").status_code == 400
    assert owner.send(f"{path}/remove", confirm="graphana").status_code == 400
    assert owner.send(f"{path}/remove", confirm="grafana").status_code == 303
    assert "No webhooks yet" in owner.see(PATH)


def test_what_gave_up_is_seen_and_sent_again(
    served: Served, owner: Browser, acme: httpx.Client
) -> None:
    """The first line says that an endpoint does not listen; its delivery shows each try, and a
    button sends it again (K-71)."""
    with receiving() as receiver, working(served) as worker:
        worker.chain()
        target = f"{receiver.url}/pager"
        form = {"name": "pager", "kind": "webhook", "target": target, "events": "HookTested"}
        made = owner.send(f"{PATH}/endpoints", **form)
        assert SECRET.search(html.unescape(made.text))
        (endpoint,) = acme.get("/api/v1/hooks/endpoints").json()["items"]
        path = f"{PATH}/endpoints/{endpoint['id']}"
        assert owner.send(f"{path}/test").status_code == 303
        receiver.answer(410, b"<b>gone</b>")
        worker.work()
        assert "1 endpoint does not listen" in owner.see(PATH)
        assert "It answered 410" in owner.see(path)
        (delivery,) = told(acme, endpoint)
        assert "<b>gone</b>" not in owner.raw(f"{PATH}/deliveries/{delivery['id']}")
        assert owner.send(f"{PATH}/deliveries/{delivery['id']}/replay").status_code == 303
        assert owner.send(f"{path}/resume").status_code == 303
        worker.work()
        page = owner.see(f"{PATH}/deliveries/{delivery['id']}")
        assert "was taken" in page
        assert "410" in page
        assert owner.send(f"{path}/remove", confirm="pager").status_code == 303


def test_who_may_only_look_sees_no_buttons(served: Served, acme: httpx.Client) -> None:
    """An operator sees the lists and no form; a viewer is told what is missing (K-10)."""
    endpoint = add(acme, "https://1.1.1.1/")
    operator = served.key(served.acme, roles=["operator"], scopes=["console"])
    viewer = served.key(served.acme, roles=["viewer"], scopes=["console"])
    with served.client() as client:
        looking = Browser(client, operator, served.url)
        for path in (PATH, f"{PATH}/endpoints/{endpoint['id']}"):
            assert endpoint["name"] in looking.see(path)
            assert 'method="post" action="/console/webhooks' not in looking.see(path)
    with served.client() as client:
        assert "hooks:read" in Browser(client, viewer, served.url).see(PATH)
    acme.delete(f"/api/v1/hooks/endpoints/{endpoint['id']}")
