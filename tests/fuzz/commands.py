"""Shell text: a verdict on anything, and none that falls when the text is wrapped (N-13).

What runs a text, or runs something besides, is at least as risky as the text. Inputs are attacks
and benign commands of the corpus whose payload is spelled otherwise, and then changed.
"""

from __future__ import annotations

import random
import shlex
from collections.abc import Callable
from functools import cache

from dd0c.scan.models import Verdict
from dd0c.scan.verdicts import judge
from tests.corpus.commands import collection
from tests.fuzz.reference import Mismatch

PAYLOADS = (
    collection.DESTRUCTIVE,
    r"r\m -rf /srv/data",
    r"\rm -fr /srv/data",
    "/bin/rm -rf /srv/data",
    "rm --recursive /srv/data",
    "shred -u /srv/data",
    "dd if=/dev/zero of=/srv/data",
    "find /srv/data -delete",
    "truncate -s0 /srv/data",
    "mkfs.ext4 -F /dev/vdb",
)
"""Of three words each, as the corpus wants them."""
PIECES = (
    *(b"$(", b"`", b"'", b'"', b"$'", b"\\", b"\\\n", b"\n", b";", b"&", b"&&", b"|", b"||", b"#"),
    *(b"(", b")", b"{", b"}", b"<<E\n", b"\nE\n", b"<<<", b">", b"<(", b"${", b"$((", b"))", b"[["),
    *(
        b"eval ",
        b"sh -c ",
        b"sudo ",
        b"env ",
        b"x=1 ",
        b"$x",
        b"${x@P}",
        b"*",
        b"{a,b}",
        b"~",
        b"!",
    ),
    *(b"if ", b"then ", b"fi", b"do ", b"done", b"case x in ", b"esac", b"function f ", b"f() "),
    *(b"rm -rf /srv/data", b" | sh", b"| base64 -d | sh", b"\xe2\x80\x8b", b"\xff", b"\x00", b"\t"),
)
WRAPPERS: tuple[Callable[[str], str], ...] = (
    lambda text: f"{text}\nls",
    lambda text: f"ls\n{text}",
    lambda text: f"(\n{text}\n)",
    lambda text: f"true && {{\n{text}\n}}",
    lambda text: f"if true; then\n{text}\nfi",
    lambda text: f"for i in 1; do\n{text}\ndone",
    lambda text: f"wrapped_() {{\n{text}\n}}\nwrapped_",
    lambda text: f'echo "$(\n{text}\n)"',
    lambda text: f"cat <(\n{text}\n)",
    lambda text: f"sh -c {shlex.quote(text)}",
    lambda text: f"sudo bash -c {shlex.quote(text)}",
    lambda text: f"timeout 5 env A=1 sh -c {shlex.quote(text)} x y",
    lambda text: f"eval -- {shlex.quote(text)}",
    lambda text: f"kubectl exec web-0 -- sh -c {shlex.quote(text)}",
    lambda text: f"ssh host {shlex.quote(text)}",
)
"""What runs the text that it is given, or more than that."""
CHANCES = 3


@cache
def _templates() -> tuple[str, ...]:
    attacks = tuple(a.template for a in collection.attacks())
    return (*attacks, *(b.command for b in collection.benign()))


def make(chance: random.Random) -> bytes:
    """A form of the corpus with a payload."""
    template = chance.choice(_templates())
    try:
        text = collection.render(template, chance.choice(PAYLOADS))
    except KeyError:  # braces of a benign command that only look like a place
        text = template
    return text.encode(errors="surrogateescape")


def check(data: bytes) -> None:
    """Raise Mismatch where a verdict is out of bounds, or falls."""
    text = data.decode(errors="surrogateescape")
    wrappers = random.Random(data).sample(WRAPPERS, CHANCES)
    plain, *wrapped = judge([text, *(wrapper(text) for wrapper in wrappers)])
    within_bounds(plain)
    for verdict in wrapped:
        within_bounds(verdict)
        compare(plain, verdict)


def within_bounds(verdict: Verdict) -> None:
    """Raise Mismatch where a finding stands outside of the text."""
    for finding in verdict.findings:
        if not 0 <= finding.span.start <= finding.span.end <= len(verdict.text):
            raise Mismatch(f"{finding} is not within {verdict.text!r}")


def compare(plain: Verdict, wrapped: Verdict) -> None:
    """Raise Mismatch where the wrapped text is rated lower. What was no shell text alone may become
    one with what surrounds it, goes on behind a backslash, or is an option to what wraps it."""
    torn = any(finding.rule == "parse-error" for finding in plain.findings)
    if torn or plain.text.endswith("\\") or plain.text.startswith("-"):
        return
    if wrapped.risk < plain.risk:
        raise Mismatch(
            f"{plain.risk.label}: {plain.text!r} {plain.findings[0]}\n"
            f"{wrapped.risk.label}: {wrapped.text!r}"
        )
