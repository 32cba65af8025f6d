"""Which commands open a session or need a terminal."""

from __future__ import annotations

import pytest

from dd0c.products.run.parsing import sessions

OPEN = (
    "oc debug node/x", "oc -n default debug node/$N", "oc rsh pod", "oc exec -it p -c c -- sh",
    "kubectl exec -ti p -- /bin/bash", "kubectl exec -it p bash",
    "kubectl debug -it node/x --image=b", "kubectl run -it --rm t --image=b -- sh",
    "kubectl attach -it p", "oc edit cm x", "oc exec -it p -c compute -- top",
    "oc exec -it p -- psql -U x", "ssh host", "ssh -i k u@<host>", "ssh -t host sudo -i",
    "ssh host 'sudo su -'", "sudo -i", "sudo su -", "sudo bash", "su - postgres", "chroot /host",
    "chroot /host bash", "nsenter -t 1 -m", "docker exec -it c bash",
    "docker exec -it $(docker ps -q) sh", "docker run --rm -it alpine",
    "docker compose exec web bash", "podman run -it --rm alpine sh", "vi /etc/fstab", "sudo vim x",
    "top", "htop", "less x", "x | less", "watch oc get pods", "crontab -e", "visudo",
    "systemctl edit x", "psql", "psql -h x -U y db", "mysql -h x -u y", 'mysql -p -e "select 1"',
    "x | mysql -u y -p", "redis-cli", "redis-cli -h x", "sqlite3 x.db", "mongosh", "python3",
    "gcloud compute ssh vm", "aws ssm start-session --target i", "git rebase -i HEAD~2",
    "telnet x 25", "fdisk /dev/sdb", "Enter-PSSession -ComputerName <n>", "bash", "timeout 5 bash",
    "gitlab-rails console",
)  # fmt: skip
SHUT = (
    "curl x | bash", "curl x | sudo bash -s", "x | psql -U y", "x | kubectl exec -i p -- sh",
    "x|ssh h",
    "oc debug node/x -- chroot /host ls", "oc rsh pod ls", "oc exec p -- df",
    "oc exec -it p -- df -h", "kubectl logs -f p", "kubectl get pods -w", "ping x", "tail -f x",
    "ssh host uptime", "ssh -N -L 1:x:2 host", "ssh host < x.sh", "sudo ls",
    "su - postgres -c 'psql -l'", "chroot /host ls", "nsenter -t 1 -m ls", "docker exec c ls",
    "docker exec -it c ls -l", "docker compose up -d", "top -b -n1", "psql -c 'select 1'",
    "psql -f x.sql", "psql < x.sql", "psql <<E\nx\nE", "mysql -u y -e 'select 1'",
    "redis-cli -h x -p 1 info", "redis-cli --scan", "sqlite3 x.db '.tables'",
    "mongosh --eval 'rs.status()'", "python3 x.py", "python3 -c 'x'", "bash x.sh", "bash -c ls",
    "sh -s < x", "crontab -l", "fdisk -l", "git rebase main", "echo vi", "cat top",
    "oc get pods -l app=ssh", "watch-this", "gcloud compute ssh vm --command ls",
    "systemctl status x",
)  # fmt: skip


@pytest.mark.parametrize("command", OPEN)
def test_sessions_are_known(command: str) -> None:
    """What opens a shell, an editor or a prompt is interactive (N-1)."""
    assert sessions.opens(command)


@pytest.mark.parametrize("command", SHUT)
def test_what_ends_by_itself_is_none(command: str) -> None:
    """What runs and ends, or never ends but asks nothing, is not interactive (N-1)."""
    assert not sessions.opens(command)


def test_what_is_spoken_in_a_session() -> None:
    """A database's prompt reads SQL, whoever leads there (N-1)."""
    assert sessions.spoken("kubectl exec -it p -- psql -U x") == "sql"
    assert sessions.spoken("redis-cli -h x") == "redis"
    assert sessions.spoken("psql -c 'select 1'") is None
    assert sessions.spoken("ssh host") is None
