"""The audit log over HTTP and on the command line: what happened, its proof, exports of it."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from dd0c.base import ids
from dd0c.kernel.audit import standalone
from dd0c.kernel.audit.standalone import Checkpoint
from dd0c.kernel.db import roles
from dd0c.kernel.web.audit import pdf
from tests.cli import terminal
from tests.support.chained import chain, chain_of
from tests.support.control import Served

NAMES = ("=1+2", "Zoë 中文", "third")


@pytest.fixture(scope="module")
def told(served: Served) -> Served:
    """A server in whose log something is."""
    with served.client(served.acme) as client:
        for name in NAMES:
            key = client.post("/api/v1/keys", json={"name": name}).json()["id"]
        client.delete(f"/api/v1/keys/{key}")
    chain(served)
    return served


@pytest.fixture
def acme(told: Served) -> Iterator[httpx.Client]:
    """A client with acme's owner key."""
    with told.client(told.acme) as client:
        yield client


def get(client: httpx.Client, path: str) -> httpx.Response:
    """The answer, which is good."""
    answer = client.get(f"/api/v1/audit/{path}")
    assert answer.status_code == 200, answer.text
    return answer


def events(client: httpx.Client, query: str = "") -> list[dict[str, Any]]:
    """Events, newest first, page by page."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = get(client, f"events?limit=2&{query}{cursor}").json()
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def test_what_happened_is_listed_and_found(acme: httpx.Client) -> None:
    """Events come newest first with the names of now, over pages, by time, actor, event and
    subject (K-50)."""
    every = [one for one in events(acme) if one["sequence"] <= 5]
    assert [one["sequence"] for one in every] == [5, 4, 3, 2, 1]
    assert [one["event"] for one in every] == ["KeyRevoked", *["KeyCreated"] * 4]
    assert [one["subject"]["name"] for one in every[1:4]] == list(reversed(NAMES))
    assert every[0]["actor"]["name"] == "owner"
    third = every[0]["subject"]["id"]
    assert events(acme, f"subject={third}") == every[:2]
    assert events(acme, f"subject={third}&event=KeyRevoked") == every[:1]
    assert events(acme, f"actor={third}") == []
    at = datetime.fromisoformat(every[2]["at"])
    since, until = at.isoformat(), (at + timedelta(microseconds=1)).isoformat()
    params = httpx.QueryParams(since=since, until=until)
    assert events(acme, str(params)) == [every[2]]
    cursor = get(acme, "events?limit=1").json()["next_cursor"]
    other = acme.get("/api/v1/audit/events", params={"cursor": cursor, "event": "KeyCreated"})
    backwards = acme.get("/api/v1/audit/events", params={"since": until, "until": since})
    assert (other.status_code, backwards.status_code) == (400, 400)


def test_an_event_brings_its_proof(acme: httpx.Client) -> None:
    """The path of each event leads from its bytes to the root that was signed, and its text is the
    one that was committed to; no other event's path does (K-51)."""
    for one in events(acme, "event=KeyCreated"):
        found = get(acme, f"events/{one['id']}").json()
        proof, raw = found["proof"], found["entry"].encode()
        now = Checkpoint.read(proof["checkpoint"].encode(), proof["key"])
        path = [bytes.fromhex(each) for each in proof["path"]]
        assert (now.size, now.root.hex()) == (proof["size"], proof["root"])
        assert standalone.leaf(raw).hex() == proof["leaf_hash"]
        assert standalone.is_in(now, found["sequence"] - 1, standalone.leaf(raw), path)
        assert not standalone.is_in(now, found["sequence"], standalone.leaf(raw), path)
        said = json.loads(raw)
        assert (said["id"], said["event"]) == (one["id"], "KeyCreated")
        if found["has_private"]:
            assert found["private"]["name"] == one["subject"]["name"]
            salted = bytes.fromhex(found["salt"]) + standalone.canonical(found["private"])
            assert hashlib.sha256(salted).hexdigest() == said["private"]


