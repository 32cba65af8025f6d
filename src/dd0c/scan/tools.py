"""The judgement of one invocation, by the table of its tool.

Safe is what is left when the tool, its sub-command, every option and every operand is known and
none of them says otherwise. Nothing here goes into what a command runs: that is handed back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from dd0c.scan import delegation, languages, options, paths, tables
from dd0c.scan.delegation import Context
from dd0c.scan.judgement import NOTHING, Judgement, found
from dd0c.scan.models import Effect, Risk, Span
from dd0c.scan.options import Doubt, Given, Reading
from dd0c.scan.syntax import Assignment, Invocation, Literal, Word
from dd0c.scan.tables import CODE, HARMLESS, LANGUAGES, WHOLE, Command, Operand, Option, Value

_SYSTEM = re.compile(r"/(?:usr/(?:local/)?)?s?bin/([^/]+)")
_RUNS = CODE | LANGUAGES
_KIND_RISK = {
    **dict.fromkeys(_RUNS - HARMLESS, Risk.DANGEROUS),
    "parameters": Risk.DANGEROUS,
    "deletes": Risk.DANGEROUS,
    "overwrites": Risk.DANGEROUS,
    "writes": Risk.CAUTION,
}
"""What a kind may turn out to be where the value is not said."""


def judge(invocation: Invocation) -> Judgement:
    """What an invocation does, and what it runs: that is for the caller to judge.

    The first word's value must be said; words of the shell itself are the walk's matter.
    """
    word = invocation.words[0]
    text = word.text or ""
    name = match[1] if (match := _SYSTEM.fullmatch(text)) else text
    tool = tables.find(name) if "/" not in name else None
    if tool is None:
        return found(
            Risk.DANGEROUS, "unknown-program", word.span, f"{text or 'it'} is not a known program"
        )
    if tool.style in WHOLE:
        return languages.read_words(tool.style, invocation)
    return _Judge(invocation, tool).whole()


@dataclass(slots=True)
class _Judge:
    """The way down from a tool to its sub-command, and what was given on it."""

    invocation: Invocation
    command: Command
    given: list[Given] = field(default_factory=list)
    operands: list[Word] = field(default_factory=list)
    dashed: int | None = None
    unknown: list[Word] = field(default_factory=list)
    said: Judgement = NOTHING
    named: Span = field(init=False)
    """The words that name the command."""

    def __post_init__(self) -> None:
        self.named = self.invocation.words[0].span

    def whole(self) -> Judgement:
        """Everything there is to say."""
        if not self._descend():
            return self.said
        if [one.name for one in self.given] in (["--help"], ["--version"]) and not self.operands:
            return self.said
        context = self._context()
        assigned, extra = self._assigned()
        self.said += self._base()
        for one in self.given:
            self.said += self._option(one, context)
        for operand, words in assigned:
            self.said += self._operand(operand, words, context)
        for word in extra:
            self._add(
                Risk.CAUTION, "unknown-operand", word.span, "takes one word more than is known of"
            )
        self.said += self._input(assigned, context)
        if self.unknown:
            self._written()
        return self.said

    def _written(self) -> None:
        """An option that is not known may write to whatever stands with it."""
        place = self.invocation.place
        values = [options.after(w, w.lead.find("=") + 1 or 2) for w in self.unknown]
        for word in (*values, *self.operands):
            written = paths.judge("writes", word, place)
            if any(finding.risk >= Risk.DANGEROUS for finding in written.findings):
                self.said += written

    def _descend(self) -> bool:
        """To the sub-command; False where it is not known, which is said."""
        words: Sequence[Word] = self.invocation.words[1:]
        while True:
            reading = options.read(words, self.command, self.invocation.place)
            self.given += reading.given
            self._doubts(reading)
            if not reading.rest:
                self.operands, self.dashed = reading.operands, reading.dashed
                return True
            first, *words = reading.rest
            sub = self.command.find_command(first.text) if first.text is not None else None
            if sub is not None:
                self.command = sub
                self.named = Span(self.named.start, first.span.end)
                if sub.becomes is not None:
                    self._become(sub.becomes, first, words)
                    return False
            elif self.command.operands and first.text is not None:
                self._read_leaf(reading.rest)
                return True
            else:
                said = "its sub-command is not said" if first.text is None else "is not known of it"
                self._add(Risk.DANGEROUS, "unknown-subcommand", first.span, said)
                return False

    def _become(self, name: str, word: Word, words: Sequence[Word]) -> None:
        """The words that are left are those of another program."""
        program = Word((Literal(name, word.span),), word.span)
        inner = replace(self.invocation, words=(program, *words), assignments=(), redirections=())
        self.said += Judgement(effects=self.command.effects, invocations=(inner,))

    def _read_leaf(self, words: Sequence[Word]) -> None:
        """Operands where a sub-command could have stood."""
        leaf = self.command.without_commands()
        reading = options.read(words, leaf, self.invocation.place)
        self.given += reading.given
        self._doubts(reading)
        self.operands = reading.operands

    def _doubts(self, reading: Reading) -> None:
        """Words that are not known, and words that are not said."""
        if not (reading.unknown or reading.abbreviated or reading.unsaid):
            return
        risky = _worst_option(self.command)
        for name, word in reading.unknown:
            self.unknown.append(word)
            known_first = bool(self.command.commands) or risky >= Risk.DANGEROUS
            risk = Risk.DANGEROUS if known_first else Risk.CAUTION
            self._add(risk, "unknown-option", word.span, f"option {name} is not known")
        for name, span in reading.abbreviated:
            self._add(Risk.CAUTION, "abbreviated-option", span, f"option {name} is not spelled out")
        for one in reading.unsaid:
            worst = risky if one.option else Risk.SAFE
            if one.splits and one.doubt is Doubt.ANY:
                worst = max(worst, self._worst_below(one.operands))
            if worst and one.doubt is Doubt.UNSET:
                worst = Risk.CAUTION
            if worst:
                self._add(
                    worst, "option-unsaid", one.span, "a word that is not said may be an option"
                )

    def _worst_below(self, before: int) -> Risk:
        """What words that were not meant may become behind so many operands."""
        if self.command.commands:
            return Risk.DANGEROUS
        kinds = self.command.operands
        left = kinds[before:] or kinds[-1:]
        return max((_KIND_RISK.get(one.kind, Risk.SAFE) for one in left), default=Risk.SAFE)

    def _assigned(self) -> tuple[list[tuple[Operand, Sequence[Word]]], Sequence[Word]]:
        """The operands in their places."""
        kinds = self._kinds()
        if not self.command.dashes or self.dashed is None:
            return assign(kinds, self.operands)
        plain = [one for one in kinds if one.kind != "command"]
        found, extra = assign(plain, self.operands[: self.dashed])
        if behind := self.operands[self.dashed :]:
            found.append((Operand("command"), behind))
        return found, extra

    def _kinds(self) -> tuple[Operand, ...]:
        kinds = self.command.operands
        for one in self.given:
            if one.option.operands is not None:
                kinds = one.option.operands
        return kinds[max((one.option.drops_operand for one in self.given), default=0) :]

    def _context(self) -> Context:
        assignments: list[Assignment] = []
        if any(one.kind == "assignments" for one in self._kinds()):
            for word in self.operands:
                if (one := delegation.assignment(word)) is None:
                    break
                assignments.append(one)
        adds = self.command.stdin == "words"
        marker = None
        for given in self.given:
            if given.option.replaces:
                marker = given.value.text if given.value and given.value.text else "{}"
        return Context(
            self.command.name,
            self.invocation,
            self.command.dialect,
            tuple(assignments),
            adds,
            marker,
        )

    def _base(self) -> Judgement:
        """What the command does of itself, by what is made of it."""
        command = self.command
        made = [(one.option, _made(one, command.risk)) for one in self.given if _makes(one.option)]
        decided = [risk for option, risk in made if option.decides and risk == option.makes]
        if made:
            risk = max(decided or [risk for _, risk in made])
        elif not self.operands and command.bare is not None:
            risk = command.bare
        elif command.commands and not self.operands:
            risk = max(command.risk, Risk.CAUTION)
        else:
            risk = command.risk
        if self.operands and command.operands_risk is not None:
            risk = max(risk, command.operands_risk)
        base = Judgement(effects=command.effects)
        if risk:
            rule = command.rule or _rule(risk, command.effects)
            base += found(risk, rule, self.named, _sentence(command.name, command.why, risk))
        return base

    def _option(self, given: Given, context: Context) -> Judgement:
        option = given.option
        value = _value_of(option, given.value)
        name = f"{self.command.name} {given.name}"
        said = Judgement(effects=option.effects)
        if option.risk:
            rule = option.rule or _rule(option.risk, option.effects)
            said += found(option.risk, rule, given.span, _sentence(name, option.why, option.risk))
        if option.values:
            said += self._value(name, given.value or Word((), given.span), value, option.values)
        kind = (value and value.kind) or option.kind
        words = given.rest or ((given.value,) if given.value is not None else ())
        if kind is not None and words and option.takes != "none":
            said += delegation.judge(kind, words, context)
        return said

    def _operand(self, operand: Operand, words: Sequence[Word], context: Context) -> Judgement:
        word = words[0]
        value = operand.find_value(word.text) if word.text is not None else None
        said = NOTHING
        if operand.values:
            said = self._value(self.command.name, word, value, operand.values)
        return said + delegation.judge((value and value.kind) or operand.kind, words, context)

    def _value(
        self, name: str, word: Word, value: Value | None, values: tables.Values
    ) -> Judgement:
        """What is said of a value, or what it may be where it is not said."""
        if value is None and word.text is None:
            worst = max(values.values(), key=lambda one: one.risk)
            if not worst.risk:
                return NOTHING
            far = options.doubt(word, self.invocation.place)
            risk = worst.risk if far is Doubt.ANY else Risk.CAUTION
            return found(risk, "value-unsaid", word.span, f"{name}: the value is not said")
        if value is None or not (value.risk or value.effects):
            return NOTHING
        said = Judgement(effects=value.effects)
        if value.risk:
            rule = _rule(value.risk, value.effects)
            reason = _sentence(f"{name} {word.text}".rstrip(), value.why, value.risk)
            said += found(value.risk, rule, word.span, reason)
        return said

    def _input(
        self, assigned: Sequence[tuple[Operand, Sequence[Word]]], context: Context
    ) -> Judgement:
        """Standard input, where it is code."""
        kind = next((one.option.stdin for one in self.given if one.option.stdin), None)
        kind = kind or self.command.stdin
        if kind in ("data", "words"):
            return NOTHING
        if any(one.option.kind in _RUNS for one in self.given) or any(
            operand.kind in _RUNS and words[0].text != "-" for operand, words in assigned
        ):
            return NOTHING
        return delegation.judge_input(kind, self.invocation, context)

    def _add(self, risk: Risk, rule: str, span: Span, reason: str) -> None:
        self.said += found(risk, rule, span, f"{self.command.name}: {reason}")


def assign(
    kinds: Sequence[Operand], words: Sequence[Word]
) -> tuple[list[tuple[Operand, Sequence[Word]]], Sequence[Word]]:
    """Which words stand in which place, and those for which there is none.

    A kind that takes all words has them together; of every other each word has its own entry.
    """
    found: list[tuple[Operand, Sequence[Word]]] = []
    left = list(words)
    for index, kind in enumerate(kinds):
        if not left:
            break
        if options.takes_all(kind.kind):
            return [*found, (kind, left)], []
        count = _count(kind, kinds[index + 1 :], left)
        found += [(kind, [word]) for word in left[:count]]
        del left[:count]
    return found, left


def _count(kind: Operand, behind: Sequence[Operand], left: Sequence[Word]) -> int:
    if kind.kind == "assignments":
        firsts = [delegation.assignment(word) is not None for word in left]
        return firsts.index(False) if False in firsts else len(firsts)
    needed = sum(not (one.many or one.optional or one.kind == "assignments") for one in behind)
    free = max(len(left) - needed, 0)
    if kind.many:
        return free
    return min(free, 1) if kind.optional else 1


def _makes(option: Option) -> bool:
    return option.makes is not None or any(v.makes is not None for v in option.values.values())


def _made(given: Given, risk: Risk) -> Risk:
    """What an option makes of the command's risk."""
    option = given.option
    if given.value is not None and given.value.text is None:
        return risk
    value = _value_of(option, given.value)
    if value is not None:
        return value.makes if value.makes is not None else risk
    if option.takes == "none" and given.value is not None and given.value.text != "true":
        return risk  # --dry-run=false
    return option.makes if option.makes is not None else risk


def _value_of(option: Option, word: Word | None) -> Value | None:
    if word is None:
        return option.values.get("")
    return option.find_value(word.text) if word.text is not None else None


def _worst_option(command: Command) -> Risk:
    return max(_worst_of(command.options.values()), default=Risk.SAFE)


def _worst_of(found: Iterable[Option]) -> Iterator[Risk]:
    for option in found:
        yield option.risk
        yield _KIND_RISK.get(option.kind or "", Risk.SAFE)
        yield from (value.risk for value in option.values.values())
        yield from (_KIND_RISK.get(one.kind, Risk.SAFE) for one in option.operands or ())


def _rule(risk: Risk, effects: frozenset[Effect]) -> str:
    if risk >= Risk.DANGEROUS:
        return "deletes" if Effect.DELETES in effects else "destructive"
    return "reads-secrets" if Effect.SECRETS in effects else "changes-state"


def _sentence(name: str, why: str, risk: Risk) -> str:
    plain = "changes state" if risk < Risk.DANGEROUS else "cannot be undone, or has no bounds"
    return f"{name}: {why or plain}"
