"""The second parser: which commands tree-sitter-bash sees, and where.

It only has to see the same commands as the first; where it does not, or where it met what it could
not read, somebody is wrong and the verdict says so. Differences that come from what it lacks are
translated, never overlooked: it takes the keyword `time` for a command, behind which one begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from dd0c.scan.models import Span

if TYPE_CHECKING:
    from tree_sitter import Language, Node

_KINDS = """
ansi_c_string arithmetic_expansion array binary_expression brace_expression
c_style_for_statement case_item case_statement command command_name command_substitution
comment compound_statement concatenation declaration_command do_group elif_clause else_clause
expansion extglob_pattern file_descriptor file_redirect for_statement function_definition
heredoc_body heredoc_content heredoc_end heredoc_redirect heredoc_start herestring_redirect
if_statement list negated_command number parenthesized_expression pipeline postfix_expression
process_substitution program raw_string redirected_statement regex simple_expansion
special_variable_name string string_content subscript subshell ternary_expression test_command
test_operator translated_string unary_expression unset_command variable_assignment
variable_assignments variable_name while_statement word
"""
KINDS = frozenset(_KINDS.split())


@dataclass(frozen=True, slots=True)
class Seen:
    """What the second parser makes of a text."""

    commands: frozenset[Span]
    """Where command words stand."""
    doubts: tuple[Span, ...]
    """What it could not read, or what nobody has heard of."""


@cache
def language() -> Language:
    """The grammar, loaded at first use."""
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Language(tree_sitter_bash.language())


def look(text: str) -> Seen:
    """The commands of a text."""
    from tree_sitter import Parser

    source = text.encode(errors="surrogatepass")
    tree = Parser(language()).parse(source)
    commands: set[tuple[int, int]] = set()
    doubts: list[tuple[int, int]] = []
    pending = [tree.root_node]
    while pending:
        node = pending.pop()
        if node.is_named or node.is_error or node.is_missing:
            if node.is_error or node.is_missing or node.type not in KINDS:
                doubts.append((node.start_byte, node.end_byte))
            else:
                _note(node, source, commands)
            pending += node.children
    if not text.isascii():
        place = _characters(source)
        commands = {(place[a], place[b]) for a, b in commands}
        doubts = [(place[a], place[b]) for a, b in doubts]
    return Seen(frozenset(Span(*c) for c in commands), tuple(Span(*d) for d in sorted(doubts)))


def _note(node: Node, source: bytes, commands: set[tuple[int, int]]) -> None:
    if node.type == "command":
        name = node.child_by_field_name("name")
        if name is not None:
            commands.add((name.start_byte, name.end_byte))
            if source[name.start_byte : name.end_byte] == b"time":
                _note_timed(node, source, commands)
    elif node.type in ("declaration_command", "unset_command"):
        begun = node.start_byte
        word = node.children[0]
        commands.add((begun, word.end_byte))
    elif node.type == "test_command":
        opened = node.children[0]
        if source[opened.start_byte : opened.end_byte] != b"((":
            commands.add((opened.start_byte, opened.end_byte))


def _note_timed(node: Node, source: bytes, commands: set[tuple[int, int]]) -> None:
    for word in node.children_by_field_name("argument"):
        if source[word.start_byte : word.end_byte] != b"-p":
            commands.add((word.start_byte, word.end_byte))
            return


def _characters(source: bytes) -> list[int]:
    found, at = [], -1
    for byte in source:
        at += byte & 0xC0 != 0x80
        found.append(at)
    return [*found, at + 1]
