"""SQL and what clients of databases read beside it: proven to read, or named for what they do.

Two readings must agree that a statement reads: sqlglot's tree, in which every node is a query's and
every function is known to have no effect, and its tokens, among which no word of a statement that
writes may stand outside of strings and quoted names. What is no query is judged by the words it
begins with (`sql_words`). What cannot be parsed, and what databases would cut differently (comments
that run, quotes behind backslashes), is dangerous.

Clients have commands of their own (`\\!`, `.shell`, `system`), which `sql_clients` takes out first:
they are no SQL, and reach the shell.

Decided: DELETE, TRUNCATE, DROP lose data, with a condition or without, because a condition bounds
the rows, not the loss; UPDATE with a condition on a column is a change, without one it replaces
all. EXPLAIN runs nothing, EXPLAIN ANALYZE runs what it explains."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from dd0c.scan.languages import sql_clients
from dd0c.scan.languages.facts import (
    Fact,
    Facts,
    File,
    Found,
    caution,
    dangerous,
    starts,
    unreadable,
)
from dd0c.scan.languages.sql_words import (
    CHANGING,
    CODE_SETTINGS,
    GRANTED,
    HEADS,
    LOSING_ALTER,
    QUERIES,
    READING,
    READING_CLICKHOUSE,
    SYSTEM_SCHEMAS,
    UNBOUNDED,
    UNSAFE_KNOWN,
    WRITING,
    Meaning,
    pragma_reads,
)
from dd0c.scan.models import Effect, Risk

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.tokenizer_core import Token

DIALECTS = {
    "sql": "postgres",
    "postgres": "postgres",
    "mysql": "mysql",
    "sqlite": "sqlite",
    "clickhouse": "clickhouse",
    "cql": "postgres",
    "tsql": "tsql",
    "oracle": "oracle",
    "presto": "trino",
}
"""Names in the tables -> sqlglot's. Cassandra's language is near enough to read its queries."""

TOKENS_MAX = 4_000
_WORDS = re.compile(r"[A-Za-z_]+(?:\s+[A-Za-z_]+){0,2}")
_DOUBTFUL = re.compile(r"/\*M?!|\\['\"`]|/\*(?:[^*]|\*(?!/))*/\*|\x00")
_PROGRAM = re.compile(r"\bPROGRAM\s+'((?:[^'\\]|'')*)'", re.IGNORECASE)
_COPY = re.compile(
    r"COPY\s+(?:BINARY\s+)?(?:[\w.\"]+\s*(?:\([^()]*\))?|\((?P<query>[\s\S]+)\))\s*"
    r"\b(?P<way>TO|FROM)\s+"
    r"(?:P?STD(?:IN|OUT)\b|PROGRAM\s+'|(?P<program>PROGRAM\b)|(?P<file>'[^'\\]*'|[^\s;']+))",
    re.IGNORECASE,
)
_EXPLAIN = re.compile(
    r"(?:EXPLAIN|DESCRIBE|DESC)\b|ANALYZE\s+(?:FORMAT=\w+\s+)?"
    r"(?:SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH)\b",
    re.IGNORECASE,
)
_RUNS = re.compile(r"\bANALY[ZS]E\b", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z_]*")
_SHOWING = frozenset({"SHOW", "DESC", "DESCRIBE", "HELP", "CHECK", "CHECKSUM", "EXISTS"})
_PATH = re.compile(r"\b(?:INFILE|INTO|ATTACH(?:\s+DATABASE)?)\s+'([^']*)'", re.IGNORECASE)
_INNER = re.compile(
    r"\b(?:SELECT|WITH|INSERT|UPDATE|DELETE|MERGE|REPLACE|CREATE|EXECUTE|DECLARE|VALUES|TABLE|"
    r"REFRESH|UPSERT)\b",
    re.IGNORECASE,
)


_SAYS_WRITING = re.compile(rf"\b(?:{'|'.join(sorted(WRITING))})\b", re.IGNORECASE)


class _Statement(NamedTuple):
    text: str
    start: int
    tokens: list[Token]

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def word(self) -> str:
        found = _WORD.match(self.text)
        return found[0].upper() if found else ""


def read(text: str, dialect: str | None) -> Facts:
    """All that statements and client commands do."""
    name = dialect or "sql"
    doubtful = _DOUBTFUL.search(text)
    if doubtful or name not in DIALECTS:
        yield unreadable("SQL that every server cuts alike", 0, len(text))
    parts = sql_clients.split(text, name)
    if parts is None:
        yield unreadable("SQL", 0, len(text))
        return
    sql, commands = parts
    for command in commands:
        yield from sql_clients.judge(command, name)
    if name not in DIALECTS:
        return
    statements = _statements(sql, DIALECTS[name])
    if statements is None:
        yield unreadable("SQL", 0, len(text))
        return
    for statement in statements:
        yield from _judge(statement, name)


def _statements(sql: str, dialect: str) -> list[_Statement] | None:
    """The statements with their tokens; None where there is no reading them."""
    import sqlglot
    from sqlglot.tokenizer_core import TokenType

    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    try:
        tokens = sqlglot.tokenize(sql, read=dialect)
    except (sqlglot.errors.SqlglotError, RecursionError, ValueError, IndexError):
        return None
    if len(tokens) > TOKENS_MAX:
        return None
    statements: list[_Statement] = []
    current: list[Token] = []
    for token in [*tokens, None]:
        if token is not None and token.token_type != TokenType.SEMICOLON:
            current.append(token)
        elif current:
            start, end = current[0].start, current[-1].end + 1
            statements.append(_Statement(sql[start:end], start, current))
            current = []
    return statements


def _meaning(statement: _Statement) -> Meaning | None:
    found = _WORDS.match(statement.text)
    words = found[0].upper().split() if found else []
    for count in range(len(words), 0, -1):
        if (meaning := HEADS.get(" ".join(words[:count]))) is not None:
            return meaning
    return None


def _judge(statement: _Statement, dialect: str) -> Iterator[Found]:
    text, start, end = statement.text, statement.start, statement.end
    word = statement.word
    if _EXPLAIN.match(text) and _INNER.search(text):
        yield from _explain(statement, dialect)
        return
    if word in QUERIES or text[0] == "(":
        yield from _query(statement, dialect)
        return
    if word == "COPY":
        yield from _copy(statement, dialect)
        return
    if word == "PRAGMA":
        yield from _pragma(statement)
        return
    meaning = _meaning(statement)
    if meaning is None:
        yield dangerous("program-unreadable", "This is no statement known here.", start, end)
        return
    yield from _raised(meaning, statement)
    if word in ("INSERT", "UPDATE", "REPLACE", "UPSERT", "MERGE", "DELETE"):
        yield from _changes(statement, dialect)
    if word == "CREATE" and re.search(r"\bAS\b[\s(]*(?:SELECT|WITH)\b", text, re.IGNORECASE):
        yield from _changes(statement, dialect)
    for path in _PATH.finditer(text):
        at = start + path.start(1)
        yield File(path[1], at, start + path.end(1), writes="INFILE" not in path[0].upper())


def _raised(meaning: Meaning, statement: _Statement) -> Iterator[Fact]:
    """What the beginning means, made worse by what else the statement says."""
    text, start, end = statement.text, statement.start, statement.end
    word = statement.word
    if meaning.risk > Risk.SAFE:
        yield Fact(meaning.risk, meaning.rule, meaning.reason, start, end, meaning.effects)
    elif meaning.effects:
        yield Fact(meaning.risk, "reads-data", "Shows what there is.", start, end, meaning.effects)
    if meaning.risk == Risk.SAFE and word not in _SHOWING and _SAYS_WRITING.search(text):
        yield dangerous("program-unreadable", "A word of it writes.", start, end)
    if word in ("BEGIN", "DECLARE") and len(statement.tokens) > 4:
        yield dangerous("loads-code", "A block of statements runs as one.", start, end)
    wide = word in ("GRANT", "CREATE", "ALTER", "REVOKE") and UNBOUNDED.search(text)
    if wide or (word == "GRANT" and not GRANTED.match(text)):
        yield dangerous("grants-power", "Gives wide rights.", start, end, Effect.PRIVILEGE)
    if word == "ALTER" and LOSING_ALTER.search(text):
        yield dangerous("loses-data", "Removes data for good.", start, end, Effect.DELETES)
    if word in ("SET", "ALTER", "RESET", "PRAGMA") and CODE_SETTINGS.search(text):
        yield dangerous("loads-code", "Sets what the server will run or load.", start, end)
    if word in ("CREATE", "RENAME") and re.match(
        r"CREATE\s+OR\s+REPLACE\s+TABLE", text, re.IGNORECASE
    ):
        yield dangerous("loses-data", "Replaces what is there.", start, end, Effect.DELETES)
    if re.search(r"\bPROGRAM\s", text, re.IGNORECASE):
        yield dangerous("loads-code", "Names a program for the server.", start, end)


def _explain(statement: _Statement, dialect: str) -> Iterator[Found]:
    inner = _INNER.search(statement.text)
    if inner is None or not _RUNS.search(statement.text):
        yield Fact(
            Risk.SAFE, "reads-data", "Explains only.", statement.start, statement.end, _READS
        )
        return
    at = statement.start + inner.start()
    tokens = [token for token in statement.tokens if token.start >= at]
    yield from _judge(_Statement(statement.text[inner.start() :], at, tokens), dialect)


_READS = frozenset({Effect.READS})


def _copy(statement: _Statement, dialect: str) -> Iterator[Found]:
    start, end = statement.start, statement.end
    found = _COPY.match(statement.text)
    if found is None:
        yield dangerous("program-unreadable", "This cannot be read as COPY.", start, end)
        return
    if found["query"]:
        yield from read(found["query"], dialect)
    if found["way"].upper() == "FROM":
        yield caution("changes-data", "Adds rows.", start, end, Effect.WRITES)
    if found["file"] is not None:
        at = start + found.start("file")
        writes = found["way"].upper() == "TO"
        yield File(found["file"].strip("'"), at, start + found.end("file"), writes)
    if found["program"]:
        yield dangerous("runs-unknown-command", "A command is started.", start, end)
    programs = [*_PROGRAM.finditer(statement.text)]
    if not programs and re.search(r"\bPROGRAM\s*'", statement.text, re.IGNORECASE):
        yield dangerous("runs-unknown-command", "A command is started.", start, end)
    for program in programs:
        command = program[1].replace("''", "'")
        yield from starts(command, start + program.start(1), start + program.end(1))


def _pragma(statement: _Statement) -> Iterator[Fact]:
    found = re.fullmatch(
        r"PRAGMA\s+(?:\w+\.)?(\w+)\s*([=(]?)[\s\w'\")-]{0,100}", statement.text, re.IGNORECASE
    )
    if found and pragma_reads(found[1].lower(), bool(found[2])):
        return
    start, end = statement.start, statement.end
    if found is None or CODE_SETTINGS.search(statement.text):
        yield dangerous("loads-code", "Sets what the database may run.", start, end)
    else:
        yield caution("changes-server", "Changes a setting.", start, end, Effect.WRITES)


def _tree(statement: _Statement, dialect: str) -> exp.Expr | None:
    import sqlglot

    text = re.sub(r"^REPLACE\b", "INSERT ", statement.text, flags=re.IGNORECASE)
    if dialect == "cql":
        text = re.sub(r"\bALLOW\s+FILTERING\s*$", "", text, flags=re.IGNORECASE)
    try:
        trees = sqlglot.parse(text, read=DIALECTS[dialect])
    except (sqlglot.errors.SqlglotError, RecursionError, ValueError, IndexError, AttributeError):
        return None
    return trees[0] if len(trees) == 1 else None


def _query(statement: _Statement, dialect: str) -> Iterator[Fact]:
    """A statement that reads, if two readings agree."""
    from sqlglot import exp

    start, end = statement.start, statement.end
    tree = _tree(statement, dialect)
    if not isinstance(tree, exp.Query | exp.Values):
        yield unreadable("a query", start, end)
        return
    yield Fact(Risk.SAFE, "reads-data", "Reads.", start, end, _READS)
    known = False
    for node in tree.walk():
        if isinstance(node, exp.Lock):
            known = True
            yield caution("changes-server", "Locks what it reads.", start, end)
        elif isinstance(node, exp.Into):
            known = True
            yield caution("changes-data", "Makes a table.", start, end, Effect.WRITES)
        elif isinstance(node, exp.Delete | exp.Merge) or _replaces_all(node):
            known = True
            yield dangerous("loses-data", "Removes data for good.", start, end, Effect.DELETES)
        elif isinstance(node, exp.Insert | exp.Update):
            known = True
            yield caution("changes-data", "Changes data.", start, end, Effect.WRITES)
        elif isinstance(node, exp.DDL | exp.DML | exp.Command | exp.Drop | exp.Alter | exp.Copy):
            yield dangerous("program-unreadable", "This does more than read.", start, end)
        else:
            yield from _function(node, statement, dialect)
    if not known and _writes(statement):
        yield dangerous("program-unreadable", "A word of it writes.", start, end)


def _writes(statement: _Statement) -> bool:
    """Whether a word that writes stands among the tokens; in front of `(` it is a function."""
    from sqlglot.tokenizer_core import TokenType

    quoted = {TokenType.IDENTIFIER, TokenType.STRING}
    following = [*(token.text for token in statement.tokens[1:]), ""]
    return any(
        token.token_type not in quoted and token.text.upper() in WRITING and after != "("
        for token, after in zip(statement.tokens, following, strict=True)
    )


def _replaces_all(node: exp.Expr) -> bool:
    from sqlglot import exp

    if not isinstance(node, exp.Update):
        return False
    where = node.args.get("where")
    return where is None or where.find(exp.Column) is None


def _changes(statement: _Statement, dialect: str) -> Iterator[Fact]:
    """What a statement that writes does besides: in its queries, functions and conditions."""
    start, end = statement.start, statement.end
    tree = _tree(statement, dialect)
    if tree is None:
        yield unreadable("a statement", start, end)
        return
    for node in tree.walk():
        if _replaces_all(node):
            yield dangerous(
                "loses-data", "Replaces the values of all rows.", start, end, Effect.DELETES
            )
        yield from _function(node, statement, dialect)
    if re.match(r"MERGE\b[\s\S]*\bDELETE\b", statement.text, re.IGNORECASE):
        yield dangerous("loses-data", "Removes data for good.", start, end, Effect.DELETES)


def _function(node: exp.Expr, statement: _Statement, dialect: str) -> Iterator[Fact]:
    from sqlglot import exp

    start, end = statement.start, statement.end
    if isinstance(node, exp.Placeholder) and dialect in ("sql", "postgres"):
        yield dangerous("program-unreadable", "A text is put in that is not said.", start, end)
        return
    if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc):
        name = node.name
        parent = node.parent
        schema = parent.this.name.lower() if isinstance(parent, exp.Dot) else ""
        foreign = bool(schema) and schema not in SYSTEM_SCHEMAS
        if not foreign and CHANGING.fullmatch(name):
            yield caution("changes-server", f"{name} changes something.", start, end)
            return
        shows = READING.fullmatch(name) or (
            dialect == "clickhouse" and READING_CLICKHOUSE.fullmatch(name)
        )
        if shows and not foreign:
            return
        why = f"The function {name} is not known to only read."
        yield dangerous("unknown-function", why, start, end)
    elif type(node).__name__ in UNSAFE_KNOWN:
        yield dangerous("unknown-function", "A function does more than compute.", start, end)
