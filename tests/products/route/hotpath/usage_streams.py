"""Streams in which usage stands where a reader may miss or misread it, and what it comes to.

`usage` is what is known when the stream has ended; `final`, whether the provider's last word on it
was heard, so that it would count even if the caller had left then.
"""

from __future__ import annotations

from typing import NamedTuple

from dd0c.products.route.models import NO_USAGE, Usage


class Case(NamedTuple):
    """The data of each event, and what can be known from all of them."""

    what: str
    events: tuple[str, ...]
    usage: Usage
    final: bool = True
    failed: bool = False


def _chunk(delta: str, finish: str = "null", rest: str = "") -> str:
    choice = f'{{"index":0,"delta":{delta},"finish_reason":{finish}}}'
    return f'{{"id":"c","model":"m","choices":[{choice}]{rest}}}'


def _usage(sent: int, produced: int) -> str:
    return (
        f',"usage":{{"prompt_tokens":{sent},"completion_tokens":{produced},'
        f'"total_tokens":{sent + produced}}}'
    )


ROLE = _chunk('{"role":"assistant","content":""}')
TEXT = _chunk('{"content":"Hello"}')
FINISH = _chunk("{}", '"stop"')
ALONE = '{"id":"c","model":"m","choices":[]%s}'
DONE = "[DONE]"

CHAT = [
    Case(
        "in a chunk of its own",
        (ROLE, TEXT, FINISH, ALONE % _usage(10, 5), DONE),
        Usage(input=10, output=5),
    ),
    Case(
        "beside the finish",
        (ROLE, TEXT, _chunk("{}", '"stop"', _usage(10, 5)), DONE),
        Usage(input=10, output=5),
    ),
    Case(
        "null until the end",
        (TEXT[:-1] + ',"usage":null}', FINISH, ALONE % _usage(10, 5), DONE),
        Usage(input=10, output=5),
    ),
    Case(
        "null after it was told",
        (TEXT, FINISH, ALONE % _usage(10, 5), ALONE % ',"usage":null', DONE),
        Usage(input=10, output=5),
    ),
    Case(
        "twice, the same",
        (TEXT, _chunk("{}", '"stop"', _usage(10, 5)), ALONE % _usage(10, 5), DONE),
        Usage(input=10, output=5),
    ),
    Case(
        "twice, the second time all of it",
        (TEXT, _chunk("{}", '"stop"', _usage(10, 4)), ALONE % _usage(10, 5), DONE),
        Usage(input=10, output=5),
    ),
    Case(
        "out of order, before the finish",
        (ROLE, TEXT, ALONE % _usage(10, 5), FINISH, DONE),
        Usage(input=10, output=5),
    ),
    Case(
        "after the finish, beside a choice that has nothing",
        (TEXT, FINISH, _chunk("{}", "null", _usage(10, 5)), DONE),
        Usage(input=10, output=5),
        final=False,
    ),
    Case(
        "running in each chunk",
        (
            _chunk('{"role":"assistant","content":""}', "null", _usage(10, 0)),
            _chunk('{"content":"Hel"}', "null", _usage(10, 1)),
            _chunk('{"content":"lo"}', "null", _usage(10, 2)),
            _chunk("{}", '"stop"', _usage(10, 2)),
            DONE,
        ),
        Usage(input=10, output=2),
    ),
    Case(
        "running in each chunk but the last, which has nothing more",
        (_chunk('{"content":"Hel"}', "null", _usage(10, 2)), FINISH, DONE),
        Usage(input=10, output=2),
        final=False,
    ),
    Case(
        "in the first chunk only: the input is known, the output is not",
        (_chunk('{"role":"assistant","content":""}', "null", _usage(10, 0)), TEXT, FINISH, DONE),
        Usage(input=10),
        final=False,
    ),
    Case(
        "in the first chunk, alone, before all text",
        (ALONE % _usage(10, 5), ROLE, TEXT, FINISH, DONE),
        Usage(input=10),
        final=False,
    ),
    Case(
        "a tool call came after it",
        (
            ALONE % _usage(10, 5),
            _chunk('{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}'),
            FINISH,
            DONE,
        ),
        Usage(input=10),
        final=False,
    ),
    Case("absent", (ROLE, TEXT, FINISH, DONE), NO_USAGE, final=False),
    Case(
        "groq's, beside the finish",
        (TEXT, _chunk("{}", '"stop"', f',"x_groq":{{"id":"r"{_usage(18, 5)}}}'), DONE),
        Usage(input=18, output=5),
    ),
    Case(
        "groq's, and then where everybody has it",
        (
            _chunk("{}", "null", ',"x_groq":{"id":"r"}'),
            TEXT,
            _chunk("{}", '"stop"', f',"x_groq":{{"id":"r"{_usage(18, 5)}}}'),
            ALONE % _usage(18, 5),
            DONE,
        ),
        Usage(input=18, output=5),
    ),
    Case(
        "with an error at the end",
        (TEXT, f'{{"error":{{"message":"overloaded"}}{_usage(10, 5)}}}'),
        Usage(input=10, output=5),
        failed=True,
    ),
    Case(
        "torn, in an event that nobody can read",
        (TEXT, FINISH, '{"choices":[],"usage":{"prompt_tokens":1', DONE),
        NO_USAGE,
        final=False,
    ),
    Case(
        "without anything else",
        (TEXT, FINISH, f"{{{_usage(10, 5)[1:]}}}", DONE),
        Usage(input=10, output=5),
    ),
]


