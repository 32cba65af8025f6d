"""Blocks in the manners of other organisations' runbooks, and blocks that mean harm."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dd0c.products.run.parsing.placeholders import find_placeholders
from dd0c.products.run.parsing.transcript import EntryKind, read_block
from tests.products.run.parsing.blocks import said

MANNERS: tuple[tuple[str | None, str, list[str]], ...] = (
    (
        "ruby",
        "[ gstg ] production> project = Project.find(1)\n=> #<Project id:1>",
        ["?ruby project = Project.find(1)", "> => #<Project id:1>"],
    ),
    (
        None,
        "# for p in $(pgrep x); do ps -o pid $p; done\nUSER       PID\nnginx   18   99 /x -Ws",
        [
            "$ for p in $(pgrep x); do ps -o pid $p; done",
            "> USER       PID\nnginx   18   99 /x -Ws",
        ],
    ),
    (None, "/opt/x/bin/git", ["> /opt/x/bin/git"]),
    (
        "bash",
        "node-m001# kubectl get pods\nNAME READY\nnode-m001# kubectl get nodes",
        ["$ kubectl get pods", "> NAME READY", "$ kubectl get nodes"],
    ),
    (
        "bash",
        "find x > files\n< files xargs du -ch | tail -n1",
        ["$ find x > files", "$ < files xargs du -ch | tail -n1"],
    ),
    (
        "bash",
        "# If it crashes\nkubectl logs <pod> --previous  # if crashed\n# Quick fix: restart",
        [
            "# If it crashes",
            "$ kubectl logs <pod> --previous  # if crashed",
            "# Quick fix: restart",
        ],
    ),
    (
        "bash",
        "aws s3 ls s3://b/\n2024-01-01 10:00:00       1234 a.txt",
        ["$ aws s3 ls s3://b/", "> 2024-01-01 10:00:00       1234 a.txt"],
    ),
    (
        "bash",
        "docker ps\nCONTAINER ID   IMAGE     COMMAND\nabc            nginx     x\n"
        "\ndocker restart abc\nabc",
        [
            "$ docker ps",
            "> CONTAINER ID   IMAGE     COMMAND\nabc            nginx     x",
            "$ docker restart abc",
            "> abc",
        ],
    ),
    (
        "bash",
        "kafka-topics.sh --describe\nGROUP TOPIC PARTITION LAG\ng     t     0         5",
        ["$ kafka-topics.sh --describe", "> GROUP TOPIC PARTITION LAG\ng     t     0         5"],
    ),
    (
        "bash",
        "free -m\n              total        used\nMem:           1000         500\nuptime",
        [
            "$ free -m",
            ">               total        used\nMem:           1000         500",
            "$ uptime",
        ],
    ),
    (
        "bash",
        "redis-cli -h $H\n> INFO memory\n> CONFIG SET a 1",
        ["$! redis-cli -h $H", "?redis INFO memory", "?redis CONFIG SET a 1"],
    ),
    (
        "bash",
        "mysql -u root -p\nSHOW PROCESSLIST;\nKILL 42;\nexit",
        ["$! mysql -u root -p", "?sql SHOW PROCESSLIST;", "?sql KILL 42;", "$ exit"],
    ),
    (
        "bash",
        "sudo -u postgres psql\npostgres=# SELECT 1;\n 1",
        ["$! sudo -u postgres psql", "?sql SELECT 1;", ">  1"],
    ),
    (
        "bash",
        "gitlab-rails console\nFeature.on(:x)",
        ["$! gitlab-rails console", "?ruby Feature.on(:x)"],
    ),
    ("cmd", "ipconfig /all\nnet stop x", ["$cmd ipconfig /all", "$cmd net stop x"]),
    (
        "bash",
        "1. kubectl drain a\n2. kubectl delete node a",
        ["$ kubectl drain a", "$ kubectl delete node a"],
    ),
    ("bash", "- kubectl drain a\n- kubectl get a", ["$ kubectl drain a", "$ kubectl get a"]),
    (
        "bash",
        "Step 1: drain it\nkubectl drain a\nStep 2: reboot",
        ["> Step 1: drain it", "$ kubectl drain a", "> Step 2: reboot"],
    ),
    ("bash", "oc get pods  -->  shows pods", ["$~ oc get pods"]),
    ("", "admin@fw> show system info", ["?other show system info"]),
    (
        "",
        'POST /_cluster/reroute?retry=true\n{\n  "a": 1\n}',
        ['?http POST /_cluster/reroute?retry=true\n{\n  "a": 1\n}'],
    ),
    ("spl", "index=main x | stats count by host", ["?splunk index=main x | stats count by host"]),
    (
        "",
        "100 * (1 - node_memory_MemAvailable_bytes / b) > 90",
        ["?promql 100 * (1 - node_memory_MemAvailable_bytes / b) > 90"],
    ),
    (
        "bash",
        "kubectl patch svc web -p '{\n  \"a\": 1\n}'\nservice/web patched",
        ["$ kubectl patch svc web -p '{\n  \"a\": 1\n}'", "> service/web patched"],
    ),
    (
        "bash",
        "${TOOL} drain x\n$(which oc) get pods",
        ["$ ${TOOL} drain x", "$ $(which oc) get pods"],
    ),
    (
        "bash",
        "kubectl exec -it p -- bash\nroot@p:/# ls\nbin\nroot@p:/# exit",
        ["$! kubectl exec -it p -- bash", "$ ls", "> bin", "$ exit"],
    ),
    ("bash", "V=1 \\\n  make deploy", ["$ V=1   make deploy"]),
    ("bash", "[prod|default] $ kubectl get po", ["$ kubectl get po"]),
    ("bash", "$> kubectl get po", ["$ kubectl get po"]),
    (None, "  client\n    |\n    V\n  server", [">   client\n    |\n    V\n  server"]),
)


@pytest.mark.parametrize(("language", "block", "expected"), MANNERS)
def test_other_manners(language: str | None, block: str, expected: list[str]) -> None:
    """Runbooks that we have not seen are read as their authors meant them (N-1)."""
    expected = [line.replace(">   client", "> client") for line in expected]
    found = [line.replace(">   client", "> client") for line in said(block, language)]
    assert [line.split() for line in found] == [line.split() for line in expected]


PIECES = st.sampled_from([
    "$ ", "# ", "> ", "% ", "PS C:\\> ", "mysql> ", "oc get pods", "ls -l", "rm -rf x", "echo ",
    "'", '"', "`", "$(", ")", "${", "}", "((", "<<EOF", "EOF", "\\\n", "\\ \n", "\n", "\n", "\r\n",
    "|", "&&", ";", "if ", "then ", "fi", "case x in", "f() {", "# note", "a: b", "1 ", "- ", "--x",
    "<a b>", "SELECT 1;", "x{a=\"b\"}", "\t", "  ", "\u00a0", "“", "…", "\x00", "\u202e", "\ufeff",
])  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=4), max_size=40).map("".join)


def taken_away(text: str, source: str) -> str | None:
    """What of the source is not in the text, or None when the text has what the source has not."""
    rest, gone = list(text), []
    for char in source:
        if rest and (char == rest[0] or (rest[0] == " " and char in "\r\n")):
            rest.pop(0)
        else:
            gone.append(char)
    return None if any(char not in " \n" for char in rest) else "".join(gone)


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.sampled_from([None, "bash", "console", "yaml", "sql", "powershell"]))
def test_nothing_is_invented(text: str, language: str | None) -> None:
    """Whatever a block holds: no exception, places in order, no word that is not there (N-2)."""
    entries = read_block(text, language=language, first_line=1, offset=0).entries
    assert [e.start for e in entries] == sorted(e.start for e in entries)
    for entry in entries:
        own = text[entry.start : entry.end]
        assert text[: entry.start].count("\n") + 1 == entry.line
        if entry.kind is EntryKind.COMMAND:
            gone = taken_away(entry.text, own)
            assert gone is not None, (entry.text, own)
            assert "\n" not in gone.replace("\\\r\n", "").replace("\\\n", "") or entry.inferred
            for name in find_placeholders(entry.text):
                assert name in entry.text


@pytest.mark.parametrize(
    "block",
    [
        "'\n" * 5000, 'echo "\n' * 2000, "$(" * 12500, "cat <<E\n" * 2000, "a \\\n" * 5000,
        "a |\n" * 5000, "\n" * 11, " " * 11, "PS C:\\> a (\n" + "b\n" * 5000,
        "<" * 11, "a" * 11, "case x in\n" * 1250, "# oc get pods\n" * 1250, "-" * 11,
    ],
)  # fmt: skip
def test_bombs_are_read_in_a_breath(block: str) -> None:
    """Nothing open, nested or endless makes reading quadratic: the deadline would tell (N-3)."""
    for language in ("bash", None):
        entries = read_block(block, language=language, first_line=1, offset=0).entries
        for entry in entries[:10]:
            find_placeholders(entry.text)
