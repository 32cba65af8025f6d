"""MongoDB's shell, as far as it is not a programming language: `db.orders.find({…})` and its kin.

A script passes if it is a row of chains from `db`, `rs` or `sh`, each of whose calls is known, and
whose arguments are plain values: no function, no operator that runs code or writes elsewhere. All
else is JavaScript, which may do anything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from dd0c.scan.languages.facts import Facts, caution, dangerous, named
from dd0c.scan.models import Effect

_TOKEN = re.compile(
    r"""\s+|//[^\n]*|(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[$A-Za-z_][$\w]*)|(?P<sign>[.(){}\[\],:;])""",
    re.VERBOSE,
)
_PATTERN = re.compile(r"(?P<string>/(?![*/])(?:[^/\\\n]|\\.)+/[a-z]*)")
"""A regular expression, where a value begins; elsewhere a slash divides."""
_READS = named(
    "find findOne count countDocuments estimatedDocumentCount distinct aggregate explain stats "
    "dataSize storageSize totalSize totalIndexSize getIndexes getPlanCache list "
    "getShardDistribution getShardVersion latencyStats isCapped limit skip sort projection "
    "pretty toArray itcount size hasNext next batchSize maxTimeMS hint comment readPref "
    "readConcern allowDiskUse collation serverStatus status hello isMaster version hostInfo "
    "serverBuildInfo currentOp getMongo getCollection getSiblingDB getCollectionNames "
    "getCollectionInfos getName getUsers getRoles getUser getRole getProfilingStatus "
    "getReplicationInfo printReplicationInfo printSecondaryReplicationInfo "
    "printSlaveReplicationInfo printShardingStatus printCollectionStats conf config getLastError "
    "getLogComponents getFreeMonitoringStatus rsHello getDBs getDBNames adminCommand runCommand "
    "isBalancerRunning getBalancerState balancerCollectionStatus setReadPref secondaryOk slaveOk "
    "setSecondaryOk help serverCmdLineOpts forEach map getPlanCacheStats listDatabases"
)
_CHANGES = named(
    "insert insertOne insertMany updateOne replaceOne findOneAndUpdate findOneAndReplace "
    "createIndex createIndexes ensureIndex createCollection createView createUser createRole "
    "stepDown freeze add addArb syncFrom enableSharding shardCollection startBalancer "
    "stopBalancer setBalancerState enableBalancing disableBalancing moveChunk splitAt splitFind "
    "addShard addShardToZone setProfilingLevel setLogLevel killOp compact validate hideIndex "
    "unhideIndex fsyncUnlock enableAutoSplit disableAutoSplit setDefaultRWConcern"
)
_COMMANDS = named(
    "ping serverStatus replSetGetStatus replSetGetConfig buildInfo hostInfo listDatabases "
    "dbStats collStats connPoolStats getParameter currentOp isMaster hello getCmdLineOpts getLog "
    "listCollections listIndexes count distinct find top whatsmyuri connectionStatus features "
    "listShards balancerStatus dbHash getDefaultRWConcern isdbgrid shardingState replSetGetRBID"
)
_ROOTS = frozenset({"db", "rs", "sh"})
_VALUES = named(
    "true false null undefined new ObjectId ISODate Date NumberLong NumberInt NumberDecimal UUID "
    "Timestamp BinData printjson tojson Infinity"
)
_WRAPPERS = frozenset({"printjson", "print", "tojson", "EJSON", "JSON", "stringify"})
_CODE = frozenset({"$where", "$function", "$accumulator", "$out", "$merge", "mapReduce", "$eval"})
_SHOW = re.compile(
    r"\s*(?:show\s+(?:dbs|databases|collections|tables|users|roles|profile|logs|log\s+\w+)|"
    r"use\s+[\w-]+|exit|quit\(?\)?|it|help)\s*;?\s*"
)


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


def read(text: str, dialect: str | None) -> Facts:
    """What a script does, line by line where it is one of the shell's own commands."""
    plain = "\n".join(
        " " * len(line) if _SHOW.fullmatch(line) else line for line in text.split("\n")
    )
    tokens = _tokens(plain)
    if tokens is None or not _chains(tokens):
        why = "This is JavaScript that is not proven to only read."
        yield dangerous("code-not-proven", why, 0, len(text))
        return
    for token, after in pairwise([*tokens, _END]):
        called = token.kind == "name" and after.text == "("
        if token.text.strip("\"'") in _CODE:
            yield dangerous("loads-code", "Runs code, or writes.", token.start, token.end)
        elif called and token.text in _CHANGES:
            why = f"{token.text} changes what the database holds."
            yield caution("changes-data", why, token.start, token.end, Effect.WRITES)
        elif called and token.text not in _READS | _VALUES | _WRAPPERS:
            why = f"{token.text} is not known to only read."
            yield dangerous("loses-data", why, token.start, token.end, Effect.DELETES)
        elif called and token.text in ("adminCommand", "runCommand"):
            yield from _command(tokens, tokens.index(token))


_END = _Token("sign", "", 0, 0)


def _tokens(text: str) -> list[_Token] | None:
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        starts_value = tokens and tokens[-1].text in ("(", ",", ":", "[")
        found = (_PATTERN.match(text, at) if starts_value else None) or _TOKEN.match(text, at)
        if found is None:
            return None
        if found.lastgroup:
            tokens.append(_Token(found.lastgroup, found[0], at, found.end()))
        at = found.end()
    return tokens


def _chains(tokens: Sequence[_Token]) -> bool:
    """Whether every name stands in a chain from a root, is a key, or is a value."""
    calls = 0
    before = _END
    for token, after in pairwise([*tokens, _END]):
        if token.text == "(":
            if before.kind != "name" and before.text != "]":
                calls += 1  # A group in parentheses calls nothing, but hides what is called.
        elif token.text == "[" and before.kind in ("name", "string") and before.text != "new":
            if after.kind != "string" and after.kind != "number":
                return False
        elif token.kind == "name" and before.text != ".":
            known = token.text in _ROOTS | _VALUES | _WRAPPERS or after.text == ":"
            if not known:
                return False
        if token.text == "(" and before.text in ("]", ")"):
            return False
        before = token
    return not calls


def _command(tokens: Sequence[_Token], index: int) -> Facts:
    """A command given as a document: its first key names it."""
    at = tokens[index]
    key = next((t for t in tokens[index + 2 : index + 4] if t.kind in ("name", "string")), _END)
    if key.text.strip("\"'") not in _COMMANDS:
        yield dangerous("loses-data", "The command is not known to only read.", at.start, at.end)