def _response(kind: str, usage: str, rest: str = "") -> str:
    return (
        f'{{"type":"response.{kind}","sequence_number":9,"response":{{"id":"r","model":"m",'
        f'"error":null,"usage":{usage}{rest}}}}}'
    )


_TOLD = (
    '{"input_tokens":20,"output_tokens":5,"total_tokens":25,'
    '"input_tokens_details":{"cached_tokens":10},"output_tokens_details":{"reasoning_tokens":3}}'
)
_KNOWN = Usage(input=10, cache_read=10, output=2, reasoning=3)
_DELTA = '{"type":"response.output_text.delta","delta":"Hi \\"usage\\" response.completed"}'
CREATED = _response("created", "null")

RESPONSES = [
    Case("completed", (CREATED, _DELTA, _response("completed", _TOLD)), _KNOWN),
    Case("incomplete", (CREATED, _DELTA, _response("incomplete", _TOLD)), _KNOWN),
    Case("failed", (CREATED, _response("failed", _TOLD)), _KNOWN, failed=True),
    Case(
        "failed, and nobody counted",
        (CREATED, _response("failed", "null")),
        NO_USAGE,
        final=False,
        failed=True,
    ),
    Case(
        "an error event",
        (CREATED, _DELTA, '{"type":"error","code":"server_error","message":"overloaded"}'),
        NO_USAGE,
        final=False,
        failed=True,
    ),
    Case(
        "a count on the way is provisional",
        (_response("in_progress", _TOLD), _DELTA, _response("completed", "null")),
        NO_USAGE,
        final=False,
    ),
    Case(
        "no model anywhere",
        (f'{{"type":"response.completed","response":{{"usage":{_TOLD}}}}}',),
        _KNOWN,
    ),
]


def _start(usage: str) -> str:
    return f'{{"type":"message_start","message":{{"id":"m","model":"claude","usage":{usage}}}}}'


def _delta(usage: str) -> str:
    return f'{{"type":"message_delta","delta":{{"stop_reason":"end_turn"}},"usage":{usage}}}'


_WORD = '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}'
STOP = '{"type":"message_stop"}'

MESSAGES = [
    Case(
        "in both",
        (
            _start('{"input_tokens":10,"output_tokens":1}'),
            _WORD,
            _delta('{"output_tokens":8}'),
            STOP,
        ),
        Usage(input=10, output=8),
    ),
    Case(
        "only at the end",
        (_start("null"), _WORD, _delta('{"input_tokens":10,"output_tokens":8}'), STOP),
        Usage(input=10, output=8),
    ),
    Case(
        "nothing at the start, all of it at the end",
        (
            _start('{"input_tokens":0,"output_tokens":0}'),
            _delta('{"input_tokens":10,"cache_read_input_tokens":7,"output_tokens":8}'),
            STOP,
        ),
        Usage(input=10, cache_read=7, output=8),
    ),
    Case(
        "only at the start: the output count there is provisional",
        (_start('{"input_tokens":10,"output_tokens":1}'), _WORD, STOP),
        Usage(input=10),
        final=False,
    ),
    Case(
        "two counts at the end, each of all",
        (
            _start('{"input_tokens":10,"output_tokens":1}'),
            _delta('{"output_tokens":8}'),
            _delta('{"output_tokens":20}'),
            STOP,
        ),
        Usage(input=10, output=20),
    ),
    Case(
        "nulls at the end change nothing",
        (
            _start('{"input_tokens":10,"cache_read_input_tokens":5,"output_tokens":1}'),
            _delta('{"input_tokens":null,"cache_read_input_tokens":null,"output_tokens":8}'),
            STOP,
        ),
        Usage(input=10, cache_read=5, output=8),
    ),
    Case(
        "searches made the input grow",
        (
            _start('{"input_tokens":2679,"cache_read_input_tokens":0,"output_tokens":3}'),
            _delta(
                '{"input_tokens":10682,"cache_read_input_tokens":0,"output_tokens":510,'
                '"server_tool_use":{"web_search_requests":1}}'
            ),
            STOP,
        ),
        Usage(input=10682, cache_read=0, output=510, server_tools=1),
    ),
    Case(
        "more was written for five minutes, told without its life",
        (
            _start(
                '{"input_tokens":1,"cache_creation_input_tokens":100,"cache_creation":'
                '{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":0},"output_tokens":1}'
            ),
            _delta('{"cache_creation_input_tokens":250,"output_tokens":8}'),
            STOP,
        ),
        Usage(input=1, cache_write_5m=250, output=8),
    ),
    Case(
        "more was written, and some of it for an hour: how much cannot be known",
        (
            _start(
                '{"input_tokens":1,"cache_creation_input_tokens":100,"cache_creation":'
                '{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":100},"output_tokens":1}'
            ),
            _delta('{"cache_creation_input_tokens":250,"output_tokens":8}'),
            STOP,
        ),
        NO_USAGE,
    ),
    Case(
        "an error after the start",
        (
            _start('{"input_tokens":10,"output_tokens":1}'),
            '{"type":"error","error":{"type":"overloaded_error"}}',
        ),
        Usage(input=10),
        final=False,
        failed=True,
    ),
]
