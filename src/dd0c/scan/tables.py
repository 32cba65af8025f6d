"""What tools do, as data: `tables/*.yaml`, one family a file. This is how to write one.

    tools:
    - names: [kubectl, oc]            # in ONE line, at column 0: the index reads only these lines
      about: Kubernetes' command line.
      style: gnu                      # see STYLES; or a language that reads all words (find)
      risk: caution                   # of the tool; default of its sub-commands; required on top
      effects: [network]
      options:
        -n, --namespace: text         # a kind: it takes a value.    `flag`: it takes none
        -v: {takes: optional, kind: text}          # a value only as -vX or --name=X
        -f, --filename: {kind: reads}
        -#: flag                      # -5, -20
        "-9": {risk: dangerous, why: …}            # exact words win over bundles of letters
        --delete: {risk: dangerous, effects: [deletes], why: "removes what the source has not"}
        --dry-run: {takes: optional, kind: text, makes: safe, values: {none: {}, "x*": {risk: …}}}
        -e: {kind: sed, drops_operand: 1}          # the first kind of operand is not there then
        -c: {operands: [shell, parameters*]}       # or: these kinds stand instead of the command's
        -s: {stdin: script}
        "--": {risk: dangerous}                    # where it matters that there is one
      operands: [text, reads*]        # none unless said
      commands:
        get, describe: {risk: safe, operands: [text*]}
        "describe-*": {risk: safe}
        exec: {operands: [text, command], style: posix}
        config: {commands: {view: {risk: safe}}}   # nested; what is not listed is dangerous
        list, show: safe              # short for that risk, its effect, and operands: [text*]
        ssh: {operands: [text, command], dashes: true}   # if there is a `--`, it runs what follows
        kubectl: {becomes: kubectl}   # the words behind it are those of that program
      groups: [compute, instances]    # behind these words the same commands stand again

**Safe is proved**: list only what you know. An option that is not listed is `caution`, `dangerous`
where a listed one is risky; an operand too many is `caution`; a sub-command not listed and a tool
not listed are `dangerous`. So leave out what you are not sure of, and never list a risky option as
`text` to be done with it. `--help` and `--version` are known in styles gnu, posix and go where a
table does not say otherwise.

How a command's risk comes about: `risk` of the most exact sub-command (inherited if absent), or
what the given options `makes` of it (the worst of several, or what one that `decides: true` makes;
an option or value without `makes`, where the option has some, counts as `risk`); `bare` if there
are no operands; at least `operands_risk` if there are; then the worst of the options, their
`values`, and what the kinds of values and operands say. Effects of the command are added always,
those of options if given.

`values` are words or patterns (`"*://*, git@*"`; a comma in a value is `\\,`; the empty word is
an option given without a value). The one that matches says risk, effects, `makes`, and may be of
another `kind`. Operands have them too: `{kind: text, repeats: true, values: {…}}`.

Of two rows of `commands` or `options` with one name the later wins, and merged ones come first: a
family has its own exceptions from what `<<: *verbs` says.

Options of a level also hold below it, unless `inherits: false` (git's: `git -C x log`, but
`git log -C` is something else). A sub-command's own win.

Kinds: `text` (data), `name`, `host` (data), `url` (file:// and @file read); paths, classed by
`tables/paths.yaml`: `reads`, `writes` (caution or worse), `overwrites` and `deletes` (dangerous);
`sends` (a file that goes to another host, dangerous if it holds secrets); `command` (this and all
following words are a command), `shell` (this word is shell text), `shell…` (this and all following
words, joined), `program` (a program or script that is run: dangerous), `config` (a setting that can
run things: dangerous), `settings` (a file of such: dangerous unless it lies where writing is),
`parameters` (of a shell text: must not look like options), `assignments` (only words NAME=value;
empties before the next kind); and languages: `sql`, `redis`, `awk`, `sed`, `jq`, `python` …, read
by `languages/` (`redis…`: this and all following words); `dialect` goes with them. A `*` repeats, a
`?` may be absent; kinds behind a `*` are the last words (`[reads*, writes]`).

`stdin` says what a tool makes of its standard input: `data`; `script` (shell), a language, or
`words` (xargs: further words of its command; an option with `replaces: true` has the text in whose
place they come). It holds unless code was given otherwise (option or operand of a code kind). A
tool that waits for code to be typed is caution.

YAML's traps: quote `"-1"`, `"no"`, `"on"`, `"y"`, and words with `*`, `: ` or `#`. What several
commands have in common is an anchor below `shared:`, before `tools:`, and is merged (`<<: *name`).
Anchors elsewhere do not work: each tool is parsed alone, with what stands before `tools:`, at first
use, because all tables together take too long to start a program.
`"--*": flag` is every option that is not listed: only behind the last sub-command (what it takes
for a value could hide one), and only where no option of the tool can harm.

A rule other than those of risk and kind: `rule: id`, with the id in `rules.yaml`.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Literal, TypeAlias, TypeVar

import msgspec

from dd0c.scan.models import Effect, Risk

STYLES = frozenset({"gnu", "posix", "late", "go", "bsd", "keys", "none"})
"""gnu: options anywhere, --x=v, -abc, `--` ends; posix: the same, before the first operand;
late: before the operand that takes all words (ssh); go:
-long, before the first operand; bsd: a first word without dash is a bundle (tar xzf); keys: a=b
(dd); none: words only."""

DATA = frozenset({"text", "name", "host", "url"})
PATHS = frozenset({"reads", "writes", "overwrites", "deletes"})
CODE = frozenset({"command", "shell", "shell…", "program", "config", "settings"})
_READ = frozenset(
    {
        "awk",
        "dc",
        "ed",
        "gdb",
        "jq",
        "mongo",
        "python",
        "redis",
        "sed",
        "socat",
        "sql",
        "ssh",
        "vim",
        "vtysh",
    }
)
HARMLESS = frozenset({"jq"})
"""Languages in which no text can run or write anything."""
LANGUAGES = _READ | {"perl", "ruby", "js", "lua", "php"} | {f"{one}…" for one in _READ}
"""With `…`: this and all following words, joined."""
KINDS = DATA | PATHS | CODE | LANGUAGES | {"parameters", "assignments", "sends"}
WHOLE = frozenset({"find"})
"""Languages that read all words of a tool: as a style."""

_T = TypeVar("_T")
_WILD = frozenset("*[")
Values: TypeAlias = "Mapping[str, Value]"

RiskName = Literal["safe", "caution", "dangerous", "blocked"]


class ValueRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one value changes, of an option or among operands."""

    kind: str | None = None
    risk: RiskName = "safe"
    makes: RiskName | None = None
    effects: tuple[Effect, ...] = ()
    why: str = ""


class OperandRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An operand whose values differ in what they do; a mere kind is a string."""

    kind: str
    repeats: bool = False
    optional: bool = False
    values: dict[str, ValueRow] = {}


class OptionRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An option as it is written; `kind` alone means that it takes a value."""

    takes: Literal["none", "value", "optional"] | None = None
    kind: str | None = None
    risk: RiskName = "safe"
    makes: RiskName | None = None
    effects: tuple[Effect, ...] = ()
    why: str = ""
    rule: str | None = None
    values: dict[str, ValueRow] = {}
    drops_operand: int = 0
    operands: tuple[str | OperandRow, ...] | None = None
    stdin: str | None = None
    replaces: bool = False
    decides: bool = False


class CommandRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A command or sub-command as it is written; absent is inherited or nothing."""

    about: str = ""
    style: str | None = None
    risk: RiskName | None = None
    effects: tuple[Effect, ...] | None = None
    why: str = ""
    rule: str | None = None
    options: dict[str, str | OptionRow] = {}
    inherits: bool = True
    operands: tuple[str | OperandRow, ...] = ()
    operands_risk: RiskName | None = None
    bare: RiskName | None = None
    stdin: str = "data"
    dialect: str | None = None
    commands: dict[str, CommandRow | RiskName] = {}
    groups: tuple[str, ...] = ()
    dashes: bool = False
    becomes: str | None = None


class ToolRow(CommandRow, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A tool as it is written."""

    names: tuple[str, ...]


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of tables."""

    tools: tuple[ToolRow, ...]
    shared: dict[str, object] = {}
    """Only a place for anchors."""


class RuleRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule of the catalogue."""

    id: str
    title: str
    why: str
    example: str


@dataclass(frozen=True, slots=True)
class Value:
    """What one value of an option or operand changes."""

    kind: str | None
    risk: Risk
    makes: Risk | None
    effects: frozenset[Effect]
    why: str


