"""Python on the command line: a small part of it is proven to compute and print, the rest is not.

What people write there is mostly a filter: read JSON, pick a field, print it. So the program is
parsed, and it passes if every node is of a plain kind, every module, function and attribute is on a
list, and no name begins with an underscore. Attributes are on one list whatever they are of,
because an object's type is not known: what is on it is harmless on everything that a listed module
gives."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator

from dd0c.scan.languages.facts import Facts, dangerous, named, unreadable

_MODULES = named(
    "sys json platform time datetime math re random string statistics collections itertools "
    "functools base64 hashlib uuid decimal calendar socket urllib.parse textwrap csv ipaddress"
)
_FUNCTIONS = named(
    "print len range int float str bool list dict set tuple sorted reversed sum min max abs "
    "round any all enumerate zip map filter isinstance repr chr ord hex bin oct divmod iter next "
    "ascii bytes input"
)
_ATTRIBUTES = named(
    "stdin stdout stderr argv version version_info platform executable maxsize byteorder exit "
    "read readline readlines write flush buffer load loads dumps strip lstrip rstrip split "
    "rsplit splitlines join get items keys values append extend pop insert index count sort "
    "format replace upper lower title startswith endswith find encode decode isdigit zfill ljust "
    "rjust center major minor micro node system machine release processor python_version uname "
    "sleep strftime strptime ctime gmtime localtime mktime now today utcnow fromtimestamp "
    "utcfromtimestamp fromisoformat isoformat timestamp timedelta timezone utc date datetime "
    "days seconds total_seconds year month day hour minute second weekday sqrt floor ceil pi log "
    "log10 log2 exp pow sin cos search match fullmatch findall finditer sub group groups compile "
    "randint random choice uniform shuffle sample seed ascii_letters digits mean median stdev "
    "Counter defaultdict OrderedDict most_common b64encode b64decode urlsafe_b64encode "
    "urlsafe_b64decode b16encode b32encode md5 sha1 sha256 sha512 hexdigest digest update uuid4 "
    "uuid1 hex Decimal gethostname getfqdn parse quote unquote quote_plus unquote_plus urlparse "
    "urlencode parse_qs chain groupby reduce reader writer ip_network ip_address num_addresses "
    "hosts add union setdefault isoweekday real"
)
_NODES = (
    ast.Module, ast.Expr, ast.Import, ast.ImportFrom, ast.alias, ast.Assign, ast.AugAssign,
    ast.For, ast.If, ast.IfExp, ast.Pass, ast.Break, ast.Continue, ast.Constant, ast.Name,
    ast.Attribute, ast.Subscript, ast.Slice, ast.Call, ast.keyword, ast.BinOp, ast.UnaryOp,
    ast.BoolOp, ast.Compare, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.ListComp, ast.SetComp,
    ast.DictComp, ast.GeneratorExp, ast.comprehension, ast.Lambda, ast.arguments, ast.arg,
    ast.JoinedStr, ast.FormattedValue, ast.Starred, ast.operator, ast.unaryop, ast.boolop,
    ast.cmpop, ast.expr_context,
)  # fmt: skip
"""Kinds of nodes that do nothing by themselves."""


def read(text: str, dialect: str | None) -> Facts:
    """One fact where the program is not proven to compute and print."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        yield unreadable("Python", 0, len(text))
        return
    bound = {name for node in ast.walk(tree) for name in _bound(node)}
    for node in ast.walk(tree):
        if not _plain(node, bound):
            why = "This program is not proven to only compute and print."
            yield dangerous("code-not-proven", why, 0, len(text))
            return


def _plain(node: ast.AST, bound: set[str]) -> bool:
    """Whether the node is of a kind, and of a name, that is on the lists."""
    if not isinstance(node, _NODES):
        return False
    match node:
        case ast.Import():
            return all(one.name in _MODULES and _open(one.asname or "") for one in node.names)
        case ast.ImportFrom():
            return node.module in _MODULES and all(
                one.name in _ATTRIBUTES and _open(one.asname or "") for one in node.names
            )
        case ast.Attribute():
            return node.attr in _ATTRIBUTES and not isinstance(node.ctx, ast.Del | ast.Store)
        case ast.Name():
            return _open(node.id) and (node.id in bound or node.id in _FUNCTIONS)
        case _:
            return True


def _open(name: str) -> bool:
    return not name.startswith("_")


def _bound(node: ast.AST) -> Iterator[str]:
    """Names that the program itself gives to something."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (one.asname or one.name.split(".")[0] for one in node.names)
