"""The words of `words.yaml`, made into what sentences are tried against; read at first use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import msgspec

_Alternatives = str  # words between bars or blanks


class _Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    verbs: str
    doubtful: str
    nouns_before: str
    vague: str
    no_orders: str
    leads: str
    conditions: str
    circumstances: str
    persons: str
    modals: str
    offers: str
    advice: str
    perceptions: str
    insights: str
    expectations: list[str]
    output_leads: list[str]
    questions: str
    changes: str
    reading_commands: str
    changing_commands: str
    waits: list[str]
    choices: list[str]
    no_choices: list[str]
    labels: str
    undoes: list[str]
    forbids: str
    templates: str
    announces: list[str]
    follows: str
    reads_more: str
    pages: str
    explaining: str
    acting: str
    tails: list[str]
    times: dict[str, int]
    lasts: str
    table_actions: str


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Patterns; each is tried at the place where a clause begins, or searched where it says so."""

    order: re.Pattern[str]
    gerund: re.Pattern[str]
    no_order: re.Pattern[str]
    lead: re.Pattern[str]
    condition: re.Pattern[str]
    circumstance: re.Pattern[str]
    duty: re.Pattern[str]
    offer: re.Pattern[str]
    advice: re.Pattern[str]
    perception: re.Pattern[str]
    insight: re.Pattern[str]
    expectation: re.Pattern[str]
    output_lead: re.Pattern[str]
    question: re.Pattern[str]
    change: re.Pattern[str]
    reading_command: re.Pattern[str]
    changing_command: re.Pattern[str]
    wait: re.Pattern[str]
    choice: re.Pattern[str]
    no_choice: re.Pattern[str]
    ways: re.Pattern[str]
    label: re.Pattern[str]
    undo: re.Pattern[str]
    forbidden: re.Pattern[str]
    template: re.Pattern[str]
    announcement: re.Pattern[str]
    follow: re.Pattern[str]
    reads_more: re.Pattern[str]
    page: re.Pattern[str]
    explaining: re.Pattern[str]
    acting: re.Pattern[str]
    tails: tuple[re.Pattern[str], ...]
    time: re.Pattern[str]
    seconds: dict[str, int]
    lasts: re.Pattern[str]
    table_action: re.Pattern[str]
    vague: frozenset[str]


_DETERMINED = (
    r"(?:the|an?|all|any|your|our|each|it|its|them|this|that|these|those|both|every|in|into|on|out|off|at|for|with|from"
    r"|if|whether|how|what|which|or|and|as|down|up|back|through|over|via|by|only|one|two|more|some"
    r"|another|no|\w+s)\b"
    r"|[`$\d\"'#@]"
)


def _any(words: _Alternatives) -> str:
    return "(?:" + "|".join(word.strip() for word in words.split("|")) + ")"


def _listed(words: str) -> str:
    return "(?:" + "|".join(sorted(words.split(), key=len, reverse=True)) + ")"


def _pattern(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)


def _gerund(verb: str) -> str:
    if verb.endswith("e") and not verb.endswith("ee"):
        return verb[:-1] + "ing"
    doubled = verb[-1] if re.search(r"[^aeiou][aeiou][bdgmnprt]$", verb) else ""
    return f"{verb}{doubled}?ing" if doubled else f"{verb}ing"


