"""What of a request becomes tokens, and how many besides its words.

Sources of the numbers:
- OpenAI, chat: three tokens around each message, one for a name, three to begin the reply; a tool
  is seven (ten before gpt-4o) and its lines, twelve after all of them: "How to count tokens with
  tiktoken" in openai/openai-cookbook, sections 6 and 7, which agrees with the API for its examples.
- Anthropic: a hidden system prompt of 346 tokens with tools, 313 when one must be called
  (https://docs.claude.com/en/docs/agents-and-tools/tool-use/overview, Claude 3.7 to 4.5); the
  few around messages are fitted to the examples of
  https://docs.claude.com/en/docs/build-with-claude/token-counting.
- Images: `dd0c.base.images`.

Words are counted part by part here, as providers put special tokens between them. What cannot be
told from the request (a file, a sound, an earlier response by its id) makes the whole `unknown`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from dd0c.base import images
from dd0c.products.route.models import Endpoint
from dd0c.products.route.tokens.families import base_model, family_of

OPENAI_MESSAGE: Final = 3
OPENAI_NAME: Final = 1
OPENAI_REPLY: Final = 3
TOOL_PROPERTIES: Final = 3
TOOL_PROPERTY: Final = 3
TOOL_CHOICES: Final = -3
TOOL_CHOICE: Final = 3
TOOLS_END: Final = 12
CLAUDE_PROMPT: Final = 3
CLAUDE_MESSAGE: Final = 4
CLAUDE_TOOLS: Final = 346
CLAUDE_TOOLS_FORCED: Final = 313
MARKUP_DOUBT: Final = 0.15  # of tools and schemas, which nobody publishes the wording of
LARGEST: Final = (2048, 768)  # no image costs more by tiles (4 x 2) or by patches (64 x 24)
LARGEST_FOR_CLAUDE: Final = (8000, 8000)
VALUES_MAX: Final = 500_000  # 60 ms of decoding, in which nothing else of the process runs
UNSEEN_PART: Final = 1_000  # tokens of a file, a sound or what was no image

Json = Any


@dataclass(slots=True)
class Tally:
    """What was counted: `words` by the vocabulary, `extra` tokens besides, of both together
    `doubt` may be wrong. `unknown`: there is more that cannot be told."""

    model: str
    count: Callable[[str], int]
    words: int = 0
    extra: int = 0
    doubt: float = field(default=0.0)
    unknown: bool = False

    def say(self, text: Json) -> None:
        """A text of the request; what should be one and is not counts as its JSON."""
        if text is not None and text != "":
            self.words += self.count(text if isinstance(text, str) else _dump(text))

    def say_markup(self, value: Json) -> None:
        """Something that the provider words in its own way."""
        before = self.words
        self.say(value)
        self.doubt += (self.words - before) * MARKUP_DOUBT

    def miss(self, tokens: int = UNSEEN_PART) -> None:
        """A part that cannot be told."""
        self.extra += tokens
        self.unknown = True


def read(model: str, endpoint: str, body: bytes, count: Callable[[str], int]) -> Tally | None:
    """Everything in a request that becomes tokens; None when it is no request at all."""
    tally = Tally(base_model(model), count)
    if body.count(b",") > VALUES_MAX:
        return None
    try:
        asked = json.loads(body)
        reader = _READERS.get(endpoint)
        if reader is None or not isinstance(asked, dict):
            return None
        reader(tally, asked)
    except (ValueError, RecursionError):  # no JSON, or nested beyond what any provider takes
        return None
    return tally


def _read_chat(tally: Tally, asked: dict[str, Json]) -> None:
    for message in _items(asked.get("messages")):
        _openai_message(tally, message)
    tally.extra += OPENAI_REPLY
    functions = _items(asked.get("functions"))
    _openai_tools(tally, [*_items(asked.get("tools")), *functions])
    _schema(tally, asked.get("response_format"), "json_schema")


def _read_responses(tally: Tally, asked: dict[str, Json]) -> None:
    if instructions := asked.get("instructions"):
        _openai_message(tally, {"role": "developer", "content": instructions})
    given = asked.get("input")
    for item in _items([{"role": "user", "content": given}] if isinstance(given, str) else given):
        _openai_message(tally, item)
    tally.extra += OPENAI_REPLY
    _openai_tools(tally, _items(asked.get("tools")))
    text = asked.get("text")
    _schema(tally, text.get("format") if isinstance(text, dict) else None, "schema")
    if any(asked.get(name) for name in ("previous_response_id", "conversation", "prompt")):
        tally.miss()


def _openai_message(tally: Tally, message: Json) -> None:
    """A message of chat, or an item of a response's input: calls and their results are such."""
    tally.extra += OPENAI_MESSAGE
    tally.doubt += 1
    if not isinstance(message, dict):
        return tally.say(message)
    if message.get("type") in ("item_reference", "reasoning", "compaction"):
        return tally.miss(0)
    tally.say(message.get("role", "tool"))
    if (name := message.get("name")) is not None:
        tally.extra += OPENAI_NAME
        tally.say(name)
    _content(tally, message.get("content"))
    _content(tally, message.get("output"))
    for text in ("refusal", "arguments", "reasoning_content"):
        tally.say(message.get(text))
    calls = [*_items(message.get("tool_calls")), {"function": message.get("function_call")}]
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else call
        if isinstance(function, dict):
            tally.extra += OPENAI_MESSAGE
            tally.say_markup(function.get("name"))
            tally.say_markup(function.get("arguments"))
    return None


