"""Every endpoint and every page by two organisations; cases come from the application's routes."""

from __future__ import annotations

from fastapi import FastAPI

from tests.isolation import rows
from tests.isolation.asking import known, questions
from tests.isolation.judging import World, judged


def test_every_route_is_asked(world: World) -> None:
    """A route without a row in the table fails here, and says which line it wants (K-11)."""
    assert not world.missing, "\n".join(world.missing)
    listed = {*rows.BODIES, *rows.PUBLIC, *rows.PLATFORM, *rows.ALIKE, *rows.ELSEWHERE}
    assert listed <= known(world.served.app), "rows of routes that are no more"
    asked = {question.route for question in world.asked}
    assert known(world.served.app) == asked | {*rows.PUBLIC, *rows.ELSEWHERE}


def test_what_a_route_without_a_row_is_told() -> None:
    """It is named, with the line to add and where: the check was seen to fail (proofs 2)."""
    app = FastAPI(openapi_url=None)

    @app.get("/api/v1/runs/{run_id}")
    def show(run_id: str) -> None: ...

    @app.get("/api/v1/runs")
    def search(state: str, branch: str) -> None: ...

    @app.post("/api/v1/runs")
    def start(wanted: dict[str, str]) -> None: ...

    _, missing = questions(app)
    add, end = "add its parameter", "to PLACES, or to HARMLESS if it names nothing,"
    assert missing == [
        f"GET /api/v1/runs/{{run_id}}: {add} 'run_id' {end} in tests/isolation/rows.py",
        f"GET /api/v1/runs: {add} 'branch' {end} in tests/isolation/rows.py",
        'POST /api/v1/runs: add "POST /api/v1/runs": ({…},) to BODIES in tests/isolation/rows.py',
    ]


def test_every_table_has_rows_of_both(world: World) -> None:
    """What is compared is there: a table without rows of an organisation proves nothing (K-11)."""
    for tenant in (world.acme, world.globex):
        empty = [table for table, rows in world.books.read(tenant.org).items() if rows is None]
        assert not empty, f"fill these in tests/isolation/tenants.py: {empty}"


def test_what_one_is_told_does_not_depend_on_the_other(world: World) -> None:
    """Lists, sums, filters, pages and exports of an organisation are the same, digit by digit,
    before and after another is filled (K-11)."""
    changed = [
        str(question)
        for question in world.asked
        if str(question) in world.quiet
        and world.stranger.call(question, world.globex.names).alike
        != world.quiet[str(question)].alike
    ]
    assert not changed, "\n".join(changed)
    assert len(world.quiet) > 100


def test_what_is_anothers_is_as_if_it_were_nobodys(world: World) -> None:
    """Asked for what is acme's, globex hears what it hears of what does not exist, and learns none
    of acme's names; acme's same call works (K-11, proofs 2)."""
    reading = [question for question in world.asked if question.method == "GET"]
    wrong = [f"{question}: {said}" for question in reading for said in judged(world, question)]
    assert not wrong, "\n".join(wrong)


def test_what_is_anothers_cannot_be_changed(spare: World) -> None:
    """So it is with every call that changes something; and no row of acme's is another one
    afterwards, in any table (K-11, proofs 2)."""
    changing = [question for question in spare.asked if question.method != "GET"]
    wrong = [f"{question}: {said}" for question in changing for said in judged(spare, question)]
    assert not wrong, "\n".join(wrong)
    assert len(changing) > 40
