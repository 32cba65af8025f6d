"""Images in prompts: measured, and counted by the formulas that the providers publish."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import anthropic
import openai
import pytest

from dd0c.base import images
from tests.sim.test_anthropic import MODEL

# Bytes as the formats define them, with nothing but what says the size.
GIF = b"GIF89a" + struct.pack("<HH", 300, 200) + b"\x00\x00\x00;"
JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    b"\xff\xc4\x00\x04\x00\x00\xff\xff\xc2\x00\x11\x08" + struct.pack(">HH", 200, 300) + b"\x03"
)
WEBP_LOSSY = b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\x10\x00\x00\x9d\x01\x2a" + struct.pack("<HH", 300, 200)
WEBP_LOSSLESS = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f" + struct.pack("<I", 299 | 199 << 14)
WEBP_EXTENDED = b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0\x10\0\0\0\x2b\x01\x00\xc7\x00\x00"


def png(width: int, height: int) -> bytes:
    """A PNG of that size, as far as its header."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n\0\0\0\r" + head + struct.pack(">I", zlib.crc32(head))


def data_url(width: int, height: int) -> str:
    """The same as a data URL."""
    return f"data:image/png;base64,{base64.b64encode(png(width, height)).decode()}"


@pytest.mark.parametrize(
    "data", [GIF, JPEG, WEBP_LOSSY, WEBP_LOSSLESS, WEBP_EXTENDED, png(300, 200)]
)
def test_sizes_are_read_from_the_bytes(data: bytes) -> None:
    """Width and height of PNG, JPEG, GIF and the three kinds of WebP; torn ones are no images."""
    assert images.measure(data) == (300, 200)
    for end in range(20):
        with pytest.raises(images.NoImage):
            images.measure(data[: min(end, 9)])


@pytest.mark.parametrize(
    ("model", "size", "detail", "tokens"),
    [
        ("gpt-4o", (1024, 1024), "high", 765),  # OpenAI's own examples
        ("gpt-4o", (2048, 4096), "high", 1105),
        ("gpt-4o", (4096, 8192), "low", 85),
        ("gpt-4o", (128, 64), "high", 85 + 170),
        ("gpt-4o-mini", (1024, 1024), "high", 2833 + 4 * 5667),
        ("gpt-5", (1024, 1024), "auto", 70 + 4 * 140),
        ("o3", (1024, 1024), "auto", 75 + 4 * 150),
        ("gpt-5-mini", (1024, 1024), "auto", 1659),  # 1024 patches x 1.62
        ("gpt-4.1-mini", (1800, 2400), "auto", 2352),  # 1452 patches x 1.62
        ("gpt-4.1-nano-2025-04-14", (128, 64), "low", 20),  # 8 x 2.46
        ("o4-mini", (5000, 5000), "auto", 2616),  # at most 39 x 39 patches, x 1.72
    ],
)
def test_openais_formulas(model: str, size: tuple[int, int], detail: str, tokens: int) -> None:
    """Tiles and patches as OpenAI's guide works them out; expected numbers are worked by hand."""
    assert images.openai_tokens(model, size, detail) == tokens


@pytest.mark.parametrize(
    ("model", "size", "tokens"),
    [
        ("claude-sonnet-4-5-20250929", (200, 200), 54),
        ("claude-3-5-sonnet-20241022", (1000, 1000), 1334),
        ("claude-opus-4-20250514", (1092, 1092), 1590),
        ("claude-haiku-4-5", (8000, 8000), 1600),
        ("claude-opus-4-7", (2000, 1500), 4000),
        ("claude-opus-5", (8000, 8000), 4784),
    ],
)
def test_anthropics_formula(model: str, size: tuple[int, int], tokens: int) -> None:
    """The examples of Anthropic's guide; what is larger is made to fit first."""
    assert images.anthropic_tokens(size, model) == tokens


def test_prompts_with_images_are_billed(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """An image adds its tokens to the prompt at each endpoint that takes one."""
    url = data_url(1024, 1024)
    text: dict[str, Any] = {"type": "text", "text": "Hello"}
    part: dict[str, Any] = {"type": "image_url", "image_url": {"url": url, "detail": "high"}}
    asked: Any = [{"role": "user", "content": [text, part]}]
    chat = gpt.chat.completions.create(model="gpt-4o", messages=asked)
    assert chat.usage is not None
    assert chat.usage.prompt_tokens == 8 + 765
    parts = [{"type": "input_text", "text": "Hello"}, {"type": "input_image", "image_url": url}]
    items: Any = [{"role": "user", "content": parts}]
    response = gpt.responses.create(model="gpt-5-mini", input=items)
    assert response.usage is not None
    assert response.usage.input_tokens == 8 + 1659
    data = base64.b64encode(png(1000, 1000)).decode()
    source = {"type": "base64", "media_type": "image/png", "data": data}
    blocks: Any = [{"role": "user", "content": [text, {"type": "image", "source": source}]}]
    counted = claude.messages.count_tokens(model=MODEL, messages=blocks)
    assert counted.input_tokens == 8 + 1334
    remote = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    unseen: Any = [{"role": "user", "content": [text, remote]}]
    assert claude.messages.count_tokens(model=MODEL, messages=unseen).input_tokens == 8 + 1399


def test_what_is_no_image_is_refused(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """Broken base64 and other bytes are the providers' 400."""
    for data in ("!!!", base64.b64encode(b"plain text").decode()):
        url = f"data:image/png;base64,{data}"
        part: Any = {"type": "image_url", "image_url": {"url": url}}
        with pytest.raises(openai.BadRequestError, match="unsupported image"):
            gpt.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": [part]}]
            )
        source: Any = {"type": "base64", "media_type": "image/png", "data": data}
        block: Any = {"type": "image", "source": source}
        with pytest.raises(anthropic.BadRequestError, match="Could not process image"):
            claude.messages.create(
                model=MODEL, max_tokens=9, messages=[{"role": "user", "content": [block]}]
            )
