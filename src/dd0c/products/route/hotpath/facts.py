"""What a caller says about itself and its request, for the ledger (R-10). Pure.

Nothing of it changes what is sent; what is unusable is left out, but for tags: budgets hang on
them, so a wrong one is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from dd0c.products.route.hotpath.dialects import Refusal
from dd0c.products.route.models import Dialect

TAGS_MAX = 16
TEXT_LENGTH_MAX = 256
METADATA_BYTES_MAX = 16 * 1024

BAD_TAGS = Refusal(
    400,
    "bad_tags",
    f"x-dd0c-tags takes at most {TAGS_MAX} tags, separated by commas, each of at most 64 letters, "
    "digits and _ . : = / -",
)

_TAG = re.compile(r"[\w.:=/-]{1,64}")
_USERS = ("safety_identifier", "user")  # OpenAI's new name for it, and the old one


class _Metadata(msgspec.Struct):
    user_id: str | None = None


_text = msgspec.json.Decoder(str)
_metadata = msgspec.json.Decoder(_Metadata)


def split_tags(header: bytes) -> list[str]:
    """The tags in a header, right or wrong."""
    return [tag for part in header.decode(errors="replace").split(",") if (tag := part.strip())]


def are_tags(tags: Sequence[str]) -> bool:
    """Whether all of them can be tags."""
    return len(tags) <= TAGS_MAX and all(map(_TAG.fullmatch, tags))


def text_of(header: bytes) -> str | None:
    """What a header says, None when that is nothing."""
    return header.decode(errors="replace")[:TEXT_LENGTH_MAX] or None


def count_of(header: bytes) -> int | None:
    """The number in a header, None when there is none that can be believed."""
    return int(header) if header.isdigit() and len(header) < 7 else None


def end_user(body: bytes, found: dict[str, tuple[int, int]], dialect: Dialect) -> str | None:
    """Whom the caller asks for, from the top level of its body."""
    try:
        if dialect is Dialect.ANTHROPIC:
            start, end = found.get("metadata", (0, 0))
            if not 0 < end - start <= METADATA_BYTES_MAX:
                return None
            given = _metadata.decode(body[start:end]).user_id
        else:
            start, end = next((found[key] for key in _USERS if key in found), (0, 0))
            given = _text.decode(body[start:end]) if end else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return given[:TEXT_LENGTH_MAX] or None if given else None
