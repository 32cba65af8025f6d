"""The first parser: many texts in one process that cannot touch each other, and its limits."""

from __future__ import annotations

import itertools
from typing import Any

from dd0c.scan import shfmt
from dd0c.scan.shfmt import Parsed, Refused
from dd0c.scan.tree import SHAPES

OPEN_ENDED = [
    b"cat <<X",
    b"cat <<:",
    b"X\nrm -rf x",
    b'echo "',
    b"echo '",
    b"echo $'",
    b"echo `",
    b"echo $(",
    b"echo ${x",
    b"foo \\",
    b"foo |",
    b"foo &&",
    b"f()",
    b"{ ls",
    b"( ls",
    b"if true; then",
    b"fi",
    b"case x in",
    b"# comment",
    b":",
    b":\n:",
    b"",
    b"done",
    b"}",
    b"$((",
    b"[[ a",
    b"ls -l",
]


def told(tree: Parsed | Refused) -> Any:
    """What a tree says, without where it stood among others."""
    if isinstance(tree, Refused):
        return tree.kind
    return [s["End"]["Offset"] - s["Pos"]["Offset"] for s in tree.statements], [
        s["Pos"]["Offset"] - tree.base for s in tree.statements
    ]


def test_texts_parsed_together_are_parsed_as_alone() -> None:
    """A text that leaves something open takes nothing from its neighbour, on either side
    (N-11)."""
    alone = {text: told(shfmt.parse([text])[0]) for text in OPEN_ENDED}
    for shift in (1, 4, 9):
        mixed = OPEN_ENDED[shift:] + OPEN_ENDED[:shift]
        both = list(itertools.chain.from_iterable(zip(OPEN_ENDED, mixed, strict=True)))
        assert [told(tree) for tree in shfmt.parse(both)] == [alone[text] for text in both]


def test_what_is_too_much_is_refused() -> None:
    """A tree that is deeper than anything may recurse is never decoded (N-11)."""
    deep = b"$(" * 110 + b"x" + b")" * 110
    chain = b"ls && " * 500 + b"ls"
    assert [told(tree) for tree in shfmt.parse([deep, b"ls", chain])] == [
        "limit",
        ([2], [0]),
        "limit",
    ]


def test_memory_and_output_are_bounded() -> None:
    """A parser that wants more than it is given is stopped, and that is a refusal (N-11)."""
    assert told(shfmt.parse([b"ls " * 1000])[0]) != "limit"
    quiet = shfmt.Limits(output_bytes=10_000)
    assert told(shfmt.parse([b"ls " * 1000], quiet)[0]) == "limit"
    small = shfmt.Limits(memory_bytes=1_000_000)
    assert told(shfmt.parse([b"ls"], small)[0]) == "limit"


def test_the_grammar_has_the_shapes_that_are_known() -> None:
    """Kinds of nodes and their members, as this version of the parser has them: one that says more
    must be looked at before it is used (N-11)."""
    texts = [
        "b[0]+=2; a=1 \\ls $'x' $\"y\" ${!z} ${#z} ${z[1]} ${z:1:2} ${z//a/b} 2>x <<< y &",
        "! b; b & ",
        "c=(x [1]=y); declare -i n=1 m; let a=1 b++; ((-a ? 1 : (2))); echo $((1)) $[2]",
        "if a; then b; elif c; then d; else e; fi; while a; do b; done; until a; do b; done",
        "for i in a; do b; done; for ((i=0;i<1;i++)); do b; done; select x in a; do b; done",
        "case a in (b|c) d;; *) e;& esac; f() { a; }; function g { b; }",
        "[[ ( -f a ) || ! b -nt c ]]",
        "( a ); { b; }; a | b |& c && d || e",
        "cat <(a) >(b) `c` $(d) @(x|y) ${!p@} ${z@Q} ${z:-w} #",
        "time -p a; coproc N { a; }; cat <<-E\n\t$x\n\tE",
    ]
    found: dict[str, set[str]] = {}
    for tree in shfmt.parse([text.encode() for text in texts]):
        assert isinstance(tree, Parsed)
        _shapes(list(tree.statements), "Stmt", found)
    assert {kind: keys - SHAPES[kind] for kind, keys in found.items()} == {k: set() for k in found}
    assert found.keys() == SHAPES.keys()


_ROLES = {
    "Stmts": "Stmt",
    "Stmt": "Stmt",
    "Body": "Stmt",
    "Cond": "Stmt",
    "Then": "Stmt",
    "Do": "Stmt",
    "Redirs": "Redirect",
    "Assigns": "Assign",
    "Array": "ArrayExpr",
    "Elems": "ArrayElem",
    "Slice": "Slice",
    "Repl": "Replace",
    "Exp": "Expansion",
    "Else": "IfClause",
    "Word": "Word",
    "Hdoc": "Word",
    "Value": "Word",
    "Patterns": "Word",
    "Orig": "Word",
    "With": "Word",
    "Variant": "Lit",
    "N": "Lit",
    "Param": "Lit",
    "Pattern": "Lit",
}
_SKIPPED = {"Comments", "Last"}


def _shapes(node: Any, kind: str, found: dict[str, set[str]]) -> None:
    """Members by kind; a kind that is not said follows from the role of the node."""
    if isinstance(node, list):
        for one in node:
            _shapes(one, kind, found)
    elif isinstance(node, dict) and "Offset" not in node.keys() - {"Type"} and node:
        kind = node.get("Type", kind)
        found.setdefault(kind, set()).update(node)
        for key, value in node.items():
            if key not in _SKIPPED:
                _shapes(value, _role(kind, key), found)
    elif isinstance(node, dict) and isinstance(node.get("Offset"), dict):
        found.setdefault("Slice", set()).update(node)
        for value in node.values():
            _shapes(value, "Word", found)


def _role(kind: str, key: str) -> str:
    if key in ("X", "Y") and kind == "BinaryCmd":
        return "Stmt"
    if key == "Args":
        return "Assign" if kind == "DeclClause" else "Word"
    if key == "Items":
        return "CaseItem" if kind == "CaseClause" else "Word"
    if key == "Name":
        return "Word" if kind == "CoprocClause" else "Lit"
    return _ROLES.get(key, "Word")
