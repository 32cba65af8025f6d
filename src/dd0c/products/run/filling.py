"""Steps with something in place of what is to be filled. Pure.

A command with `<node>` in it is `blocked`, whatever it does. What it would be otherwise is what its
reader wants to know, and what a reviewer compares: so it is judged with a plain word in each place
as well. A value that somebody gives may still make it worse.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from dd0c.products.run.models import Step

WORD = "x"


def fill(step: Step, values: Mapping[str, str]) -> Step:
    """The step with values in place of its placeholders, by their spelling."""
    mine = {name: values[name] for name in step.placeholders if values.get(name)}
    if not mine:
        return step
    spelled = re.compile("|".join(_spelled(name) for name in sorted(mine, key=len, reverse=True)))
    commands = tuple(
        msgspec.structs.replace(
            command, text=spelled.sub(lambda found: mine[found[0]], command.text)
        )
        for command in step.commands
    )
    left = tuple(name for name in step.placeholders if name not in mine)
    return msgspec.structs.replace(step, commands=commands, placeholders=left)


def sample(step: Step) -> Step:
    """The step with a plain word in each place; variables stay: nobody says what they hold."""
    return fill(step, {name: WORD for name in step.placeholders if not name.startswith("$")})


def _spelled(name: str) -> str:
    """The name where it is no part of a longer word."""
    before = r"(?<!\w)" if name[0].isalnum() else ""
    after = r"(?!\w)" if name[-1].isalnum() else ""
    return f"{before}{re.escape(name)}{after}"
