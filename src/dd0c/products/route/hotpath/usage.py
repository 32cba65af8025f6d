"""What an answer says about the tokens it used, put into disjoint buckets. No I/O.

The providers count differently: OpenAI's `prompt_tokens` contains the cached ones and
`completion_tokens` contains reasoning and audio; Anthropic's `input_tokens` contains neither cache
reads nor writes, and `output_tokens` contains thinking, which is not told apart. Here everything is
made disjoint; what a provider does not say stays None. Numbers that contradict each other (more
cached than sent, negative, beyond any model) are not repaired: the usage is then unknown, and the
provider's own text is kept beside the row.
"""

from __future__ import annotations

import msgspec

from dd0c.products.route.models import NO_USAGE, Endpoint, Usage

TOKENS_MAX = 10**12  # more is no count of tokens


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    audio_tokens: int | None = None


class _CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class _OpenAIUsage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class _CacheCreation(msgspec.Struct, gc=False):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class _ServerTools(msgspec.Struct, gc=False):
    web_search_requests: int | None = None


class _AnthropicUsage(msgspec.Struct, gc=False):
    input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: _CacheCreation | None = None
    output_tokens: int | None = None
    server_tool_use: _ServerTools | None = None
    service_tier: str | None = None


class Said(msgspec.Struct, gc=False):
    """What an answer, or one event of it, says that matters to the ledger."""

    model: str | None = None
    usage: msgspec.Raw = msgspec.Raw()
    service_tier: str | None = None
    choices: msgspec.Raw = msgspec.Raw()
    message: Said | None = None
    error: msgspec.Raw = msgspec.Raw()
    type: str | None = None


class _Choice(msgspec.Struct, gc=False):
    finish_reason: str | None = None


_choices = msgspec.json.Decoder(list[_Choice])
_said = msgspec.json.Decoder(Said)
_openai = msgspec.json.Decoder(_OpenAIUsage)
_anthropic = msgspec.json.Decoder(_AnthropicUsage)
_anthropic_encoder = msgspec.json.Encoder()


def find_said(data: bytes) -> Said | None:
    """The answer or event in `data`; None when it is not one that we understand."""
    try:
        return _said.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def find_in_tail(tail: bytes) -> Said | None:
    """Usage and what follows it, from the last bytes of an answer too large to hold.

    From a place where a key of the top-level object begins, the rest of the document with one `{`
    in front is an object again; from any deeper place one bracket too many is left. Inside a string
    a quote is always escaped, so what stands before a key there is never `{` or `,`.
    """
    at = tail.rfind(b'"usage"')
    while at > 0:
        if tail[:at].rstrip()[-1:] in (b"{", b",") and (found := find_said(b"{" + tail[at:])):
            return found
        at = tail.rfind(b'"usage"', 0, at)
    return None


def present(raw: msgspec.Raw) -> bytes | None:
    """The bytes of a value, None when it is absent or null."""
    text = bytes(raw)
    return None if text in (b"", b"null") else text


def is_empty(choices: msgspec.Raw) -> bool:
    """Whether a chunk has `choices` and there is none in it: then it only carries usage."""
    text = bytes(choices)
    return text.startswith(b"[") and text[1:-1].strip() == b""


def is_last_chunk(choices: msgspec.Raw) -> bool:
    """Whether usage beside these choices is the last word: some providers tell it in each chunk."""
    if present(choices) is None:
        return True
    try:
        return all(choice.finish_reason for choice in _choices.decode(choices))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def of_openai(raw: bytes, endpoint: str) -> Usage:
    """Buckets of an OpenAI usage object; NO_USAGE when it cannot be believed."""
    try:
        given = _openai.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return NO_USAGE
    cached = written = audio_in = reasoning = audio_out = None
    if given.prompt_tokens_details is not None:
        prompt = given.prompt_tokens_details
        cached, audio_in = prompt.cached_tokens, prompt.audio_tokens
        written = prompt.cache_creation_input_tokens
    if given.completion_tokens_details is not None:
        completion = given.completion_tokens_details
        reasoning, audio_out = completion.reasoning_tokens, completion.audio_tokens
    sent, produced = given.prompt_tokens, given.completion_tokens
    if sent is not None:
        sent -= (cached or 0) + (written or 0) + (audio_in or 0)
    if endpoint == Endpoint.EMBEDDINGS:
        produced = None
    elif produced is not None:
        produced -= (reasoning or 0) + (audio_out or 0)
    if not _believable(sent, cached, written, produced, reasoning, audio_in, audio_out):
        return NO_USAGE
    return Usage(sent, cached, written, None, produced, reasoning, audio_in, audio_out)


def of_anthropic(raw: bytes) -> tuple[Usage, str | None]:
    """Buckets of an Anthropic usage object, and the service tier that it names."""
    try:
        given = _anthropic.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return NO_USAGE, None
    written_5m, written_1h = given.cache_creation_input_tokens, None
    if given.cache_creation is not None:
        written_5m = given.cache_creation.ephemeral_5m_input_tokens
        written_1h = given.cache_creation.ephemeral_1h_input_tokens
    tools = given.server_tool_use
    usage = Usage(
        input=given.input_tokens,
        cache_read=given.cache_read_input_tokens,
        cache_write_5m=written_5m,
        cache_write_1h=written_1h,
        output=given.output_tokens,
        server_tools=tools.web_search_requests if tools else None,
    )
    believable = _believable(*msgspec.structs.astuple(usage))
    return usage if believable else NO_USAGE, given.service_tier


def merge_anthropic(first: bytes | None, then: bytes, *, final: bool) -> bytes:
    """The usage object of `message_start` overlaid with a later one's keys that are not null.

    The output count of `message_start` is provisional: it is dropped unless a `final` count came.
    """
    merged: dict[str, object] = msgspec.json.decode(first, type=dict) if first else {}
    later = msgspec.json.decode(then, type=dict)
    merged.update({key: value for key, value in later.items() if value is not None})
    if not final:
        merged.pop("output_tokens", None)
    return _anthropic_encoder.encode(merged)


def _believable(*counts: int | None) -> bool:
    given = [count for count in counts if count]
    return not given or (min(given) > 0 and max(given) <= TOKENS_MAX)
