"""Write docs/reference from the code: settings, command line, API.

`python docs/generate.py` writes the files; `--check` exits 1 when one differs from the code.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from dd0c.base.settings import Settings

REFERENCE = Path(__file__).parent / "reference"


def settings() -> str:
    """The table of settings."""
    lines = [
        "# Settings",
        "",
        "From a flag, the environment, `dd0c.toml` in the home, or the default; the first wins.",
        "",
        "| `dd0c.toml` | environment | default | what |",
        "|---|---|---|---|",
    ]
    for f in fields(Settings):
        shown = str(f.default) if type(f.default).__name__ != "Secret" else ""
        default = f"`{shown}`" if shown else "—"
        lines.append(f"| `{f.name}` | `{f.metadata['env']}` | {default} | {f.metadata['doc']} |")
    return "\n".join(lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {"settings.md": settings}


def main() -> int:
    """Write or check every page; the exit status is 1 when `--check` finds a difference."""
    stale = [
        name
        for name, make in PAGES.items()
        if not (REFERENCE / name).exists() or (REFERENCE / name).read_text() != make()
    ]
    if "--check" in sys.argv:
        for name in stale:
            print(f"docs/reference/{name} is not what the code says: run `make docs`")
        return 1 if stale else 0
    for name, make in PAGES.items():
        (REFERENCE / name).write_text(make())
    return 0


if __name__ == "__main__":
    sys.exit(main())
