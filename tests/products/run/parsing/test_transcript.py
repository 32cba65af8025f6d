"""A block of code into what was typed and what was shown: cases for each hard manner of writing."""

from __future__ import annotations

import pytest

from dd0c.products.run.parsing.transcript import read_block
from tests.products.run.parsing.blocks import commands, said

PROMPTS = (
    ("$ ls\na b\n$ pwd\n/x", ["$ ls", "> a b", "$ pwd", "> /x"]),
    ("[root@host ~]# ls\na", ["$ ls", "> a"]),
    ("[user@host dir]$ ls", ["$ ls"]),
    ("user@host:~$ ls\nuser@host:/var/log$ pwd", ["$ ls", "$ pwd"]),
    ("root@node-1:/# mount", ["$ mount"]),
    ("user@mac ~ % ls", ["$ ls"]),
    ("(venv) $ pip list", ["$ pip list"]),
    ("(venv) user@host:~/x$ pip list", ["$ pip list"]),
    ("sh-4.4$ ls\nsh-5.1# id", ["$ ls", "$ id"]),
    ("bash-5.1$ ls", ["$ ls"]),
    ("/ # nslookup x", ["$ nslookup x"]),
    ("~ $ ls", ["$ ls"]),
    ("❯ ls -l", ["$ ls -l"]),
    ("➜  api git:(main) ✗ git status", ["$ git status"]),
    ("% ls -l\n% pwd", ["$ ls -l", "$ pwd"]),
    ("> docker ps\n> docker images", ["$ docker ps", "$ docker images"]),
    ("node1# systemctl status x", ["$ systemctl status x"]),
    ("$\u00a0ls -l", ["$ ls -l"]),
    ("$\tls -l", ["$ ls -l"]),
    ("   $ ls\n   a", ["$ ls", "> a"]),
    ("$ ls\n$\n$ pwd", ["$ ls", "$ pwd"]),
    ("$ # look at it\n$ ls", ["# look at it", "$ ls"]),
    (
        "$ ls\n# look closely at the result\n$ pwd",
        ["$ ls", "# look closely at the result", "$ pwd"],
    ),
    (
        "PS C:\\> Get-Service x\nStatus\nPS C:\\Users\\a> Stop-Service x",
        ["$powershell Get-Service x", "> Status", "$powershell Stop-Service x"],
    ),
    ("PS> Get-Process", ["$powershell Get-Process"]),
    (
        "PS C:\\> Get-A x |\n>> Where-Object { $_.b }",
        ["$powershell Get-A x |\nWhere-Object { $_.b }"],
    ),
    ("C:\\Users\\a> ipconfig /all", ["$cmd ipconfig /all"]),
    ("mysql> SELECT 1\n    -> FROM t;\n+--+\n| 1 |", ["?sql SELECT 1\nFROM t;", "> +--+\n| 1 |"]),
    ("MariaDB [(none)]> SHOW SLAVE STATUS;", ["?sql SHOW SLAVE STATUS;"]),
    ("postgres=# SELECT 1;\n 1\npostgres=# \\q", ["?sql SELECT 1;", ">  1", "?sql \\q"]),
    ("db=> SELECT a\ndb-> FROM b;", ["?sql SELECT a\nFROM b;"]),
    ("127.0.0.1:6379> INFO clients", ["?redis INFO clients"]),
    (">>> import os\n>>> os.getpid()\n3", ["?python import os", "?python os.getpid()", "> 3"]),
    ("sftp> get x", ["?other get x"]),
)
HASHES = (
    ("# systemctl restart x", ["$ systemctl restart x"]),
    (
        "# chroot /host\n# crio status config | grep x",
        ["$! chroot /host", "$ crio status config | grep x"],
    ),
    (
        "# ceph status\n  cluster:\n    id: x\n# ceph osd tree",
        ["$ ceph status", ">   cluster:\n    id: x", "$ ceph osd tree"],
    ),
    ("# Restart it\nsystemctl restart x", ["# Restart it", "$ systemctl restart x"]),
    ("# oc delete pod x\noc get pods", ["# oc delete pod x", "$ oc get pods"]),
    ("oc get pods\n# oc delete pod x", ["$ oc get pods", "# oc delete pod x"]),
    ("#oc delete pod x", ["# oc delete pod x"]),
    ("# Delete the pod\n# oc delete pod x", ["# Delete the pod", "# oc delete pod x"]),
    ("$ oc debug node/x\n# chroot /host\n# ls", ["$! oc debug node/x", "$! chroot /host", "$ ls"]),
    (
        "$ oc get x\n# Then look at it\n# oc delete x",
        ["$ oc get x", "# Then look at it", "# oc delete x"],
    ),
    (
        "$ sudo -i\n# Now as root\n# vi /etc/fstab",
        ["$! sudo -i", "# Now as root", "$! vi /etc/fstab"],
    ),
    (
        "# NAMESPACE='<ns>'\n\n$ oc -n $NAMESPACE get x",
        ["$ NAMESPACE='<ns>'", "$ oc -n $NAMESPACE get x"],
    ),
    (
        "# oc patch x \\\n#   --type merge\noc get x",
        ["# oc patch x \\", "# --type merge", "$ oc get x"],
    ),
    ("# oc patch x \\\n  --type merge", ["$ oc patch x   --type merge"]),
    ("# for i in 1 2; do\n>   echo $i\n> done", ["$ for i in 1 2; do\n  echo $i\ndone"]),
    ("#!/bin/bash\nset -e\nls -l", ["$ set -e", "$ ls -l"]),
    ("# see https://x.y/z for details\nls -l", ["# see https://x.y/z for details", "$ ls -l"]),
    ("ls -l # all of them", ["$ ls -l # all of them"]),
)
JOINTS = (
    ("$ a \\\n  -b\n$ c", ["$ a   -b", "$ c"]),
    ("$ a \\\n> -b\n$ c", ["$ a -b", "$ c"]),
    ("$ cat <<EOF\n> x: 1\n> EOF\nout", ["$ cat <<EOF\nx: 1\nEOF", "> out"]),
    ("$ echo 'a\n> b'\na", ["$ echo 'a\nb'", "> a"]),
    ("$ oc get x \\ \n  -o yaml", ["$~ oc get x -o yaml"]),
    ("oc delete mc \\\t\n  00-x", ["$~ oc delete mc 00-x"]),
    (
        "oc logs $POD\n--all-containers=true | grep x",
        ["$~ oc logs $POD --all-containers=true | grep x"],
    ),
    ("$ oc get pods\n  -n x\n  -o wide", ["$~ oc get pods -n x -o wide"]),
    ("oc patch x --patch\n'[{\"a\": 1}]'", ["$~ oc patch x --patch '[{\"a\": 1}]'"]),
    ("oc get pods\n  | grep x", ["$~ oc get pods | grep x"]),
    ("oc get pods\n  -n x \\\n  -o wide", ["$~ oc get pods -n x   -o wide"]),
    ("oc get pods |\n  grep x", ["$ oc get pods |\n  grep x"]),
    ("oc get x &&\noc get y", ["$ oc get x &&\noc get y"]),
    ("a() {\n  ls\n}\na", ["$ a() {\n  ls\n}", "$ a"]),
    (
        "cat <<EOF | oc apply -f -\nkind: X\nls -l\nEOF\noc get x",
        ["$ cat <<EOF | oc apply -f -\nkind: X\nls -l\nEOF", "$ oc get x"],
    ),
    (
        "for p in $(oc get pods -o name); do\n  oc delete $p\ndone\noc get x",
        ["$ for p in $(oc get pods -o name); do\n  oc delete $p\ndone", "$ oc get x"],
    ),
    (
        "$ ls -l\n-rw-r--r-- 1 root root 0 x\n-- end --",
        ["$ ls -l", "> -rw-r--r-- 1 root root 0 x\n-- end --"],
    ),
    ("$ ping x\n--- x ping statistics ---", ["$ ping x", "> --- x ping statistics ---"]),
    ("oc logs <the pod's name>\noc get x", ["$ oc logs <the pod's name>", "$ oc get x"]),
    ("$ echo don't\nx\n$ ls", ["$ echo don't", "> x", "$ ls"]),
    ("oc get x \\", ["$ oc get x"]),
    ("oc get x \\\n\noc get y", ["$ oc get x", "$ oc get y"]),
    ("oc get x \\\r\n  -o yaml\r\noc get y\r\n", ["$ oc get x   -o yaml", "$ oc get y"]),
)
LIES: tuple[tuple[str, str | None, list[str] | None], ...] = (
    (
        "sum by (node) (\n  rate(x_total[5m])\n)",
        "sh",
        ["?promql sum by (node) (\n  rate(x_total[5m])\n)"],
    ),
    ("max by(a) (\n    kube_x_status_healthy < kube_y_status_desired\n)", "console", None),
    ("node_filesystem_free_bytes", "console", ["?promql node_filesystem_free_bytes"]),
    ("up == 0", "bash", None),
    (
        'rate(http_requests_total{job="x"}[5m])',
        None,
        ['?promql rate(http_requests_total{job="x"}[5m])'],
    ),
    ('{app="x"} |= "error" | json', "bash", ['?logql {app="x"} |= "error" | json']),
    (
        "FROM logs-*\n| WHERE a == 1\n| STATS count(*)",
        None,
        ["?esql FROM logs-*\n| WHERE a == 1\n| STATS count(*)"],
    ),
    (
        "fields @timestamp, @message\n| filter @message like /x/\n| sort @timestamp",
        "text",
        ["?insights fields @timestamp, @message\n| filter @message like /x/\n| sort @timestamp"],
    ),
    (
        "SELECT pid, state\n  FROM pg_stat_activity\n WHERE x = 1;",
        "bash",
        ["?sql SELECT pid, state\n  FROM pg_stat_activity\n WHERE x = 1;"],
    ),
    ("-- who blocks\nSELECT 1;\nSELECT 2;", "sql", None),
    (
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x",
        "bash",
        ["=yaml apiVersion: v1\nkind: Pod\nmetadata:\n  name: x"],
    ),
    (
        "spec:\n  containers:\n  - command: [ls, -l]",
        None,
        ["=yaml spec:\n  containers:\n  - command: [ls, -l]"],
    ),
    (
        '{\n  "a": 1,\n  "b": [\n    2\n  ]\n}',
        "sh",
        ['=json {\n  "a": 1,\n  "b": [\n    2\n  ]\n}'],
    ),
    ("2024-01-01T10:00:00Z ERROR x failed", "bash", ["> 2024-01-01T10:00:00Z ERROR x failed"]),
    ("I0611 11:13:35.048771       1 log.go:245] Apply / Create of x was successful", "shell", None),
    (
        "NAME    READY   STATUS\nx-1     1/1     Running",
        "bash",
        ["> NAME    READY   STATUS\nx-1     1/1     Running"],
    ),
    ("notAfter=Aug  6 13:11:20 2025 GMT", "shell", None),
    ('default_runtime = "crun"', "bash", None),
    ("graph_builder.go:279] garbage controller monitor not yet synced: x", "console", None),
    (" - alertname = X\n...\n - name = console\n...", "text", None),
    ("Labels\n  alertname=X\n  severity=info", "text", None),
    ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b", "bash", None),
    ("oc get pods\noc get nodes", "yaml", ["$ oc get pods", "$ oc get nodes"]),
    ("$ oc get pods", "yaml", ["$ oc get pods"]),
    ("oc get pods -n x", "text", ["$ oc get pods -n x"]),
    ("kubectl get pods", None, ["$ kubectl get pods"]),
    ("mytool restart --all", None, ["$ mytool restart --all"]),
    ("mytool restart", "bash", ["$ mytool restart"]),
    ("Error: x is not there", "bash", ["> Error: x is not there"]),
    ("db.serverStatus().connections", "js", None),
    ("GET /_cluster/health", None, ["?http GET /_cluster/health"]),
    ("import os\nprint(os.getpid())", "python", ["=python import os\nprint(os.getpid())"]),
    ("[Unit]\nDescription=x\nAfter=y", None, ["=config [Unit]\nDescription=x\nAfter=y"]),
    (
        "Get-Service x\nRestart-Service x -Force",
        None,
        ["$powershell Get-Service x", "$powershell Restart-Service x -Force"],
    ),
    (
        "$x = Get-Service y\n$x.Stop()",
        "powershell",
        ["$powershell $x = Get-Service y", "$powershell $x.Stop()"],
    ),
    ("make sure that the pods are up", "bash", ["> make sure that the pods are up"]),
    ("find the pod that is not ready", None, ["> find the pod that is not ready"]),
    ("test the connection.", "sh", ["> test the connection."]),
    ('pod "x" deleted', "bash", ['> pod "x" deleted']),
)
PLAIN: tuple[tuple[str, str | None, list[str]], ...] = (
    (
        "oc get pods\nNAME   READY   STATUS\nx      1/1     Running\noc get nodes",
        "bash",
        ["$ oc get pods", "> NAME   READY   STATUS\nx      1/1     Running", "$ oc get nodes"],
    ),
    ("oc whoami\nkube:admin", "bash", ["$ oc whoami", "> kube:admin"]),
    (
        "oc scale x\ndeployment.apps/x scaled",
        "bash",
        ["$ oc scale x", "> deployment.apps/x scaled"],
    ),
    ("psql -U x\nSELECT 1;\n\\q", "bash", ["$! psql -U x", "?sql SELECT 1;", "?sql \\q"]),
    ("NS=x\noc -n $NS get pods", "bash", ["$ NS=x", "$ oc -n $NS get pods"]),
    (
        "ns=$(oc project -q)\noc -n $ns get pods",
        "bash",
        ["$ ns=$(oc project -q)", "$ oc -n $ns get pods"],
    ),
    ("cd /x && ./run.sh", "bash", ["$ cd /x && ./run.sh"]),
    ("/usr/local/bin/x -a", None, ["$ /usr/local/bin/x -a"]),
    ("sudo systemctl restart x; echo done", None, ["$ sudo systemctl restart x; echo done"]),
    ("1  oc get x\n2  oc get y", "bash", ["$ oc get x", "$ oc get y"]),
    ("1: oc get x\n2: oc get y", "bash", ["$ oc get x", "$ oc get y"]),
    ("Copy\noc get x", "bash", ["$ oc get x"]),
    ("bash\nCopy code\noc get x", None, ["$ oc get x"]),
    ("oc get x\nCopy", "bash", ["$ oc get x"]),
    ("+ oc get x\n+ oc delete y", "bash", ["> + oc get x\n+ oc delete y"]),
    ("\ufeffoc get x", "bash", ["$ oc get x"]),
    ("\toc get x\n\toc get y", None, ["$ oc get x", "$ oc get y"]),
    ("1 Running\n2 Stopped", None, ["> 1 Running\n2 Stopped"]),
    ("exit", "bash", ["$ exit"]),
    ("", "bash", []),
    ("\n \n\t\n", None, []),
    ("./x.sh", "bash", ["$ ./x.sh"]),
    ("time oc get x", "bash", ["$ time oc get x"]),
    ("while true; do oc get x; sleep 1; done", None, ["$ while true; do oc get x; sleep 1; done"]),
    ("if [ -f x ]; then\n  rm x\nfi", "bash", ["$ if [ -f x ]; then\n  rm x\nfi"]),
    ("FOO=1 BAR=2 oc get x", None, ["$ FOO=1 BAR=2 oc get x"]),
)


