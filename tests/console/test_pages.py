"""What the pages say: sums, filters, one request's story, and nothing of anybody else."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import Page

from tests.console.conftest import Visit, Visitor
from tests.console.ledger import HOSTILE, REFUSED, Day
from tests.support.control import Served

pytestmark = pytest.mark.browser

LIST = "/console/route/requests"
DASH = "–"


def column(page: Page, table: str, number: int) -> list[str]:
    """The texts of a column of a table's body."""
    cells = page.locator(f"{table} tbody tr > :nth-child({number})")
    return [text.strip() for text in cells.all_inner_texts()]


def headline(visit: Visit) -> str:
    """The answer of the page, on one line."""
    return " ".join(visit.page.inner_text("h1").split())


def panel(name: str) -> str:
    """A selector of the panel with that heading."""
    return f"section.panel:has(> header h2:text-is('{name}'))"


def test_the_bill_of_a_request_adds_up_digit_by_digit(owner: Visit, day: Day) -> None:
    """Buckets times rates are lines that sum to what was billed; literals by hand (R-11)."""
    owner.go(f"{LIST}/{day.named['plain']}")
    bill = panel("What it cost")
    assert column(owner.page, bill, 1) == ["Input", "Cache read", "Output", "Reasoning"]
    assert column(owner.page, bill, 2) == ["100", "20", "50", "10"]
    assert column(owner.page, bill, 3) == ["0.250", "0.025", "2.000", "2.000"]
    lines = column(owner.page, bill, 4)
    assert lines == ["0.0000250", "0.0000005", "0.0001000", "0.0000200"]
    total = owner.page.inner_text(f"{bill} tfoot td")
    assert total == "0.0001455"
    assert sum(map(Decimal, lines)) == Decimal(total)
    assert headline(owner) == "Answered in 900 ms with 60 tokens, billed $0.0001455"


def test_every_bill_of_the_list_adds_up(owner: Visit, day: Day) -> None:
    """The same holds for what the ledger happens to hold (R-11)."""
    owner.go(f"{LIST}?end_reason=complete&model=claude-sonnet-4-5")
    links = [a.get_attribute("href") for a in owner.page.locator("a[data-row]").all()[:6]]
    for link in links:
        owner.go(str(link))
        lines = [text for text in column(owner.page, panel("What it cost"), 4) if text != DASH]
        total = owner.page.inner_text(f"{panel('What it cost')} tfoot td")
        assert sum(map(Decimal, lines)) == Decimal(total), link


def test_what_is_unknown_is_a_dash_with_its_reason(owner: Visit, day: Day) -> None:
    """Unknown tokens and costs are dashes, and the page says why; none is a zero (R-11)."""
    for name, reason in (
        ("failed", "nobody reported the usage"),
        ("lost", "the gateway died before the answer ended"),
        ("hostile", "there is no price for this model"),
    ):
        owner.go(f"{LIST}/{day.named[name]}")
        bill = panel("What it cost")
        assert set(column(owner.page, bill, 4)) == {DASH}
        assert owner.page.inner_text(f"{bill} tfoot td") == DASH
        assert f"The cost is unknown, not zero: {reason}." in owner.page.inner_text(bill)
        assert headline(owner).endswith(", cost unknown")
        assert "$0.00" not in owner.page.inner_text("main").replace("$0.000", "")


def test_a_retried_request_tells_of_every_attempt(owner: Visit, day: Day) -> None:
    """Attempts stand in order, and a cost that is known in part is called so (R-10)."""
    owner.go(f"{LIST}/{day.named['retried']}")
    assert column(owner.page, panel("Attempts"), 2) == ["anthropic", "bedrock"]
    assert column(owner.page, panel("Attempts"), 4) == ["provider error", "complete"]
    # 2,000 x 3.00 + 300 x 15.00 dollars per million
    assert headline(owner).endswith(", at least $0.0105")
    told = owner.page.inner_text(panel("What happened"))
    assert told.index("anthropic answered with an error") < told.index("Sent to bedrock")


def test_a_cut_stream_tells_what_was_delivered_and_what_was_made(owner: Visit, day: Day) -> None:
    """80 x 3 + 44,100 x 0.30 + 121 x 15 dollars per million reached the caller, 18 tokens more were
    made; the sentence says both costs, and which is billed (R-13)."""
    owner.go(f"{LIST}/{day.named['gone']}")
    bill = panel("What it cost")
    assert owner.page.inner_text(f"{bill} tfoot td") == "0.015285"
    assert (
        "121 of 139 output tokens reached the caller. Input included, that cost $0.015285;"
        " all that the provider made cost $0.015555. Billed is what reached the caller."
    ) in owner.page.inner_text(bill)
    assert "The provider did not report the usage; dd0c counted it, within 1.1 %." in (
        owner.page.inner_text(bill)
    )


def test_a_refusal_tells_which_limit_and_when_it_frees(owner: Visit, day: Day) -> None:
    """The request's story has the words that its caller got, and that it cost nothing (R-16)."""
    owner.go(f"{LIST}/{day.named['refused']}")
    assert headline(owner) == "Refused by a limit, billed $0.00"
    assert f"Refused: {REFUSED}" in owner.page.inner_text(panel("What happened"))


