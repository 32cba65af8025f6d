"""Makes the truth: bash really runs each attack with a marker for a payload, in the jail.

`python -m tests.corpus.commands.truth` runs all templates, one at a time at the lowest priority,
and writes truth.jsonl; with names (`arithmetic`, `arithmetic/let-subscript`) it runs only those and
keeps the rest. Where the jail (jail.sh) lacks any of its means nothing is run. A template whose
payload did not run, and that hides nothing either, is named with what it printed and is not
written: the corpus holds no unproven attack, and a test compares the two.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import unicodedata
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.corpus.commands import collection
from tests.corpus.commands.collection import HERE, MARKER, Attack, Truth, fingerprint, render

JAIL_WALL_S = 20
INSIDE = """
id -u; sed -n 's/^\\(NoNewPrivs\\|CapEff\\|CapPrm\\):\\s*/\\1 /p' /proc/self/status
grep -c : /proc/net/dev; (: > /usr/written) 2> /dev/null && echo usr-writable || echo usr-closed
(: > /written) 2> /dev/null && echo root-writable || echo root-closed; ls /; ls -A /t | wc -l
while read -r _ at _ how _; do case $at,$how in /,ro* | /usr,ro*) echo "$at ro"; esac
done < /proc/self/mounts; ulimit -t; ulimit -d; ulimit -u; ulimit -f
env | cut -d= -f1 | sort | tr '\\n' ' '; nice
"""
_INSIDE_WANTED = """65534
CapPrm 0000000000000000
CapEff 0000000000000000
NoNewPrivs 1
1
usr-closed
root-closed
bin dev etc lib lib64 old proc sbin srv stubs t tmp usr
0
/ ro
/usr ro
4
585937
96
1953
HOME LC_ALL PATH PWD SHLVL TERM _
19"""


_SHAPED_LIKE_ASCII = (
    *("QUOTATION MARK", "DASH", "HYPHEN", "MINUS", "SEMICOLON", "VERTICAL", "SOLIDUS", "SLASH"),
    *("PRIME", "ASTERISK", "LATIN SMALL LETTER", "BLANK", "GREATER", "AMPERSAND", "BAR"),
)


class JailUnfit(Exception):
    """The jail cannot be built here, or it is not as closed as it must be: nothing may be run."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What the jail told of one command."""

    ran: bool
    status: int
    stubs: tuple[str, ...]
    output: str


def _jail(how: str, command: str) -> str:
    directory = tempfile.mkdtemp(prefix="jail-")
    try:
        done = subprocess.run(
            ["bash", str(HERE / "jail.sh"), directory, how],
            input=command.encode(),
            capture_output=True,
            timeout=JAIL_WALL_S,
            check=False,
        )
    finally:
        shutil.rmtree(directory)
    if done.returncode:
        raise JailUnfit(done.stderr.decode(errors="replace").strip() or f"{done.returncode}")
    return done.stdout.decode(errors="replace")


def check_jail(inside: str = INSIDE) -> None:
    """Asks from inside, by this script, what the jail holds back.

    Raises:
        JailUnfit: a means is missing or does less than it must.
    """
    lines = _jail("check", inside).splitlines()
    wanted = _INSIDE_WANTED.splitlines()
    root = len(wanted[7].split())
    told = [*lines[:7], " ".join(lines[7 : 7 + root]), *(x.strip() for x in lines[7 + root :])]
    # The environment and the priority share a line: `tr` leaves no line end.
    told = [part.strip() for line in told for part in _unglued(line)]
    if told != wanted:
        raise JailUnfit(f"inside the jail: {told}, wanted {wanted}")


def _unglued(line: str) -> list[str]:
    head, _, tail = line.rpartition(" ")
    return [head, tail] if head.startswith("HOME ") else [line]


def run(attack: Attack) -> Ran:
    """Runs the attack with the marker and tells whether the marker was there afterwards.

    Raises:
        JailUnfit: the jail broke; whether the command ran is not known.
    """
    told: dict[str, str] = {}
    for line in _jail(attack.how, render(attack.template, MARKER)).splitlines():
        key, sep, value = line.partition("=")
        if sep:
            told.setdefault(key, value)
    stubs = tuple(told.get("stubs", "").split())
    return Ran(told["ran"] == "yes", int(told["status"]), stubs, told.get("output", ""))


def concealed(text: str) -> list[str]:
    """The characters by which what is shown differs from what is there: by code point, in order.

    Invisible and direction-changing characters, controls other than line end and tab, spaces that
    are no space to bash, and letters outside ASCII that stand within a word of ASCII letters or
    are shaped like them (every full-width, Cyrillic, Greek or mathematical letter counts).
    """
    found = []
    for char in text:
        if char in "\n\t" or " " <= char <= "~":
            continue
        category = unicodedata.category(char)
        if category in {"Cf", "Cc", "Co", "Cn", "Zs", "Zl", "Zp", "Mn", "Me"} or _look_alike(char):
            found.append(f"U+{ord(char):04X}")
    return found


def _look_alike(char: str) -> bool:
    name = unicodedata.name(char, "")
    shaped = ("CYRILLIC", "GREEK", "FULLWIDTH", "MATHEMATICAL", "HANGUL", "CHEROKEE", "ARMENIAN")
    return name.startswith(shaped) or any(mark in name for mark in _SHAPED_LIKE_ASCII)


def programs_in(attack: Attack) -> tuple[str, ...]:
    """Words of the rendered command that are programs here: more than it needs, never fewer."""
    words = set(re.findall(r"[\w.+-]+", render(attack.template, MARKER)))
    return tuple(sorted(w for w in words if shutil.which(w, path="/usr/bin:/bin:/usr/sbin")))


def judge(attack: Attack, ran: Ran) -> Truth | None:
    """What is proven of the attack, or None when nothing is."""
    hides = attack.hides and bool(concealed(render(attack.template, MARKER)))
    outcome = "+".join(["runs"] * ran.ran + ["hides"] * hides)
    if not outcome or (attack.hides and not hides):
        return None
    return Truth(attack.id, outcome, ran.stubs, programs_in(attack), fingerprint(attack))


def version_of_bash() -> str:
    """The version of the bash that the jail runs."""
    return _jail("check", 'echo "$BASH_VERSION"').strip()


def _chosen(names: list[str]) -> list[Attack]:
    every = collection.attacks()
    return [a for a in every if not names or a.id in names or a.evasion in names]


def _write(path: Path, known: dict[str, Truth], bash: str) -> None:
    order = [a.id for a in collection.attacks() if a.id in known]
    lines = [json.dumps({"bash": bash, "marker": MARKER, "proven": len(order)})]
    for name in order:
        row = known[name]
        lines.append(json.dumps(asdict(row)))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(names: list[str]) -> int:
    """Runs the attacks of these names (all, without names); 1 when one of them proved nothing."""
    try:
        check_jail()
        bash = version_of_bash()
    except JailUnfit as unfit:
        print(f"nothing was run, the jail is unfit here: {unfit}", file=sys.stderr)
        return 3
    path = HERE / "truth.jsonl"
    known = collection.truths() if path.exists() and names else {}
    unproven = 0
    for attack in _chosen(names):
        ran = run(attack)
        known.pop(attack.id, None)
        if truth := judge(attack, ran):
            known[attack.id] = truth
        else:
            unproven += 1
            print(f"UNPROVEN {attack.id} status={ran.status} stubs={ran.stubs}: {ran.output}")
    _write(path, known, bash)
    print(f"{len(known)} proven, {unproven} of this run unproven, bash {bash}")
    return int(unproven > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
