"""A scripted provider and a worker in front of it, shared by the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.upstream import Upstream, answer_chat, running_upstream
from tests.support.worker import Worker, running_worker, snapshot


@pytest.fixture(scope="module")
def provider() -> Iterator[Upstream]:
    """The provider of this module's worker."""
    with running_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def module_worker(provider: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One worker for all tests of a module."""
    folder: Path = tmp_path_factory.mktemp("spool")
    with running_worker(folder, [snapshot(provider.port)]) as running:
        yield running


@pytest.fixture
def upstream(provider: Upstream) -> Upstream:
    """The provider with its default script and nothing remembered."""
    provider.script = answer_chat
    provider.received.clear()
    provider.small_buffers = False
    return provider


@pytest.fixture
def worker(module_worker: Worker, upstream: Upstream) -> Worker:
    """The shared worker with an empty spool history."""
    module_worker.forget()
    return module_worker
