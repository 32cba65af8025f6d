"""From a tree of shfmt to everything in it that runs, is set, is written, or is evaluated.

Statements are walked with what stands on their standard input; what a word holds inside (a
substitution, an expression, a subscript) is walked where it is met, so that nothing that the parser
saw is left out. What has no branch here is `Unknown`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from dd0c.scan.feeds import Input, redirected, said
from dd0c.scan.judgement import Text
from dd0c.scan.models import Span
from dd0c.scan.names import NAME, SKIPPED, collect, is_number, lone_literal, set_by
from dd0c.scan.reading import Evaluated, Function, Reading, Use
from dd0c.scan.shfmt import Node, Parsed
from dd0c.scan.syntax import (
    Assignment,
    Expansion,
    Feed,
    Glob,
    Invocation,
    Literal,
    Part,
    Place,
    Redirection,
    Script,
    Substitution,
    Word,
)
from dd0c.scan.tree import Unknown, Words, check

_NUMBER = re.compile(r"(?:\d+#)?\w+")


def read(parsed: Parsed, text: str, source: Callable[[int], int], outer: Place) -> Reading:
    """What a parsed text does; `source` leads from its characters to those of the first text.

    Raises:
        Unknown: a node that nobody has thought of.
    """
    try:
        return _Walk(parsed, text, source, outer).reading
    except (KeyError, IndexError) as error:
        raise Unknown(f"node without {error}", {}) from error


class _Walk:
    def __init__(
        self, parsed: Parsed, text: str, source: Callable[[int], int], outer: Place
    ) -> None:
        self.reading = Reading()
        self._base = parsed.base
        self._size = len(text.encode(errors="surrogatepass"))
        self._chars = None if text.isascii() else _characters(text)
        self._text = text
        self._words = Words(lambda at: source(self._char(at)), self)
        names, functions = set(outer.assigned), set(outer.functions)
        values: dict[str, frozenset[str] | None] = dict.fromkeys(names)
        values.update(outer.plain)
        for statement in parsed.statements:
            collect(statement, names, functions, values)
        self._place = Place(
            assigned=frozenset(names),
            plain={name: said for name, said in values.items() if said is not None},
            functions=frozenset(functions),
        )
        self.reading.place = self._place
        self._input = Input(outer.feed, outer.stdin_text, outer.sources)
        for statement in parsed.statements:
            self._statement(statement)

    def _char(self, offset: int) -> int:
        at = offset - self._base
        if not 0 <= at <= self._size:
            raise Unknown("position", {"Pos": {"Offset": self._base}})
        return at if self._chars is None else self._chars[at]

    # --- statements

    def _statements(self, nodes: Iterable[Node] | None) -> None:
        for node in nodes or []:
            self._statement(node)

    def _statement(self, node: Node) -> None:
        check(node, "Stmt")
        redirections = tuple(self._redirection(r) for r in node.get("Redirs") or [])
        outside = self._input
        self._input = redirected(outside, redirections)
        command: Any = node.get("Cmd")
        kind = "" if command is None else check(command)
        if command is None or kind not in ("CallExpr", "DeclClause"):
            self.reading.redirections += redirections
        if kind == "CallExpr":
            self._call(command, redirections)
        elif kind == "DeclClause":
            self._declaration(command, redirections)
        elif command is not None:
            walk = _COMMANDS.get(kind)
            if walk is None:
                raise Unknown(kind, command)
            walk(self, command)
        self._input = outside
        if kind == "CallExpr" and lone_literal((command.get("Args") or [{}])[-1]) == "exec":
            self._input = redirected(outside, redirections)

    def _redirection(self, node: Node) -> Redirection:
        check(node, "Redirect")
        descriptor = node.get("N", {}).get("Value", "")
        body = node.get("Hdoc")
        target = self._words.word(node["Word"])
        literal = any(
            p["Type"] != "Lit" or "\\" in p.get("Value", "")
            for p in node["Word"].get("Parts") or []
        )
        return Redirection(
            operator=node["Op"],
            fd=int(descriptor) if descriptor.isdigit() else None,
            target=target,
            span=self._words.span(node),
            body=None if body is None else self._body(body, literal),
        )

    def _body(self, node: Node, literal: bool) -> Word:
        """Of a here-document; its escapes are removed unless its delimiter was quoted."""
        if not literal:
            return self._words.word(node, quoted=True)
        check(node, "Word")
        parts = []
        for part in node.get("Parts") or []:
            if check(part) != "Lit":
                raise Unknown("here-document", part)
            parts.append(Literal(part.get("Value", ""), self._words.span(part), quoted=True))
        return Word(tuple(parts), self._words.span(node))

    def _call(self, node: Node, redirections: tuple[Redirection, ...]) -> None:
        assignments = tuple(self._assignment(a) for a in node.get("Assigns") or [])
        words = tuple(self._words.word(w) for w in node.get("Args") or [])
        if not words:
            self.reading.assignments += assignments
            self.reading.redirections += redirections
            return
        self._mark(node["Args"][0])
        self._invoke(words, node, assignments, redirections)

    def _invoke(
        self,
        words: tuple[Word, ...],
        node: Node,
        assignments: tuple[Assignment, ...],
        redirections: tuple[Redirection, ...],
    ) -> None:
        given = self._input
        place = replace(self._place, feed=given.feed, stdin_text=given.text, sources=given.sources)
        span = self._words.span(node)
        self.reading.invocations.append(Invocation(words, span, assignments, redirections, place))
        for name, value in set_by(words):
            self.reading.values.setdefault(name, []).append(value)

    def _declaration(self, node: Node, redirections: tuple[Redirection, ...]) -> None:
        """`declare`, `export` and their kin: a command whose operands may be assignments."""
        variant = node["Variant"]
        self._mark(variant)
        span = self._words.span(variant)
        words = [Word((Literal(variant["Value"], span),), span)]
        assignments = []
        for operand in node.get("Args") or []:
            made = self._assignment(operand)
            if made.name and made.value is None:
                words.append(Word((Literal(made.name, made.span),), made.span))
            elif made.name and made.value is not None:
                head = Literal(made.name + ("+=" if made.appends else "="), made.span)
                words.append(Word((head, *made.value.parts), made.span))
                assignments.append(made)
            elif made.value is not None:
                words.append(made.value)
        self._invoke(tuple(words), node, tuple(assignments), redirections)

    def _assignment(self, node: Node) -> Assignment:
        check(node, "Assign")
        span = self._words.span(node)
        name = str((node.get("Name") or {}).get("Value", ""))
        if node.get("Index") is not None:
            self._subscript(node["Index"], span)
        value = None if node.get("Value") is None else self._words.word(node["Value"])
        if node.get("Array") is not None:
            value = self._array(node["Array"])
        if name and not node.get("Naked"):
            empty = Word((Literal("", span),), span)
            value = empty if value is None else value
            self.reading.values.setdefault(name, []).append(value)
        return Assignment(name, value, span, bool(node.get("Append")))

    def _array(self, node: Node) -> Word:
        check(node, "ArrayExpr")
        parts: list[Part] = []
        span = self._words.span(node)
        for element in node.get("Elems") or []:
            check(element, "ArrayElem")
            if element.get("Index") is not None:
                self._subscript(element["Index"], self._words.span(element))
            if element.get("Value") is not None:
                blank = [Literal(" ", span)] if parts else []
                parts += [*blank, *self._words.word(element["Value"]).parts]
        return Word(tuple(parts) or (Literal("", span),), span)

    def _mark(self, node: Node) -> None:
        start, end = self._char(node["Pos"]["Offset"]), self._char(node["End"]["Offset"])
        self.reading.commands.add(Span(start, end))

    # --- compound commands

    def _group(self, node: Node) -> None:
        self._statements(node.get("Stmts"))

    def _if(self, node: Node) -> None:
        check(node, "IfClause")
        self._statements(node.get("Cond"))
        self._statements(node.get("Then"))
        if node.get("Else") is not None:
            self._if(node["Else"])

    def _while(self, node: Node) -> None:
        words = (node["Cond"][0].get("Cmd") or {}).get("Args") or [{}]
        endless = ("false",) if node.get("Until") else ("true", ":")
        if lone_literal(words[0]) in endless:
            self._endless(node)
        self._statements(node.get("Cond"))
        self._statements(node.get("Do"))

    def _for(self, node: Node) -> None:
        loop = node["Loop"]
        span = self._words.span(loop)
        if check(loop) == "WordIter":
            items = [self._words.word(item) for item in loop.get("Items") or []]
            name = str(loop["Name"]["Value"])
            self.reading.values.setdefault(name, []).extend(items or [None])
            self.reading.assignments.append(Assignment(name, None, span))
        else:
            if loop.get("Cond") is None:
                self._endless(node)
            for key in ("Init", "Cond", "Post"):
                if loop.get(key) is not None:
                    self.arithmetic(loop[key], span)
        self._statements(node.get("Do"))

    def _endless(self, node: Node) -> None:
        """A loop that ends only from within; what it starts beside itself adds up."""
        if _leaves(node["Do"]) and not re.search(r"'Value': '(?:wait|sleep)'", str(node["Do"])):
            self.reading.uses.append(Use("fork", None, self._words.span(node)))

    def _case(self, node: Node) -> None:
        self._words.word(node["Word"])
        for item in node.get("Items") or []:
            check(item, "CaseItem")
            for pattern in item.get("Patterns") or []:
                self._words.word(pattern)
            self._statements(item.get("Stmts"))

    def _binary(self, node: Node) -> None:
        first = len(self.reading.invocations)
        self._statement(node["X"])
        outside = self._input
        if node["Op"] in ("|", "|&"):
            before = tuple(self.reading.invocations[first:])
            text = said(before, node["X"])
            sources = (*outside.sources, *before)
            feed = Feed.PIPE if text is None else Feed.TEXT
            self._input = Input(feed, text, sources)
        elif node["Op"] not in ("&&", "||"):
            raise Unknown("BinaryCmd", node)
        self._statement(node["Y"])
        self._input = outside

    def _function(self, node: Node) -> None:
        first = len(self.reading.invocations)
        outside, self._input = self._input, Input(Feed.PIPE)
        self._statement(node["Body"])
        self._input = outside
        calls = tuple(self.reading.invocations[first:])
        name = str(node["Name"].get("Value", ""))
        made = Function(name, self._words.span(node), calls, _forks(node["Body"]))
        self.reading.functions.append(made)

    def _arithmetic_command(self, node: Node) -> None:
        self.arithmetic(node["X"], self._words.span(node))

    def _let(self, node: Node) -> None:
        start = self._char(node["Let"]["Offset"])
        self.reading.commands.add(Span(start, start + len("let")))
        for expression in node.get("Exprs") or []:
            self.arithmetic(expression, self._words.span(expression))

    def _test(self, node: Node) -> None:
        start = self._char(node["Pos"]["Offset"])
        self.reading.commands.add(Span(start, start + len("[[")))
        self._condition(node["X"])

    def _condition(self, node: Node) -> None:
        kind = check(node)
        if kind == "Word":
            self._words.word(node)
        elif kind == "ParenTest":
            self._condition(node["X"])
        elif kind == "UnaryTest":
            if node["Op"] in ("-v", "-R"):
                self._evaluate_word(node["X"], self._words.span(node))
            else:
                self._condition(node["X"])
        elif kind == "BinaryTest":
            for side in (node["X"], node["Y"]):
                if node["Op"] in ("-eq", "-ne", "-lt", "-le", "-gt", "-ge"):
                    self._evaluate_word(side, self._words.span(node))
                else:
                    self._condition(side)
        else:
            raise Unknown(kind, node)

    def _evaluate_word(self, node: Node, span: Span) -> None:
        self.reading.evaluated.append(_joined_evaluation(span, [self._operand(node)]))

    def _time(self, node: Node) -> None:
        start = self._char(node["Time"]["Offset"])
        self.reading.commands.add(Span(start, start + len("time")))
        if node.get("Stmt") is not None:
            self._statement(node["Stmt"])

    def _coprocess(self, node: Node) -> None:
        if node.get("Name") is not None:
            self._words.word(node["Name"])
        self._statement(node["Stmt"])

    # --- what stands in words

    def script(self, node: Node) -> Script:
        """The statements of a substitution."""
        first = len(self.reading.invocations), len(self.reading.assignments)
        outside = self._input
        if node.get("Op") == ">(":
            self._input = Input(Feed.PIPE)
        self._statements(node.get("Stmts"))
        self._input = outside
        if node.get("Backquotes"):
            self._backquoted(node)
        if is_number(node):
            self.reading.numeric.add(self._words.span(node))
        return Script(
            tuple(self.reading.invocations[first[0] :]), tuple(self.reading.assignments[first[1] :])
        )

    def _backquoted(self, node: Node) -> None:
        """Backslashes are taken out of it before it is parsed; the parser does not do so."""
        start, end = self._char(node["Pos"]["Offset"]), self._char(node["End"]["Offset"])
        text = self._text[start + 1 : end - 1]
        if "\\" in text:
            read = re.sub(r"\\([\\$`\"])", r"\1", text)
            self.reading.texts.append(Text(read, self._words.span(node), exact=False))

    def parameter(self, node: Node, span: Span) -> None:
        """`${…}` with all that stands in it."""
        param = node.get("Param")
        name = None if param is None else str(param.get("Value", ""))
        expansion = node.get("Exp") or {}
        if node.get("Excl") and "Names" not in node and not _is_every(node.get("Index")):
            self.reading.uses.append(Use("indirect", name, span))
        if expansion:
            check(expansion, "Expansion")
            operator = expansion.get("Op")
            value = None
            if expansion.get("Word") is not None:
                value = self._inner_word(expansion["Word"])
            if operator == "@" and (value is None or value.text not in tuple("QUuLEAaKk")):
                self.reading.uses.append(Use("prompt", name, span))
            elif operator in ("=", ":=") and name is not None:
                self.reading.values.setdefault(name, []).append(value)
                self.reading.assignments.append(Assignment(name, value, span))
        if node.get("Index") is not None:
            self._subscript(node["Index"], span)
        if node.get("Slice") is not None:
            check(node["Slice"], "Slice")
            for key in ("Offset", "Length"):
                if node["Slice"].get(key) is not None:
                    self.arithmetic(node["Slice"][key], span)
        if node.get("Repl") is not None:
            check(node["Repl"], "Replace")
            for key in ("Orig", "With"):
                if node["Repl"].get(key) is not None:
                    self._inner_word(node["Repl"][key])

    def _inner_word(self, node: Node) -> Word:
        """A word within `${…}`, where the parser leaves `<(…)` as text and bash runs it."""
        for part in node.get("Parts") or []:
            if part.get("Type") == "Lit" and re.search(r"[<>]\(", part.get("Value", "")):
                raise Unknown("process substitution", part)
        return self._words.word(node, quoted=True)

    def pattern(self, node: Node, span: Span) -> None:
        """The parser keeps an extended glob as text: what would run in it is not seen."""
        value = (node.get("Pattern") or {}).get("Value", "")
        if "$" in value or "`" in value:
            self.reading.evaluated.append(Evaluated(span, texts=(f"[{value}",)))

    def history(self, span: Span) -> None:
        """A word with a `!` that a shell at a terminal replaces."""
        self.reading.uses.append(Use("history", None, span))

    def _subscript(self, node: Node, span: Span) -> None:
        if not _is_every(node):
            self.arithmetic(node, span)

    def arithmetic(self, node: Node, span: Span) -> None:
        """An expression."""
        self.reading.evaluated.append(_joined_evaluation(span, self._operands(node)))

    def _operands(self, node: Node) -> Iterator[Evaluated]:
        kind = check(node)
        if kind == "BinaryArithm":
            target = lone_literal(node["X"])
            if node["Op"] == "=" and target and NAME.fullmatch(target):
                self.reading.values.setdefault(target, [])
                yield from self._operands(node["Y"])
                return
            yield from self._operands(node["X"])
            yield from self._operands(node["Y"])
        elif kind in ("UnaryArithm", "ParenArithm"):
            yield from self._operands(node["X"])
        elif kind == "Word":
            yield self._operand(node)
        else:
            raise Unknown(kind, node)

    def _operand(self, node: Node) -> Evaluated:
        """One word of an expression."""
        word = self._words.word(node)
        span = word.span
        names = set()
        texts = []
        unsaid = False
        for part in word.parts:
            if isinstance(part, Literal):
                if NAME.fullmatch(part.text):
                    names.add(part.text)
                elif not _NUMBER.fullmatch(part.text):
                    texts.append(part.text)
            elif isinstance(part, Glob):
                texts.append(part.text)
            elif isinstance(part, Substitution):
                unsaid = unsaid or part.span not in self.reading.numeric
            elif isinstance(part, Expansion) and part.name is not None:
                names.add(part.name)
        lengths = {
            str(p["Param"].get("Value", ""))
            for p in node.get("Parts") or []
            if p.get("Length") and p.get("Param")
        }
        return Evaluated(span, frozenset(names - lengths), tuple(texts), unsaid)


_COMMANDS: dict[str, Callable[[_Walk, Node], None]] = {
    "Subshell": _Walk._group,
    "Block": _Walk._group,
    "IfClause": _Walk._if,
    "WhileClause": _Walk._while,
    "ForClause": _Walk._for,
    "CaseClause": _Walk._case,
    "BinaryCmd": _Walk._binary,
    "FuncDecl": _Walk._function,
    "ArithmCmd": _Walk._arithmetic_command,
    "TestClause": _Walk._test,
    "LetClause": _Walk._let,
    "TimeClause": _Walk._time,
    "CoprocClause": _Walk._coprocess,
}


def _characters(text: str) -> list[int]:
    """For each byte of the text in UTF-8, and for its end, the character that it belongs to."""
    found = []
    for at, char in enumerate(text):
        found += [at] * len(char.encode(errors="surrogatepass"))
    return [*found, len(text)]


def _is_every(node: Node | None) -> bool:
    return node is not None and lone_literal(node) in ("@", "*")


def _joined_evaluation(span: Span, operands: Iterable[Evaluated]) -> Evaluated:
    names: set[str] = set()
    texts: list[str] = []
    unsaid = False
    for operand in operands:
        names |= operand.names
        texts += operand.texts
        unsaid = unsaid or operand.unsaid
    return Evaluated(span, frozenset(names), tuple(texts), unsaid)


def _leaves(node: Any) -> bool:
    """Whether something in it is left to run in the background."""
    if isinstance(node, dict):
        return bool(node.get("Background")) or any(
            _leaves(value) for key, value in node.items() if key not in SKIPPED
        )
    return isinstance(node, list) and any(_leaves(value) for value in node)


def _forks(node: Any) -> bool:
    if isinstance(node, dict):
        if node.get("Background") or (
            node.get("Type") == "BinaryCmd" and node["Op"] in ("|", "|&")
        ):
            return True
        return any(_forks(value) for key, value in node.items() if key not in SKIPPED)
    return isinstance(node, list) and any(_forks(value) for value in node)
