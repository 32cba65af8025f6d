"""What is at a path, as far as its name tells: `tables/paths.yaml` has the classes.

A symbolic link cannot be known, so a file that is written is `caution` at the least. `.` and `..`
are resolved; a name that climbs out of where it stands may be anywhere. A name that is not said to
the end is in every class that what is said of it points to: `/etc/*` and `/etc/$x` are system
files, `$x/authorized_keys` is a key list, but `$x` alone, or `/tmp/$x`, points to none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import msgspec

from dd0c.scan.judgement import Judgement, found
from dd0c.scan.models import Effect, Risk
from dd0c.scan.plain import directories, is_decided, variants
from dd0c.scan.syntax import Expansion, Glob, Literal, Place, Word
from dd0c.scan.tables import RiskName

ANY = "**"
"""Any number of segments, also none."""
_ROOT = "/"
"""The first segment of an absolute name."""
_HOME = re.compile(r"HOME|~.*")
_SYSTEM_TREES = frozenset(
    {
        "bin",
        "boot",
        "dev",
        "etc",
        "home",
        "lib",
        "lib32",
        "lib64",
        "libx32",
        "proc",
        "root",
        "sbin",
        "sys",
        "usr",
        "var",
    }
)
_MAX = 4096
"""Of characters: no path is longer."""


class ClassRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A class of paths; the first that a name is in holds."""

    name: str
    rule: str
    why: str
    paths: tuple[str, ...]
    """`*` stays within a segment, `**` is any number of them; relative ones begin with `**`."""
    writes: RiskName = "caution"
    reads: RiskName = "safe"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    classes: tuple[ClassRow, ...]


@dataclass(frozen=True, slots=True)
class PathClass:
    """A class as it is matched."""

    row: ClassRow
    exact: re.Pattern[str]
    segments: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Name:
    """A path, resolved as far as it is said."""

    segments: tuple[str, ...]
    """Wild where not said: `*` within a segment, `**` any number of them."""
    shown: str

    @property
    def certain(self) -> bool:
        """Whether all of it is said."""
        return not any("*" in one for one in self.segments)


@cache
def classes() -> tuple[PathClass, ...]:
    """The classes in the order in which they hold."""
    text = (resources.files("dd0c.scan") / "tables" / "paths.yaml").read_text(encoding="utf-8")
    rows = msgspec.yaml.decode(text, type=_File).classes
    return tuple(
        PathClass(
            row,
            re.compile("|".join(_expression(one) for one in row.paths), re.DOTALL),
            tuple(_segments(one) for one in row.paths),
        )
        for row in rows
    )


def _segments(path: str) -> tuple[str, ...]:
    rooted = (_ROOT,) if path.startswith("/") else ()
    return rooted + tuple(one for one in path.split("/") if one)


def _expression(path: str) -> str:
    """A pattern of the table, for names with a slash between segments; a folder is in its own."""
    parts = re.split(r"(\*\*/|/\*\*$|\*\*|\*)", path)
    wild = {"**/": "(?:.*/)?", "/**": "(?:/.*)?", "**": ".*", "*": "[^/]*"}
    return "".join(wild.get(one) or re.escape(one) for one in parts)


def judge_read(word: Word, place: Place | None = None) -> Judgement:
    """What reading the file does: nothing, unless it holds secrets or is no file."""
    return judge("reads", word, place)


def judge_write(word: Word, place: Place | None = None) -> Judgement:
    """What writing the file does."""
    return judge("writes", word, place)


def judge(kind: str, word: Word, place: Place | None = None) -> Judgement:
    """What a tool does that `reads`, `writes`, `overwrites` or `deletes` the file of this name.

    With its place, variables are what the text sets them to: the worst of those names counts, and
    a name to be written that the text puts together is dangerous.
    """
    if place is None:
        return _judge(kind, word)
    names = variants(word, place)
    folders = directories(place) if "PWD" in place.assigned and _is_relative(word) else []
    told = [
        _judge(kind, one)
        for name in names or [word]
        for one in (name, *(_below(folder, name) for folder in folders or ()))
    ]
    worst = max(told, key=lambda one: max((f.risk for f in one.findings), default=Risk.SAFE))
    if kind != "reads" and (names is None or folders is None or is_decided(word, place)):
        reason = "which file is written is put together by the text"
        return worst + found(Risk.DANGEROUS, "value-unsaid", word.span, reason)
    return worst


def _is_relative(word: Word) -> bool:
    first = word.parts[0] if word.parts else None
    if isinstance(first, Expansion) and first.name is not None and _HOME.fullmatch(first.name):
        return False
    return not word.lead.startswith("/")


def _below(folder: str, word: Word) -> Word:
    lead = Literal(f"{folder}/", word.span, quoted=True)
    return Word((lead, *word.parts), word.span)


def _judge(kind: str, word: Word) -> Judgement:
    name = resolved(word)
    held = _holding(name, kind)
    if kind == "reads":
        risk = _capped(held, name, Risk.SAFE, "reads")
        effects = (Effect.READS, Effect.SECRETS) if risk else (Effect.READS,)
    else:
        risk = _capped(held, name, Risk.CAUTION, "writes")
        effects = (Effect.WRITES,)
    if kind == "deletes":
        if _is_whole_system(word, name):
            reason = f"deletes {name.shown}, without which there is no system"
            return found(Risk.BLOCKED, "deletes-system", word.span, reason, Effect.DELETES)
        risk, effects = Risk.DANGEROUS, (Effect.DELETES,)
    if kind == "overwrites" and risk:
        risk, effects = max(risk, Risk.DANGEROUS), (Effect.WRITES, Effect.DELETES)
    if not risk:
        return Judgement(effects=frozenset(effects))
    rule = held.row.rule if held is not None else f"{kind}-file"
    reason = f"{kind} {name.shown}" + (f": {held.row.why}" if held is not None else "")
    return found(risk, rule, word.span, reason, *effects)


