"""`dd0c`: finds the verb, imports only its module, and turns errors into a line and a status.

Every failure is `error: …` on stderr, then `hint: …` where something can be done about it. The exit
status comes from the error tree (base/errors.py); `exits` makes the table of them.
"""

from __future__ import annotations

import errno
import importlib
import logging
import os
import sys
from collections.abc import Sequence

import click
from click.exceptions import NoSuchCommand

from dd0c import __version__
from dd0c.base import log, redact
from dd0c.base.errors import Error
from dd0c.cli import completing, exits, output

VERBS = {
    "up": ("serve", "Start everything on this machine; Ctrl-C stops it."),
    "status": ("status", "Whether it is well, and the last day's numbers."),
    "usage": ("usage", "Tokens and cost by model, key, team, tag, day."),
    "requests": ("requests", "List requests, show one's whole story, follow them live."),
    "route": ("route", "The LLM gateway: providers, requests, usage."),
    "run": ("run", "Runbooks: judge their commands, read them into steps."),
    "key": ("key", "Make, list and revoke API keys."),
    "person": ("person", "List people, change what they may do, remove them."),
    "invite": ("invite", "Invite people; list and revoke invitations."),
    "team": ("team", "Make, list and remove teams of keys."),
    "org": ("org", "Make and list organisations, set the time zone."),
    "hook": ("hook", "Webhooks: who sends here, who is told, and what."),
    "audit": ("audit", "What happened here, and the proof that the log is whole."),
    "parts": ("parts", "The running processes; forget one that is gone."),
    "content": ("content", "What is kept of what others sent, and how long."),
    "job": ("job", "Background jobs: what failed; try it again."),
    "panic": ("panic", "The brake: put it on, release it, see whether it is on."),
    "flag": ("flag", "What is on for whom: by percentage, by organisation."),
    "plan": ("plan", "How much an organisation may have, and has."),
    "whoami": ("whoami", "Which dd0c, which key, what it may do."),
    "profile": ("profile", "Name installations, to reach them with --profile."),
    "doctor": ("doctor", "Find out what is wrong, why, and what to do."),
    "reload": ("reload", "Take over new settings and code; nobody is cut off."),
    "completion": ("completion", "Completion for bash, zsh or fish."),
    "version": ("version", "The version of dd0c and of what it runs on."),
    "gateway": ("serve", "Run the LLM gateway alone."),
    "control": ("serve", "Run the console and the API alone."),
    "worker": ("serve", "Run the job worker alone."),
    "spool": ("spool", "Ship what the gateway of a dead host left."),
    "sim": ("sim", "Run simulated LLM providers."),
    "vault": ("vault", "The keys that seal secrets: look at them, rotate them."),
    "backup": ("backup", "Write all that a restore needs into one file."),
    "restore": ("restore", "Make an installation from such a file."),
    "migrate": ("serve", "Bring the database's roles and schema up to date."),
}

EPILOG = """\b
Start here:
  dd0c up                                  start, then paste the request it prints
  dd0c usage --by model --since 24h        what it cost
  dd0c key create laptop                   a key that may only call models

Verbs find a dd0c on this machine by themselves. Elsewhere set DD0C_URL (the console's address)
and DD0C_KEY, or name it once with `dd0c profile add`. Every verb has --help, and --json where it
answers something. NO_COLOR and FORCE_COLOR are respected.
"""


class Verbs(click.Group):
    """A group that knows its verbs' names and one-line helps, and imports a verb when it runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"dd0c.cli.{VERBS[cmd_name][0]}")
        verb: click.Command = getattr(module, cmd_name)
        return verb

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand:
            raise NoSuchCommand(args[0], possibilities=VERBS, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(name, short) for name, (_, short) in VERBS.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        with formatter.section("Exit statuses"):
            formatter.write_dl([(str(status), meaning) for status, meaning in exits.table()])


@click.command(
    cls=Verbs,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--profile",
    metavar="NAME",
    shell_complete=completing.profile_names,
    help="The installation to speak to (DD0C_PROFILE); see `dd0c profile`.",
)
@click.version_option(__version__, prog_name="dd0c", message="%(prog)s %(version)s")
def dd0c(profile: str | None) -> None:
    """A self-hosted control plane for teams that run software and AI. First: an LLM gateway that
    bills every token."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (`argv` without the program; None: as this process was called); returns
    the exit status."""
    if sys.stdout is None:  # closed by the caller, who does not want to read
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    try:
        status = dd0c.main(argv, prog_name="dd0c", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        return _fail(error.format_message(), _usage_hint(error), error.exit_code)
    except Error as error:
        return _fail(error.message, error.hint, error.exit_status)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", "", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0  # the reader (head, less) had enough
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return _fail("no room left where this writes to", "make room on that disk", 7)
        if isinstance(sys.stderr, redact.Masked):  # a part has a log, a person needs a line
            logging.getLogger(__name__).exception("a verb failed")
        return _fail(f"{type(error).__name__}: {error}", "this is a bug of dd0c: report it", 1)
    return status if isinstance(status, int) else 0


def _usage_hint(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{context.command_path} --help" if context else ""


def _fail(message: str, hint: str, status: int) -> int:
    output.tell("error:", "red", message)
    if hint:
        output.tell("hint:", "cyan", hint)
    return status


def run() -> int:
    """The program: the command line, and nothing that goes wrong beside it shows a secret."""
    log.configure("dd0c", "warning", sys.stderr)
    return main()


if __name__ == "__main__":
    sys.exit(run())
