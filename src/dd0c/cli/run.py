"""`dd0c run`: what runbooks say to do, and what their commands may do to the world.

`parse` and `classify` need no server: they read and judge here, and send nothing anywhere.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import click

from dd0c.base.errors import InvalidInput, TooLarge
from dd0c.cli import output
from dd0c.cli.output import How
from dd0c.products.run import filling, judging
from dd0c.products.run.judging import JudgedStep
from dd0c.products.run.models import Format, Parsed
from dd0c.scan.models import Risk, Understood, Verdict

F = TypeVar("F", bound=Callable[..., object])
CLASSES = [risk.label for risk in Risk if risk > Risk.SAFE]
COMMANDS_MAX = 10_000
BYTES_MAX = 4_000_000


@click.group()
def run() -> None:
    """Runbooks: from prose to steps, each with its risk and the reasons."""


def _format(function: F) -> F:
    return click.option(
        "--format",
        "format_name",
        type=click.Choice([each.value for each in Format]),
        help="How it is written; default: as it looks.",
    )(function)


@run.command()
@click.argument("file", type=click.Path(allow_dash=True), default="-")
@_format
@output.formats("json")
def parse(file: str, format_name: str | None, how: How) -> None:
    """Read a runbook into steps and judge their commands, without a server.

    FILE is Markdown, HTML (a saved page of a wiki) or text of at most 1 MB; - or nothing: stdin.
    Nothing is run, kept or sent. Each step says which lines it was made from; what stands for
    something (<node>) must be filled before the command can run.

    \b
    Examples:
      dd0c run parse disk-full.md
      pandoc --to markdown disk-full.docx | dd0c run parse
      dd0c run parse --json disk-full.md | jq '.steps[] | select(.risk == "dangerous") | .title'
    """
    from dd0c.cli import steps, verdicts

    parsed = judging.read(_source(file), _known(format_name))
    if how == "json":
        shown = [steps.as_json(n, one) for n, one in enumerate(_judged(parsed), 1)]
        remarks = [{"line": one.line, "text": one.text} for one in parsed.remarks]
        output.write_json({"format": parsed.format, "steps": shown, "remarks": remarks})
        return
    counts: Counter[Risk | None] = Counter()
    for number, judged in enumerate(_judged(parsed), 1):
        counts[judged.risk] += 1
        filled = filling.sample(judged.step)
        (later,) = [judged] if filled == judged.step else judging.judge([filled])
        verdicts.write((*steps.draw(number, judged, later.risk), ""))
        sys.stdout.flush()
    verdicts.write(steps.remarks(parsed))
    if counts:
        click.echo(steps.summary(counts))
    else:
        click.echo("no step: nothing in it tells its reader to do something")


@run.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--fail-at",
    type=click.Choice(CLASSES),
    default=Risk.BLOCKED.label,
    show_default=True,
    help="The class from which on a command is told, and fails.",
)
@_format
@output.formats("json")
def check(files: tuple[str, ...], fail_at: str, format_name: str | None, how: How) -> int:
    """Judge the commands of runbooks, for hooks and pipelines.

    Tells only of commands of a class, or worse, each with its place, as if a plain word stood for
    each <placeholder>. The exit status is that of the worst: 0 none, 10 caution, 20 dangerous, 30
    blocked; any other is no verdict.

    \b
    Examples:
      dd0c run check runbooks/*.md
      dd0c run check --fail-at dangerous --json disk-full.md | jq '.items[].reason'
    """
    from dd0c.cli import verdicts

    bound = Risk[fail_at.upper()]
    found = []
    for file in files:
        parsed = judging.read(_source(file), _known(format_name))
        for judged in _judged(parsed, filled=True):
            for command, verdict in zip(judged.step.commands, judged.verdicts, strict=True):
                if verdict.risk >= bound:
                    found.append((file, command.line, verdict))
    with _whoever_reads():
        if how == "json":
            items = [
                {"file": file, "line": line, **verdicts.as_json(verdict)}
                for file, line, verdict in found
            ]
            output.write_json({"items": items})
        else:
            for file, line, verdict in found:
                shown, *reasons = verdicts.brief(verdict)
                verdicts.write((f"{output.visible(file)}:{line}: {shown}", *reasons))
    return max((verdict.risk for _, _, verdict in found), default=Risk.SAFE)


@run.command()
@click.argument("old", type=click.Path(allow_dash=True))
@click.argument("new", type=click.Path())
@click.option("--markdown", is_flag=True, help="Steps whose risk changed, for a comment.")
@click.option("--name", help="What the Markdown calls the runbook; default: NEW.")
@_format
@output.formats("json")
def diff(
    old: str, new: str, *, markdown: bool, name: str | None, format_name: str | None, how: How
) -> None:
    """Compare two texts of a runbook step by step: what changed, and what that does to the risk.

    A step is the same wherever it moved, and while most of its words are. Risks are those with a
    plain word in place of each <placeholder>. /dev/null stands for a runbook that is not there.

    \b
    Examples:
      git show HEAD:disk-full.md | dd0c run diff - disk-full.md
      dd0c run diff --markdown old.md new.md
      dd0c run diff --json old.md new.md | jq '.items[] | select(.after.risk == "dangerous")'
    """
    if markdown and how == "json":
        raise InvalidInput("--markdown and --json exclude each other")
    from dd0c.cli import changes, verdicts

    before, after = (
        list(_judged(judging.read(_source(file), _known(format_name)), filled=True))
        for file in (old, new)
    )
    found = changes.compare(before, after)
    if how == "json":
        output.write_json({"items": [changes.as_json(one) for one in found]})
    elif markdown:
        verdicts.write(changes.markdown(name or new, found))
    else:
        for one in found:
            verdicts.write(changes.draw(one))
        click.echo(f"{len(found)} of {max(len(before), len(after))} steps differ")


@run.command()
@click.argument("commands", metavar="[COMMAND]...", nargs=-1)
@click.option("-0", "--null", "by_nul", is_flag=True, help="Commands on stdin end with NUL.")
@click.option("--explain", is_flag=True, help="Show what was understood, and every reason.")
@output.formats("json")
def classify(commands: tuple[str, ...], *, by_nul: bool, explain: bool, how: How) -> int:
    """Judge shell commands, without running them and without a server.

    Each COMMAND is the text of one, in quotes; without any they are read from stdin, one a line,
    or with -0 up to a NUL, so that one may have several lines. The worst decides the exit status:

    \b
       0  safe       it only reads: every word of it is known
      10  caution    it changes something that can be changed back, or is bounded
      20  dangerous  it destroys, is unbounded, or could not be understood
      30  blocked    nobody should run it

    Any other status is no verdict: 1 a bug of dd0c, 2 nothing to judge or no text, 130 interrupted.

    \b
    Examples:
      dd0c run classify 'kubectl get pods -A'
      dd0c run classify --explain 'find /var/tmp -name "*.log" -delete'
      git diff -U0 deploy.sh | sed -n 's/^+//p' | dd0c run classify --json | jq '.items[].risk'
      dd0c run classify "$line" && sh -c "$line"
    """
    if by_nul and commands:
        raise InvalidInput("-0 is for commands on stdin: give them there, or without -0")
    texts = _checked(commands or _piped(by_nul=by_nul))
    from dd0c.scan import verdicts as scan  # the parsers: only who judges pays

    judged = scan.explain(texts)
    with _whoever_reads():
        _print(judged, how, explain=explain)
    return max(verdict.risk for verdict, _ in judged)


@contextmanager
def _whoever_reads() -> Iterator[None]:
    """A reader (head) that has seen enough does not change what the exit status says."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _known(name: str | None) -> Format | None:
    return None if name is None else Format(name)


def _judged(parsed: Parsed, *, filled: bool = False) -> Iterator[JudgedStep]:
    """The steps with their verdicts; `filled`: those of commands with a word in place of each
    placeholder."""
    for batch in judging.batches(parsed.steps):
        judged = judging.judge([filling.sample(step) for step in batch] if filled else batch)
        for step, one in zip(batch, judged, strict=True):
            yield JudgedStep(step, one.verdicts)


def _source(file: str) -> str:
    """The text of a runbook."""
    if file == "-" and sys.stdin.isatty():
        raise InvalidInput("say which runbook to read", hint="dd0c run parse FILE")
    try:
        with click.open_file(file, "rb") as stream:
            given: bytes = stream.read(judging.SOURCE_BYTES_MAX + 1)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}") from None
    if len(given) > judging.SOURCE_BYTES_MAX:
        raise TooLarge(
            f"{file} has more than {judging.SOURCE_BYTES_MAX:,} bytes",
            hint="divide it into runbooks that call each other",
        )
    try:
        return given.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{file} is not UTF-8: {error.reason} at byte {error.start:,}",
            hint="save it as Markdown, HTML or text in UTF-8 (`iconv -t utf-8`, `pandoc`)",
        ) from None


def _print(
    judged: Sequence[tuple[Verdict, Sequence[Understood]]], how: How, *, explain: bool
) -> None:
    from dd0c.cli import verdicts

    if how == "json":
        risk = max(verdict.risk for verdict, _ in judged)
        items = [verdicts.as_json(verdict) for verdict, _ in judged]
        output.write_json({"risk": risk.label, "items": items})
        return
    for number, (verdict, understood) in enumerate(judged):
        if explain and number:
            click.echo()
        lines = verdicts.explained(verdict, understood) if explain else verdicts.brief(verdict)
        verdicts.write(lines)


def _piped(*, by_nul: bool) -> list[str]:
    """The commands on stdin."""
    hint = "dd0c run classify 'rm -rf /tmp/x', or commands on stdin, one a line"
    if sys.stdin is None or sys.stdin.isatty():
        raise InvalidInput("say which command to judge", hint=hint)
    given = sys.stdin.buffer.read(BYTES_MAX + 1)
    if len(given) > BYTES_MAX:
        raise TooLarge(f"stdin has more than {BYTES_MAX:,} bytes", hint="judge it in parts")
    try:
        text = given.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"stdin is not UTF-8: {error.reason} at byte {error.start:,}") from None
    texts = [one for one in text.split("\0" if by_nul else "\n") if one.strip()]
    if not texts:
        raise InvalidInput("there is no command on stdin", hint=hint)
    return texts


def _checked(texts: Sequence[str]) -> Sequence[str]:
    if len(texts) > COMMANDS_MAX:
        raise TooLarge(
            f"{len(texts):,} commands are more than {COMMANDS_MAX:,}", hint="judge them in parts"
        )
    for number, text in enumerate(texts, 1):
        if not text.strip():
            raise InvalidInput(f"command {number} is empty")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidInput(f"command {number} is not UTF-8") from None
    return texts