def test_the_head_is_signed(acme: httpx.Client, told: Served) -> None:
    """The checkpoint comes as JSON and as the bare note, and its key checks it; a log without an
    entry has none (K-50)."""
    found = get(acme, "checkpoint").json()
    note = get(acme, "checkpoint.txt")
    assert note.headers["content-type"].startswith("text/plain")
    assert note.text == found["note"]
    now = Checkpoint.read(note.content, found["key"])
    assert (now.origin, now.size, now.root.hex()) == (
        found["origin"],
        found["size"],
        found["root"],
    )
    lines = get(acme, f"entries?size={found['size']}").content.splitlines()
    assert len(lines) == found["size"]
    assert get(acme, "entries?size=2").content.splitlines() == lines[:2]


def test_who_may_read_which_log(told: Served) -> None:
    """Owners and admins read their organisation's log, others do not; the installation's is for
    who runs it (K-50)."""
    paths = ("events", "checkpoint", "checkpoint.txt", "entries", "export?format=csv")
    for role, status in {"admin": 200, "operator": 403, "viewer": 403, "billing": 403}.items():
        with told.client(told.key(told.acme, roles=[role])) as client:
            assert {client.get(f"/api/v1/audit/{path}").status_code for path in paths} == {status}
    with told.client(told.acme) as owner, told.client(told.platform) as platform:
        for path in paths:
            asked = f"/api/v1/audit/{path}{'&' if '?' in path else '?'}log=installation"
            refused = owner.get(asked)
            assert (refused.status_code, "platform:audit" in refused.text) == (403, True)
            assert platform.get(asked).status_code == 200, path
        of = platform.get("/api/v1/audit/events?log=installation").json()["items"]
    assert {one["log"] for one in of} == {"installation"}


def exported(client: httpx.Client, query: str) -> bytes:
    """A file."""
    answer = get(client, f"export?{query}")
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    return answer.content


