"""What receivers read: JSON for programs, a few lines for people. Pure (K-71).

Nothing that is private in an event is told, only what stands in its entry for good: ids, numbers
and times. Whoever may see more follows the link.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

FACTS_SHOWN_MAX = 12
VALUE_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class Words:
    """What people are told: a headline without line breaks, and lines below it."""

    headline: str
    lines: tuple[str, ...]


def facts(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What of an entry of the audit log is told."""
    told = ("id", "log", "sequence", "actor", "subject", "facts")
    return {name: entry[name] for name in told}


def payload(event: str, at: datetime, data: Mapping[str, Any]) -> str:
    """The body of a webhook, shaped as Standard Webhooks recommends."""
    body = {"type": event, "timestamp": at.astimezone(UTC).isoformat(), "data": data}
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def words(payload_text: str, sentences: Mapping[str, str], console_url: str) -> Words:
    """The same for people. `sentences`: what each event means, by its name."""
    told = json.loads(payload_text)
    event, data = str(told["type"]), told["data"]
    sentence = sentences.get(event, "This is a trial message: what you see would be an event.")
    subject, actor = data.get("subject", ""), data.get("actor", "")
    lines = [sentence, f"{told['timestamp'][:19].replace('T', ' ')} UTC"]
    lines += [f"what: {subject}"] if subject else []
    lines += [f"by: {actor}"] if actor else []
    shown = list(data.get("facts", {}).items())[:FACTS_SHOWN_MAX]
    lines += [f"{name.replace('_', ' ')}: {_value(value)}" for name, value in shown]
    if console_url and subject:
        lines.append(f"{console_url.rstrip('/')}/console/find?q={subject}")
    return Words(_plain(f"{event} {subject}".strip()), tuple(map(_plain, lines)))


def slack(said: Words) -> str:
    """The body for an incoming webhook of Slack. What could be markup of Slack's is taken out."""
    text = "\n".join((f"*{_escaped(said.headline)}*", *map(_escaped, said.lines)))
    return json.dumps({"text": text, "unfurl_links": False}, ensure_ascii=False)


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _plain(text: str) -> str:
    """One line of printable text."""
    return "".join(c if c.isprintable() else " " for c in text)[:VALUE_CHARACTERS_MAX]


def _escaped(text: str) -> str:
    """As docs.slack.dev, Formatting text, wants it; backticks and stars would be markup."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("*", "∗").replace("`", "ˋ")
