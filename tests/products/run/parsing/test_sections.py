"""Which sentences of a page are steps, of which kind, and what belongs to each (N-1)."""

from __future__ import annotations

import pytest

from dd0c.products.run import parsing
from dd0c.products.run.models import Format, Step


def steps(*blocks: str) -> tuple[Step, ...]:
    return parsing.parse("# Page\n\n## Diagnosis\n\n" + "\n\n".join(blocks), Format.MARKDOWN).steps


def told(*blocks: str) -> list[tuple[str, str]]:
    return [(step.kind.value, step.title) for step in steps(*blocks)]


CODE = "```sh\n{}\n```"


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("Restart the pod.", "manual"),
        ("Then, please restart the pod.", "manual"),
        ("If the pod hangs, you should restart it.", "manual"),
        ("If the pod hangs then restart it.", "manual"),
        ("To free memory, restart the pod.", "manual"),
        ("It is recommended to restart the pod.", "manual"),
        ("You can safely ignore it.", "manual"),
        ("Wait for 5 minutes.", "wait"),
        ("Either restart the pod or call the owner.", "decision"),
        ("Follow the [restart guide](restart.md).", "call"),
        ("The pod restarts when it is out of memory.", None),
        ("Restarting takes a while.", None),
        ("Access to the pod is limited.", None),
        ("Never restart the pod.", None),
        ("Do not restart the pod.", None),
        ("For more information, see the [guide](restart.md).", None),
        ("Note: restart the pod.", None),
        ("The agent checks this by running `curl -s localhost/healthz`.", None),
        ("TODO", None),
    ],
)
def test_a_sentence_is_a_step_when_it_asks_for_something(sentence: str, kind: str | None) -> None:
    """An order is a step of its kind; explanation, prohibition and a template's words are none."""
    assert [step.kind for step in steps(sentence)] == ([kind] if kind else [])


def test_commands_follow_the_sentence_that_asks_for_them() -> None:
    """A block belongs to the order above it; what judges its output makes a check of it."""
    (step,) = steps(
        "List the pods:", CODE.format("kubectl get pods"), "All pods should be Running."
    )
    assert step.kind == "check"
    assert [c.text for c in step.commands] == ["kubectl get pods"]
    assert (step.expected, step.tool) == ("All pods should be Running.", "shell")
    assert step.lines == (5, 11)
    assert step.section == ("Page", "Diagnosis")


def test_what_changes_something_is_no_check() -> None:
    """A sentence with "verify" does not make a deletion harmless."""
    assert told(
        "Delete the pod and verify that it is gone:", CODE.format("kubectl delete pod x")
    ) == [("command", "Delete the pod and verify that it is gone")]


def test_a_list_is_steps_or_details() -> None:
    """Items detail an order; they are steps when they have commands, or when nothing leads them."""
    assert told("Collect these:\n\n- the logs\n- Copy the events.") == [("manual", "Collect these")]
    assert told("Check the cluster:\n\n- See the pods: `kubectl get pods`\n- Call the owner.") == [
        ("command", "See the pods: kubectl get pods"),
        ("manual", "Call the owner"),
    ]
    assert told("Going on may:\n\n- Block upgrades\n- Prevent access") == []


def test_a_condition_of_several_steps_is_a_decision() -> None:
    """ "If …:" over several items is a decision before them; over one it is that step's own."""
    several = told("If the disk is full:\n\n- Delete old logs.\n- Call the owner.")
    assert [kind for kind, _ in several] == ["decision", "manual", "manual"]
    (one,) = steps("If the disk is full:\n\n- Delete old logs.")
    assert (one.kind, one.lines) == ("manual", (5, 7))


def test_a_lead_is_no_step() -> None:
    """A sentence whose order the following sentences give in full is left out."""
    assert told(
        "Verify that the manager pod fails and restart it.",
        "Verify that the manager pod fails:",
        CODE.format("kubectl get pods"),
    ) == [("check", "Verify that the manager pod fails")]
    assert told("Perform the following checks:\n\n1. Check the logs.\n2. Check the disk.") == [
        ("manual", "Check the logs"),
        ("manual", "Check the disk"),
    ]


def test_a_session_ends_a_step() -> None:
    """What opens a shell stands alone, and what follows it is typed there."""
    found = steps("Log in and look:", CODE.format("$ ls\n$ ssh web1\n$ uptime"))
    assert [[c.text for c in step.commands] for step in found] == [["ls"], ["ssh web1"], ["uptime"]]
    assert [step.interactive for step in found] == [False, True, False]
    assert [step.lines for step in found] == [(5, 8), (9, 9), (10, 11)]


def test_how_to_undo_is_no_step_of_the_way_forward() -> None:
    """A rollback belongs to the step that it undoes."""
    (step,) = steps(
        "Stop it:", CODE.format("systemctl stop web"), "To undo it: `systemctl start web`"
    )
    assert step.rollback == "systemctl start web"
    assert [c.text for c in step.commands] == ["systemctl stop web"]


def test_what_is_forbidden_is_not_typed() -> None:
    """A command within a prohibition is nobody's step, however plainly it stands there."""
    assert (
        steps(
            "Do not run: rm -rf /x", "Must not restart it.", "Never run `systemctl stop web` here."
        )
        == ()
    )
    for said in ("Never run these:", "Must not be run, never use the following:"):
        shown = CODE.format("rm -rf /"), "- `rm -rf /x`"
        assert steps("See the pods.", said, *shown) == steps("See the pods."), said


def test_waiting_has_its_time() -> None:
    """A wait says how long, also when the sentence does something before."""
    found = steps("Restart it with `systemctl restart web` and wait up to 5 minutes.")
    assert [(step.kind, step.timeout_s) for step in found] == [("command", None), ("wait", 300)]


def test_explaining_sections_have_few_steps() -> None:
    """Under Impact an order dropped in passing is none; one with a sentence of its own is."""
    page = "# A\n\n## Impact\n\nUsers suffer. Call them.\n\nCall the owner.\n"
    assert [step.lines for step in parsing.parse(page).steps] == [(7, 7)]


def test_variables_say_where_they_come_from() -> None:
    """A variable is filled by an earlier command, or by the reader (N-1)."""
    found = steps(
        "Set it:", CODE.format("NS=web"), "Look:", CODE.format("kubectl -n $NS get pod $POD")
    )
    assert [(v.name, v.step) for v in found[1].variables] == [("NS", 0), ("POD", None)]
    assert found[1].placeholders == ("$POD",)


def test_queries_are_no_commands() -> None:
    """PromQL and SQL are for their consoles, in a block and within a sentence."""
    (step,) = steps("Check the rate:", "```\nsum(rate(http_requests_total[5m])) by (job)\n```")
    assert (step.kind, step.tool, step.commands) == ("check", "promql", ())
    assert step.query == "sum(rate(http_requests_total[5m])) by (job)"


def test_an_empty_template_has_no_steps() -> None:
    """Comments, empty blocks and questions to whoever fills it in are nothing to do (N-2)."""
    page = "# X\n\n## Diagnosis\n\n<!-- Run:\n\n    ls\n-->\n\n```bash\n```\n\n1.\n2.\n\nTBD\n"
    assert parsing.parse(page).steps == ()