def test_a_spreadsheet_takes_nothing_for_a_formula(acme: httpx.Client) -> None:
    """The CSV has every event of the selection in order, names and texts only when asked for, and
    formulas are texts; without texts it is the same each time (K-52)."""
    bare = exported(acme, "format=csv&size=5")
    assert exported(acme, "format=csv&size=5") == bare
    assert b"Zo" not in bare
    assert {len(row) for row in csv.reader(io.StringIO(bare.decode()))} == {8}
    rows = list(csv.DictReader(io.StringIO(exported(acme, "disclose=true&size=5").decode())))
    assert [row["sequence"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [row["subject_name"] for row in rows[1:4]] == ["'=1+2", *NAMES[1:]]
    assert json.loads(rows[2]["private"])["name"] == NAMES[1]
    one = csv.DictReader(io.StringIO(exported(acme, "event=KeyRevoked&size=5").decode()))
    assert [row["sequence"] for row in one] == ["5"]


@pytest.mark.parametrize(
    "query", ["", "event=KeyCreated", "disclose=true", "since=2020-01-01T00:00Z"]
)
def test_a_bundle_passes_its_own_verifier(query: str, acme: httpx.Client, tmp_path: Path) -> None:
    """The whole log and a selection, with texts and without, are found good by the verify.py inside
    the bundle, which is the one that the export gives alone (K-51, K-52)."""
    path = tmp_path / "audit.zip"
    path.write_bytes(exported(acme, f"format=bundle&{query}"))
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path)
    assert (tmp_path / "verify.py").read_bytes() == exported(acme, "format=verifier")
    done = subprocess.run(
        [sys.executable, "-I", "verify.py", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert ("a selection of" in done.stdout) == bool(query and "disclose" not in query)
    assert ("texts: 3 of 3" in done.stdout) == ("disclose" in query)
    assert acme.get("/api/v1/audit/export?format=bundle&size=2").status_code == 400


def test_a_pdf_says_the_hash_of_the_csv(acme: httpx.Client) -> None:
    """The PDF carries the totals and the SHA-256 of the CSV of the same selection; letters that its
    fonts lack are escapes (K-52)."""
    query = "event=KeyCreated&size=5&disclose=true"
    drawn = exported(acme, f"format=pdf&{query}")
    assert drawn.startswith(b"%PDF-")
    streams = re.findall(rb"stream\r?\n(.*?)~>", drawn, re.DOTALL)
    said = b"".join(zlib.decompress(base64.a85decode(each)) for each in streams)
    assert hashlib.sha256(exported(acme, f"format=csv&{query}")).hexdigest().encode() in said
    assert (b"(4 of 5)" in said, said.count(b"(KeyCreated)")) == (True, 5)
    assert pdf.plain(NAMES[1]) == "Zoë \\u4e2d\\u6587"
    assert pdf.plain("a\u202eb\x00") == "a\\u202eb\\x00"


def test_what_is_too_long_for_paper_goes_into_a_spreadsheet(told: Served) -> None:
    """Beyond 10,000 events a PDF is refused with a word on what to take; the CSV has them all, in
    order (K-52)."""
    with told.client(told.globex) as client:
        org = ids.parse(ids.Kind.ORGANISATION, client.get("/api/v1/me").json()["org_id"])
        chain_of(told, org, pdf.ROWS_MAX)
        refused = client.get("/api/v1/audit/export?format=pdf")
        assert (refused.status_code, "take CSV" in refused.json()["hint"]) == (400, True)
        rows = csv.DictReader(io.StringIO(exported(client, "format=csv").decode()))
        count = get(client, "checkpoint").json()["size"]
        assert [int(row["sequence"]) for row in rows] == list(range(1, count + 1))
    assert count > pdf.ROWS_MAX


def test_who_takes_events_away_is_told(told: Served, acme: httpx.Client) -> None:
    """An export stands in the log, with its form and whether texts were in it (K-50)."""
    exported(acme, "format=csv&disclose=true&event=KeyRevoked")
    chain(told)
    newest = events(acme, "event=AuditExported")[0]
    assert newest["facts"].items() >= {"format": "csv", "disclosed": True, "whole": False}.items()


def dd0c(served: Served, *words: str) -> subprocess.CompletedProcess[str]:
    """A verb as acme's owner."""
    env = {"DD0C_URL": served.url, "DD0C_KEY": served.acme}
    return terminal.call("audit", *words, env=env)


def test_verbs_read_and_check_the_log(told: Served, tmp_path: Path) -> None:
    """`dd0c audit` lists, shows, keeps a checkpoint, exports, and verifies the server's log and a
    file, each by its own reckoning (K-51)."""
    listed = json.loads(dd0c(told, "list", "--event", "KeyRevoked", "--json").stdout)["items"]
    shown = dd0c(told, "show", listed[0]["id"])
    assert ("third" in shown.stdout, "root" in shown.stdout) == (True, True)
    kept, bundle = tmp_path / "kept.txt", tmp_path / "audit.zip"
    kept.write_text(dd0c(told, "checkpoint").stdout)
    made = dd0c(told, "export", "--format", "bundle", "-o", str(bundle))
    assert made.returncode == 0, made.stderr
    for words in ((), (str(bundle),)):
        done = dd0c(told, "verify", "--checkpoint", str(kept), *words)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "nothing is wrong")
    other = json.loads(dd0c(told, "checkpoint", "--json").stdout)["key"][:-4] + "AAA="
    assert dd0c(told, "verify", "--key", other).returncode == 1
    bundle.write_bytes(b"no zip")
    broken = dd0c(told, "verify", str(bundle))
    assert (broken.returncode, "could not be checked" in broken.stderr) == (2, True)


def test_verify_does_not_believe_the_server(told: Served, tmp_path: Path) -> None:
    """An entry that the owner of the database changed is named by `dd0c audit verify`, status 1
    (K-51)."""
    statement = (
        "UPDATE kernel.audit_entries SET bytes = convert_to(replace(convert_from(bytes, 'UTF8'),"
        " '{a}', '{b}'), 'UTF8') WHERE sequence = 2 AND log <> 'installation'"
    )
    conninfo = told.database.conninfo(roles.OWNER).reveal()
    with psycopg.connect(conninfo, autocommit=True) as owner:
        owner.execute(statement.format(a="KeyCreated", b="KeyCreatet").encode())
        try:
            done = dd0c(told, "verify", "--json")
        finally:
            owner.execute(statement.format(a="KeyCreatet", b="KeyCreated").encode())
    found = json.loads(done.stdout)
    assert (done.returncode, found["whole"]) == (1, True)
    assert found["findings"][0].startswith("entry 3 does not follow from the one before")
    assert dd0c(told, "verify").returncode == 0
