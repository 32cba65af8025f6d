"""Exports of the providers: read whole, or refused whole with line and field.

The texts are written after the providers' documentation: OpenAI's usage and costs objects
(https://platform.openai.com/docs/api-reference/usage) and the columns of its dashboard's Export;
Anthropic's reports (https://docs.claude.com/en/api/admin-api/usage-cost/get-messages-usage-report,
…/get-cost-report, where amounts are cents) and the columns of its console's files.
"""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from dd0c.base.errors import InvalidInput
from dd0c.products.route.reconcile import exports
from dd0c.products.route.reconcile.exports import Line
from dd0c.products.route.reconcile.forms import Measure, Source

DAY = 1_730_419_200  # 2024-11-01, as in OpenAI's example

OPENAI_USAGE: dict[str, Any] = {
    "object": "page",
    "data": [
        {
            "object": "bucket",
            "start_time": DAY,
            "end_time": DAY + 86_400,
            "results": [
                {
                    "object": "organization.usage.completions.result",
                    "input_tokens": 1000,
                    "output_tokens": 500,
                    "input_cached_tokens": 800,
                    "input_audio_tokens": 0,
                    "output_audio_tokens": 0,
                    "num_model_requests": 5,
                    "project_id": None,
                    "user_id": None,
                    "api_key_id": "key_abc",
                    "model": "gpt-4o-mini-2024-07-18",
                    "batch": None,
                    "service_tier": None,
                }
            ],
        }
    ],
    "has_more": False,
    "next_page": None,
}
OPENAI_COSTS = """
{"object": "page", "data": [{"object": "bucket", "start_time": 1730419200, "end_time": 1730505600,
  "results": [{"object": "organization.costs.result", "amount": {"value": 0.06, "currency": "usd"},
  "line_item": "Image models", "project_id": "proj_abc"}]}], "has_more": false, "next_page": null}
"""
OPENAI_COSTS_FILE = """\
start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,quantity_unit,\
line_item,user_id,api_key_id,project_id,organization_id,project_name,organization_name,user_email,\
api_source
1730332800,1730419200,2024-10-31T00:00:00+00:00,2024-11-01T00:00:00+00:00,,,,,,,,,,,,,
1730419200,1730505600,2024-11-01T00:00:00+00:00,2024-11-02T00:00:00+00:00,\
0.003835980000000000000000000000,usd,,,,,,,org-1,,Org,a@example.com,
"""
ANTHROPIC_USAGE = {
    "data": [
        {
            "starting_at": "2025-08-01T00:00:00Z",
            "ending_at": "2025-08-02T00:00:00Z",
            "results": [
                {
                    "uncached_input_tokens": 1500,
                    "cache_creation": {
                        "ephemeral_1h_input_tokens": 1000,
                        "ephemeral_5m_input_tokens": 500,
                    },
                    "cache_read_input_tokens": 200,
                    "output_tokens": 500,
                    "server_tool_use": {"web_search_requests": 10},
                    "api_key_id": "apikey_01Rj2N8SVvo6BePZj99NhmiT",
                    "workspace_id": "wrkspc_01JwQvzr7rXLA5AGx3HKfFUJ",
                    "model": "claude-opus-4-20250514",
                    "service_tier": "standard",
                    "context_window": "0-200k",
                }
            ],
        }
    ],
    "has_more": False,
    "next_page": None,
}
ANTHROPIC_COSTS = """
{"data": [{"starting_at": "2025-08-01T00:00:00Z", "ending_at": "2025-08-02T00:00:00Z", "results": [
  {"currency": "USD", "amount": "123.45", "workspace_id": null, "description": null,
   "cost_type": null, "context_window": null, "model": null, "service_tier": null,
   "token_type": null}]}], "has_more": false, "next_page": null}
"""
ANTHROPIC_USAGE_FILE = """\
usage_date_utc,model_version,api_key,workspace,usage_type,context_window,\
usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,\
usage_input_tokens_cache_read,usage_output_tokens,web_search_count,inference_geo,speed
2026-08-05,claude-opus-4-8,Closer App,Default,standard,≤ 200k,46981,15969,0,7,16932,0,global,
"""
ANTHROPIC_COSTS_FILE = """\
usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,\
list_price_usd,cost_type,inference_geo,speed,api_key_id,api_key_status
2026-08-04,Claude Haiku 4.5,Default,demo-key,message,≤ 200k,input_no_cache,0.05,0.05,token,,,k1,
2026-08-04,Claude Haiku 4.5,Default,demo-key,message,≤ 200k,output,0.02,0.02,token,,,k1,
"""
CSV = """\
date,model,input_tokens,cached_input_tokens,output_tokens,cost_usd,request_id
2026-11-01,gpt-5-mini,120,20,60,0.0001455,req-1
2026-11-01T23:59:59+02:00,,5,,1,,
"""


