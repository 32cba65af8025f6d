"""`dd0c route tokens`: counting tokens as the gateway does, and how well it does."""

from __future__ import annotations

from typing import Any, BinaryIO

import click

from dd0c.base.errors import InvalidInput
from dd0c.cli import client, output
from dd0c.cli.output import Column, How


@click.group(invoke_without_command=True)
@click.option("--accuracy", is_flag=True, help="Show how well each model's tokens are counted.")
@output.formats("json", "csv")
@click.pass_context
def tokens(context: click.Context, *, accuracy: bool, how: How) -> None:
    """Counting tokens where the provider does not: of streams that were cut, and before sending.

    Where a provider publishes its vocabulary, a text is counted exactly. Where it does not (Claude
    since 3, Gemini), it is counted in OpenAI's and multiplied by a factor, which is learned from
    answers that the provider counted. The error is relative: 0.05 is five per cent.

    \b
    Examples:
      dd0c route tokens --accuracy
      dd0c route tokens --accuracy --json | jq '.items[] | select(.exact | not)'
      dd0c route tokens count --model claude-sonnet-4-5 prompt.txt
    """
    if context.invoked_subcommand is not None:
        if accuracy or how != "table":
            raise InvalidInput("--accuracy, --csv and --json belong to `dd0c route tokens` itself")
        return
    if not accuracy:
        click.echo(context.get_help())
        return
    found = client.call("GET", "/route/tokens/accuracy")
    if how == "json":
        output.write_json(found)
        return
    output.write_list(how, found["items"], COLUMNS)


def _source(one: dict[str, Any]) -> str:
    if one["exact"]:
        return "its own"
    return "learned" if one["learned"] else "guess"


def _share(name: str) -> Any:
    def show(one: dict[str, Any]) -> str | None:
        return None if one[name] is None else f"{100 * one[name]:.1f}"

    return show


COLUMNS = (
    Column("model", "model"),
    Column("provider", "provider", "whole"),
    Column("vocabulary", "vocabulary", "whole"),
    Column("factor", lambda one: f"{one['factor']:.3f}", "number"),
    Column("from", _source, "whole"),
    Column("samples", "samples", "number"),
    Column("mean error %", _share("mean_error"), "number"),
    Column("p95 error %", _share("p95_error"), "number"),
)


@tokens.command()
@click.option("--model", required=True, help="Whose tokens.")
@click.option("--provider", help="Whose price list holds for it, where several offer the model.")
@click.argument("file", type=click.File("rb"), default="-")
@output.formats("json")
def count(model: str, provider: str | None, file: BinaryIO, how: How) -> None:
    """Count the tokens of a text, from FILE or what is piped in.

    The text stays on this machine; only what was learned of the model is asked for.

    \b
    Examples:
      dd0c route tokens count --model gpt-5-mini README.md
      git diff | dd0c route tokens count --model claude-sonnet-4-5
    """
    from dd0c.products.route.tokens.counting import count_text  # 40 MB: only who counts pays
    from dd0c.products.route.tokens.factors import Measure

    try:
        text = file.read().decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"that is no text: {error}") from None
    query = {"model": model, "provider": provider}
    items = client.call("GET", "/route/tokens/accuracy", query=query)["items"]
    if len(items) > 1:
        several = ", ".join(one["provider"] for one in items)
        raise InvalidInput(f"several offer {model}: choose with --provider one of {several}")
    of = items[0]
    counted = count_text(Measure(of["vocabulary"], of["factor"], of["error"]), text)
    facts = {
        "model": of["model"],
        "tokens": counted.tokens,
        "error": counted.error,
        "vocabulary": of["vocabulary"],
        "factor": of["factor"],
    }
    if how == "json":
        output.write_json(facts)
    elif counted.error:
        click.echo(f"{counted.tokens} (give or take {100 * counted.error:.0f} %)")
    else:
        click.echo(counted.tokens)