def test_home_sums_the_day(owner: Visit, served: Served) -> None:
    """The headline is the API's own sum without what is made up; the rest is said beside it."""
    owner.go("/console/")
    with served.client(served.acme) as client:
        since = client.get("/console.json").json()["since"]
        total = client.get("/api/v1/route/usage", params={"since": since}).json()["total"]
    exact = str(owner.page.locator("h1 span").first.get_attribute("title"))
    charged = Decimal(total["cost_usd"]) - Decimal(total["simulated_cost_usd"])
    assert Decimal(exact.removesuffix(" USD")) == charged
    assert total["simulated_cost_usd"] == "0.12"
    assert headline(owner).endswith(" today, and $0.12 simulated")
    lead = owner.page.inner_text(".lead")
    assert lead.startswith(f"{total['requests']} requests since 00:00 UTC")
    assert f"{total['unpriced_requests']} attempts without a known cost" in lead


def test_the_chart_and_its_table_say_the_same(owner: Visit, served: Served) -> None:
    """The table's column adds up to the ledger's own sum, and the head says it too (R-11)."""
    owner.go("/console/")
    since = datetime.now(UTC) - timedelta(days=1)
    with served.client(served.acme) as client:
        usage = client.get("/api/v1/route/usage", params={"since": since.isoformat()}).json()
    spend = panel("Spend per hour")
    owner.page.locator(f"{spend} summary").click()
    totals = owner.page.locator(f"{spend} tbody tr > :last-child").all_inner_texts()
    assert len(totals) == 25  # the first hour and this one are there in part
    whole = sum(Decimal(text.replace(",", "")) for text in totals)
    assert whole == Decimal(usage["total"]["cost_usd"]) - Decimal("0.12")
    told = owner.page.inner_text(spend)
    shown = re.search(r"\$([\d.]+) and \$0.12 simulated in the last 24 h", told)
    assert shown is not None
    assert round(whole, 2) == Decimal(shown[1])
    assert "simulated $0.12, nobody charges it" in " ".join(told.split())


def test_home_names_what_needs_a_decision(owner: Visit) -> None:
    """A failing provider and a model without a price stand on top, each with a way on."""
    owner.go("/console/")
    told = owner.page.inner_text(panel("Needs a decision"))
    assert "openai failed 5 of" in told
    assert f"1 call of {HOSTILE} without a cost" in told
    owner.follow(owner.page.locator(panel("Needs a decision")).get_by_role("link").first)
    assert set(column(owner.page, "table.rows", 5)) == {"provider error"}


def test_filters_live_in_the_address(owner: Visit, day: Day) -> None:
    """What narrows the list is in the address, shows as chips, and comes off one by one."""
    owner.go(LIST)
    assert "in the last 24 h" in headline(owner)
    owner.page.get_by_label("End").select_option("client_gone")
    owner.page.wait_for_url(re.compile("end_reason=client_gone"))
    assert column(owner.page, "table.rows", 5) == ["client gone"]
    owner.page.get_by_label("Model").fill("gpt-5-mini")
    owner.page.get_by_label("Model").press("Enter")
    owner.page.wait_for_url(re.compile("model=gpt-5-mini"))
    assert headline(owner) == "No request matches in the last 24 h"
    assert owner.page.locator("[data-state=filtered]").count() == 1
    owner.follow(owner.page.get_by_label("Remove filter end"))
    assert owner.page.get_by_label("Remove filter model").count() == 1
    assert set(column(owner.page, "table.rows", 2)) >= {"gpt-5-mini"}


def test_what_can_be_chosen_is_what_was_used(owner: Visit, served: Served, day: Day) -> None:
    """Providers, unknown costs and simulated answers narrow list, sums and twin alike."""
    owner.go(LIST)
    options = owner.page.locator("select[name=provider] option").all_inner_texts()
    assert set(options) == {"any", "openai", "anthropic", "bedrock", "sim"}
    with served.client(served.acme) as client:
        for query, names in (
            ("simulated=yes", ["simulated"]),
            ("provider=bedrock", ["retried"]),
            ("cost=unknown&end_reason=lost", ["lost"]),
            ("cost=unknown&simulated=yes", []),
        ):
            twin = client.get(f"{LIST}.json?{query}").json()
            assert [item["id"] for item in twin["items"]] == [day.named[n] for n in names], query
            assert twin["sums"]["requests"] == len(names)
        everything = client.get(f"{LIST}.json").json()["sums"]["requests"]
        others = client.get(f"{LIST}.json?simulated=no").json()["sums"]["requests"]
    assert others == everything - 1


