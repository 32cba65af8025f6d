"""A provider that repeats its key, however it spells or cuts it (K-40, K-41)."""

from __future__ import annotations

import json
import string
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dd0c.base import escapes
from dd0c.base.secrets import Secret
from dd0c.products.route.hotpath import echoes, sse, texts
from dd0c.products.route.hotpath.echoes import Forms, Told
from dd0c.products.route.models import Endpoint
from tests.base.test_escapes import in_every_way, quoted

KEY = "sk-proj-canary/of+the=provider&4711"
SECRETS = st.text(string.ascii_letters + string.digits + "+/=-_.~&", min_size=8, max_size=60)


def chat(text: str, choice: int = 0) -> dict[str, object]:
    """An event of a chat."""
    return {
        "object": "chat.completion.chunk",
        "choices": [{"index": choice, "delta": {"content": text}}],
    }


def message(text: str, block: int = 0) -> dict[str, object]:
    """An event of a message, of a tool's arguments."""
    delta = {"type": "input_json_delta", "partial_json": text}
    return {"type": "content_block_delta", "index": block, "delta": delta}


def response(text: str, item: int = 0) -> dict[str, object]:
    """An event of a response."""
    return {"type": "response.output_text.delta", "output_index": item, "delta": text}


KINDS = {Endpoint.CHAT: chat, Endpoint.MESSAGES: message, Endpoint.RESPONSES: response}


def events(documents: Iterable[dict[str, object]]) -> list[bytes]:
    """The documents as a provider streams them."""
    return [b"data: %b\n\n" % json.dumps(one).encode() for one in documents]


def passed(told: Told, runs: Sequence[bytes]) -> bytes:
    """All that passes of a stream."""
    return b"".join(map(told.feed, runs)) + told.end()


def said(endpoint: str, stream: bytes) -> list[str]:
    """What a caller reads, strand by strand."""
    strands: texts.Strands = {}
    texts.gather(endpoint, sse.documents(stream), strands)
    return ["".join(parts) for parts in strands.values()]


def pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


@settings(deadline=None)
@given(SECRETS, st.integers(0, 2), st.data())
def test_no_spelling_of_the_key_passes(value: str, layers: int, data: st.DataObject) -> None:
    """K-40: in heads and bodies, character by character in any escape, quoted in JSON again."""
    spelled = quoted(f" {data.draw(in_every_way(value))} ", layers)
    masked = Forms(Secret(value)).scrub(spelled.encode()).decode()
    assert "[secret]" in masked
    assert [view for view in escapes.views(masked) if value in view.text] == []


@pytest.mark.parametrize(
    ("key", "spelled"),
    [
        ("canary/of", r"canary\/of"),  # PHP's JSON
        ("canary/of&x", r"canary\u002Fof\u0026x"),
        ("canary/of+x", r"canary%252fof%2bx"),
        ("canary&of=x", r"canary&amp;of&amp;#61;x"),
        ("canary-of", r"canary\x2dof"),
    ],
)
def test_a_few_escaped_characters_hide_no_key(key: str, spelled: str) -> None:
    """K-40: as writers do that escape a few characters only, or twice; what stands around stays."""
    around = rb'{"path": "C:\\new", "said": "%b"}'
    assert Forms(Secret(key)).scrub(around % spelled.encode()) == around % b"[secret]"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 11, 30])
@pytest.mark.parametrize("endpoint", KINDS)
def test_a_key_told_in_pieces_is_masked(endpoint: Endpoint, size: int) -> None:
    """K-41: token by token, in every dialect: what passes is at most its beginning, and all that
    was said before and after."""
    text = f"your key {KEY} is wrong, {KEY}!"
    runs = events(map(KINDS[endpoint], pieces(text, size)))
    assert said(endpoint, b"".join(runs)) == [text]
    [told] = said(endpoint, passed(Told(Secret(KEY)), runs))
    shown = told.removeprefix("your key ").partition("[secret]")[0]
    assert KEY.startswith(shown)
    assert len(shown) < echoes.SHOWN_MAX
    assert KEY[: echoes.SHOWN_MAX] not in told
    assert told.endswith("!")
    assert "[secret] is wrong, " in told


def test_choices_that_alternate_are_joined_each_by_itself() -> None:
    """K-41: two answers of one request, both with the key, event by event."""
    each = [chat(piece, choice) for piece in pieces(KEY + "!", 2) for choice in (0, 1)]
    told = said(Endpoint.CHAT, passed(Told(Secret(KEY)), events(each)))
    assert [text[-9:] for text in told] == ["[secret]!"] * 2
    assert all(len(text) < 16 + len("[secret]!") for text in told)


def test_what_only_begins_like_the_key_passes_unchanged() -> None:
    """R-10: and no later than the event that shows that it is another text."""
    runs = events(map(chat, [KEY[:18], "…", " is how", " a key begins"]))
    told = Told(Secret(KEY))
    assert told.feed(runs[0]) == b""
    assert told.feed(runs[1]) == runs[0] + runs[1]
    assert [told.feed(run) for run in runs[2:]] == runs[2:]
    assert told.end() == b""


def test_a_key_that_breaks_off_is_masked() -> None:
    """K-41: nearly all of a key is as good as the key; what is shorter passes."""
    for size in (34, 20):
        told = Told(Secret(KEY))
        runs = events(map(chat, pieces("so: " + KEY[:size], 5)))
        assert said(Endpoint.CHAT, passed(told, runs))[0].endswith("[secret]")
    runs = events(map(chat, pieces(KEY[:15], 5)))
    assert passed(Told(Secret(KEY)), runs) == b"".join(runs)


def test_what_waits_is_bounded() -> None:
    """K-40: events without text that follow a beginning do not gather without end."""
    told = Told(Secret(KEY))
    comment = b": still working\n\n"
    assert told.feed(events([chat(KEY[:20])])[0]) == b""
    came = b""
    for _ in range(echoes.HELD_BYTES_MAX // len(comment) + 1):
        came += told.feed(comment)
    assert came.count(comment) > 3_000
    assert b"[secret]" in came
    assert KEY[:16].encode() not in came


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.just(KEY), st.text('sk-proj canary/\\"é', max_size=30)), max_size=6),
    st.lists(st.integers(0, 200), max_size=40),
    st.integers(1, 4),
)
def test_however_a_stream_is_cut_no_key_and_no_word_is_lost(
    words: list[str], cuts: list[int], events_a_run: int
) -> None:
    """K-41: what passes says the same but for the keys."""
    text = "".join(words)
    borders = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    each = [text[a:b] for a, b in pairwise(borders)]
    cut = events(map(chat, each))
    runs = [b"".join(cut[at : at + events_a_run]) for at in range(0, len(cut), events_a_run)]
    told = "".join(said(Endpoint.CHAT, passed(Told(Secret(KEY)), runs)))
    assert KEY[: echoes.SHOWN_MAX + 1] not in told
    kept = text.split(KEY)
    assert told.count("[secret]") == len(kept) - 1
    if len(kept) == 1:
        assert told == text