@pytest.mark.parametrize(("block", "expected"), PROMPTS)
def test_prompts_of_all_manners_are_cut_off(block: str, expected: list[str]) -> None:
    """What stands behind a prompt is typed, what stands without one among them is shown (N-1)."""
    assert said(block, "console") == expected


@pytest.mark.parametrize(("block", "expected"), HASHES)
def test_a_hash_is_a_prompt_or_begins_a_comment(block: str, expected: list[str]) -> None:
    """What an author has commented out is never a command, and a root's prompt is no comment."""
    assert said(block, "bash") == expected


@pytest.mark.parametrize(("block", "expected"), JOINTS)
def test_lines_are_joined_as_the_shell_joins_them(block: str, expected: list[str]) -> None:
    """Lines are one command where the shell reads on; where only a reader does it is inferred."""
    assert said(block, "bash") == expected


@pytest.mark.parametrize(("block", "language", "expected"), LIES)
def test_fences_are_not_believed(block: str, language: str, expected: list[str] | None) -> None:
    """Output, queries and manifests are no commands whatever the fence claims (N-1)."""
    found = said(block, language)
    assert found == expected if expected is not None else found
    assert expected is not None or not [line for line in found if line.startswith("$")]


@pytest.mark.parametrize(("block", "language", "expected"), PLAIN)
def test_blocks_without_prompts(block: str, language: str | None, expected: list[str]) -> None:
    """Without a prompt a line is a command when it looks like one (N-1)."""
    assert said(block, language) == expected


