"""What is at a path, by what its name tells (N-10, N-12)."""

from __future__ import annotations

import pytest

from dd0c.scan import paths
from dd0c.scan.models import Effect, Risk, Span
from dd0c.scan.syntax import Expansion, Glob, Literal, Part, Word

SAFE, CAUTION, DANGEROUS, BLOCKED = Risk


def word(*parts: str) -> Word:
    """A word; `$x` and `~` are expansions, a part with a star is a pattern."""
    span = Span(0, 1)

    def part(text: str) -> Part:
        if text.startswith(("$", "~")):
            return Expansion(text.lstrip("$"), span, quoted=True)
        return Glob(text, span) if "*" in text else Literal(text, span)

    return Word(tuple(part(one) for one in parts), span)


def risk(kind: str, *parts: str) -> Risk:
    """What it is to do this with the file."""
    findings = paths.judge(kind, word(*parts)).findings
    return max((finding.risk for finding in findings), default=Risk.SAFE)


WRITES = {
    "notes.txt": CAUTION,
    "/srv/data/x": CAUTION,
    "/dev/null": SAFE,
    "/dev/stdout": SAFE,
    "/dev/fd/2": SAFE,
    "/dev/shm/x": CAUTION,
    "/dev/sda": BLOCKED,
    "/dev/nvme0n1p2": BLOCKED,
    "/dev/mapper/vg0-data": BLOCKED,
    "/dev/disk/by-id/x": BLOCKED,
    "/dev/vg0/data": DANGEROUS,
    "/dev/tcp/198.51.100.7/80": BLOCKED,
    "/dev/udp/198.51.100.7/53": BLOCKED,
    "/proc/sys/kernel/core_pattern": DANGEROUS,
    "/proc/sysrq-trigger": DANGEROUS,
    "/sys/power/state": DANGEROUS,
    "/proc/1/root/etc/hosts": DANGEROUS,
    "/proc/1234/oom_score_adj": CAUTION,
    "/etc/hosts": DANGEROUS,
    "/etc/cron.d/x": DANGEROUS,
    "/etc/sudoers.d/x": DANGEROUS,
    "/usr/bin/ls": DANGEROUS,
    "/boot/vmlinuz": DANGEROUS,
    "/": DANGEROUS,
    "/var/spool/cron/root": DANGEROUS,
    "/root/.bashrc": DANGEROUS,
    "/home/bob/.ssh/authorized_keys": DANGEROUS,
    "repo/.git/hooks/pre-commit": DANGEROUS,
    "/home/bob/.cache/x": CAUTION,
    # the same by other names
    "//etc//passwd": DANGEROUS,
    "/./dev/./sda": BLOCKED,
    "/srv/../dev/sda": BLOCKED,
    "/dev/null/../sda": BLOCKED,
    "/etc/../srv/x": CAUTION,
    "../../../../etc/passwd": DANGEROUS,
    "../x": CAUTION,
}

READS = {
    "/etc/hosts": SAFE,
    "/var/log/syslog": SAFE,
    "/etc/shadow": CAUTION,
    "/srv/../etc/shadow": CAUTION,
    "/home/bob/.ssh/id_ed25519": CAUTION,
    ".env": CAUTION,
    "/srv/app/.env.production": CAUTION,
    "/proc/1/environ": CAUTION,
    "/proc/1/root/etc/hosts": CAUTION,
    "/proc/meminfo": SAFE,
    "/dev/urandom": SAFE,
    "/dev/sda": CAUTION,
    "/dev/tcp/198.51.100.7/80": BLOCKED,
    "server.key": CAUTION,
    "keys.txt": SAFE,
}

UNSAID = [
    (("~", "/.bashrc"), DANGEROUS),
    (("~", "/.ssh/authorized_keys"), DANGEROUS),
    (("~root", "/.ssh/authorized_keys"), DANGEROUS),
    (("$HOME", "/.profile"), DANGEROUS),
    (("~", "/.sqlite/x"), DANGEROUS),
    (("~", "/notes"), CAUTION),
    (("~", "/../../etc/passwd"), DANGEROUS),
    (("$x",), CAUTION),
    (("/tmp/", "$x"), CAUTION),
    (("/var/log/", "$x", ".log"), CAUTION),
    (("$x", "/authorized_keys"), DANGEROUS),
    (("/home/", "$x", "/.ssh/authorized_keys"), DANGEROUS),
    (("/home/", "$x", "/notes"), CAUTION),
    (("/etc/", "*"), DANGEROUS),
    (("/etc/", "$x"), DANGEROUS),
    (("/dev/sd", "*"), BLOCKED),
    (("/dev/sd", "$x"), BLOCKED),
    (("/dev/", "$x"), DANGEROUS),
    (("/srv/", "*", ".log"), CAUTION),
    (("*",), CAUTION),
]


@pytest.mark.parametrize(("path", "expected"), WRITES.items())
def test_what_is_written_is_classed_by_its_name(path: str, expected: Risk) -> None:
    """Disks are blocked, files that the system or a login runs are dangerous, any other file is a
    change, however the name is spelled (N-10)."""
    assert risk("writes", path) is expected


@pytest.mark.parametrize(("path", "expected"), READS.items())
def test_secrets_are_told(path: str, expected: Risk) -> None:
    """Reading is harmless, but for keys, passwords and what opens a connection (N-10)."""
    judgement = paths.judge("reads", word(path))

    assert risk("reads", path) is expected
    assert (Effect.SECRETS in judgement.effects) is (expected is not SAFE)


@pytest.mark.parametrize(("parts", "expected"), UNSAID)
def test_a_name_that_is_not_said_is_what_it_points_to(
    parts: tuple[str, ...], expected: Risk
) -> None:
    """A pattern or a variable in a name makes it no more harmless than what is said of it, and
    one that says nothing is an ordinary file (N-12)."""
    assert risk("writes", *parts) is expected


def test_a_pattern_of_ordinary_names_is_no_secret() -> None:
    """`/var/log/syslog*` might be `syslog.key`, but nothing points there."""
    assert risk("reads", "/var/log/syslog", "*") is SAFE
    assert risk("reads", "*", ".log") is SAFE
    assert risk("reads", "/etc/ssl/private/", "*") is CAUTION


@pytest.mark.parametrize("path", ["x", "/tmp/x", "/dev/sda", "/etc/passwd", "/dev/null"])
def test_what_is_deleted_is_gone(path: str) -> None:
    """Every deletion is dangerous, and none of them is blocked (N-10)."""
    assert risk("deletes", path) is DANGEROUS


def test_what_is_overwritten_is_gone() -> None:
    """To overwrite is more than to write, but into a sink, and never less (N-10)."""
    assert risk("overwrites", "x") is DANGEROUS
    assert risk("overwrites", "/dev/null") is SAFE
    assert risk("overwrites", "/dev/sda") is BLOCKED