@dataclass(frozen=True, slots=True)
class Operand:
    """A place for operands: the kind, and whether it may repeat or be absent."""

    kind: str
    many: bool = False
    optional: bool = False
    values: Values = field(default_factory=dict)

    def find_value(self, text: str) -> Value | None:
        """What is said of this value: exactly, or by the most exact pattern."""
        return _most_exact(self.values, text)


@dataclass(frozen=True, slots=True)
class Option:
    """An option: what it takes, and what it does to the command."""

    takes: Literal["none", "value", "optional"]
    kind: str | None
    risk: Risk
    makes: Risk | None
    effects: frozenset[Effect]
    why: str
    rule: str | None
    values: Values
    drops_operand: int
    operands: tuple[Operand, ...] | None
    stdin: str | None
    replaces: bool
    decides: bool = False
    """Whether what it makes holds, whatever other options make (a dry run)."""

    def find_value(self, text: str) -> Value | None:
        """What is said of this value: exactly, or by the most exact pattern."""
        return _most_exact(self.values, text)


@dataclass(frozen=True, slots=True)
class Command:
    """A command or sub-command with everything that it inherits."""

    name: str
    about: str
    style: str
    risk: Risk
    effects: frozenset[Effect]
    why: str
    rule: str | None
    options: ChainMap[str, Option]
    operands: tuple[Operand, ...]
    operands_risk: Risk | None
    bare: Risk | None
    stdin: str
    dialect: str | None
    commands: dict[str, Command]
    groups: frozenset[str]
    """Words behind which the same sub-commands stand (`gcloud compute instances list`)."""
    dashes: bool
    """If there is a `--`, what is run stands behind it and nowhere else (kubectl exec)."""
    becomes: str | None
    """The words behind it are those of this program (k3s kubectl)."""

    def find_option(self, name: str) -> Option | None:
        """The option of this name: exactly, or by the most exact pattern."""
        return _most_exact(self.options, name)

    def find_command(self, word: str) -> Command | None:
        """The sub-command of this name: exactly, or by the most exact pattern."""
        if word in self.groups and word not in self.commands:
            return self
        return _most_exact(self.commands, word)

    def without_commands(self) -> Command:
        """The same where a word turned out to be no sub-command but an operand."""
        return replace(self, commands={})


def _most_exact(table: Mapping[str, _T], word: str) -> _T | None:
    if (found := table.get(word)) is not None:
        return found
    patterns = [key for key in table if not _WILD.isdisjoint(key) and fnmatchcase(word, key)]
    return table[max(patterns, key=len)] if patterns else None


def read_rows(text: str) -> tuple[ToolRow, ...]:
    """The rows of a file's text, strictly: an unknown member is an error."""
    return msgspec.yaml.decode(text, type=File).tools


def compiled(row: ToolRow, name: str) -> Command:
    """The tool by one of its names; raises ValueError where the row says what cannot be."""
    if row.risk is None:
        raise ValueError(f"{name}: a tool needs a risk")
    return _command(name, row, None)


def _command(name: str, row: CommandRow, above: Command | None) -> Command:
    own: dict[str, Option] = {}
    for names, option in row.options.items():
        for one in names.split(", "):
            own[one] = _option(f"{name} {one}", option)
    style = row.style or (above.style if above else "gnu")
    if style not in STYLES | WHOLE:
        raise ValueError(f"{name}: style {style}")
    if row.stdin not in {"data", "script", "words"} | LANGUAGES:
        raise ValueError(f"{name}: stdin {row.stdin}")
    command = Command(
        name=name,
        about=row.about,
        style=style,
        risk=_risk(row.risk) if row.risk else above.risk if above else Risk.DANGEROUS,
        effects=frozenset(row.effects) if row.effects is not None else _effects(above),
        why=row.why,
        rule=row.rule,
        options=ChainMap(own, *above.options.maps) if above else ChainMap(own),
        operands=tuple(_operand(name, one) for one in row.operands),
        operands_risk=_risk(row.operands_risk) if row.operands_risk else None,
        bare=_risk(row.bare) if row.bare else None,
        stdin=row.stdin,
        dialect=row.dialect or (above.dialect if above else None),
        commands={},
        groups=frozenset(row.groups),
        dashes=row.dashes,
        becomes=row.becomes,
    )
    parent = command
    if not row.inherits:
        parent = _without_options(command, above)
    for names, sub in row.commands.items():
        below = _worth(sub, parent) if isinstance(sub, str) else sub
        for one in names.split(", "):
            command.commands[one] = _command(f"{name} {one}", below, parent)
    return command


