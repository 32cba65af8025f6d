"""Static files under names that hold a hash of their content, so browsers keep them for ever."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from fastapi import Response

from dd0c.base.errors import NotFound

ROOT = "/console/static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_TYPES[".svg"] = "image/svg+xml"
_LOOSE = re.compile(rb"/\*.*?\*/|;?\s*([{};])\s*|(?<=[:,])\s+", re.DOTALL)
"""A seventh of a style sheet."""


class Assets:
    """The files of one folder, read once; they are few and small."""

    def __init__(self, folder: Path):
        self._files: dict[str, tuple[bytes, str]] = {}
        self._hashed: dict[str, str] = {}
        for file in sorted(folder.iterdir()):
            content = file.read_bytes()
            if file.suffix == ".css":
                content = _LOOSE.sub(rb"\1", content)
            digest = hashlib.blake2b(content, digest_size=6).hexdigest()
            name = f"{file.stem}-{digest}{file.suffix}"
            self._files[name] = (content, _TYPES[file.suffix])
            self._hashed[file.name] = name

    def path(self, name: str) -> str:
        """Where a file is served."""
        return f"{ROOT}/{self._hashed[name]}"

    def answer(self, hashed_name: str) -> Response:
        """The file; NotFound for a name of another version."""
        if hashed_name not in self._files:
            raise NotFound
        content, kind = self._files[hashed_name]
        headers = {
            "cache-control": "public, max-age=31536000, immutable",
            "x-content-type-options": "nosniff",
        }
        return Response(content, media_type=kind, headers=headers)
