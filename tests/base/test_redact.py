"""Secrets are taken out of any text."""

from __future__ import annotations

import base64
import io
import json
from urllib.parse import quote, quote_plus

import pytest

from dd0c.base import redact, secrets
from dd0c.base.redact import scrub
from dd0c.base.secrets import Secret

ODD = 'oddö "pass\\word"/+ &x'
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("got sk-proj-abcdefgh12345678", "abcdefgh"),
        ("got sk-ant-api03-abc_DEF-123456", "abc_DEF"),
        ("dd0c_sk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AAAA"),
        ("Authorization: Bearer abc_efghijkl", "efgh"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "dXNl"),
        ("GET /x?key=abcdefghijkl&y=1", "abcdefghijkl"),
        ("https://h/x?a=1&X-Amz-Signature=0123456789abcdef", "0123"),
        ("{'x-api-key': 'abcdefghijkl'}", "abcdefghijkl"),
        ('{"api-key": "0123456789abcdef0123456789abcdef"}', "abcdef"),
        ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJal"),
        ("AIzaSyA1234567890abcdefghijklmnopqrstuv", "A1234"),
        ("token ya29.a0AfH6SMBabcdefghijklmnop", "AfH6"),
        ("AccountKey=Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4==;", "Zm9v"),
        ("A" * 52 + "JQQJ99BAACYeBjFXJ3w3AAABACOGabcd", "ACYe"),
        ("xoxb-123456789012-abcdefghij", "1234567"),
        ("https://hooks.slack.com/services/T000/B000/XXXXXXXXXXXX", "XXXX"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "abcd"),
        ("github_pat_11AAAAAAA0abcdefghijklmnop", "abcd"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl", "c2ln"),
        (f"before {KEY} after", "MIIE"),
        ("cut off " + KEY[:45], "MIIE"),
        ("postgresql://dd0c:hunter2@db/dd0c", "hunter2"),
        ("dd0c_inv_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AAAA"),
        ("host=db password=hunter2 user=x", "hunter2"),
        ('{"password": "hunter2 and more"}', "hunter2"),
        (r"{\"client_secret\":\"hunter2\"}", "hunter2"),
        ("GET /callback?code=abcdefghijkl&client_secret=mnopqrstuv", "mnop"),
        ("GOCSPX-abcdefghijklmnopqrstuvwx", "mnop"),
        ("refused hvs.CAESIabcdefghijklmnopqrstu", "mnop"),
        (json.dumps({"private_key": KEY}), "MIIE"),
        (r"sk\u002dproj\u002dabcdefgh12345678", "abcdefgh"),
    ],
)
def test_what_is_shaped_like_a_credential_is_taken_out(text: str, hidden: str) -> None:
    """K-40: also of a credential that we never had."""
    assert hidden in text
    assert hidden not in scrub(text)
    assert scrub(scrub(text)) == scrub(text)


@pytest.mark.parametrize(
    "text",
    [
        "send the header `Authorization: Bearer dd0c_sk_…`",
        "Basic authentication is not supported",
        "route /api/v1/keys/{key_id} answered request req_01jcq8z5m3t7abcdefghjkmnpq",
        "desk-lamp and risk-free task-force",
        "the key: none",
        "body.password: String should have at least 12 characters",
    ],
)
def test_our_own_words_stay(text: str) -> None:
    """K-40: hints that show how a key looks, ids and ordinary words are no secrets."""
    assert scrub(text) == text


@pytest.mark.parametrize(
    "spelled",
    [
        ODD,
        quote(ODD, safe=""),
        quote_plus(ODD),
        json.dumps(ODD)[1:-1],
        json.dumps(ODD, ensure_ascii=False)[1:-1],
        *(base64.b64encode(b"u" * n + b":" + ODD.encode() + b"@").decode() for n in range(3)),
        base64.urlsafe_b64encode(b">>>" + ODD.encode()).decode(),
        ODD.encode().hex(),
        ODD.encode().hex().upper(),
    ],
)
def test_a_loaded_secret_is_taken_out_in_every_spelling(spelled: str) -> None:
    """K-40: as it is, and as URL, JSON, base64 and hex write it, wherever in a text it begins."""
    secrets.keep(Secret(ODD))
    marked = scrub(f"<{spelled}>")
    assert "[secret:" in marked
    assert len(marked) < len("<[secret:16:012345]>") + 8  # of base64 the neighbours' share stays


def test_a_mark_tells_length_and_sameness() -> None:
    """K-40: its length and a short keyed digest; nothing to guess the secret by."""
    one, two = Secret("first-of-two-values"), Secret("second-of-two-vals!")
    marks = scrub(f"{one.reveal()} {two.reveal()} {one.reveal()}").split()
    assert marks[0] == marks[2] != marks[1]
    assert all(mark.startswith("[secret:19:") for mark in marks)


def test_a_part_of_another_secret_does_not_save_it() -> None:
    """K-40: of a secret within a secret, the longer one goes as a whole."""
    secrets.keep(Secret("hunter22"))
    secrets.keep(Secret("prefix-hunter22-suffix"))
    assert "suffix" not in scrub("prefix-hunter22-suffix")


def test_a_value_that_lives_is_known_and_forgotten() -> None:
    """Remembering for the mask keeps no value alive that was not loaded."""
    secret = Secret("short-lived-secret")
    assert "short-lived" not in scrub("short-lived-secret")
    del secret
    assert scrub("short-lived-secret") == "short-lived-secret"


@pytest.mark.parametrize("size", [1, 2, 7, 40])
def test_a_stream_is_masked_across_its_pieces(size: int) -> None:
    """K-40: wherever the writer cuts its text, nothing of a secret passes, and nothing is lost."""
    secret = secrets.keep(Secret("a secret in pieces"))
    text = f"one {secret.reveal()} two\n{KEY}\nBearer abcdefghijklm\nrest"
    out = io.StringIO()
    stream = redact.Masked(out)
    for at in range(0, len(text), size):
        stream.write(text[at : at + size])
    stream.finish()
    for hidden in ("secret in", "MIIE", "abcdef"):
        assert hidden not in out.getvalue()
    assert [line.partition("[")[0] for line in out.getvalue().split("\n")] == [
        "one ",
        "",
        "Bearer ",
        "rest",
    ]
