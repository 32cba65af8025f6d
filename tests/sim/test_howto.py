"""docs/howto/simulator.md: its commands run, its scenarios are valid, its table is true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from dd0c.sim import faults, latency, scenarios
from tests.support.simulator import Simulator

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "simulator.md"
BLOCK = re.compile(r"^```(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    """The blocks of the document in one language."""
    return [text for kind, text in BLOCK.findall(HOWTO.read_text()) if kind == language]


def test_its_commands_work(sim: Simulator) -> None:
    """Every command and program of the document runs against a simulator and succeeds."""
    said = []
    for text in [*blocks("sh"), *blocks("python")]:
        script = text.replace("http://127.0.0.1:8090", sim.url)
        shell = ["sh", "-euc"] if text in blocks("sh") else [sys.executable, "-c"]
        done = subprocess.run(
            [*shell, script], capture_output=True, text=True, timeout=20, check=False
        )
        assert done.returncode == 0, text + done.stdout + done.stderr
        said.append(done.stdout)
    assert len(said) == 6
    assert '"object":"chat.completion"' in said[0]
    assert '"struck":0' in said[2]
    assert said[3].endswith("5\n")
    assert said[-1].endswith("the provider hung up\n")


def test_its_scenarios_are_valid(tmp_path: Path) -> None:
    """Each scenario of the document can be started."""
    path = tmp_path / "example.toml"
    found = []
    for text in blocks("toml"):
        path.write_text(text)
        found.append(scenarios.read_file(path))
    assert [len(scenario.rules) for scenario in found] == [3, 0]
    assert found[1].profiles["ours"].token_ms.max == 90


def test_its_table_names_faults_there_are() -> None:
    """What the table says to ask for can be asked for; the help lists every fault and profile."""
    rows = re.findall(r"^\| [^|]+ \| (`[^|]+) \| [^|]+ \|$", HOWTO.read_text(), re.MULTILINE)
    asked = [text for row in rows for text in re.findall(r"`([^`]+)`", row) if "/" not in text]
    assert len(asked) > 20
    for text in asked:
        faults.parse(text)


def test_the_help_teaches() -> None:
    """`dd0c sim --help` lists each fault with its unit and each profile, and shows commands."""
    command = [sys.executable, "-m", "dd0c.cli.main", "sim", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    for fault in faults.FAULTS:
        assert re.search(rf"^ +{fault.name} +{fault.unit} +\S", done.stdout, re.MULTILINE)
    assert all(name in done.stdout for name in latency.PROFILES)
    assert "x-sim-fault" in done.stdout
    assert "dd0c sim --scenario" in done.stdout