def sums(line: Line) -> tuple[int | None, ...]:
    """Input, cached, output, picodollars."""
    return tuple(line.sums.get(measure) for measure in Measure)


@pytest.mark.parametrize(
    ("source", "text", "day", "model", "expected"),
    [
        (
            Source.OPENAI,
            json.dumps(OPENAI_USAGE),
            date(2024, 11, 1),
            "gpt-4o-mini-2024-07-18",
            (1000, 800, 500, None),
        ),
        (Source.OPENAI, OPENAI_COSTS, date(2024, 11, 1), None, (None,) * 3 + (60_000_000_000,)),
        (
            Source.OPENAI,
            OPENAI_COSTS_FILE,
            date(2024, 11, 1),
            None,
            (None, None, None, 3_835_980_000),
        ),
        (
            Source.ANTHROPIC,
            json.dumps(ANTHROPIC_USAGE),
            date(2025, 8, 1),
            "claude-opus-4-20250514",
            (3200, 200, 500, None),  # 1,500 + 1,000 + 500 + 200 went in
        ),
        (
            Source.ANTHROPIC,
            ANTHROPIC_COSTS,
            date(2025, 8, 1),
            None,
            (None, None, None, 1_234_500_000_000),  # cents
        ),
        (
            Source.ANTHROPIC,
            ANTHROPIC_USAGE_FILE,
            date(2026, 8, 5),
            "claude-opus-4-8",
            (46981 + 15969 + 7, 7, 16932, None),
        ),
        (
            Source.ANTHROPIC,
            ANTHROPIC_COSTS_FILE,
            date(2026, 8, 4),
            "Claude Haiku 4.5",
            (None, None, None, 50_000_000_000),
        ),
        (Source.CSV, CSV, date(2026, 11, 1), "gpt-5-mini", (120, 20, 60, 145_500_000)),
    ],
)
def test_each_form_is_read(
    source: Source, text: str, day: date, model: str | None, expected: tuple[int | None, ...]
) -> None:
    """The documented examples become days, models, tokens and picodollars (ROUTE-17)."""
    line = exports.read(source, text).lines[0]
    assert (line.day, line.model, sums(line)) == (day, model, expected)


def test_what_a_line_does_not_say_is_not_zero() -> None:
    """An empty cell is no number; a moment in another zone is of its UTC day."""
    line = exports.read(Source.CSV, CSV).lines[1]
    assert (line.model, sums(line), line.day) == (None, (5, None, 1, None), date(2026, 11, 1))


def test_pages_may_stand_in_a_list() -> None:
    """All pages of a report are one export; the days of empty buckets belong to it."""
    empty = {"start_time": DAY + 86_400, "end_time": DAY + 2 * 86_400, "results": []}
    pages = [OPENAI_USAGE | {"has_more": True}, {"data": [empty], "has_more": False}]
    read = exports.read(Source.OPENAI, json.dumps(pages))
    assert (len(read.lines), read.since, read.until) == (1, date(2024, 11, 1), date(2024, 11, 3))


def changed(**result: Any) -> str:
    """OpenAI's usage with other fields in its only result; ... takes one out."""
    page = json.loads(json.dumps(OPENAI_USAGE))
    fields = page["data"][0]["results"][0] | result
    page["data"][0]["results"][0] = {k: v for k, v in fields.items() if v is not ...}
    return json.dumps(page)


