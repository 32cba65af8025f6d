"""jq's filters, which can neither run nor write, and yq's expressions, which can do a little more.

So nothing in a filter of jq is worse than `caution`: the environment and modules are read. yq
(the one in Go) reads files by name and, where that is switched on, runs commands.
"""

from __future__ import annotations

import re

from dd0c.scan.languages.facts import Facts, File, caution, dangerous
from dd0c.scan.models import Effect

_ENVIRONMENT = re.compile(r"\$ENV\b|(?<![.\w$@])(?:env|strenv|envsubst)\b(?!\s*:)")
_MODULE = re.compile(r"(?<![.\w$@])(?:import|include)\s+\"")
_LOAD = re.compile(r"(?<![.\w$@])load(?:_\w+)?\s*\(\s*(?:\"([^\"\\]*)\"\s*\))?")
_RUNS = re.compile(r"(?<![.\w$@])(?:system|eval)\s*\(")


def read(text: str, dialect: str | None) -> Facts:
    """What a filter reads besides its input; `yq` as a dialect has more."""
    for found in _ENVIRONMENT.finditer(text):
        why = "The filter reads the environment, which may hold secrets."
        yield caution("reads-environment", why, found.start(), found.end(), Effect.SECRETS)
    for found in _MODULE.finditer(text):
        yield caution(
            "reads-unknown-file", "The filter reads a module.", found.start(), found.end()
        )
    if dialect != "yq":
        return
    for found in _LOAD.finditer(text):
        if found[1] is None:
            why = "The expression reads files that are not said here."
            yield caution("reads-unknown-file", why, found.start(), found.end(), Effect.READS)
        else:
            yield File(found[1], found.start(1), found.end(1), writes=False)
    for found in _RUNS.finditer(text):
        why = "The expression runs what it is given."
        yield dangerous("runs-unknown-command", why, found.start(), found.end())
