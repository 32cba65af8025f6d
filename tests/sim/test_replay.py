"""Recorded answers: what goes over the wire is the file."""

from __future__ import annotations

from pathlib import Path

import anthropic
import httpx
import openai
import pytest

from dd0c.base.errors import InvalidInput
from dd0c.sim import replay
from dd0c.sim.faults import parse
from tests.sim.conftest import OPENAI_KEY
from tests.sim.test_faults import CLAUDE, GPT, chat, message, received
from tests.support.simulator import CORPUS, Simulator

RECORDINGS = sorted(
    str(path.relative_to(CORPUS))
    for path in CORPUS.rglob("*")
    if path.suffix in (".json", ".sse", ".bin")
)
TYPES = {
    ".json": "application/json",
    ".sse": "text/event-stream",
    ".bin": "application/vnd.amazon.eventstream",
}
PATHS = ["/v1/chat/completions", "/v1/messages", "/model/any/converse-stream"]


def test_every_recording_comes_byte_for_byte(sim: Simulator) -> None:
    """Each file of the corpus arrives as it is, with its type, on any path and without a key."""
    assert len(RECORDINGS) == 50
    assert sim.ask("GET", "recordings")["recordings"] == RECORDINGS
    with httpx.Client(base_url=sim.url) as client:
        for number, name in enumerate(RECORDINGS):
            path = PATHS[number % len(PATHS)]
            answer = client.post(path, headers={"x-sim-fault": f"replay={name}"})
            assert answer.content == (CORPUS / name).read_bytes(), name
            assert answer.headers["content-type"] == TYPES[Path(name).suffix], name


@pytest.mark.parametrize("name", ["openai/chat-streaming.sse", "bedrock/converse-basic.json"])
def test_recordings_survive_odd_transport(sim: Simulator, name: str) -> None:
    """Compressed, oddly chunked and torn, a recording is still the file."""
    fault = f"replay={name};gzip;odd_chunks;fragment=17"
    answer = httpx.post(f"{sim.url}/v1/chat/completions", headers={"x-sim-fault": fault})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.content == (CORPUS / name).read_bytes()


@pytest.mark.parametrize("name", [n for n in RECORDINGS if not n.endswith(".json")])
def test_streams_are_sent_event_by_event(name: str) -> None:
    """Joined, the events of a stream are the file; each is one event or one binary frame."""
    body = (CORPUS / name).read_bytes()
    split = replay.split_frames if name.endswith(".bin") else replay.split_events
    events = split(body)
    assert b"".join(events) == body
    if name.endswith(".bin"):
        assert [int.from_bytes(frame[:4], "big") for frame in events] == [len(f) for f in events]
    else:
        assert all(event.count(b"data:") == 1 for event in events if event.strip())


def test_torn_recordings_are_sent_as_they_are() -> None:
    """A recording that breaks off, or holds no frames at all, loses no byte."""
    for body in (b"", b"data: 1", b"\n\n\n\n", b"data: 1\r\n\r\ndata: 2\r\n\r\nda"):
        assert b"".join(replay.split_events(body)) == body
    for body in (b"", b"short", b"\0" * 20, b"\0\0\0\x10" + b"x" * 14, b"\0\0\0\xff" + b"x" * 14):
        assert b"".join(replay.split_frames(body)) == body


def test_the_sdk_reads_recordings(
    gpt: openai.OpenAI, claude: anthropic.Anthropic, sim: Simulator
) -> None:
    """A recorded body, stream and error are what the SDK would have made of them then."""
    answer = chat(gpt, "replay=openai/chat-basic.json")
    assert answer.choices[0].message.content == "1 + 1 = 2."
    chunks = list(chat(gpt, "replay=openai/chat-streaming.sse;pace=1", stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "Hello!"
    assert sim.stats()["recent"][-1]["events_sent"] == 5
    with pytest.raises(openai.NotFoundError, match="The model does not exist"):
        chat(gpt, "replay=openai/chat-error.json;status=404")
    events = list(message(claude, "replay=anthropic/messages-streaming.sse", stream=True))
    assert [e.delta.text for e in events if e.type == "content_block_delta"] == ["Hello", "!"]
    got, error = received(chat(gpt, "replay=protocol-conversion/empty-sse-frames.sse", stream=True))
    assert len(got) == 1
    assert isinstance(error, ValueError)


def test_a_scenario_can_replay(
    gpt: openai.OpenAI, claude: anthropic.Anthropic, sim: Simulator
) -> None:
    """A rule sends a recording to the requests it matches, also where only recordings answer."""
    rules = [
        {"faults": "replay=openai/null-usage.json", "model": "gpt-*"},
        {"faults": "replay=bedrock/converse-basic.json", "path": "/model/*"},
    ]
    sim.ask("PUT", "scenario", {"rules": rules})
    assert gpt.chat.completions.create(**GPT).usage is None
    assert claude.messages.create(**CLAUDE).usage is not None
    assert httpx.post(f"{sim.url}/model/x/converse").json()["usage"]["totalTokens"] == 18


@pytest.mark.parametrize(
    "asked",
    [
        "replay=nope.json",
        "replay=../../conftest.py",
        "replay=/etc/passwd",
        "replay=openai",
        "replay=README.md",
        "replay=openai/chat-basic.json;comments",
        "replay=openai/chat-streaming.sse;double_finish",
    ],
)
def test_what_cannot_be_replayed_is_refused(sim: Simulator, asked: str) -> None:
    """A recording that is not in the folder, or a fault it cannot show, is a 400."""
    headers = {"x-sim-fault": asked, "authorization": f"Bearer {OPENAI_KEY}"}
    assert httpx.post(f"{sim.url}/v1/chat/completions", headers=headers).status_code == 400


def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    """Neither a path upwards nor a link leads out of the folder."""
    (tmp_path / "secret.json").write_text("{}")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link.json").symlink_to(tmp_path / "secret.json")
    recordings = replay.Recordings(inside)
    for name in ("../secret.json", "link.json", str(tmp_path / "secret.json")):
        with pytest.raises(InvalidInput, match="there is no recording"):
            recordings.get_answer(parse(f"replay={name}"))


def test_without_a_folder_nothing_is_replayed(tmp_path: Path) -> None:
    """The folder must be named, and be there."""
    with pytest.raises(InvalidInput, match="nothing to replay"):
        replay.Recordings(None).get_answer(parse("replay=x.json"))
    with pytest.raises(InvalidInput, match="there is no folder"):
        replay.Recordings(tmp_path / "nope")
