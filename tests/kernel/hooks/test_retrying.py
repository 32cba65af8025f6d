"""What follows an attempt, and what people read: tables and texts without a network."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dd0c.base.errors import InvalidInput, SetupError
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings
from dd0c.kernel.hooks import mail, messages, retrying
from dd0c.kernel.hooks.mail import Letter
from dd0c.kernel.hooks.retrying import TRIES_MAX, Outcome, State, Verdict

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
WAITS_S = [5, 20, 80, 320, 1_280, 5_120, 20_480, 21_600, 21_600]
"""Worked out by hand: five seconds, each four times the one before, six hours at most."""


def test_every_verdict_leads_somewhere() -> None:
    """The table has a state for each verdict with and without a try left, and only a failure with
    one left waits (K-71)."""
    assert set(retrying.TABLE) == {(v, left) for v in Verdict for left in (True, False)}
    waiting = [pair for pair, state in retrying.TABLE.items() if state is State.WAITING]
    assert waiting == [(Verdict.FAILED, True)]
    for status, verdict in ((200, "delivered"), (299, "delivered"), (300, "failed"), (410, "gone")):
        assert retrying.judge(status) == verdict
    assert {retrying.judge(status) for status in (199, 301, 404, 429, 500, 599)} == {"failed"}


def test_waits_grow_and_differ_by_chance() -> None:
    """Ten tries within a day and a half, each wait up to a fifth longer by chance (K-71)."""
    failed = Outcome(Verdict.FAILED, 500, "")
    assert [retrying.decide(failed, n, 0).wait_s for n in range(1, TRIES_MAX)] == WAITS_S
    assert retrying.decide(failed, 2, 1).wait_s == pytest.approx(24)
    assert retrying.decide(failed, TRIES_MAX, 0).state is State.DEAD
    assert sum(WAITS_S) * 1.2 < 36 * 3600


@pytest.mark.parametrize(
    ("said", "asked_s"),
    [
        *(("120", 120), ("0", 0), ("Sat, 31 Jan 2026 12:01:00 GMT", 60)),
        *(("Sat, 31 Jan 2026 11:00:00 GMT", 0), ("-1", None), ("soon", None), ("", None)),
        *(("1e9", None), ("9" * 400, None), ("\u0663", None), ("31 Jan 2026 12:01:00", None)),
    ],
)
def test_a_receiver_says_when_in_two_ways(said: str, asked_s: float | None) -> None:
    """Seconds or a date; what is neither is no wish; nobody holds us off for longer than a day, or
    makes us come sooner (K-71)."""
    assert retrying.read_retry_after(said, NOW) == asked_s
    late = Outcome(Verdict.FAILED, 429, "", 10**9)
    assert retrying.decide(late, 1, 0).wait_s == retrying.ASKED_MAX_S
    assert retrying.decide(Outcome(Verdict.FAILED, 429, "", 1), 3, 0).wait_s == WAITS_S[2]


def test_words_are_words() -> None:
    """What stands in an event is no markup and no second line, whatever it holds (K-71)."""
    data = {
        "subject": "team_\nBcc: x@y.example",
        "actor": "<!channel> *bold* `code` & <http://evil|good>",
        "facts": {"note": "a\r\nb", "list": [1, "two"]} | {str(n): n for n in range(99)},
    }
    payload = messages.payload("TeamCreated", NOW, data)
    words = messages.words(payload, {"TeamCreated": "A team was made."}, "https://x.example/")
    for line in (words.headline, *words.lines):
        assert line.isprintable()
        assert len(line) <= messages.VALUE_CHARACTERS_MAX
    assert len(words.lines) <= messages.FACTS_SHOWN_MAX + 5
    text = messages.slack(words)
    assert "<!channel>" not in text
    assert "<http" not in text
    assert "&lt;!channel&gt;" in text


@pytest.mark.parametrize("field", ["to", "subject", "id"])
def test_a_header_stays_one_line(field: str) -> None:
    """Nobody adds a header, or a recipient, to a letter (K-71)."""
    server = mail.read(_settings("smtp://127.0.0.1:1", "dd0c@example.com"))
    assert server is not None
    usual = {"id": "evt_1", "to": "a@b.example", "subject": "s", "text": "t"}
    for added in ("\r\nBcc: x@y.example", "\nBcc: x@y.example", "\rBcc: x"):
        with pytest.raises(InvalidInput):
            mail.write(server, Letter(**usual | {field: usual[field] + added}))


def test_a_mail_server_is_set_up_rightly_or_not_at_all() -> None:
    """What is no address of one, and a sender that is none, stop the start (K-71)."""
    assert mail.read(_settings("", "")) is None
    found = mail.read(_settings("smtps://me:p%40ss@mail.example.com", "dd0c <dd0c@example.com>"))
    assert found is not None
    assert (found.host, found.port, found.user, found.is_tls) == (
        "mail.example.com",
        465,
        "me",
        True,
    )
    assert found.password == Secret("p@ss")
    for url, sender in (
        *(("http://mail.example.com", "a@b.example"), ("smtp://", "a@b.example")),
        *(("smtp://mail.example.com:x", "a@b.example"), ("smtp://mail.example.com/x", "a@b.ex")),
        *(("smtp://mail.example.com", ""), ("smtp://mail.example.com", "a@b\r\nBcc: x")),
    ):
        with pytest.raises(SetupError):
            mail.read(_settings(url, sender))


def _settings(url: str, sender: str) -> Settings:
    return Settings(smtp_url=Secret(url), mail_from=sender)