def _is_whole_system(word: Word, name: Name) -> bool:
    """Whether it is the root, or a tree of the system as a whole, by name or by a glob."""
    if name.segments[:1] != (_ROOT,) or any(
        not isinstance(part, Literal | Glob) for part in word.parts
    ):
        return False
    below = [one for one in name.segments[1:] if one not in ("*", ANY)]
    return below == [] or (
        len(below) == 1 and name.segments[1] == below[0] and below[0] in _SYSTEM_TREES
    )


def guarded(word: Word) -> bool:
    """Whether it is a file of the system's or of a person's settings, all of it said: whoever
    writes there is dangerous already."""
    name = resolved(word)
    if not name.certain or name.segments[:2] in ((_ROOT, "proc"), (_ROOT, "dev"), (_ROOT, "sys")):
        return False
    held = _holding(name, "writes")
    return held is not None and _risk(held.row, "writes") is Risk.DANGEROUS


def _capped(held: PathClass | None, name: Name, default: Risk, kind: str) -> Risk:
    if held is None:
        return default
    risk = _risk(held.row, kind)
    if risk < Risk.BLOCKED or name.certain or _pointed(name, held):
        return risk
    return Risk.DANGEROUS


def _risk(row: ClassRow, kind: str) -> Risk:
    return Risk[(row.reads if kind == "reads" else row.writes).upper()]


def _holding(name: Name, kind: str) -> PathClass | None:
    if not name.segments or name.segments == (ANY,):
        return None
    if name.certain:
        text = "/".join(name.segments).replace("//", "/", 1)
        return next((one for one in classes() if one.exact.fullmatch(text)), None)
    possible = [
        one for one in classes() if any(_meets(name.segments, path) > 0 for path in one.segments)
    ]
    return max(possible, key=lambda one: _risk(one.row, kind), default=None)


def resolved(word: Word) -> Name:
    """The name that a word says, without `.` and `..`."""
    text = "".join(_spelled(part, first=number == 0) for number, part in enumerate(word.parts))
    shown = word.text if word.text is not None else text.replace("\0", "…")
    text = text[:_MAX]
    segments: list[str] = [_ROOT] if text.startswith("/") else []
    pieces = text.split("/")
    for number, piece in enumerate(pieces):
        if piece in ("", "."):
            continue
        if piece == "..":
            _climb(segments)
        elif "\0" in piece:
            segments += _unsaid(piece, number == 0, number + 1 == len(pieces))
        else:
            segments.append(piece)
    return Name(tuple(segments), shown)


def _spelled(part: object, *, first: bool) -> str:
    """The characters of a part; `*` and NUL where they are not said."""
    match part:
        case Literal(text=text):
            # A star that stands for itself is like any other unknown character to the classes.
            return "~" + text[1:] if first and text.startswith("~") else text.replace("\0", "")
        case Glob(text=text):
            return "\0" if "/" in text else "*"
        case Expansion(name=name) if first and name is not None and _HOME.fullmatch(name):
            return "~"
        case _:
            return "\0"


def _climb(segments: list[str]) -> None:
    if not segments or segments[-1] in (ANY, "~"):
        segments[:] = [ANY]
    elif segments[-1] != _ROOT:
        segments.pop()


def _unsaid(piece: str, first: bool, last: bool) -> list[str]:
    wild = re.sub("\0+", "*", piece)
    if wild == "*":
        return [ANY] if first or last else ["*"]
    return [wild, ANY] if last and piece.endswith("\0") else [wild]


def _meets(name: Sequence[str], path: Sequence[str]) -> int:
    """How many segments that the path says are met by one that the name says too; -1: none can
    be both."""

    @cache
    def best(n: int, p: int) -> int:
        if n == len(name) and p == len(path):
            return 0
        options: list[int] = []
        if p < len(path) and path[p] == ANY:
            options.append(best(n, p + 1))
            options.append(best(n + 1, p) if n < len(name) else -1)
        if n < len(name) and name[n] == ANY:
            options.append(best(n + 1, p))
            options.append(best(n, p + 1) if p < len(path) else -1)
        elif n < len(name) and p < len(path) and path[p] != ANY and _both(name[n], path[p]):
            rest = best(n + 1, p + 1)
            options.append(rest + _evidence(name[n], path[p]) if rest >= 0 else -1)
        return max(options, default=-1)

    return best(0, 0)


def _both(name: str, path: str) -> bool:
    """Whether a segment may be in both patterns."""
    if "*" not in name or "*" not in path:
        wild, plain = (name, path) if "*" in name else (path, name)
        expression = ".*".join(re.escape(one) for one in wild.split("*"))
        return re.fullmatch(expression, plain, re.DOTALL) is not None
    (a, *_, x), (b, *_, y) = name.split("*"), path.split("*")
    return (a.startswith(b) or b.startswith(a)) and (x.endswith(y) or y.endswith(x))


def _evidence(name: str, path: str) -> int:
    """Whether what a segment says of itself points to what the class says."""
    if path.strip("*") == "" or path == _ROOT:
        return 0
    if "*" not in name:
        return 1
    if "*" in path:
        return int(path.strip("*") in name)
    return int(len(name.split("*")[0]) > 1)


def _pointed(name: Name, held: PathClass) -> bool:
    """Whether what is said of a name already is all that the class asks for (`/dev/sd*`)."""
    lead = name.segments[: -1 if name.segments[-1] == ANY else None]
    return any(
        len(path) == len(lead)
        and all(
            n.split("*")[0].startswith(p.split("*")[0]) for n, p in zip(lead, path, strict=True)
        )
        for path in held.segments
    )
