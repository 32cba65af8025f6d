"""Fixtures of the end-to-end tests."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.product import Product

ROOT = Path(__file__).parents[2]
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def sdk() -> Iterator[Ask]:
    """Asks the official SDKs in another process, as a user's program would: tests/e2e/sdk.py."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.sdk"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        to, back = child.stdin, child.stdout

        def ask(**call: Any) -> dict[str, Any]:
            to.write(json.dumps(call) + "\n")
            to.flush()
            answer: dict[str, Any] = json.loads(back.readline())
            return answer

        yield ask
        to.close()


@pytest.fixture
def tenant(product: Product) -> str:
    """The owner key of an organisation that only this test uses."""
    return product.new_org()[1]
