"""Exit statuses: one table, from the error tree, for the help and for docs/reference."""

from __future__ import annotations

from dd0c.base import errors

BESIDES = {
    0: "it worked",
    1: "`doctor`, `status`: something is wrong; `panic status`, `panic off`: a panic is on;"
    " `audit verify`: the log is not what it was; `route reconcile`: something is unexplained;"
    " else a bug of dd0c",
    10: "`run classify`, `run check`: the worst is caution",
    20: "the worst is dangerous",
    30: "the worst is blocked",
    130: "interrupted",
}


def table() -> list[tuple[int, str]]:
    """Every exit status and what it means."""
    meanings: dict[int, list[str]] = {status: [text] for status, text in BESIDES.items()}
    for kind in errors.Error.__subclasses__():
        if kind.exit_status not in BESIDES:
            meanings.setdefault(kind.exit_status, []).append(str(kind()).rstrip("."))
    return [(status, "; ".join(texts)) for status, texts in sorted(meanings.items())]
