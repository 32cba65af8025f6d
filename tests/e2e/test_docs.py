"""The documents do what they say: each command of each page is run (proofs 20).

One shell a page, in a folder of its own, beside one running dd0c. Its addresses and its home stand
in for the defaults that the pages name.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documents import PAGES, ROOT, SHOWN, Block, blocks
from tests.support.product import Product

pytestmark = pytest.mark.e2e

# Pages whose blocks need something else than a running dd0c, and the tests that run them.
ELSEWHERE = {
    "docs/howto/external-postgresql.md": "tests/kernel/db/test_external.py",
    "docs/howto/simulator.md": "tests/sim/test_howto.py",
}
HERE = [page for page in PAGES if page not in ELSEWHERE and any(one.is_run for one in blocks(page))]
# What must have been said. A page that is not listed has only to succeed.
SAID = {
    "README.md": ['"chat.completion"', "gpt-5-mini"],
    "docs/start.md": ['"chat.completion"', "gpt-5-mini", "my-laptop"],
}


def test_every_block_has_a_purpose() -> None:
    """Nothing that looks like a command or a file is left out because nobody listed it."""
    for page in set(PAGES) - set(ELSEWHERE):
        for one in blocks(page):
            known = one.is_run or one.is_file or (one.language, one.name) in SHOWN
            assert known, f"{page}: {one.language} {one.name}"
    for page, test in ELSEWHERE.items():
        assert Path(page).name in (ROOT / test).read_text()


@pytest.mark.parametrize("page", HERE)
def test_its_commands_work(product: Product, tmp_path: Path, page: str) -> None:
    """Every command and program of the page succeeds, in order and in one shell."""
    done = subprocess.run(
        ["sh", "-c", "\n".join(script(product, page, tmp_path))],
        cwd=tmp_path,
        env=environment(product, tmp_path),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for text in SAID.get(page, []):
        assert text in done.stdout


def script(product: Product, page: str, folder: Path) -> list[str]:
    """The page as a shell script; its programs and files are written to the folder."""
    lines = ["set -eu"]
    for number, one in enumerate(blocks(page)):
        if one.is_file and "/" in one.name:
            assert one.text == (ROOT / one.name).read_text(), f"{page}: {one.name} differs"
        elif one.is_file:
            (folder / one.name).write_text(of(product, one))
        elif one.is_run and one.language == "python":
            (folder / f"{number}.py").write_text(of(product, one))
            lines.append(f"{sys.executable} {number}.py; echo")
        elif one.is_run:
            lines.append(of(product, one) + "\necho")
    return lines


def of(product: Product, block: Block) -> str:
    """The text with this product's addresses and home in place of the defaults."""
    return (
        block.text.replace("http://127.0.0.1:8080", product.gateway_url)
        .replace("http://127.0.0.1:8081", product.console_url)
        .replace("~/.dd0c", str(product.home))
        .replace(".venv/bin/", "")
    )


def environment(product: Product, folder: Path) -> dict[str, str]:
    """As in a shell that says `dd0c` and `python` for those of the checkout."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {
        "DD0C_HOME": str(product.home),
        "PATH": programs,
        "XDG_CONFIG_HOME": str(folder),
    }
