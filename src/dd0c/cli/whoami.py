"""`dd0c whoami`: which dd0c the verbs speak to, as whom, and where that was found."""

from __future__ import annotations

import click

from dd0c.cli import client, output
from dd0c.cli.output import How


@click.command()
@output.formats("json")
def whoami(how: How) -> None:
    """Which dd0c the verbs speak to, with which key, what it may do, and who said so.

    \b
    Examples:
      dd0c whoami
      dd0c --profile staging whoami
      dd0c whoami --json | jq .permissions
    """
    target = client.find_target(profile=client.chosen_profile())
    me = client.call("GET", "/me")
    found = {"url": target.url, "url_from": target.url_from, "key_from": target.key_from, **me}
    if how == "json":
        output.write_json(found)
        return
    key = me["key"]  # what the command line speaks with
    facts = (
        ("url", f"{target.url}  ({target.url_from})"),
        ("organisation", f"{me['org']}  ({me['org_id']})"),
        ("key", f"{key['name']}  ({key['id']})"),
        ("key from", target.key_from),
        ("roles", me["roles"]),
        ("scopes", me["scopes"]),
        ("permissions", me["permissions"]),
        ("expires", output.moment(me["expires_at"]) or "never"),
    )
    output.write_facts(facts)
