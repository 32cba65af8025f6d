"""Texts read and commands judged over HTTP, without keeping anything."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from dd0c.products.run.documents import PER_MINUTE
from tests.support.control import Served

PARSE, CLASSIFY = "/api/v1/run/parse", "/api/v1/run/classify"
JSON = {"content-type": "application/json"}
RUNBOOK = """\
# Full disk

## Diagnosis

Check which directory is large:

```bash
$ du -sh /var/log
1.2G    /var/log
```

## Repair

Delete old journals on the node:

```bash
journalctl --vacuum-size=100M
rm -rf /var/log/old/<node>
```
"""


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    """Who may read in a new organisation, which has asked for nothing yet."""
    with served.client(served.platform) as platform:
        number = len(platform.get("/api/v1/orgs").json()["items"])
        made = platform.post("/api/v1/orgs", json={"name": f"org-{number}"}).json()
    with served.client(made["owner_key"]) as client:
        yield client


def packed(source: bytes) -> dict[str, Any]:
    """A body that holds these bytes."""
    return {"source": base64.b64encode(zlib.compress(source)).decode(), "packed": True}


def test_a_text_is_read_into_judged_steps(client: httpx.Client) -> None:
    """Each step with its source, its commands, and what each may do at worst, why; the same as a
    stream of lines, and packed (N-1, N-3, N-10)."""
    answer = client.post(PARSE, json={"source": RUNBOOK})
    assert answer.status_code == 200, answer.text
    read = answer.json()
    assert read["format"] == "markdown"
    look, repair = read["steps"]
    assert (look["position"], look["kind"], look["risk"]) == (1, "check", "safe")
    assert [command["text"] for command in look["commands"]] == ["du -sh /var/log"]
    assert (look["rollback"], look["section"]) == (None, ["Full disk", "Diagnosis"])
    assert repair["risk"] == "blocked"
    verdict = repair["commands"][1]["verdict"]
    start, end = verdict["findings"][0]["span"]
    assert "<node>" in verdict["text"][start:end]
    for command in look["commands"] + repair["commands"]:
        start, end = command["span"]
        assert RUNBOOK[start:end] == command["text"]
    assert client.post(PARSE, json=packed(RUNBOOK.encode())).json() == read
    headers = {"accept": "application/x-ndjson"}
    with client.stream("POST", PARSE, json={"source": RUNBOOK}, headers=headers) as stream:
        assert stream.headers["content-type"] == "application/x-ndjson"
        lines = [json.loads(line) for line in stream.iter_lines()]
    assert [line["step"] for line in lines[:-1]] == read["steps"]
    assert lines[-1] == {"end": {"format": "markdown", "remarks": []}}


def test_commands_are_judged_in_their_order(client: httpx.Client) -> None:
    """One verdict a command, with effects and the version of the rules; more than 500 are refused,
    and so is none (N-10, N-15)."""
    texts = ["ls -l", "rm -rf /srv", ":(){ :|:& };:", "ls -l"]
    answer = client.post(CLASSIFY, json={"commands": texts})
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    assert [item["text"] for item in items] == texts
    assert [item["risk"] for item in items] == ["safe", "dangerous", "blocked", "safe"]
    assert items[1]["effects"] == ["deletes"]
    assert items[0] == items[3]
    assert all(item["pack"] for item in items)
    for refused in ([], ["ls"] * 501, ["ls", 5]):
        assert client.post(CLASSIFY, json={"commands": refused}).status_code == 400
    wide = client.post(CLASSIFY, json={"commands": ["echo " + "a b " * 500] * 51})
    assert (wide.status_code, wide.json()["code"]) == (413, "too_large")


def test_an_organisation_asks_thirty_times_a_minute(served: Served, client: httpx.Client) -> None:
    """Reading and judging count together; then 429 says when, while others go on (N-15)."""
    body = {"commands": ["true"]}
    done = [client.post(CLASSIFY, json=body) for _ in range(PER_MINUTE - 1)]
    assert {answer.status_code for answer in done} == {200}
    assert client.post(PARSE, json={"source": "x"}).status_code == 200
    for path, more in ((CLASSIFY, body), (PARSE, {"source": "x"})):
        answer = client.post(path, json=more)
        assert (answer.status_code, answer.json()["code"]) == (429, "limit_exceeded")
        assert 1 <= int(answer.headers["retry-after"]) <= 61
    with served.client(served.globex) as other:
        assert other.post(CLASSIFY, json=body).status_code == 200


BAD = {
    "one line of 1 MB": b"x" * 1_048_576,
    "one command of 1 MB": b"```bash\nls " + b"x" * 1_000_000 + b"\n```\n",
    "1,001 commands": b"Run these:\n\n```bash\n" + b"ls /tmp\n" * 1_001 + b"```\n",
    "quotes 1,000 deep": b">" * 1_000 + b" run `ls`",
    "NUL": b"Run:\n\n```bash\nls \x00 /\n```\n",
    "invalid UTF-8": b"Run:\n\n```bash\nls \xff\xfe /\n```\n",
    "right to left": "Run:\n\n```bash\nls \u202e gpj.mr \u2066\n```\n".encode(),
    "a bomb of links": b"[" * 50_000 + b"x" + b"](y)" * 50_000,
    "a bomb of emphasis": b"*a **b " * 20_000,
    "HTML with scripts": b"<h1>x</h1><script>alert(1)</script><p onclick=x>Run <code>ls</code></p>",
    "HTML that does not end": b"<div>" * 100_000 + b"<pre><!--",
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_has_an_honest_answer(served: Served, name: str) -> None:
    """Steps that hide nothing, or an error that says what is wrong: never one of ours, and what is
    no command is not run (proofs 13)."""
    with served.client(served.acme) as client:
        answer = client.post(PARSE, json=packed(BAD[name]))
    assert answer.status_code in (200, 400, 413), answer.text[:500]
    assert answer.status_code == 413 or name != "1,001 commands"
    if answer.status_code != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.content) < 2_000
        return
    steps = answer.json()["steps"]
    risks = {command["verdict"]["risk"] for step in steps for command in step["commands"]}
    if name in ("NUL", "right to left"):
        assert risks == {"blocked"}
    assert "alert(1)" not in str([step["commands"] for step in steps])


def test_what_is_no_text_is_refused(client: httpx.Client) -> None:
    """Half a character, half a packing, more than was said: 400 or 413, which name the field."""
    whole = packed(b"x" * 10_000)
    half = {"source": whole["source"][:-12], "packed": True}
    for body in ({"source": "\ud800"}, half, {"source": "é", "packed": True}, packed(b"\xff")):
        answer = client.post(PARSE, content=json.dumps(body), headers=JSON)
        assert answer.status_code == 400, answer.text
        assert "body.source" in answer.json()["detail"]
    answer = client.post(PARSE, json=packed(b"x" * 2_000_000))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