def _worth(risk: RiskName, above: Command) -> CommandRow:
    """A sub-command of which only the risk is said."""
    effect = {"safe": Effect.READS, "caution": Effect.WRITES}.get(risk, Effect.DELETES)
    return CommandRow(risk=risk, effects=(*sorted(above.effects), effect), operands=("text*",))


def _without_options(command: Command, above: Command | None) -> Command:
    return replace(command, options=above.options if above else ChainMap())


def _effects(above: Command | None) -> frozenset[Effect]:
    return above.effects if above else frozenset()


@cache
def _plain(kind: str) -> Option:
    return _option(kind, OptionRow() if kind == "flag" else OptionRow(kind=kind))


def _option(where: str, row: str | OptionRow) -> Option:
    if isinstance(row, str):
        return _plain(row)
    if row.kind is not None and row.kind not in KINDS:
        raise ValueError(f"{where}: kind {row.kind}")
    takes = row.takes or ("value" if row.kind else "none")
    if (takes == "none") != (row.kind is None):
        raise ValueError(f"{where}: takes {takes}, of kind {row.kind}")
    return Option(
        takes=takes,
        kind=row.kind,
        risk=_risk(row.risk),
        makes=_risk(row.makes) if row.makes else None,
        effects=frozenset(row.effects),
        why=row.why,
        rule=row.rule,
        values=_values(where, row.values),
        drops_operand=row.drops_operand,
        operands=(
            None if row.operands is None else tuple(_operand(where, one) for one in row.operands)
        ),
        stdin=row.stdin,
        replaces=row.replaces,
        decides=row.decides,
    )


def _values(where: str, rows: dict[str, ValueRow]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for texts, row in rows.items():
        if row.kind is not None and row.kind not in KINDS:
            raise ValueError(f"{where}: kind {row.kind}")
        value = Value(
            kind=row.kind,
            risk=_risk(row.risk),
            makes=_risk(row.makes) if row.makes else None,
            effects=frozenset(row.effects),
            why=row.why,
        )
        found.update((text.replace("\\,", ","), value) for text in re.split(r"(?<!\\), ?", texts))
    return found


def _operand(where: str, row: str | OperandRow) -> Operand:
    if isinstance(row, str):
        kind = row.rstrip("*?")
        row = OperandRow(kind, repeats=row.endswith("*"), optional=row.endswith("?"))
    if row.kind not in KINDS:
        raise ValueError(f"{where}: kind {row.kind}")
    return Operand(row.kind, row.repeats, row.optional, _values(where, row.values))


def _risk(name: RiskName) -> Risk:
    return Risk[name.upper()]


KEPT_MAX = 600
"""Tools whose tables are kept, each some 80 kB; all 1,800 took 150 MB (measured)."""

NAMES = re.compile(r"^- names: \[(.*)\]$", re.MULTILINE)


def families() -> list[Traversable]:
    """The files of tools, by name."""
    folder = resources.files("dd0c.scan") / "tables"
    return sorted(
        (f for f in folder.iterdir() if f.name.endswith(".yaml") and f.name != "paths.yaml"),
        key=lambda f: f.name,
    )


@cache
def _index() -> dict[str, tuple[str, str]]:
    """The text of each tool's row by name, behind what its family shares; nothing is parsed."""
    found: dict[str, tuple[str, str]] = {}
    for family in families():
        text = family.read_text(encoding="utf-8")
        starts = list(NAMES.finditer(text))
        head = text[: starts[0].start()] if starts else ""
        for start, end in zip(starts, [*(m.start() for m in starts[1:]), None], strict=True):
            row = text[start.start() : end]
            found.update((name.strip().strip("\"'"), (head, row)) for name in start[1].split(","))
    return found


def names() -> frozenset[str]:
    """The names of all tools."""
    return frozenset(_index())


@lru_cache(maxsize=KEPT_MAX)
def _parsed(name: str) -> Command:
    head, row = _index()[name]
    return compiled(read_rows(head + row)[0], name)


def find(name: str) -> Command | None:
    """The table of a tool, or None if it has none."""
    return _parsed(name) if name in _index() else None


@cache
def rules() -> dict[str, RuleRow]:
    """The catalogue of rules by id."""
    text = (resources.files("dd0c.scan") / "rules.yaml").read_text(encoding="utf-8")
    return {row.id: row for row in msgspec.yaml.decode(text, type=list[RuleRow])}
