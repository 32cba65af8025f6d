"""Budgets and limits: how they stand to the digit, set and ended by form, and ours alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import httpx
import pytest

from tests.console.books import Books
from tests.console.test_keys import browsing
from tests.support.control import Served

BUDGETS = "/console/budgets"
API = "/api/v1/route"
DOLLAR = 10**12
AWAY = "the limits' counters do not answer: is Valkey up?"


@pytest.fixture
def rules(books: Books) -> Iterator[httpx.Client]:
    """The API of initech; what a test sets is removed at its end."""
    yield books.client
    for kind in ("budgets", "limits"):
        for one in books.client.get(f"{API}/{kind}").json()["items"]:
            books.client.delete(f"{API}/{kind}/{one['id']}")


def set_one(rules: httpx.Client, kind: str, **wanted: object) -> str:
    """The id of a new budget or limit."""
    answer = rules.post(f"{API}/{kind}", json=wanted)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def everything(rules: httpx.Client) -> list[Any]:
    """All rules of the organisation."""
    return [rules.get(f"{API}/{kind}").json()["items"] for kind in ("budgets", "limits")]


def text_of(html: str) -> str:
    """What a page says, on one line."""
    return " ".join(unescape(re.sub("<[^>]+>", " ", html.partition("<main")[2])).split())


def token(html: str) -> str:
    """What the forms of a page carry."""
    return html.partition('name="csrf" value="')[2].partition('"')[0]


def test_the_list_has_every_figure_and_the_fullest_first(rules: httpx.Client) -> None:
    """0.20 + 1.00 + 0.60 of real and 0.20 of simulated money was charged; 1.20 of it to the team,
    0.80 to the tag. What nobody can tell is a dash with its reason, never 0 (R-16)."""
    window: dict[str, Any] = {"window": "total", "hard": False}
    tag = set_one(rules, "budgets", scope="tag", subject="eu", usd="10", **window)
    all_of_it = set_one(rules, "budgets", scope="organisation", usd="2.40", **window)
    team = set_one(rules, "budgets", scope="team", subject="search", usd="1.00", **window)
    hard = set_one(rules, "budgets", scope="key", subject="indexer", usd="5", window="total")
    page = rules.get(f"{BUDGETS}.json").json()
    assert (page["budgets"], page["near"], page["full"], page["unknown"]) == (4, 1, 1, 1)
    cent = DOLLAR // 100
    shown = [
        (one["id"], one["spent_pico"], one["remaining_pico"], one["percent"], one["state"]["word"])
        for one in page["items"]
    ]
    assert shown == [
        (hard, None, None, None, "unknown"),
        (team, 120 * cent, -20 * cent, 120.0, "overspent"),
        (all_of_it, 200 * cent, 40 * cent, 83.3, "over 80 %"),
        (tag, 80 * cent, 920 * cent, 8.0, "has room"),
    ]
    assert page["items"][0]["unknown"] == AWAY
    told = text_of(rules.get(BUDGETS, headers={"accept": "text/html"}).text)
    assert "1 of 4 budgets is spent, 1 more over 80 %, 1 unknown" in told
    assert "The limits' counters do not answer: is Valkey up?" in told
    needs = [each["text"] for each in rules.get("/console.json").json()["decisions"]]
    assert needs[:2] == [
        "120.0 % of $1.00 in total for team search is spent",
        "83.3 % of $2.40 in total for the organisation is spent",
    ]


def test_a_budgets_page_draws_what_is_left_of_it(rules: httpx.Client) -> None:
    """Of $2.40: 1.40 is left since eight days ago, 0.40 now; the table says it to the digit."""
    wanted: dict[str, Any] = {"window": "total", "hard": False, "usd": "2.40"}
    which = set_one(rules, "budgets", scope="organisation", **wanted)
    html = rules.get(f"{BUDGETS}/{which}", headers={"accept": "text/html"}).text
    told = text_of(html)
    assert "$0.40 left of $2.40 in total for the organisation" in told
    assert "$2.00 of $2.40 is spent. " in told
    rows = re.findall(r"<tr><th scope=\"row\">[^<]+</th><td>([^<]+)</td><td>([^<]+)</td>", html)
    assert len(rows) == 31, "thirty days before today"
    assert [row for row in rows if row[0] != "0.00"] in (
        [("1.00", "1.40"), ("1.00", "0.40")],
        [("1.00", "1.40"), ("1.00", "0.40"), ("0.00", "0.40")],
    )
    assert "1 attempt whose cost nobody knows" in told


def test_limits_show_their_use_or_that_it_is_unknown(rules: httpx.Client) -> None:
    """Each measure on its own; without an answer of the counters none is 0 (K-60)."""
    both = {"requests_per_minute": 60, "concurrency": 5}
    which = set_one(rules, "limits", scope="team", subject="search", **both)
    [limit] = rules.get(f"{BUDGETS}.json").json()["limits"]
    uses = [(use["words"], use["limit"], use["used"]) for use in limit["uses"]]
    assert uses == [("requests a minute", 60, None), ("requests at once", 5, None)]
    told = text_of(rules.get(f"{BUDGETS}/limits/{which}", headers={"accept": "text/html"}).text)
    assert "60 requests a minute, 5 requests at once for team search" in told
    assert "what is used is unknown" in told


def test_a_budget_is_set_changed_and_ended_by_form(
    rules: httpx.Client, books: Books, served: Served
) -> None:
    """The form's budget is the API's; the same subject and window is the same one; it ends when its
    name is typed, and not before (R-16)."""
    with browsing(served, books.owner) as person:
        form = person.get(f"{BUDGETS}/new").text
        typed = {"csrf": token(form), "scope": "team", "subject": " search ", "window": "month"}
        made = person.post(f"{BUDGETS}/new", data=typed | {"usd": "12.50", "hard": "yes"})
        assert made.status_code == 303
        [[budget], _] = everything(rules)
        assert made.headers["location"] == f"{BUDGETS}/{budget['id']}"
        wanted = ("team", "search", "month", "12.5", True)
        names = ("scope", "subject", "window", "usd", "hard")
        assert tuple(budget[name] for name in names) == wanted
        page = person.get(made.headers["location"]).text
        link = re.search(r'href="(/console/budgets/new[^"]+)"', page)
        assert link is not None
        change = person.get(unescape(link[1])).text
        assert 'value="12.5"' in change
        person.post(f"{BUDGETS}/new", data=typed | {"usd": "20", "hard": "yes"})
        [[changed], _] = everything(rules)
        assert changed == budget | {"usd": "20"}
        end = f"{BUDGETS}/{budget['id']}/remove"
        refused = person.post(end, data={"csrf": token(page), "confirm": "sea"})
        assert refused.status_code == 400
        assert "That is not its name: nothing was changed." in refused.text
        assert everything(rules) == [[changed], []]
        assert person.post(end, data={"csrf": token(page), "confirm": "search"}).status_code == 303
        assert everything(rules) == [[], []]


def test_a_limit_is_set_and_ended_by_form(
    rules: httpx.Client, books: Books, served: Served
) -> None:
    """What is left empty is not limited; for the organisation its own name is typed (K-60)."""
    with browsing(served, books.owner) as person:
        typed = {"csrf": token(person.get(f"{BUDGETS}/limits/new").text), "scope": "organisation"}
        made = person.post(f"{BUDGETS}/limits/new", data=typed | {"concurrency": "7"})
        [_, [limit]] = everything(rules)
        assert made.headers["location"] == f"{BUDGETS}/limits/{limit['id']}"
        assert (limit["concurrency"], limit["requests_per_minute"]) == (7, None)
        end = f"{BUDGETS}/limits/{limit['id']}/remove"
        assert person.post(end, data={"csrf": typed["csrf"]}).status_code == 400
        done = person.post(end, data={"csrf": typed["csrf"], "confirm": "initech"})
        assert (done.status_code, everything(rules)) == (303, [[], []])


BUDGET = {"scope": "organisation", "window": "month", "usd": "1", "hard": "yes"}
LIMIT = {"scope": "organisation", "concurrency": "1"}
WRONG: list[tuple[str, dict[str, str], str]] = [
    ("new", BUDGET | {"usd": "NaN"}, "US dollars: must be US dollars in plain digits"),
    ("new", BUDGET | {"usd": "-1"}, "US dollars: must be"),
    ("new", BUDGET | {"usd": "9" * 30}, "US dollars: must be"),
    ("new", BUDGET | {"usd": ""}, "US dollars: must be"),
    ("new", BUDGET | {"scope": "planet"}, "What for: Input should be"),
    ("new", BUDGET | {"window": "year"}, "In which time: Input should be"),
    ("new", BUDGET | {"hard": "maybe"}, "What it does: Input should be"),
    ("new", BUDGET | {"scope": "team", "subject": "nobody"}, "Which one: there is no"),
    ("new", BUDGET | {"scope": "key"}, "Which one: say which key it is for"),
    ("new", BUDGET | {"subject": "x"}, "Which one: the scope `organisation` has none"),
    ("limits/new", LIMIT | {"concurrency": ""}, "give at least one of"),
    ("limits/new", LIMIT | {"concurrency": "0"}, "Requests at once: Input should be"),
    ("limits/new", LIMIT | {"tokens_per_minute": "1.5"}, "Tokens a minute: Input should be"),
    ("limits/new", LIMIT | {"requests_per_minute": "9" * 30}, "Requests a minute: Input should"),
]


def test_what_makes_no_sense_is_refused_with_its_field(
    rules: httpx.Client, books: Books, served: Served
) -> None:
    """The form comes again with what was typed and which field is wrong; nothing is stored."""
    with browsing(served, books.owner) as person:
        csrf = token(person.get(f"{BUDGETS}/new").text)
        for path, typed, says in WRONG:
            refused = person.post(f"{BUDGETS}/{path}", data=typed | {"csrf": csrf})
            assert refused.status_code == 400, typed
            assert says.lower() in text_of(refused.text).lower(), typed
    assert everything(rules) == [[], []]


def test_forged_forms_and_readers_change_nothing(
    rules: httpx.Client, books: Books, served: Served
) -> None:
    """Without the session's token, from elsewhere, or by a key that may only read: refused, and
    the reader sees no form (K-10)."""
    which = set_one(rules, "budgets", scope="organisation", window="day", usd="1")
    before = everything(rules)
    end = f"{BUDGETS}/{which}/remove"
    reader = served.key(books.owner, name="auditor", roles=["viewer"], scopes=["console"])
    with browsing(served, books.owner) as person:
        csrf = token(person.get(f"{BUDGETS}/new").text)
        elsewhere = {"origin": "http://127.0.0.1:1"}
        for path, typed in (("/new", BUDGET), ("/limits/new", LIMIT), (f"/{which}/remove", {})):
            named = typed | {"confirm": "initech"}
            assert person.post(f"{BUDGETS}{path}", data=named).status_code == 403, path
            forged = person.post(f"{BUDGETS}{path}", data=named | {"csrf": csrf}, headers=elsewhere)
            assert forged.status_code == 403, path
    with browsing(served, reader) as person:
        csrf = token(person.get(BUDGETS).text)
        assert person.get(f"{BUDGETS}/new").status_code == 403
        assert person.post(end, data={"csrf": csrf, "confirm": "initech"}).status_code == 403
        page = person.get(f"{BUDGETS}/{which}").text
        assert ("Remove this budget" in page, "Change it" in page) == (False, False)
        assert "Set a budget" not in person.get(BUDGETS).text
    assert everything(rules) == before


def test_nobody_sees_another_organisations_budgets(rules: httpx.Client, served: Served) -> None:
    """Theirs are not in the list, and their pages are those of nothing (K-11); who has none is told
    how to set one."""
    budget = set_one(rules, "budgets", scope="team", subject="search", window="day", usd="1")
    limit = set_one(rules, "limits", scope="team", subject="search", concurrency=1)
    with browsing(served, served.globex) as other:
        listed = other.get(BUDGETS).text
        assert ("team search" in listed, listed.count('data-state="nothing"')) == (False, 2)
        for path in (f"{BUDGETS}/{budget}", f"{BUDGETS}/limits/{limit}"):
            assert other.get(path).status_code == 404
            ended = other.post(f"{path}/remove", data={"csrf": token(listed), "confirm": "search"})
            assert ended.status_code == 404
    assert [len(kind) for kind in everything(rules)] == [1, 1]