HEAD, FIRST = "date,model,input_tokens,cost_usd", "2026-11-01,m,1,0.5"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the column date is missing"),
        ("model,input_tokens\nm,1", "line 1: the column date is missing"),
        ("date,model\n2026-11-01,m", "line 1: one column of .*cost_usd.* is needed"),
        (f"{HEAD},colour\n{FIRST},red", "line 1, column colour: not known"),
        (f"{HEAD},date\n{FIRST},1", "line 1, column date: it is there twice"),
        (f"{HEAD}\n{FIRST},5", "line 2: 5 fields under 4 columns"),
        (f"{HEAD}\n{FIRST}\n2026-11-02,m,1.5,0", "line 3, input_tokens: .* not '1.5'"),
        (f"{HEAD}\n{FIRST}\n2026-11-02,m,-1,0", "line 3, input_tokens: .* not '-1'"),
        (f"{HEAD}\n{FIRST}\n2026-11-02,m,1e3,0", "line 3, input_tokens: .* not '1e3'"),
        (f"{HEAD}\n{FIRST}\n2026-11-02,m,{'9' * 30},0", "line 3, input_tokens: .* whole number"),
        (f"{HEAD}\n{FIRST}\n2026-11-02,m,1,-0.5", "line 3, cost_usd: .* not negative"),
        (f"{HEAD}\n{FIRST}\n2026-11-02,m,1,nan", "line 3, cost_usd: .* not 'nan'"),
        (f"{HEAD}\n{FIRST}\n2026-11-02,m,1,99999999", "line 3, cost_usd: more than"),
        (f"{HEAD}\n{FIRST}\n{FIRST}", "line 3: the same as line 2"),
        (f"{HEAD}\n{FIRST}\n2026-13-01,m,1,1", "line 3, date: '2026-13-01' is no day"),
        (f"{HEAD}\n{FIRST}\n1999-01-01,m,1,1", "line 3, date: 1999-01-01 is not between"),
        (f"{HEAD}\n{FIRST}\n2024-01-01,m,1,1", "more than 400 days"),
        (f'{HEAD}\n{FIRST}\n2026-11-02,"m\x07",1,1', "line 3, model: must be printable"),
        (f'{HEAD}\n{FIRST}\n2026-11-02,"m,1,1', "line 3: unexpected end of data"),
        (HEAD, "no line with usage or cost"),
        (
            "date,input_tokens,cached_input_tokens\n2026-11-01,5,6",
            "line 2, cached_input_tokens: more than went in",
        ),
    ],
)
def test_a_bad_csv_is_refused_with_its_line(text: str, message: str) -> None:
    """Missing, unknown and doubled columns, torn lines, fractions, negative and astronomic numbers,
    the same line twice: the line and the field are named (ROUTE-17)."""
    with pytest.raises(InvalidInput, match=message):
        exports.read(Source.CSV, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("{}", "data: must be a list"),
        ('{"data": [{"results": []}]}', r"data\[0\]: neither start_time"),
        (json.dumps(OPENAI_USAGE | {"has_more": True}), "has_more: there are more pages"),
        (changed(input_tokens=...), r"data\[0\]\.results\[0\]\.input_tokens: is missing"),
        (changed(input_tokens=None), r"data\[0\]\.results\[0\], input_tokens: is empty"),
        (changed(input_tokens=True), "input_tokens: must be a whole number"),
        (changed(output_tokens=1.5), "output_tokens: .* not '1.5'"),
        (changed(output_tokens=-1), "output_tokens: .* not '-1'"),
        (changed(input_cached_tokens=1001), "input_cached_tokens: more than went in"),
        (changed(model=7), "model: must be printable text"),
        (changed(object="organization.usage.images.result"), "no usage or cost of openai"),
        (json.dumps([OPENAI_USAGE, OPENAI_USAGE]), r"\[1\].* the same as \[0\]"),
        (OPENAI_COSTS.replace("usd", "eur"), "amount.currency: must be USD"),
        (OPENAI_COSTS.replace("1730505600", "1730592000"), "end_time: a bucket must lie within"),
        (json.dumps(ANTHROPIC_USAGE), "no usage or cost of openai"),
    ],
)
def test_a_bad_report_is_refused_with_its_place(text: str, message: str) -> None:
    """The same for the JSON of the Admin APIs: the path to the field is named (ROUTE-17)."""
    with pytest.raises(InvalidInput, match=message):
        exports.read(Source.OPENAI, text)
