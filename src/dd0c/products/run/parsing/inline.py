"""Commands within sentences: code that the text says to run, and commands without any mark.

Inline code is mostly names, values and explanations. It is a command when the text tells to run it
and it is whole enough to begin with a program and go on (rule 5 of the runbooks' README). Without
marks only what stands behind a colon or an order and is surely a command is one, and `inferred`.
"""

from __future__ import annotations

import re

from dd0c.products.run.parsing import languages

_ORDER = re.compile(
    r"(?i)\b(?:run(?:ning)?|execut(?:e|ing)|typ(?:e|ing)|enter|issu(?:e|ing)|invok(?:e|ing)|"
    r"us(?:e|ing)|"
    r"try|call|do|start(?:ing)?(?: with)?|via|with|by|through|as(?: root)?|launch|perform|"
    r"apply|first|"
    r"then|and|or|also|again|undo it|command)\b[\s:,*_(]*$"
)
_LEAD = re.compile(r"[:→>]\s*$|^\W*$|-\s*$")
_TOLD = re.compile(
    r"(?i)\b(?:runs|ran|was run|were run|calls|executes|executed|invokes|starts|equals|"
    r"means|is like|same "
    r"as|similar to|equivalent to|instead of|result of|output of|see|has run|have run|"
    r"had run|never|do not|"
    r"don't|avoid|without|not|failed|fails|when)\b[\s\w,]{0,24}$"
)
_DECLINED = re.compile(
    r"(?i)^\s*(?:was|were|is (?:a|the|an|run|used|called|what|not|equivalent)|are (?:run|"
    r"used)|shows?|"
    r"returns?|means|does|do not|prints|fails|failed|command (?:shows|fails|is|returns|will))\b"
)
_NAMED = re.compile(r"(?i)\s*(?:commands?|options?|flags?|subcommands?|tool|utility)\b")
_RUN_THE = re.compile(
    r"(?i)\b(?:(?:run|execut|us|enter|issu|invok|typ)\w*(?: the| this)?|(?:with|via) (?:the|this))"
    r"\W*$"
)
"""`Run the X command` orders, `the Y option with X command` names."""
_ORDER_BEFORE = re.compile(
    r"(?i)(?:^|[.:;,!?]\s|\b(?:you can|can|should|must|please|to|then|and|may|might|need to|"
    r"want to)\s)"
    r"(?:\w+ly )?(?:run|execute|type|enter|issue|invoke|use|check|verify|validate|confirm|"
    r"ensure|test|get|"
    r"see|list|look|show|inspect|restart|stop|start|delete|remove|drain|cordon|scale|"
    r"roll back|rollback|"
    r"undo|revert|describe|view|find|set|watch|wait|create|apply|try|log in|login|connect|"
    r"open|repeat|"
    r"kill|clear|reload|enable|disable|flush|drop|change|edit|update|install|make sure|"
    r"understand)\b"
)
_LABEL = re.compile(r"(?::|\b(?:[Rr]un|[Ee]xecute|[Tt]ype|[Ii]ssue):?)\s+(?=\S)")


def inline_command(code: str, before: str, after: str) -> str | None:
    """The command that inline code is, or None.

    `before` and `after` are what of its sentence stands around it, other code in place.
    """
    text = " ".join(code.replace("\u00a0", " ").split())
    text = re.sub(r"^(?:\$|%|>) ", "", text)
    if len(text.split()) < 2 or languages.prose(text) or not _whole(text):
        return None
    if _TOLD.search(before) and not re.search(r"(?i)\b(?:please|now|then) run\W*$", before):
        return None
    if _DECLINED.match(after) and not _ORDER.search(before):
        return None
    if _NAMED.match(after) and not _RUN_THE.search(before):
        return None
    ordered = _ORDER.search(before) or _LEAD.search(before) or _ORDER_BEFORE.search(before)
    return text if ordered else None


def _whole(text: str) -> bool:
    """Whether code begins with a program, and goes on as its command would."""
    if languages.detect([text]) in languages.QUERIES and not languages.sure(text):
        return False
    if languages.sure(text):
        return True
    first, rest = text.split(" ", 1)
    english = languages.is_program(first) and not languages.prose(text)
    return english and not rest.startswith(("=", ":")) and bool(re.match(r"[a-z]", first))


def bare_command(sentence: str) -> tuple[int, int] | None:
    """Where in a sentence without code marks a command stands: inferred; None when none does."""
    for found in _LABEL.finditer(sentence):
        start = found.end()
        text = sentence[start:].rstrip()
        text = text[:-1].rstrip() if re.search(r"[a-z0-9)\"'][.;]$", text) else text
        if languages.sure(text) and len(text.split()) > 1 and not _trails_off(text):
            return start, start + len(text)
    if languages.sure(sentence) and languages.shaped(sentence) and not _trails_off(sentence):
        return len(sentence) - len(sentence.lstrip()), len(sentence.rstrip())
    return None


def _trails_off(text: str) -> bool:
    """Whether a command is followed by more of the sentence, so that nobody sees where it ends."""
    return bool(re.search(r"(?:[a-z]{2}[.?!]|,|\b(?:and|then|to|until|if)\b) ", text))
