"""`dd0c completion`: what a shell needs to complete verbs, flags and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

INSTALL = {
    "bash": "dd0c completion bash > ~/.local/share/bash-completion/completions/dd0c",
    "zsh": "dd0c completion zsh > ~/.zfunc/_dd0c    (with fpath+=~/.zfunc before compinit)",
    "fish": "dd0c completion fish > ~/.config/fish/completions/dd0c.fish",
}


@click.command()
@click.argument("shell", type=click.Choice(list(INSTALL)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for bash, zsh or fish; its first lines say where it goes.

    Verbs, flags and their values are completed, and the ids and names that a running dd0c knows.

    \b
    Examples:
      source <(dd0c completion bash)         this shell only
      dd0c completion bash > ~/.local/share/bash-completion/completions/dd0c
      dd0c completion zsh > ~/.zfunc/_dd0c
      dd0c completion fish > ~/.config/fish/completions/dd0c.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    made = found(ctx.find_root().command, {}, "dd0c", "_DD0C_COMPLETE")
    head, *body = (made.source_template % made.source_vars()).strip().splitlines()
    install = f"# install: {INSTALL[shell]}"
    # zsh looks for `#compdef` in the first line
    lines = [head, install, *body] if head.startswith("#compdef") else [install, head, *body]
    click.echo("\n".join(lines))
