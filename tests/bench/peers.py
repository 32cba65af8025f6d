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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench import machine, ours, upstream
from tests.bench.subject import Place, Start, Subject
from tests.bench.upstream import Missing, free_port

LITELLM = "1.106.2"
LITELLM_KEY = "sk-" + "0123456789abcdef" * 4  # it refuses to start without a long one
PORTKEY = "1.15.2"
INSTALL_WITHIN_S = 600.0
START_WITHIN_S = 90.0


@contextmanager
def direct(place: Place, behind: str) -> Iterator[Subject]:
    """No gateway at all: what upstream and load generator can do together."""
    at = urlsplit(behind)
    yield Subject("direct", "", str(at.hostname), at.port or 80, {}, "no gateway")


@contextmanager
def nginx(place: Place, behind: str) -> Iterator[Subject]:
    """`proxy_pass` with kept connections: what moving the bytes costs."""
    port = free_port()
    server = f"""
    upstream behind {{ server {urlsplit(behind).netloc}; keepalive 1100; }}
    server {{ listen 127.0.0.1:{port} backlog=4096;
      location / {{ proxy_pass http://behind; proxy_http_version 1.1;
                    proxy_set_header Connection ""; proxy_buffering off; }} }}"""
    with upstream.nginx(place.scratch, f"nginx-{port}", server, place.where.subject) as child:
        child.wait_for(port)
        version = machine.first_line(upstream.nginx_program(), "-v")
        pids = machine.family(child.pid)
        yield Subject(
            "nginx", version.rpartition("/")[2], "127.0.0.1", port, {}, "proxy_pass", pids, pids
        )


@contextmanager
def litellm(place: Place, behind: str) -> Iterator[Subject]:
    """LiteLLM's proxy, one worker, no database, so without keys, budgets and spend log."""
    home = place.cache / f"litellm-{LITELLM}"
    if not (home / "bin/litellm").exists():
        install([sys.executable, "-m", "venv", str(home)], home)
        install([str(home / "bin/pip"), "install", "-q", f"litellm[proxy]=={LITELLM}"], home)
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
        pids = machine.family(child.pid)
        yield Subject(
            "LiteLLM",
            LITELLM,
            "127.0.0.1",
            port,
            {"Authorization": f"Bearer {LITELLM_KEY}"},
            "no keys, no ledger",
            pids,
            pids,
        )


@contextmanager
def portkey(place: Place, behind: str) -> Iterator[Subject]:
    """Portkey's open gateway on node; it has no keys and no ledger of its own.

    This version fails each stream on node 20 (its issue 1389), which then stands in the results.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise Missing("node and npm are not installed")
    home = place.cache / f"portkey-{PORTKEY}"
    program = home / "node_modules/@portkey-ai/gateway/build/start-server.js"
    if not program.exists():
        home.mkdir(parents=True, exist_ok=True)
        wanted = f"@portkey-ai/gateway@{PORTKEY}"
        install([npm, "install", "--no-audit", "--no-fund", "--prefix", str(home), wanted], home)
    port = free_port()
    argv = [node, str(program), f"--port={port}", "--headless"]
    log = place.scratch / f"portkey-{port}.log"
    with upstream.running(argv, place.where.subject, log) as child:
        child.wait_for(port, START_WITHIN_S)
        pids = machine.family(child.pid)
        headers = {
            "Authorization": "Bearer sk-bench",
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"{behind}/v1",
        }
        yield Subject(
            "Portkey", PORTKEY, "127.0.0.1", port, headers, "no keys, no ledger", pids, pids
        )


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


PEERS: dict[str, Start] = {
    "direct": direct,
    "nginx": nginx,
    "dd0c": ours.dd0c,
    ours.LIMITS: ours.dd0c_limits,
    ours.BARE: ours.dd0c_bare,
    "litellm": litellm,
    "portkey": portkey,
}
