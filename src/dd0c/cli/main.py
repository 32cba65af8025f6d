"""`dd0c`: finds the verb, imports only its module, and turns errors into a line and a status.

Every failure is `error: …` on stderr, then `hint: …` where something can be done about it. The exit
status comes from the error tree (base/errors.py): 2 for input and settings, 3 for a key that is
missing or too weak, 4 for not found, 5 for a conflict, 6 for a limit, 7 for a part that is away.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys

import click

from dd0c.base.errors import Error

VERBS = {
    "up": ("serve", "Start everything on this machine; Ctrl-C stops it."),
    "usage": ("usage", "Tokens and cost by model, key or day."),
    "key": ("key", "Make, list and revoke API keys."),
    "org": ("org", "Make and list organisations."),
    "doctor": ("doctor", "Find out what is wrong, why, and what to do."),
    "version": ("version", "The version of dd0c and of what it runs on."),
    "gateway": ("serve", "Run the LLM gateway alone."),
    "control": ("serve", "Run the console and the API alone."),
    "worker": ("serve", "Run the job worker alone."),
    "sim": ("serve", "Run simulated LLM providers."),
    "migrate": ("serve", "Bring the database's roles and schema up to date."),
}

EPILOG = """\b
Start here:
  dd0c up                                  start, then paste the request it prints
  dd0c usage --by model --since 24h        what it cost
  dd0c key create laptop                   a key that may only call models

Verbs find a dd0c on this machine by themselves. Elsewhere set DD0C_URL (the console's address)
and DD0C_KEY. Every verb has --help, and --json where it answers something.

Completion in bash (zsh, fish alike): eval "$(_DD0C_COMPLETE=bash_source dd0c)"
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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(name, short) for name, (_, short) in VERBS.items()])


@click.command(
    cls=Verbs,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
def dd0c() -> None:
    """A self-hosted control plane for teams that run software and AI. First: an LLM gateway that
    bills every token."""


def main() -> int:
    """Run the command line; returns the exit status."""
    try:
        status = dd0c.main(prog_name="dd0c", standalone_mode=False)
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
        if logging.getLogger().handlers:  # a part that serves has a log, a person needs a line
            logging.getLogger(__name__).exception("a verb failed")
        return _fail(f"{type(error).__name__}: {error}", "this is a bug of dd0c: report it", 1)
    return status if isinstance(status, int) else 0


def _usage_hint(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{context.command_path} --help" if context else ""


def _fail(message: str, hint: str, status: int) -> int:
    click.echo(f"error: {message}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
