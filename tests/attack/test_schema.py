"""schemathesis against the document: values at every bound, random ones, and calls that follow one
another. What its checks find is mended; what they cannot know is listed here, with the reason."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.isolation.tenants import Tenant
from tests.support.control import Served

EXCLUDED = {
    "positive_data_acceptance": "that a cursor is ours, a name is known and two fields go together"
    " is said by no schema, and answered with 400",
    "use_after_free": "what was ended keeps its name: a revoked key is still shown, and said to be",
}
TWO_PATHS = {
    "/api/v1/content/policy": "`policy` in the place of an id is refused as one",
    "/api/v1/people/erase": "`erase` in the place of an id is refused as one",
    "/api/v1/route/prices/overrides/{override_id}": "`overrides` may be a provider's name",
}
"""Paths that another path with parameters takes too: its methods are answered there as well."""

WITHIN_S = 100
FIXED_SEED = 6
TODAY = datetime.now(UTC).toordinal()
BRAKE = "/api/v1/admin/panic"
"""While it is on, nothing is changed, so nothing else would be tried: it is asked alone."""

OTHERS = ["--exclude-path", BRAKE]
OF_ROUTE, OF_THE_KERNEL = "^/api/v1/route/", "^/api/v1/(?!route/)"
CHANGING = [f"--include-method={method}" for method in ("POST", "PUT", "PATCH", "DELETE")]
BOUNDS = ["--phases", "examples,coverage", *CHANGING]
"""Every bound of every value takes its time: those of filters are tried at random only."""

HALVES = (
    (FIXED_SEED, 13, [*BOUNDS, "--exclude-path-regex", OF_THE_KERNEL]),
    (FIXED_SEED, 30, [*BOUNDS, *OTHERS, "--exclude-path-regex", OF_ROUTE]),
)
"""One on each day: all of it would take half a minute."""


@pytest.fixture
def released(served: Served, acme: Tenant) -> Iterator[None]:
    """Whatever was tried, no panic is on before and after it."""
    with served.client(acme.owner) as client:
        assert client.get(BRAKE).json()["mode"] is None
        yield
        client.request("DELETE", BRAKE, json={"reason": "tried"}).raise_for_status()


@pytest.mark.usefixtures("released")
@pytest.mark.parametrize(
    ("seed", "tested_min", "options"),
    [
        HALVES[TODAY % 2],
        (TODAY, 60, ["--phases", "fuzzing,stateful", "-n", "2", *OTHERS]),
        (TODAY, 3, ["--phases", "examples,coverage,fuzzing", "-n", "2", "--include-path", BRAKE]),
    ],
    ids=["every bound, of route or else", "another every day", "the brake"],
)
def test_the_server_is_as_its_document_says(
    served: Served,
    acme: Tenant,
    tmp_path: Path,
    *,
    seed: int,
    tested_min: int,
    options: Sequence[str],
) -> None:
    """No 5xx, no answer of another shape, nothing accepted that the document refuses, whatever is
    sent to whichever operation (K-11)."""
    (tmp_path / "schemathesis.toml").write_text("\n".join(_settings()))
    program = [sys.executable, "-m", "schemathesis.cli", "run", f"{served.url}/api/openapi.json"]
    caller = ["-H", f"Authorization: Bearer {acme.owner}"]
    rest = ["--seed", str(seed), "--no-color", "--continue-on-failure", "--warnings", "off"]
    done = subprocess.run(
        [*program, *caller, *rest, "--suppress-health-check", "all", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    said = f"seed {seed}\n{done.stdout[-8_000:]}\n{done.stderr[-2_000:]}"
    assert done.returncode == 0, said
    tested = re.search(r"Tested: (\d+)", done.stdout)
    assert tested, said
    assert int(tested[1]) >= tested_min, said


def _settings() -> Iterator[str]:
    """What is not checked, as schemathesis reads it."""
    yield "[checks]"
    yield from (f"{check}.enabled = false" for check in EXCLUDED)
    for path in TWO_PATHS:
        yield f'[[operations]]\ninclude-path = "{path}"'
        yield "checks.unsupported_method.enabled = false"
        yield "checks.allow_header_conformance.enabled = false"
    yield '[phases.coverage]\nunexpected-methods = ["OPTIONS"]'