@cache
def load() -> Vocabulary:
    """The vocabulary; a word list that misses a key does not load."""
    w = msgspec.yaml.decode(
        files("dd0c.products.run.parsing").joinpath("words.yaml").read_bytes(), type=_Words
    )
    verbs = _listed(w.verbs)
    verb = rf"(?P<verb>(?:re-)?{verbs}|make sure|be sure)\b(?![-/'’=.])"
    adverbs = r"(?:(?:also|then|first|now|always|only|just|still|either|try to|\w+ly)\s+){0,3}"
    gerunds = "|".join(sorted((_gerund(v) for v in w.verbs.split()), key=len, reverse=True))
    units = _listed(" ".join(f"{unit}s {unit}" for unit in w.times))
    return Vocabulary(
        order=_pattern(
            rf"(?!{_listed(w.doubtful)}\s+(?!{_DETERMINED}))"
            rf"{verb}(?!\s*:\s*\S+\s*$)(?!\s+{_listed(w.nouns_before)}\b)"
        ),
        gerund=_pattern(rf"(?P<verb>{gerunds})\b"),
        no_order=_pattern(rf"{_any(w.no_orders)}\b"),
        lead=_pattern(rf"(?:{_any(w.leads)}\b[,:]?|\[[ x]?\]|\([a-z ]{{3,20}}\)|@[\w-]+:)\s+"),
        condition=_pattern(rf"{_any(w.conditions)}\b"),
        circumstance=_pattern(rf"{_any(w.circumstances)}\b"),
        duty=_pattern(
            rf"{_any(w.persons)}(?:\s+|(?='))(?:then |now )?"
            rf"{_any(w.modals)}\s+{adverbs}(?:to\s+)?{verb}"
        ),
        offer=_pattern(
            rf"{_any(w.persons)}\s+(?:(?P<able>can)|{_any(w.offers)})\s+"
            rf"{adverbs}(?:want to\s+)?{verb}"
        ),
        advice=_pattern(
            r"(?:it is|it's|it may be|it might be|we|you are)\s+(?:\w+ly\s+)?"
            rf"(?:{_any(w.advice)}|recommend|suggest|advise)"
            rf"\s+(?:to|that you|you|that we)\s+(?:should\s+)?{verb}"
        ),
        perception=_pattern(rf"{_any(w.perceptions)}\b"),
        insight=_pattern(rf"{_any(w.insights)}\b"),
        expectation=_pattern(*w.expectations),
        output_lead=_pattern(*w.output_leads),
        question=_pattern(rf"\b{_any(w.questions)}\b"),
        change=_pattern(
            rf"(?:{_listed(w.changes)})\b",
            rf"(?:try|consider|start by|by)\s+(?:{'|'.join(map(_gerund, w.changes.split()))})\b",
        ),
        reading_command=re.compile(_any(w.reading_commands)),
        changing_command=re.compile(_any(w.changing_commands)),
        wait=_pattern(*w.waits),
        choice=_pattern(*w.choices),
        no_choice=_pattern(*w.no_choices),
        ways=_pattern(rf".{{2,200}}\bor\s+(?:\w+ly\s+)?(?!{_listed(w.doubtful)}\b){verbs}\b"),
        label=_pattern(rf"(?:{_any(w.labels)})\s*:"),
        undo=_pattern(*w.undoes),
        forbidden=_pattern(
            rf"(?:please\s+)?{_any(w.forbids)}\b",
            rf"{_any(w.persons)}\s+(?:must|should) (?:not|never)\b",
        ),
        template=_pattern(w.templates),
        announcement=_pattern(*w.announces),
        follow=_pattern(rf"{_any(w.follows)}\b"),
        reads_more=_pattern(rf"\b{_any(w.reads_more)}"),
        page=_pattern(rf"\b{_any(w.pages)}\b"),
        explaining=_pattern(rf"{_any(w.explaining)}\W*$"),
        acting=_pattern(rf"\b{_any(w.acting)}\b"),
        tails=tuple(map(_pattern, w.tails)),
        time=_pattern(
            rf"(?<![\w.=-])(?P<count>\d{{1,4}}|an?|one|two|three|five|ten|fifteen|thirty)(?:\s*(?:-|to|–)\s*(?P<upper>\d{{1,4}}))?\s*-?\s*(?P<unit>{units})\b"
        ),
        seconds={f"{unit}{s}": value for unit, value in w.times.items() for s in ("", "s")},
        lasts=_pattern(w.lasts),
        table_action=_pattern(rf"(?:{_any(w.table_actions)})\W*$"),
        vague=frozenset(w.vague.split()),
    )