def test_pages_of_the_list_hold_each_request_once(owner: Visit) -> None:
    """Following `Older` to the end shows every request once; a foreign cursor is refused."""
    owner.go(LIST)
    wanted = int(headline(owner).split()[0])
    seen: list[str | None] = []
    while True:
        seen += [a.get_attribute("title") for a in owner.page.locator("a[data-row]").all()]
        older = owner.page.get_by_role("link", name="Older")
        if not older.count():
            break
        last = older.get_attribute("href")
        owner.follow(older)
    assert len(seen) == len(set(seen)) == wanted
    assert owner.go(str(last).replace("range=24h", "range=7d")) == 400
    assert owner.go(f"{LIST}?end_reason=nonsense") == 400


def test_the_csv_is_what_the_list_shows(owner: Visit, served: Served) -> None:
    """Every matching request is a line, unknown costs are empty, formulas are defused (K-52)."""
    owner.go(f"{LIST}?model=gpt-5-mini")
    owner.page.locator(".twin summary").click()
    link = owner.page.get_by_role("link", name="CSV").get_attribute("href")
    text = owner.page.request.get(f"{served.url}{link}").text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == int(headline(owner).split()[0])
    assert {row["requested_model"] for row in rows} == {"gpt-5-mini"}
    assert [row["cost_usd"] for row in rows if row["end_reason"] == "lost"] == [""]


def test_every_page_has_its_twin(owner: Visit, served: Served, day: Day) -> None:
    """The JSON link answers with the same numbers, and the command names the same address."""
    for path, said in (
        ("/console/", lambda found: f"{found['today']['requests']} requests since 00:00 UTC"),
        (f"{LIST}?model=gpt-5", lambda found: f"{found['sums']['requests']} requests, "),
        (f"{LIST}/{day.named['gone']}", lambda found: found["title"] + found["billed"]),
        ("/console/route/providers", lambda found: f"{found['items'][0]['attempts']:,}"),
    ):
        owner.go(path)
        link = str(owner.page.locator(".twin a").first.get_attribute("href"))
        assert served.url + link in str(owner.page.locator(".twin pre").text_content())
        answer = owner.page.request.get(served.url + link)
        assert answer.status == 200
        assert said(answer.json()) in " ".join(owner.page.inner_text("main").split()), path


def test_the_search_box_leads_to_any_id(owner: Visit, day: Day) -> None:
    """An id of a request opens it, an id of a key filters by it, other text is a model."""
    box = owner.page.get_by_role("searchbox")
    for text, ends in (
        (day.named["gone"].upper().replace("REQ_", "req_"), f"{LIST}/{day.named['gone']}"),
        ("gpt-5", f"{LIST}?range=30d&model=gpt-5"),
    ):
        owner.page.keyboard.press("/")
        box.fill(text)
        box.press("Enter")
        owner.page.wait_for_url(f"**{ends}")


def test_names_that_are_scripts_stay_names(owner: Visit, day: Day) -> None:
    """A model that is called `<script>…` is shown, filtered by and linked, and runs nowhere."""
    shown: list[str] = []
    owner.page.on("dialog", lambda dialog: shown.append(dialog.message))
    for path in ("/console/", LIST, f"{LIST}/{day.named['hostile']}"):
        owner.go(path)
        assert HOSTILE in owner.page.inner_text("main")
    owner.follow(owner.page.get_by_role("link", name="1 request, cost unknown").first)
    assert owner.page.locator("input[name=model]").input_value() == HOSTILE
    assert headline(owner).startswith("1 request, cost unknown")
    assert not shown
    assert not owner.said


def test_nobody_sees_another_organisation(visitor: Visitor, served: Served, day: Day) -> None:
    """Another tenant's request is a 404 page like one that never was, and no sum tells (K-11)."""
    visit = visitor()
    visit.sign_in(served.globex)
    told = []
    for name in (day.named["plain"], "req_00000000000000000000000000", "nonsense"):
        assert visit.go(f"{LIST}/{name}") == 404
        told.append(visit.page.inner_text("main"))
    assert told[0] == told[1] == told[2]
    visit.go(f"{LIST}?key=key_00000000000000000000000000&range=30d")
    assert visit.page.locator("tbody tr").count() == 0
    visit.go("/console/")
    assert headline(visit) == "$0.00 today"


def test_the_first_visit_says_what_to_do(visitor: Visitor, served: Served) -> None:
    """With nothing yet, both lists show the command of a first request (K-1)."""
    visit = visitor()
    visit.sign_in(served.globex)
    for path in ("/console/", LIST):
        visit.go(path)
        assert visit.page.locator("[data-state=nothing]").count() == 1
        told = visit.page.locator("[data-state=nothing] pre").all_inner_texts()
        assert "/v1/chat/completions" in told[0]
        assert told[1].startswith("export OPENAI_BASE_URL=http://")


def test_a_key_that_may_not_is_told_so(visitor: Visitor, served: Served) -> None:
    """A key without the permission sees "not permitted", not an empty list (K-10)."""
    key = served.key(served.platform, roles=["platform"])
    visit = visitor()
    visit.go("/console/sign-in")
    visit.page.get_by_label("Key").fill(key)
    visit.follow(visit.page.get_by_role("button", name="Sign in"))
    assert visit.go(LIST) == 403
    assert visit.page.locator("[data-state=forbidden]").count() == 1
    assert "route:read" in visit.page.inner_text("main")
