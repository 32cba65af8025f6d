"""find's words: where to look, then tests and actions, all beginning with a dash.

The tests only look. `-exec` and its kin hold a command to their end (`;`, or `{} +`), which is
handed back with the found name in place of `{}`: a name that is not said, but begins like the place
where the search began. A word that is no test known here may be an action."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dd0c.scan import options, paths
from dd0c.scan.judgement import NOTHING, Judgement, found
from dd0c.scan.languages.facts import named
from dd0c.scan.models import Effect, Risk, Span
from dd0c.scan.options import Doubt
from dd0c.scan.syntax import Expansion, Invocation, Literal, Part, Place, Word

_TAKES = named(
    "-amin -anewer -atime -cmin -cnewer -context -ctime -fstype -gid -group -ilname -iname -inum "
    "-ipath -iregex -iwholename -links -lname -maxdepth -mindepth -mmin -mtime -name -newer "
    "-path -perm -printf -regex -regextype -samefile -size -type -uid -used -user -wholename "
    "-xtype -Btime -Bmin -Bnewer -flags -D -xattrname"
)
_ALONE = named(
    "-a -and -o -or -not ! ( ) , -daystart -depth -d -empty -executable -false -follow -fstype "
    "-ignore_readdir_race -ls -mount -nogroup -noignore_readdir_race -noleaf -nouser -nowarn "
    "-print -print0 -prune -quit -readable -true -warn -writable -x -xdev -H -L -P -E -X -s "
    "-help --help -version --version -sparse -acl -O0 -O1 -O2 -O3"
) - {"-fstype"}
_LEADS = named("-H -L -P -E -X -s -x -D -O0 -O1 -O2 -O3")
_NEWER = re.compile(r"-newer[aBcm][aBcmt]")
_RUNS = frozenset({"-exec", "-execdir", "-ok", "-okdir"})
_WRITES = {"-fprint": 1, "-fprint0": 1, "-fls": 1, "-fprintf": 2}
_NAME = "the name that was found"


def read_words(invocation: Invocation) -> Judgement:
    """What the search does besides showing names."""
    said = Judgement(effects=frozenset({Effect.READS}))
    words = list(invocation.words[1:])
    looking = True
    while words:
        word = words.pop(0)
        text = word.text
        if text is None:
            said += _unsaid(word, invocation.place)
        elif text in _RUNS:
            said += _run(word, words, invocation)
        elif text in _WRITES:
            said += _written(words, _WRITES[text])
        elif text == "-delete":
            why = "find: -delete removes what is found"
            said += found(Risk.DANGEROUS, "deletes", word.span, why, Effect.DELETES)
        elif text == "-files0-from":
            said += paths.judge_read(words.pop(0)) if words else NOTHING
        elif text in _TAKES or _NEWER.fullmatch(text):
            del words[:1]
        elif text not in _ALONE and (text.startswith("-") or not looking):
            why = f"find: {text} is not known"
            said += found(Risk.DANGEROUS, "unknown-option", word.span, why)
        looking = looking and (text in _LEADS or not (text or "").startswith(("-", "(", "!")))
    return said


def _unsaid(word: Word, place: Place) -> Judgement:
    """A word that may turn out to be an action."""
    far = options.doubt(word, place)
    path = any("/" in part.text for part in word.parts if isinstance(part, Literal))
    if not far or (path and not word.splits):
        return NOTHING
    risk = Risk.DANGEROUS if far is Doubt.ANY else Risk.CAUTION
    why = "find: a word that is not said may be an action"
    return found(risk, "option-unsaid", word.span, why)


def _written(words: list[Word], count: int) -> Judgement:
    taken, words[:count] = words[:count], []
    return paths.judge_write(taken[0]) if taken else NOTHING


def _run(action: Word, words: list[Word], invocation: Invocation) -> Judgement:
    """The command of an action, up to its end."""
    command: list[Word] = []
    while words:
        word = words.pop(0)
        if word.text == ";" or (word.text == "+" and command and command[-1].text == "{}"):
            break
        command.append(word)
    else:
        why = "find: the command has no end that is said"
        return found(Risk.DANGEROUS, "program-unreadable", action.span, why)
    if not command:
        return NOTHING
    span = Span(command[0].span.start, command[-1].span.end)
    place = Place(assigned=invocation.place.assigned)
    inner = Invocation(tuple(_with_name(word) for word in command), span, place=place)
    return Judgement(invocations=(inner,))


def _with_name(word: Word) -> Word:
    """The word with what was found in place of `{}`.

    A lone `{}` is a path that begins as the search did, or with `./`: never an option. Within other
    text it may hold anything, quotes and semicolons too.
    """
    parts: list[Part] = []
    for part in word.parts:
        if not isinstance(part, Literal) or "{}" not in part.text:
            parts.append(part)
            continue
        for number, piece in enumerate(part.text.split("{}")):
            if number:
                parts += _found(part, lone=word.text == "{}")
            if piece:
                parts.append(Literal(piece, part.span, part.quoted))
    return Word(tuple(parts), word.span)


def _found(part: Literal, lone: bool) -> Sequence[Part]:
    name = Expansion(_NAME, part.span, quoted=True)
    return [Literal("./", part.span), name] if lone else [name]
