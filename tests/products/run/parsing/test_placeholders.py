"""What has to be filled in before a command can run."""

from __future__ import annotations

import pytest

from dd0c.products.run.parsing.placeholders import assigned, find_placeholders, masked

FILLED = (
    ("oc debug node/<node-name>", ["<node-name>"]),
    ("oc logs <the pod's name> -c x", ["<the pod's name>"]),
    ("oc describe pods/<mgr pod name from previous step>", ["<mgr pod name from previous step>"]),
    ("a <x> <y> <x>", ["<x>", "<y>"]),
    ('oc patch x --patch \'{"spec":{"limit":<limit>}}\'', ["<limit>"]),
    ("NODE=<instance label from alert>", ["<instance label from alert>"]),
    ("ssh <user>@<host>", ["<user>", "<host>"]),
    ("curl https://x/<id>/y", ["<id>"]),
    ("kubectl get pod <POD_NAME>", ["<POD_NAME>"]),
    ("kubectl get pod {pod-name}", ["{pod-name}"]),
    ("kubectl get pod {{ pod_name }}", ["{{ pod_name }}"]),
    ("curl https://x/api/{id}", ["{id}"]),
    ("oc logs pod [container]", ["[container]"]),
    ("oc get pods [-n namespace]", ["[-n namespace]"]),
    ("oc describe pod ...", ["..."]),
    ("oc logs checkout-... --tail=2", ["checkout-..."]),
    ("oc login --token=…", ["--token=…"]),
    ("oc login --token '...'", ["..."]),
    ("oc get pod POD_NAME", ["POD_NAME"]),
    ('oc patch x -p \'[{"value": "LOGLEVEL" }]\'', ["LOGLEVEL"]),
    ("ssh -p PORT HOST", ["PORT", "HOST"]),
    ("aws ec2 stop-instances --instance-ids INSTANCE-ID", ["INSTANCE-ID"]),
    ('oc get pods --selector="app=myapp"', ["myapp"]),
    ("docker pull your-image", ["your-image"]),
    ("docker run my-registry/my-app:1.0", ["my-registry", "my-app"]),
    ("kubectl get pod foo", ["foo"]),
    ("kubectl delete pod xxx", ["xxx"]),
    ("curl https://api.example.com/x", ["api.example.com"]),
    ("ping 10.0.x.x", ["10.0.x.x"]),
    ("ssh 203.0.113.7", ["203.0.113.7"]),
    ("oc logs $POD", ["$POD"]),
    ("oc logs ${POD}", ["${POD}"]),
    ('mysql -h "$DB_HOST" -p', ["$DB_HOST"]),
    ("oc logs $OVNKUBE-MASTER-POD-NAME", ["$OVNKUBE-MASTER-POD-NAME"]),
    ("oc logs $POD -n <ns>", ["$POD", "<ns>"]),
    ("cat <<EOF | oc apply -f -\nname: pg-<cluster>\nns: $NS\nEOF", ["<cluster>", "$NS"]),
)
FULL = (
    "sort < in > out",
    "sort <in >out",
    "cmd 2>/dev/null",
    "cmd <<EOF > x\ntext\nEOF",
    "cat <<'EOF'\n$HERE\nEOF",
    "diff <(a) <(b)",
    "cp x.{bak,old} y",
    "echo {1..3}",
    "find . -exec ls {} \\;",
    "xargs -I{} echo {}",
    "oc get x -o jsonpath='{.status.phase}'",
    "oc get x -o jsonpath={.items[0].metadata.name}",
    "oc get x -o go-template='{{range .items}}{{.metadata.name}}{{end}}'",
    "docker inspect -f '{{.State.Pid}}' x",
    "curl -w '%{http_code}' x",
    "awk '{print $1}' x",
    "jq '.[] | select(.a<3)' x",
    "[ -f x ] && y",
    "[[ -n $1 ]]",
    "ls [0-9]*",
    "grep '[ERROR]' x",
    "echo 'see [notes] here'",
    "grep -E 'ERROR|OOM_KILL' x",
    "kill -HUP 1",
    "kill -s SIGTERM 1",
    "curl -X POST localhost",
    "iptables -A INPUT -j DROP",
    "lsblk -o NAME,SIZE",
    "ps -o PID",
    "FOO_BAR=1 cmd",
    "oc set env deploy/x LOG_LEVEL=debug",
    "psql -c 'SELECT a FROM TABLE'",
    "dig x AAAA",
    "git log HEAD",
    "go test ./...",
    "git diff main...topic",
    'echo "may take 15s ..."',
    "echo $HOME $? $1 $@ $$",
    "echo '$POD'",
    "echo \\$POD",
    "echo ${X:-y}",
    'if [ -n "${FILTER:-}" ]; then "${FILTER}"; fi',
    "for p in a; do oc logs $p; done",
    "POD=x; oc logs $POD",
    "export POD=x && oc logs $POD",
    "while read -r line; do echo $line; done",
    "curl 0.0.0.0:80",
    "mysql -u root",
    "cat myisam.cnf",
    "ls # <node> $POD NODE_NAME",
    "crictl ps --name node-exporter",
    "git reset HEAD@{1}",
    "echo ${x[0]:=1}",
    "oc get pods -o custom-columns=NAME:.metadata.name",
)


@pytest.mark.parametrize(("command", "expected"), FILLED)
def test_what_is_to_be_filled_in_is_found(command: str, expected: list[str]) -> None:
    """Each manner of saying "your value here" is found, as spelled, in order, once (N-1)."""
    assert find_placeholders(command) == expected


@pytest.mark.parametrize("command", FULL)
def test_what_a_shell_reads_is_no_placeholder(command: str) -> None:
    """Redirections, globs, templates, programs in quotes and set variables ask nobody (N-1)."""
    assert find_placeholders(command) == []


def test_variables_that_were_set_before_need_no_value() -> None:
    """What an earlier command sets is known (N-1)."""
    known = assigned("export NS=x OTHER=y; read -r A B; for c in 1; do D+=1; done; printf -v E x")
    assert known >= {"NS", "A", "B", "c", "D", "E"}
    assert find_placeholders("oc -n $NS logs $POD", known) == ["$POD"]


def test_queries_have_placeholders_of_words() -> None:
    """A query's comparison is none, a capital word in a value's place is one (N-1)."""
    query = 'irate(x{node="NODE_NAME",pod!=""}[4m]) < 3 and a > b'
    assert find_placeholders(query, language="promql") == ["NODE_NAME"]
    assert find_placeholders("SELECT KEY FROM t WHERE id = <id>", language="sql") == ["<id>"]


def test_what_only_pasted_output_explains_was_anothers_value() -> None:
    """A number or a name that was read off the output above is to be read off again (N-1)."""
    shown = "| 42 |  911 | SELECT\npod-6f7c-2x   1/1   Running"
    assert find_placeholders("KILL 42;", language="sql", shown=shown) == ["42"]
    assert find_placeholders("oc delete pod pod-6f7c-2x", shown=shown) == ["pod-6f7c-2x"]
    assert find_placeholders("oc delete pod -n Running", shown=shown) == []


def test_a_mask_has_the_length_of_the_line() -> None:
    """Masking moves no character (N-1)."""
    line = "oc logs <the pod's name> > x"
    assert len(masked(line)) == len(line)
    assert "'" not in masked(line)
    assert masked(line).endswith(" > x")
