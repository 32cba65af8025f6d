"""dd0c behind nginx and Caddy, by the files of deploy/: only names, ports, certificates differ."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.kernel.cache.test_external import write_certificate
from tests.support import missing
from tests.support.documents import ROOT
from tests.support.product import Product, free_port, until

pytestmark = pytest.mark.e2e

QUESTION = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hello"}]}


class Proxy(NamedTuple):
    """The addresses of gateway and console behind a running proxy."""

    gateway_url: str
    console_url: str
    tls: ssl.SSLContext

    def ask(self, key: str, **headers: str) -> httpx.Request:
        """A streamed chat completion."""
        return httpx.Request(
            "POST",
            f"{self.gateway_url}/v1/chat/completions",
            headers={"Authorization": f"Bearer {key}"} | headers,
            json=QUESTION | {"stream": True},
        )


def nginx(folder: Path, gateway_port: int, console_port: int) -> tuple[str, list[str]]:
    """The shipped file within the least of an nginx.conf, and the command."""
    conf = (ROOT / "deploy/nginx/dd0c.conf").read_text()
    for name, port in (("llm", gateway_port), ("dd0c", console_port)):
        conf = conf.replace("listen 443 ", f"listen 127.0.0.1:{port} ", 1)
        conf = conf.replace(f"/etc/ssl/dd0c/{name}.pem", f"{folder}/certificate")
        conf = conf.replace(f"/etc/ssl/dd0c/{name}.key", f"{folder}/key")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    head = f"daemon off; pid {folder}/pid; error_log {folder}/log; events {{}}"
    whole = f"{head}\nhttp {{\naccess_log off;\n{paths}\n{conf}}}\n"
    return whole, ["nginx", "-e", f"{folder}/log", "-c", f"{folder}/conf"]


def caddy(folder: Path, gateway_port: int, console_port: int) -> tuple[str, list[str]]:
    """The shipped file with certificates of its own instead of fetched ones, and the command."""
    conf = (ROOT / "deploy/caddy/Caddyfile").read_text()
    for name, port in (("llm", gateway_port), ("dd0c", console_port)):
        site = f"https://127.0.0.1:{port} {{\n\ttls {folder}/certificate {folder}/key\n"
        conf = conf.replace(f"\n{name}.example.com {{\n", f"\n{site}")
    whole = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + conf
    return whole, ["caddy", "run", "--adapter", "caddyfile", "--config", f"{folder}/conf"]


@pytest.fixture(scope="module", params=[nginx, caddy], ids=["nginx", "caddy"])
def proxy(
    request: pytest.FixtureRequest, product: Product, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    """Each proxy, running as the shipped file says."""
    configure: Callable[[Path, int, int], tuple[str, list[str]]] = request.param
    program = configure.__name__
    missing.unless(shutil.which(program) is not None, f"apt-get install {program}")
    folder = tmp_path_factory.mktemp(program)
    certificate, _ = write_certificate(folder)
    ports = free_port(), free_port()
    conf, command = configure(folder, *ports)
    conf = conf.replace("127.0.0.1:8080", product.gateway_url.removeprefix("http://"))
    conf = conf.replace("127.0.0.1:8081", product.console_url.removeprefix("http://"))
    (folder / "conf").write_text(conf)
    urls = [f"https://127.0.0.1:{port}" for port in ports]
    tls = ssl.create_default_context(cafile=certificate)
    env = {"HOME": str(folder), "PATH": "/usr/sbin:/usr/bin:/bin"}
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(command, env=env, stdout=said, stderr=said)
    try:
        until(lambda: all(is_up(url, tls) for url in urls), (folder / "said").read_text())
        yield Proxy(urls[0], urls[1], tls)
    finally:
        process.terminate()
        process.wait(20)


def is_up(url: str, tls: ssl.SSLContext) -> bool:
    """Whether dd0c answers there."""
    try:
        return httpx.get(f"{url}/readyz", verify=tls).status_code == 200
    except httpx.TransportError:
        return False


def test_a_stream_comes_event_by_event(product: Product, proxy: Proxy) -> None:
    """Nothing is held back: the first event is here while the provider waits with the next."""
    key = product.owner_key
    with httpx.Client(verify=proxy.tls, timeout=5.0) as client:
        answer = client.send(
            proxy.ask(key, **{"x-sim-fault": "stall_after=2;stall=60"}), stream=True
        )
        first = next(answer.iter_lines())
        answer.close()
    assert first.startswith("data: {")
    ended = answer.headers["x-dd0c-request-id"]
    path = f"/route/requests/{ended}"
    until(lambda: product.api("GET", path).status_code == 200, "the attempt is booked")
    assert product.get_json(path)["attempts"][0]["end_reason"] == "client_gone"


def test_the_provider_does_not_learn_who_asks(product: Product, proxy: Proxy) -> None:
    """What proxies add about the caller stops before the provider."""
    with httpx.Client(verify=proxy.tls, timeout=5.0) as client:
        answer = client.send(proxy.ask(product.owner_key, **{"x-forwarded-for": "203.0.113.9"}))
    upstream = httpx.get(f"{product.sim_url}/_sim/requests/{answer.headers['x-request-id']}")
    assert b"chat/completions" in upstream.content
    assert b"forwarded" not in upstream.content.lower()
    assert b"via:" not in upstream.content.lower()


def test_a_body_over_the_bound_is_refused_by_dd0c(product: Product, proxy: Proxy) -> None:
    """The refusal has the shape that the SDKs know: it is dd0c's, not the proxy's page."""
    too_much = b" " * (32 * 1024 * 1024 + 1)
    headers = {"Authorization": f"Bearer {product.owner_key}"}
    url = f"{proxy.gateway_url}/v1/chat/completions"
    answer = httpx.post(url, content=too_much, headers=headers, verify=proxy.tls, timeout=20.0)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "body_too_large"


def test_people_sign_in_over_tls(product: Product, proxy: Proxy) -> None:
    """The session's cookie is for TLS only, pages are live, metrics are not for everybody."""
    origin = {"origin": proxy.console_url}
    with httpx.Client(base_url=proxy.console_url, verify=proxy.tls, timeout=5.0) as client:
        form = {"key": product.owner_key}
        signed = client.post("/console/sign-in", data=form, headers=origin)
        assert signed.status_code == 303, signed.text
        assert "secure" in signed.headers["set-cookie"].lower()
        assert "max-age" in signed.headers["strict-transport-security"]
        assert client.get(signed.headers["location"]).status_code == 200
        with client.stream("GET", "/console/live/keys") as live:
            assert live.status_code == 200
            assert next(live.iter_lines())
        assert client.get("/metrics").status_code == 404
