"""People who came the way that people come: invited through the API, accepted through the page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx

from tests.support.control import Served

PASSWORD = "nine brown lorries wait"


def invite(served: Served, maker: str, email: str, **wanted: object) -> str:
    """The path of the link of a new invitation."""
    with served.client(maker) as client:
        made = client.post("/api/v1/invitations", json={"email": email} | wanted)
    assert made.status_code == 201, made.text
    return str(urlsplit(made.json()["link"]).path)


@contextmanager
def browsing(served: Served) -> Iterator[httpx.Client]:
    """A client that asks for pages and keeps cookies, as a browser does."""
    with served.client() as client:
        client.headers.update({"accept": "text/html", "origin": served.url})
        yield client


def join(client: httpx.Client, link: str, name: str, password: str = PASSWORD) -> None:
    """Take up an invitation: the client is signed in then."""
    answer = client.post(link, data={"name": name, "password": password})
    assert answer.status_code == 303, answer.text


def sign_in(client: httpx.Client, email: str, password: str = PASSWORD) -> httpx.Response:
    """The answer to the form."""
    return client.post("/console/sign-in", data={"email": email, "key": password})


@contextmanager
def member(served: Served, maker: str, name: str, *roles: str) -> Iterator[httpx.Client]:
    """Somebody called so, with an address made of it, who is a member now and signed in."""
    link = invite(served, maker, address(name), roles=roles or ["viewer"])
    with browsing(served) as client:
        join(client, link, name)
        yield client


def address(name: str) -> str:
    """Theirs."""
    return f"{name.lower().replace(' ', '.')}@example.com"


def person(served: Served, key: str, name: str) -> dict[str, object]:
    """Somebody of that name as the API shows them."""
    with served.client(key) as client:
        found = client.get("/api/v1/people?limit=500").json()["items"]
    one: dict[str, object] = next(each for each in found if each["name"] == name)
    return one
