"""The commands of the documents work as they stand: proofs of README.md and docs/start.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.product import Product

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(document: str) -> list[tuple[str, str]]:
    """Language and text of the blocks of a document that can be run beside a running dd0c."""
    return BLOCK.findall((ROOT / document).read_text())


def test_the_start_document_works(product: Product, tmp_path: Path) -> None:
    """Every command of docs/start.md, in order and in one shell, does what it says."""
    script = ["set -eu", f"cd {ROOT}"]
    for number, (language, text) in enumerate(blocks("docs/start.md")):
        if language == "python":
            (tmp_path / f"{number}.py").write_text(of(product, text))
            script.append(f"{sys.executable} {tmp_path}/{number}.py")
        else:
            script.append(of(product, text))
        script.append(f"echo; echo done-{number}")
    assert len(script) > 12
    done = subprocess.run(
        ["sh", "-c", "\n".join(script)],
        env=os.environ | {"DD0C_HOME": str(product.home)},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"object":"chat.completion"' in done.stdout.replace(" ", "")
    assert "gpt-5-mini" in done.stdout
    assert "my-laptop" in done.stdout


def of(product: Product, text: str) -> str:
    """The text with this product's addresses and home in place of the defaults."""
    return (
        text.replace("http://127.0.0.1:8080", product.gateway_url)
        .replace("http://127.0.0.1:8081", product.console_url)
        .replace("~/.dd0c", str(product.home))
        .replace(".venv/bin/dd0c", f"{sys.executable} -m dd0c.cli.main")
    )
