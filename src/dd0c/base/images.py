"""Images in a prompt: how large they are, and how many tokens that is.

Sources of the formulas: OpenAI, "Images and vision", section "Calculating costs"
(https://platform.openai.com/docs/guides/images-vision#calculating-costs); Anthropic, "Vision",
section "Evaluate image size" (https://docs.claude.com/en/docs/build-with-claude/vision): Claude 4.7
and later see 2,576 pixels of the long edge, those before 1,568. An image behind a URL is not
fetched: it counts as UNSEEN.
"""

from __future__ import annotations

import base64
import math
import re
import struct
from typing import Final

Size = tuple[int, int]  # width, height
UNSEEN: Final[Size] = (1024, 1024)

TILES: Final = {  # model -> tokens of any image, tokens of each tile of 512 x 512
    "gpt-4o-mini": (2833, 5667),
    "gpt-4o": (85, 170),
    "gpt-4.1": (85, 170),
    "gpt-5": (70, 140),
    "o1": (75, 150),
    "o3": (75, 150),
}
PATCHES: Final = {  # model -> tokens of a patch of 32 x 32
    "gpt-4.1-mini": 1.62,
    "gpt-4.1-nano": 2.46,
    "gpt-5-mini": 1.62,
    "gpt-5-nano": 2.46,
    "o4-mini": 1.72,
}
TILE_PX: Final = 512
TILED_LONG_PX, TILED_SHORT_PX = 2048, 768
PATCH_PX: Final = 32
PATCHES_MAX: Final = 1536
CLAUDE_PX_PER_TOKEN: Final = 750
CLAUDE_BOUNDS: Final = (1568, 1600)  # pixels of the long edge, tokens
CLAUDE_FINE_BOUNDS: Final = (2576, 4784)
CLAUDE_VERSION: Final = re.compile(r"claude-[a-z]+-(\d{1,2})(?:-(\d{1,2}))?(?!\d)")


class NoImage(Exception):
    """The bytes are no image that providers take."""


def measure_url(url: str) -> Size:
    """The size of an image given as a data URL; UNSEEN for one that lies elsewhere."""
    if not url.startswith("data:"):
        return UNSEEN
    head, comma, data = url.partition(",")
    if not comma or not head.endswith(";base64"):
        raise NoImage
    return measure_base64(data)


def measure_base64(data: str) -> Size:
    """The size of an image in base64."""
    try:
        return measure(base64.b64decode(data, validate=True))
    except ValueError:
        raise NoImage from None


def measure(data: bytes) -> Size:
    """Width and height of a PNG, JPEG, GIF or WebP."""
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
            width, height = struct.unpack_from(">II", data, 16)
        elif data.startswith(b"\xff\xd8"):
            width, height = _measure_jpeg(data)
        elif data[:6] in (b"GIF87a", b"GIF89a"):
            width, height = struct.unpack_from("<HH", data, 6)
        elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            width, height = _measure_webp(data)
        else:
            raise NoImage
    except (struct.error, IndexError):
        raise NoImage from None
    if not width or not height:
        raise NoImage
    return width, height


def _measure_jpeg(data: bytes) -> Size:
    """Walks the segments to the frame header: C0 to CF, but not C4, C8 and CC."""
    at = 2
    while True:
        marker = data[at + 1]
        if data[at] != 0xFF:
            raise NoImage
        if marker == 0xFF:  # padding
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]


def _measure_webp(data: bytes) -> Size:
    match data[12:16]:
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", data, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            wide, high = data[24:27], data[27:30]
            return int.from_bytes(wide, "little") + 1, int.from_bytes(high, "little") + 1
    raise NoImage


def openai_tokens(model: str, size: Size, detail: str = "auto") -> int:
    """Tokens of an image for an OpenAI model, by tiles or by patches, whichever the model has."""
    names = sorted([*TILES, *PATCHES], key=len, reverse=True)
    family = next((name for name in names if model.startswith(name)), "gpt-4o")
    if family in PATCHES:
        return math.floor(_patches(size) * PATCHES[family] + 0.5)
    base, tile = TILES[family]
    return base if detail == "low" else base + tile * _tiles(size)


def _tiles(size: Size) -> int:
    width, height = _within(size, TILED_LONG_PX / max(size))
    width, height = _within((width, height), TILED_SHORT_PX / min(width, height))
    return math.ceil(width / TILE_PX) * math.ceil(height / TILE_PX)


def _within(size: tuple[float, float], scale: float) -> tuple[float, float]:
    return (size[0] * min(1, scale), size[1] * min(1, scale))


def _patches(size: Size) -> int:
    width, height = size
    patches = math.ceil(width / PATCH_PX) * math.ceil(height / PATCH_PX)
    if patches <= PATCHES_MAX:
        return patches
    scale = math.sqrt(PATCH_PX**2 * PATCHES_MAX / (width * height))
    wide, high = width * scale / PATCH_PX, height * scale / PATCH_PX
    scale *= min(math.floor(wide) / wide, math.floor(high) / high)
    # Rounded before ceil: the scale was made so that one side is a whole number of patches.
    wide, high = round(width * scale / PATCH_PX, 6), round(height * scale / PATCH_PX, 6)
    return min(PATCHES_MAX, math.ceil(wide) * math.ceil(high))


def anthropic_tokens(size: Size, model: str = "") -> int:
    """Tokens of an image for Claude: width x height / 750, after it was made to fit."""
    width, height = size
    found = CLAUDE_VERSION.match(model)
    fine = found is not None and (int(found[1]), int(found[2] or 0)) >= (4, 7)
    long_px, tokens_max = CLAUDE_FINE_BOUNDS if fine else CLAUDE_BOUNDS
    room = math.sqrt(tokens_max * CLAUDE_PX_PER_TOKEN / (width * height))
    wide, high = _within(size, min(long_px / max(size), room))
    return math.ceil(round(wide * high / CLAUDE_PX_PER_TOKEN, 6))