def _openai_tools(tally: Tally, tools: list[Json]) -> None:
    if not tools:
        return
    before = tally.words + tally.extra
    for tool in tools:
        function = tool.get("function", tool) if isinstance(tool, dict) else None
        if not isinstance(function, dict) or "name" not in function:
            tally.say(tool)  # one of the provider's own, or none at all
            continue
        tally.extra += 10 if family_of(tally.model).vocabulary == "cl100k_base" else 7
        tally.say(f"{_text(function.get('name'))}:{_line(function.get('description'))}")
        _properties(tally, function.get("parameters"))
    tally.extra += TOOLS_END
    tally.doubt += (tally.words + tally.extra - before) * MARKUP_DOUBT


def _properties(tally: Tally, schema: Json) -> None:
    """The lines of a function's parameters; those inside of others alike."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or not properties:
        return
    tally.extra += TOOL_PROPERTIES
    for name, one in properties.items():
        tally.extra += TOOL_PROPERTY
        if not isinstance(one, dict):
            tally.say(name)
            continue
        choices = _items(one.get("enum"))
        if choices:
            tally.extra += TOOL_CHOICES + TOOL_CHOICE * len(choices)
            for choice in choices:
                tally.say(choice)
        tally.say(f"{name}:{_text(one.get('type'))}:{_line(one.get('description'))}")
        _properties(tally, one)
        _properties(tally, one.get("items"))


def _read_messages(tally: Tally, asked: dict[str, Json]) -> None:
    tally.extra += CLAUDE_PROMPT
    tally.doubt += CLAUDE_PROMPT
    _content(tally, asked.get("system"))
    for message in _items(asked.get("messages")):
        tally.extra += CLAUDE_MESSAGE
        tally.doubt += 1
        _content(tally, message.get("content") if isinstance(message, dict) else message)
    tools = _items(asked.get("tools"))
    if tools:
        choice = asked.get("tool_choice")
        forced = isinstance(choice, dict) and choice.get("type") in ("any", "tool")
        tally.extra += CLAUDE_TOOLS_FORCED if forced else CLAUDE_TOOLS
        tally.doubt += CLAUDE_TOOLS * MARKUP_DOUBT
    for tool in tools:
        tally.say_markup(tool)
    if asked.get("container") or asked.get("mcp_servers"):
        tally.miss()


def _read_completions(tally: Tally, asked: dict[str, Json]) -> None:
    _strings(tally, asked.get("prompt"))
    tally.say(asked.get("suffix"))


def _read_embeddings(tally: Tally, asked: dict[str, Json]) -> None:
    _strings(tally, asked.get("input"))


def _strings(tally: Tally, given: Json) -> None:
    """A text, tokens as numbers, or several of either."""
    items = _items(given) if isinstance(given, list) else [given]
    for item in items:
        if isinstance(item, int):
            tally.extra += 1
        elif isinstance(item, list):
            tally.extra += len(item)
        else:
            tally.say(item)


def _content(tally: Tally, content: Json) -> None:
    """A text, or parts of either dialect."""
    if not isinstance(content, list):
        return tally.say(content)
    for part in content:
        _part(tally, part)
    return None


def _part(tally: Tally, part: Json) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    match kind:
        case "text" | "input_text" | "output_text":
            tally.say(part.get("text"))
        case "refusal" | "thinking":
            tally.say(part.get(kind))
        case "image_url" | "input_image":
            _openai_image(tally, part)
        case "image":
            _claude_image(tally, part.get("source"))
        case "tool_use" | "server_tool_use":
            tally.extra += CLAUDE_MESSAGE
            tally.say_markup(part.get("name"))
            tally.say_markup(part.get("input"))
        case "tool_result":
            tally.extra += CLAUDE_MESSAGE
            _content(tally, part.get("content"))
        case "document" if isinstance(source := part.get("source"), dict) and source.get(
            "type"
        ) in ("text", "content"):
            tally.say(part.get("title"))
            _content(tally, source.get("data", source.get("content")))
        case "document" | "file" | "input_file" | "input_audio" | "redacted_thinking":
            tally.miss()
        case _:
            tally.say_markup(part)


def _openai_image(tally: Tally, part: dict[str, Json]) -> None:
    """An image of chat (`image_url` holds an object) or of responses (a text, or a file's id)."""
    given = part.get("image_url")
    about = given if isinstance(given, dict) else part
    url = about.get("url") if isinstance(given, dict) else given
    detail = _text(about.get("detail")) or "auto"
    if not isinstance(url, str):
        return tally.miss()
    if not url.startswith("data:"):
        return _bound(tally, images.openai_tokens(tally.model, LARGEST, detail))
    try:
        size = images.measure_url(url)
    except images.NoImage:
        return tally.miss()
    tally.extra += images.openai_tokens(tally.model, size, detail)
    return None


def _claude_image(tally: Tally, source: Json) -> None:
    if not isinstance(source, dict) or source.get("type") == "file":
        return tally.miss()
    if source.get("type") == "url":
        return _bound(tally, images.anthropic_tokens(LARGEST_FOR_CLAUDE, tally.model))
    try:
        size = images.measure_base64(_text(source.get("data")))
    except images.NoImage:
        return tally.miss()
    tokens = images.anthropic_tokens(size, tally.model)
    tally.extra += tokens
    tally.doubt += tokens * 0.05  # "approximately", Anthropic says
    return None


def _bound(tally: Tally, tokens: int) -> None:
    """An image that is not here: at most so many tokens, perhaps far fewer."""
    tally.extra += tokens
    tally.doubt += tokens


def _schema(tally: Tally, form: Json, name: str) -> None:
    """The JSON schema of an answer's form, which the model is shown."""
    if isinstance(form, dict) and (schema := form.get(name)) is not None:
        tally.say_markup(schema)


def _items(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _line(value: Json) -> str:
    """A description as the cookbook counts it: without its last full stop."""
    return _text(value).removesuffix(".")


def _dump(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_READERS: Final[dict[str, Callable[[Tally, dict[str, Json]], None]]] = {
    Endpoint.CHAT: _read_chat,
    Endpoint.RESPONSES: _read_responses,
    Endpoint.COMPLETIONS: _read_completions,
    Endpoint.EMBEDDINGS: _read_embeddings,
    Endpoint.MESSAGES: _read_messages,
    Endpoint.COUNT_TOKENS: _read_messages,
}
