"""`dd0c up`: what it says when it is ready, and what it says when it cannot start."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.product import Product, until

pytestmark = pytest.mark.e2e


def test_the_ready_lines_tell_all_that_is_needed(product: Product) -> None:
    """K-1: ready, both addresses, where the owner key lies, and that providers are simulated."""
    text = "\n".join(product.lines)
    assert "dd0c is ready" in product.lines
    assert product.gateway_url in text
    assert product.console_url in text
    assert str(product.home / "owner.key") in text
    assert "simulated" in text
    assert product.owner_key not in text


def test_the_request_it_prints_can_be_pasted(product: Product) -> None:
    """K-1: the printed request, pasted as it stands into a shell, is answered."""
    [line] = [line for line in product.lines if line.strip().startswith("curl ")]
    done = subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0
    answer = json.loads(done.stdout)
    assert answer["choices"][0]["message"]["content"]


def test_the_home_is_closed_to_others(product: Product) -> None:
    """K-1, K-6: the owner key and all secrets are 0600, their folders 0700."""
    assert stat.S_IMODE((product.home / "owner.key").stat().st_mode) == 0o600
    for folder in ("secrets", "spool", "run", "log"):
        assert stat.S_IMODE((product.home / folder).stat().st_mode) == 0o700
    for secret in (product.home / "secrets").iterdir():
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_no_key_is_in_any_environment_or_argument(product: Product) -> None:
    """K-32: no child of the supervisor carries a secret in its arguments or its environment."""
    secrets = [
        product.owner_key,
        (product.home / "secrets" / "pepper").read_text().strip(),
        *(product.home / "secrets" / "kek.key").read_text().split(),
        *json.loads((product.home / "secrets" / "database.json").read_text()).values(),
    ]
    assert all(len(secret) > 20 for secret in secrets)
    pids = processes.descendants(product.process.pid)
    assert len(pids) > 8
    for pid in pids:
        shown = "\0".join(processes.argv(pid)) + processes.environment(pid)
        assert not any(secret in shown for secret in secrets), processes.argv(pid)


def test_the_whole_product_is_small(product: Product) -> None:
    """K-4: when all that tests asked of it is over, all of it with two workers is under 350 MB; the
    supervisor and a worker are under 35."""
    simulator = product.parts()["sim"]  # no part of an installation with providers

    def sizes() -> dict[str, int]:
        pids = [product.process.pid, *processes.descendants(product.process.pid)]
        found = {f"{pid} {processes.argv(pid)}": processes.pss_kb(pid) for pid in pids}
        return {
            shown: size for shown, size in found.items() if not shown.startswith(f"{simulator} ")
        }

    def is_small() -> bool:
        time.sleep(0.5)  # to look costs what is looked at
        found = sizes()
        return len(found) > 8 and sum(found.values()) < 350_000

    try:
        until(is_small, "connections that nobody uses are given back", within_s=90)
    except AssertionError:
        print(*(f"{size:>8} kB {shown[:100]}" for shown, size in sizes().items()), sep="\n")
        raise
    for part in (product.process.pid, product.parts()["gateway_worker-1"]):
        assert 0 < processes.pss_kb(part) < 35_000


def test_a_second_up_on_the_same_home_is_refused(product: Product) -> None:
    """K-2: one line that says who has the home, a hint, exit 2; the first one goes on."""
    done = product.cli("up")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"error: dd0c already runs on {product.home} (process {product.process.pid})",
        "hint: stop that one, or choose another home with --home",
    ]
    assert product.is_ready()


def test_a_taken_port_is_refused_before_anything_starts(product: Product, tmp_path: Path) -> None:
    """K-2: a taken port gives one line that names it and the flag to change it, exit 2."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = product.cli("up", DD0C_HOME=str(tmp_path / "home"), DD0C_GATEWAY_PORT=port)
    assert done.returncode == 2
    error, hint = done.stderr.splitlines()
    assert error.startswith(f"error: the gateway cannot listen on 127.0.0.1 port {port}")
    assert "--gateway-port" in hint
    assert not (tmp_path / "home" / "postgres").exists()


def test_a_part_alone_on_a_taken_port_is_refused(product: Product) -> None:
    """K-2, K-3: a second console where one listens is one line with what to do, exit 2."""
    port = product.console_url.rpartition(":")[2]
    done = product.cli("control", DD0C_HOME=str(product.home), DD0C_CONSOLE_PORT=port)
    assert done.returncode == 2
    error, hint = done.stderr.splitlines()
    assert error.startswith(f"error: the console cannot listen on 127.0.0.1:{port}: ")
    assert "--console-port" in hint


def test_a_foreign_home_is_left_alone(product: Product, tmp_path: Path) -> None:
    """K-2: a folder with something else in it is refused and not touched."""
    (tmp_path / "thesis.txt").write_text("years of work")
    done = product.cli("up", DD0C_HOME=str(tmp_path))
    assert done.returncode == 2
    assert "is not empty and not a home of dd0c" in done.stderr.splitlines()[0]
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("setting", "value"),
    [("DD0C_GATEWAY_PORT", "99999"), ("DD0C_WORKERS", "many"), ("DD0C_WORKERS", "-1")],
)
def test_a_wrong_setting_is_named(
    product: Product, tmp_path: Path, setting: str, value: str
) -> None:
    """K-2: a setting that cannot be is told by name, exit 2."""
    done = product.cli("up", **{"DD0C_HOME": str(tmp_path / "home"), setting: value})
    assert done.returncode == 2
    assert setting.removeprefix("DD0C_").lower() in done.stderr.splitlines()[0].lower()


def test_doctor_finds_nothing_wrong(product: Product) -> None:
    """Every part of a fresh installation is found well; the simulator is a warning, not more, and
    so is a backup until it is made."""
    found: dict[str, str] = {}

    def is_well() -> bool:
        done = product.cli("doctor", "--json")
        assert done.returncode == 0, done.stdout
        findings = json.loads(done.stdout)["findings"]
        found.update({finding["name"]: finding["state"] for finding in findings})
        not_ok = {name for name, state in found.items() if state != "ok"}
        return not_ok - {"backup"} == {"providers"}

    until(is_well, "the gateway has told all, and the report of before is forgotten")
    assert {"modes", "room", "disk", "spool", "supervisor", "children", "providers"} <= found.keys()
    assert {"database", "database fit", "clock", "cache", "gateway", "worker"} <= found.keys()


def test_doctor_names_cause_and_remedy(product: Product) -> None:
    """An open owner key and a loop are told with what to do about them."""
    key = product.home / "owner.key"
    key.chmod(0o644)
    try:
        done = product.cli(
            "doctor",
            "--json",
            OPENAI_BASE_URL=f"{product.gateway_url}/v1",
            OPENAI_API_KEY="sk-real",
            DD0C_GATEWAY_PORT=product.gateway_url.rpartition(":")[2],
        )
    finally:
        key.chmod(0o600)
    assert done.returncode == 1
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert findings["modes"]["state"] == "problem"
    assert f"chmod go= {key}" in findings["modes"]["remedy"]
    assert findings["environment"]["state"] == "warning"
    assert "unset OPENAI_BASE_URL" in findings["environment"]["remedy"]


def test_doctor_where_nothing_runs(product: Product, tmp_path: Path) -> None:
    """Without a home it says how to get one, exit 1."""
    done = product.cli("doctor", DD0C_HOME=str(tmp_path))
    assert done.returncode == 1
    assert "dd0c up" in done.stdout
