"""Ways out of editors and debuggers: vim's `:!`, gdb's `shell`, ed's and dc's `!`.

Their languages are large and nobody writes programs in them on a command line. A few commands that
show or leave are known; what begins with the escape hands shell text back; the rest is dangerous.
"""

from __future__ import annotations

import re

from dd0c.scan.languages.facts import Facts, dangerous, feeds, starts

_LINE = re.compile(r"[^\n]+")
_HARMLESS = {
    "vim": re.compile(
        r":*\s*(?:\d*|\$|[+/?].*|qa?!?|q(?:uit)?(?:all)?!?|cq!?|syn(?:tax)? (?:on|off)|"
        r"noh(?:lsearch)?|"
        r"set (?:no)?(?:nu(?:mber)?|wrap|paste|list|hls(?:earch)?|ic|ro|readonly|rnu|ruler)|"
        r"(?:\d+|%|\$|\d+,\d+)p(?:rint)?|version|help)"
    ),
    "gdb": re.compile(
        r"(?:bt|backtrace|where)(?: (?:full|\d+))?|"
        r"thread apply all (?:bt|backtrace|where)(?: full)?|"
        r"info (?:threads?|registers|locals|args|frame|sharedlibrary|proc|source|signals)|"
        r"q(?:uit)?|detach|set (?:pagination|confirm|height|width|print [\w-]+) \w+|thread \d+|"
        r"frame \d+|up|down|x/\d*[a-z]* \$\w+|generate-core-file|gcore|"
        r"set auto-load safe-path off|kill"
    ),
    "vtysh": re.compile(r"(?:sh(?:ow?)?|ping|traceroute)\b[^;|]*|exit|end"),
    "ed": re.compile(r"(?:\d*|\$|\.|,|\d+,\d+|%)\s*(?:[pnl=]|q|Q|h|H|P)?"),
    "dc": re.compile(r"[-\d.\s+*/%^_kpnfcdrizoIOKvZX|~]*|[ _A-Fa-f\d.]*"),
}
_STARTS = {
    "vtysh": re.compile(r"(?!)()"),
    "vim": re.compile(
        r"^:*\s*(?:sil(?:ent)?!?\s+)?(?:[%$.\d,]+\s*|r(?:ead)?\s+|w(?:rite)?\s+)?!(.*)$"
    ),
    "gdb": re.compile(r"^\s*(?:shell\s+|!\s*|make\s+)(.*)$"),
    "ed": re.compile(r"^\s*(?:[%$.\d,]*\s*(?:[rewf]\s+)?)!(.*)$"),
    "dc": re.compile(r"^\s*!([^<>=].*)$"),
}


def read(text: str, dialect: str | None) -> Facts:
    """What a list of commands does, line by line; `dialect` is the program that reads it."""
    name = dialect or ""
    for line in _LINE.finditer(text):
        if _HARMLESS[name].fullmatch(line[0].strip()):
            continue
        if found := _STARTS[name].match(line[0]):
            at = line.start() + found.start(1)
            run = starts if name == "gdb" else feeds
            yield from run(found[1], at, at + len(found[1]))
        else:
            why = f"This command of {name} is not known to only show."
            yield dangerous("program-unreadable", why, line.start(), line.end())
