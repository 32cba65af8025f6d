"""What can be learned by trying: from the status, the words and the time of answers."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import httpx
import pytest

import dd0c
from tests.isolation.asking import filled, questions
from tests.isolation.tenants import NOBODY, Tenant
from tests.support.control import Served

SECRET = re.compile(
    r"secret|token|password|digest|hash|pepper|csrf|signature|\btag\b", re.IGNORECASE
)
PURE = ("scan", "products/run/parsing")
"""They read texts, whose words are tokens, and know no secret."""

HARMLESS = {
    "_digest(inside, name) != digest": "of a backup's parts: whoever has the file has both",
    "len(self.reveal()) == PEPPER_BYTES": "a length that everybody knows",
    "await vault.open(tx, row.org, row.id, sealed) != secret": "both are ours: nothing is given",
    "secret == one.secret": "both are ours: nothing is given",
    "signature[:KEY_HASH_BYTES] == key_hash(name, public)": "of a public key",
    "len(found.root) != HASH_BYTES": "a length that everybody knows",
    "hashed == now.root": "of the audit log: whoever has the entries has their hashes",
    "entry['previous'] != self.hash": "the same",
    "hashlib.sha256(salted).hexdigest() != entry.get('private')": "the same: it is disclosed",
    "tagged.hex() != tag": "of a public key",
    "_times(s, base) == _add(r, _times(hashed % L, a))": "of a signature: all of it is public",
    "attempt['delivered_output_tokens'] != attempt['upstream_output_tokens']": "a count",
    "output == bill.output_tokens(one.usage)": "a count",
    "given.total_tokens != sent + made": "a count",
}
"""Comparisons of what only sounds secret, or that nobody outside can time."""


def _plain(answer: httpx.Response) -> tuple[int, str]:
    """What an answer says, without what differs each time."""
    text = re.sub(r"req_[0-9a-z]{26}|[\w.+-]+@[\w-]+\.example", "…", answer.text)
    return answer.status_code, text


def test_signing_in_tells_nothing(served: Served, acme: Tenant) -> None:
    """An unknown address, a wrong password, an account without one and one that was removed are
    told the same; each is compared with a hash of the same cost (K-21)."""
    tried = (NOBODY["email"], "ada@acme.example", "0@acme.example", "GRACE@acme.example")
    with served.client() as client:
        answers = {
            _plain(
                client.post(
                    "/console/sign-in",
                    data={"email": email, "key": "a wrong password of some length"},
                    headers={"origin": served.url},
                )
            )
            for email in tried
        }
    assert len(answers) == 1
    assert {status for status, _ in answers} == {401}


@pytest.mark.parametrize("text", ["", "x", "dd0c_inv_" + "a" * 43, "dd0c_inv_" + "é" * 43, "%00"])
def test_a_made_up_invitation_is_nothing(served: Served, text: str) -> None:
    """Links that nobody made are answered alike, however well they are formed."""
    with served.client() as client:
        answer = client.get(f"/console/invitation/{text}")
    assert answer.status_code == 404


def test_organisations_cannot_be_probed(served: Served, acme: Tenant) -> None:
    """Whether another organisation exists is not told to who may not make keys there."""
    with served.client(acme.owner) as client:
        answers = {
            _plain(client.post("/api/v1/keys", json={"name": "x", "org": org}))
            for org in ("globex", "no such organisation")
        }
    assert len(answers) == 1
    assert {status for status, _ in answers} == {403}


def test_strangers_are_told_the_same_everywhere(served: Served, acme: Tenant) -> None:
    """Without a key, what is there and what is not is answered in the same words."""
    for question in questions(served.app)[0]:
        if question.is_page or question.query:
            continue
        with served.client() as client:
            answers = {
                _plain(
                    client.request(
                        question.method,
                        question.path.format_map(names),
                        json=filled(question.body, names),
                    )
                )
                for names in (acme.names, NOBODY)
            }
        assert len(answers) == 1, question
        assert {status for status, _ in answers} == {401}, question


def test_secrets_are_compared_in_constant_time() -> None:
    """Secrets are found by a keyed hash, or compared by what takes the same time whatever is
    given: nothing is compared along a secret (K-20)."""
    root = Path(dd0c.__file__).parent
    reading = {path for pure in PURE for path in (root / pure).rglob("*.py")}
    assert reading
    paths = set(root.rglob("*.py")) - reading
    found = {text for path in paths for _, text in _compared(path.read_text())}
    assert found == HARMLESS.keys()


def _compared(source: str) -> list[tuple[int, str]]:
    """Where == or != has something secret on both sides, that is no constant on either."""
    compares = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Compare)]
    return [
        (node.lineno, ast.unparse(node))
        for node in compares
        if any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops)
        and not any(isinstance(side, ast.Constant) for side in (node.left, *node.comparators))
        and any(SECRET.search(ast.unparse(side)) for side in (node.left, *node.comparators))
    ]


def test_the_comparison_rule_can_fail() -> None:
    """It sees what it is for."""
    assert _compared("if given == self.secret: pass") == [(1, "given == self.secret")]
    assert _compared("if hmac.compare_digest(given, self.secret): pass") == []