def test_flaws_are_told() -> None:
    """Typographic quotes and blanks that no shell knows stay in the text, and are said (N-1)."""
    for text, flaw in (
        ("psql -c “SELECT 1;”", "smart-quotes"),
        ("oc get\u00a0pods", "non-breaking-space"),
        ("echo 'x", "unfinished"),
    ):
        entry = read_block(text, language="bash", first_line=1, offset=0).entries[0]
        assert entry.flaws == (flaw,)
        assert entry.text == text


def test_a_placeholder_opens_no_quote() -> None:
    """An apostrophe in a placeholder leaves its command whole, and the next line alone (N-1)."""
    block = "oc logs <the pod's name>\noc get x"
    entries = read_block(block, language="bash", first_line=1, offset=0).entries
    assert [(e.text, e.flaws) for e in entries] == [(x, ()) for x in block.split("\n")]


def test_commands_without_an_end_are_given_up() -> None:
    """What never ends is cut after its first line, a few times; then the rest is one (N-3)."""
    block = "\n".join(f"cat <<END{n}" for n in range(10))
    entries = read_block(block, language="bash", first_line=1, offset=0).entries
    assert [e.line for e in entries] == [1, 2, 3, 4, 5, 6]
    assert {e.flaws for e in entries} == {("unfinished",)}
    assert entries[-1].last_line == 10


def test_places_are_those_of_the_source() -> None:
    """Line and span of an entry are where its text stands, prompt left out (N-1)."""
    block = "  $ a \\\n    -b\n  out\n\n  $ c | d\n"
    source = f"intro\n{block}"
    entries = read_block(block, language="bash", first_line=2, offset=6).entries
    assert [(e.line, e.last_line) for e in entries] == [(2, 3), (4, 4), (6, 6)]
    assert [source[e.start : e.end] for e in entries] == ["a \\\n    -b", "out", "c | d"]


def test_the_commands_of_a_block_alone() -> None:
    """Comments and blank lines between commands are no part of them."""
    assert commands("# one\nls -l\n\n# two\npwd\n", "sh") == ["$ ls -l", "$ pwd"]
