"""Commands within sentences: what the text says to run, and nothing that it only talks about."""

from __future__ import annotations

import pytest

from dd0c.products.run.parsing.inline import bare_command, inline_command

ORDERED = (
    ("Run ", "oc get pods -n x", "."),
    ("Then execute ", "systemctl restart nginx", " on the node."),
    ("Restart it with ", "kubectl rollout restart deploy/x", "."),
    ("To undo it: ", "kubectl -n data scale deploy/<c> --replicas=1", ""),
    ("by describing one of the failing pods with ", "oc describe pod ...", "."),
    ("Clone this repository: ", "git clone git@host:a/b.git", ""),
    ("Use ", "df -h", " to see how full it is."),
    ("Check the logs using ", "journalctl -u kubelet", ""),
    ("Check Redis: ", "kubectl get pods -l app=redis", ""),
    ("", "sudo systemctl restart x", ""),
    ("If it is down, restart: ", "systemctl restart x", ""),
    ("Invoke: ", "sudo /var/opt/x/delete.sh --dry-run=no 'a'", ""),
    ("Run ", "$ oc get pods", ""),
    ("Run the ", "oc get pods", " command."),
    ("Using ", "oc get pods", " command, look at them."),
    ("Type ", "ssh <user>@host", " and press enter."),
)
SAID = (
    ("Use ", "mtr", " to find the hop."),
    ("Check the ", "virt-api", " pods."),
    ("The daemon runs ", "curl -s localhost/x", " every minute."),
    ("in step 3 ", "rm -rf /var/cache/x", " was run by mistake."),
    ("Never run ", "FLUSHALL ASYNC", " here."),
    ("Do not run ", "rm -rf /x", "."),
    ("The value is ", "max_connections = 100", "."),
    ("with ", "status: True", "."),
    ("It shows ", 'default_runtime = "runc"', "."),
    ("Look for ", "no space left on device", " in the logs."),
    ("query ", "up == 0", " in Observe."),
    ("Run ", "SELECT pg_is_in_recovery();", ""),
    ("set the ", "app.kubernetes.io/name", " label."),
    ("wait for ", "UPDATED=True", "."),
    ("You may need `--previous` command with ", "oc logs", " command to get the logs."),
    ("the container ", "/usr/bin/x", " is there"),
)


@pytest.mark.parametrize(("before", "code", "after"), ORDERED)
def test_what_the_text_says_to_run_is_a_command(before: str, code: str, after: str) -> None:
    """Inline code is a command when the sentence orders it and it begins with a program (N-1)."""
    assert inline_command(code, before, after) == code.removeprefix("$ ")


@pytest.mark.parametrize(("before", "code", "after"), SAID)
def test_what_the_text_talks_about_is_none(before: str, code: str, after: str) -> None:
    """Names, values, warnings and tales are no commands (N-2)."""
    assert inline_command(code, before, after) is None


@pytest.mark.parametrize(
    ("sentence", "command"),
    [
        ("on the bastion: redis-cli -h $HOST info", "redis-cli -h $HOST info"),
        ("if it is above 9, restart it: sudo systemctl restart x", "sudo systemctl restart x"),
        ("Run kubectl get pods -n shop.", "kubectl get pods -n shop"),
        ("kubectl -n shop get pods -l app=x", "kubectl -n shop get pods -l app=x"),
        ("Note: find the pod that is not ready", None),
        ("The error says: make sure that it is up", None),
        ("2024-03-02 rm -rf /var/cache/x was run by mistake", None),
        ("Ask the owner. Do not go on without a yes.", None),
        ("Run kubectl get pods and then delete the one that fails", None),
        ("Run kubectl get pods -n x, then delete one", None),
    ],
)  # fmt: skip
def test_commands_without_marks(sentence: str, command: str | None) -> None:
    """Without code marks only what stands behind a colon or an order is one (N-2)."""
    place = bare_command(sentence)
    assert (sentence[place[0] : place[1]] if place else None) == command
