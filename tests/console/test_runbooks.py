"""Pasting, editing and keeping runbooks, whose words are somebody else's."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from dd0c.kernel.web.requires import COOKIE
from tests.console.conftest import Visitor
from tests.console.ledger import RUNBOOK, Day
from tests.support.control import Served

PREVIEW, BOOKS = "/console/run/runbooks/preview", "/console/run/runbooks"
TEXTAREA = re.compile(r"<textarea.*?</textarea>", re.DOTALL)


class Person:
    """Somebody with a session, who posts the forms of our own pages."""

    def __init__(self, served: Served, client: httpx.Client, key: str):
        self._client, self._origin = client, {"origin": served.url}
        answer = client.post("/console/sign-in", data={"key": key}, headers=self._origin)
        assert answer.status_code == 303
        found = re.search(r'name="csrf" value="(\w+)"', client.get("/console/kit").text)
        assert found is not None
        self._csrf = found[1]

    def post(self, path: str, **fields: str) -> httpx.Response:
        """The answer to a form."""
        parts = {name: (None, value) for name, value in {"csrf": self._csrf, **fields}.items()}
        return self._client.post(path, files=parts, headers=self._origin)


@pytest.fixture
def owner(served: Served, day: Day) -> Iterator[Person]:
    """acme's owner."""
    with served.client() as client:
        yield Person(served, client, served.acme)


def shown(page: str) -> str:
    """The page without what its reader may edit."""
    return TEXTAREA.sub("", page)


def test_hostile_words_stay_words(owner: Person, served: Served) -> None:
    """A script is text, a link is only one to the web, and a character that turns lines around is
    a mark with its number, wherever a runbook is shown (N-13)."""
    answer = owner.post(PREVIEW, source=RUNBOOK)
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    page = shown(answer.text)
    assert "\u202e" not in page
    assert ">U+202E</abbr>" in page
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert(1)" in page
    assert 'href="javascript' not in page
    assert page.count('class="panel step"') == 3
    assert re.search(r'class="state never">blocked<', page)  # <queue-host> is not filled


def test_placeholders_are_filled_to_see_what_would_run(owner: Person) -> None:
    """What the reader puts in place of `<queue-host>` is judged in its place, also when it is an
    attack (N-1, N-10)."""
    filled = shown(owner.post(PREVIEW, source=RUNBOOK, **{"fill:<queue-host>": "q-1"}).text)
    assert "redis-cli -h q-1 llen jobs" in filled
    assert 'class="state never">blocked<' not in filled
    evil = {"fill:<queue-host>": "q-1; rm -rf /srv"}
    assert 'class="state bad">dangerous<' in shown(owner.post(PREVIEW, source=RUNBOOK, **evil).text)


def test_lines_are_edited_in_place_and_saved_as_a_version(owner: Person, served: Served) -> None:
    """Only the lines that were open change; a version is kept on top of the one it was made of,
    and who comes second is told, with the text still there (N-4)."""
    opened = owner.post(PREVIEW, source=RUNBOOK, edit="15-19")
    assert re.search(r'name="text"[^>]*>\n3\. Restart the workers:\n\n   ```sh', opened.text)
    command = "kubectl -n jobs delete deploy/worker"
    lines = f"3. Restart the workers now:\r\n\r\n   ```sh\r\n   {command}\r\n   ```"
    edited = owner.post(PREVIEW, source=RUNBOOK, lines="15-19", text=lines)
    assert "Restart the workers now" in shown(edited.text)
    assert "Check how long" in edited.text
    made = owner.post(BOOKS, source=RUNBOOK, name="Edited")
    runbook = made.headers["location"]
    again = {"runbook": runbook.rpartition("/")[2], "version": "1", "lines": "15-19", "text": lines}
    assert owner.post(f"{runbook}/versions", source=RUNBOOK, **again).status_code == 303
    late = owner.post(f"{runbook}/versions", source=RUNBOOK, **again)
    assert late.status_code == 409
    assert "its newest version is 2" in late.text
    assert "Restart the workers now" in shown(late.text)
    with served.client(served.acme) as client:
        found = client.get(f"{runbook}.json").json()
        diff = client.get(f"{runbook}/diff.json?before=1&after=2").json()
    assert (found["version"], [one["number"] for one in found["versions"]]) == (2, [2, 1])
    assert found["steps"][2]["risk"] == "dangerous"
    assert found["steps"][2]["trust"]["level"] == 0
    assert [(one["change"], one["after"]["position"]) for one in diff["items"]] == [("changed", 3)]
    assert diff["same"] == 2


@pytest.mark.parametrize(
    ("fields", "status", "told"),
    [
        ({"source": "  \n"}, 400, "There is no text"),
        ({"source": RUNBOOK, "edit": "9-99"}, 400, "There are no such lines"),
        ({"source": RUNBOOK, "format": "pdf"}, 400, "Choose how it is written"),
        ({"source": "Nothing to do."}, 200, "No step"),
        ({"source": RUNBOOK, "csrf": "wrong"}, 403, "another session"),
    ],
)
def test_what_cannot_be_read_is_said_beside_the_text(
    owner: Person, fields: dict[str, str], status: int, told: str
) -> None:
    """Wrong input is a sentence on the same page, never an exception."""
    answer = owner.post(PREVIEW, **fields)
    assert (answer.status_code, told in answer.text) == (status, True), answer.text[-2000:]


def test_who_may_only_read_cannot_keep(served: Served, day: Day) -> None:
    """A viewer sees and previews; saving and removing is refused, and nothing offers it."""
    with served.client() as client:
        viewer = Person(
            served, client, served.key(served.acme, roles=["viewer"], scopes=["console"])
        )
        page = viewer.post(PREVIEW, source=RUNBOOK)
        assert page.status_code == 200
        assert 'id="keep"' not in page.text
        for path in (BOOKS, f"{BOOKS}/{day.named['runbook']}/versions"):
            assert viewer.post(path, source=RUNBOOK, name="mine").status_code == 403


@pytest.mark.browser
def test_a_sample_becomes_a_runbook_without_script(
    visitor: Visitor, session: str, served: Served, day: Day
) -> None:
    """With script off: the sample is read, a step opened where it stands, and the text kept."""
    visit = visitor(400, script=False)
    visit.page.context.add_cookies([{"name": COOKIE, "value": session, "url": served.url}])
    visit.go(f"{PREVIEW}?sample=true")
    visit.follow(visit.page.get_by_role("button", name="Show its steps"))
    visit.follow(visit.page.get_by_role("button", name="Edit lines 3 to 8"))
    editor = visit.page.get_by_label("Lines 3 to 8")
    editor.fill(editor.input_value().replace("llen jobs", "llen tasks"))
    visit.follow(visit.page.locator(".edit").get_by_role("button", name="Judge again"))
    assert "llen tasks" in visit.page.inner_text("#step-1")
    visit.page.get_by_label("Name").fill("From the sample")
    visit.follow(visit.page.get_by_role("button", name="Save", exact=True))
    assert visit.page.url.startswith(f"{served.url}{BOOKS}/rbk_")
    assert "in From the sample" in visit.page.inner_text("h1")
    assert not visit.said
