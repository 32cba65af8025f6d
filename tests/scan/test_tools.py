"""What each form of a command is judged, by the tables: options, wrappers, expansions (N-12, N-13).

One batch for all rows: a verdict of many texts starts the parser once.
"""

from __future__ import annotations

import pytest

from dd0c.scan.models import Effect, Risk, Verdict
from dd0c.scan.verdicts import judge

SAFE, CAUTION, DANGEROUS, BLOCKED = Risk

STYLES = {
    # gnu: options anywhere, values attached or behind, bundles, `--`
    "sort -k2 -n usage.txt": SAFE,
    "sort names.txt -o sorted.txt": CAUTION,
    "sort -nro sorted.txt names.txt": CAUTION,
    "sort -nrosorted.txt names.txt": CAUTION,
    "sort --output=/etc/cron.d/x names.txt": DANGEROUS,
    "sort -- -o names.txt": SAFE,
    "sort --compress-program=./x names.txt": DANGEROUS,
    "sort --compress-program ./x names.txt": DANGEROUS,
    "sort -k -o x": SAFE,  # -o is the key
    "ls --frobnicate": CAUTION,
    "seq -o /etc/cron.d/x 1": DANGEROUS,  # an option that is not known may write
    "seq --out=/etc/cron.d/x 1": DANGEROUS,
    "sort --frobnicate x": DANGEROUS,  # one of its options runs a program
    "sort -Q x": DANGEROUS,
    "head -20 x": SAFE,
    "ls --help": SAFE,
    "rm --help": SAFE,
    "rm --help x": DANGEROUS,
    # abbreviations: which option it is hangs on the version
    "ls --recurs": CAUTION,
    "sort --outp=/etc/passwd x": DANGEROUS,
    "sort --comp=./x y": DANGEROUS,
    # posix: options end at the first operand
    "timeout 5 ls -la": SAFE,
    "timeout -k 5 10 ls": SAFE,
    "nice ls -n 5": SAFE,
    # keys
    "dd if=/dev/sda count=1": CAUTION,
    "dd if=x of=/dev/null": SAFE,
    "dd of=/tmp/x if=/dev/zero": DANGEROUS,
    "dd of=/dev/sda if=/dev/zero": BLOCKED,
    "dd frob=1": DANGEROUS,
    # bsd: letters without a dash
    "tar tzf x.tgz": SAFE,
    "tar cf x.tar /srv": CAUTION,
    "ps aux": SAFE,
    # go: one dash, before the first operand
    "terraform version -json": SAFE,
    # a word more than there are places for
    "whoami now": SAFE,
    "uname now": CAUTION,
    "cut -d: -f1 /etc/shadow": CAUTION,
}

MODES = {
    "date": SAFE,
    "date +%F": SAFE,
    "date -s tomorrow": CAUTION,
    "date 010101012024": CAUTION,
    "hostname": SAFE,
    "hostname web2": CAUTION,
    "hostname -f": SAFE,
    "mount": SAFE,
    "mount -l": SAFE,
    "mount /dev/sdb1 /mnt": CAUTION,
    "mount --bind /tmp/x /etc": DANGEROUS,
    "mount -t fuse 'rm -rf /srv#' /mnt": DANGEROUS,
    "crontab -l": SAFE,
    "crontab jobs": DANGEROUS,
    "crontab -r": DANGEROUS,
    "echo x | crontab": DANGEROUS,
    "mktemp -u": SAFE,
    "mktemp -d": CAUTION,
    "kill 1234": CAUTION,
    "kill -9 1234": DANGEROUS,
    "kill -s KILL 1234": DANGEROUS,
    "kill 1": DANGEROUS,
    "kill -l": SAFE,
    "dmesg -T": SAFE,
    "dmesg -c": CAUTION,
    "sysctl -a": SAFE,
    "sysctl vm.swappiness=1": CAUTION,
    "sysctl -w kernel.core_pattern='|/tmp/x'": DANGEROUS,
    "fuser -v /srv": SAFE,
    "fuser -k 80/tcp": DANGEROUS,
    "usermod -aG docker alice": CAUTION,
    "usermod -aG docker,sudo alice": DANGEROUS,
    "useradd -ou 0 alice": DANGEROUS,
    "passwd -d root": DANGEROUS,
    "parted /dev/sdb print": SAFE,
    "parted /dev/sdb print rm 1": DANGEROUS,
    "fdisk -l": SAFE,
    "fdisk /dev/sdb": DANGEROUS,
    "uniq a": SAFE,
    "uniq a b": CAUTION,
    "xxd -r a /etc/passwd": DANGEROUS,
    "man ls": SAFE,
    "man -P ./x ls": DANGEROUS,
    "less +G x": SAFE,
    "less '+!rm x' y": DANGEROUS,
    "split --filter='rm -rf /srv' x": DANGEROUS,
    "install -s --strip-program=./x a b": DANGEROUS,
    "chmod 644 x": CAUTION,
    "chmod u+s x": DANGEROUS,
    "chmod 4755 x": DANGEROUS,
    "cp a b": CAUTION,
    "cp -t /usr/bin a": DANGEROUS,
    "mv /etc/passwd /tmp": DANGEROUS,
    "ln -s a b": CAUTION,
    "logrotate -f /etc/logrotate.d/nginx": CAUTION,
    "logrotate -f /etc/logrotate.d/../../tmp/x": DANGEROUS,
    "strace -p 1": SAFE,
    "strace -o '|sh' ls": DANGEROUS,
    "bash -n deploy.sh": SAFE,
    "bash -n +n deploy.sh": DANGEROUS,
    "bash deploy.sh": DANGEROUS,
    "bash": CAUTION,
    "jobs -x rm x": DANGEROUS,
    "mapfile -t -c 1 -C 'rm x' a": DANGEROUS,
    "hash -p /tmp/x ls": DANGEROUS,
    "command -v rm": SAFE,
    "builtin command rm x": DANGEROUS,
    "reboot": DANGEROUS,
    "shutdown -c": CAUTION,
    "tree -L 2 /srv": SAFE,
    "tree -o /etc/x /srv": DANGEROUS,
    "blkid": SAFE,
    "pidstat -e rm x": DANGEROUS,
    "split --filter=sh x": DANGEROUS,
    "history -w ~/.bashrc": DANGEROUS,
    "chsh -s /tmp/x root": DANGEROUS,
    "umount /mnt": CAUTION,
    "umount /": DANGEROUS,
    "at now < x": DANGEROUS,
    "at -l": SAFE,
}

WRAPPERS = [
    "env {}",
    "env -i A=b {}",
    "env -u A -C /srv -- {}",
    "/usr/bin/env {}",
    "env -i A=b sh -c '{}'",
    "env -S '{}'",
    "sudo {}",
    "sudo -u x -- {}",
    "sudo -nu x A=b {}",
    "sudo -i {}",
    "sudo sh -c '{}'",
    "doas -u x {}",
    "su - bob -c '{}'",
    "su -c '{}' bob",
    "su root -- -c '{}'",
    "runuser -u bob -- {}",
    "nohup {}",
    "nice -n 5 {}",
    "nice -5 {}",
    "ionice -c2 -n7 -t {}",
    "timeout -k 5 10 {}",
    "timeout --signal=KILL 0.5m {}",
    "time -p {}",
    "\\time -f %e {}",
    "stdbuf -oL -e0 {}",
    "setsid -f -w {}",
    "chroot --userspec=x /mnt {}",
    "nsenter -t 1 -m -u -n -i {}",
    "unshare -r {}",
    "taskset -c 0 {}",
    "chrt -o 0 {}",
    "prlimit --nofile=64 {}",
    "flock /x {}",
    "flock -n -E 0 /x -c '{}'",
    "xargs {}",
    "xargs -n1 -0 {}",
    "xargs -I% {}",
    "xargs -I{{}} sh -c '{}'",
    "parallel {}",
    "watch -n1 {}",
    "watch -x -t {}",
    "strace -f -o /tmp/t {}",
    "script -qc '{}' /dev/null",
    "systemd-run --scope -p MemoryMax=1G {}",
    "busybox {}",
    "busybox sh -c '{}'",
    "entr -n {}",
    "tmux new-session -d '{}'",
    "sh -c '{}'",
    "bash -xc '{}'",
    "bash -o errexit -c '{}'",
    "bash -c -x '{}'",
    "eval {}",
    "exec -a ls {}",
    "trap '{}' EXIT",
    "command -p -- {}",
    "nohup nice -n 5 timeout 9 env A=1 setsid -w stdbuf -o0 {}",
]

EXPANSIONS = {
    # a variable that the text does not set: whoever runs it knows it
    'sort "$F"': CAUTION,
    "sort /srv/$F": SAFE,
    'cat "$F"': SAFE,
    "ls $F": SAFE,
    # one that it sets, and what a program says, may be the worst option of the tool
    'F=--compress-program=./x; sort "$F"': DANGEROUS,
    "F='x --compress-program=./x'; sort a$F": DANGEROUS,
    "sort $(cat list)": DANGEROUS,
    'sort "$(cat list)"': DANGEROUS,
    'sort "./$(cat list)"': SAFE,
    "cat $(which ls)": SAFE,
    # one that it sets to plain words only is what they are
    'F=usage.txt; sort "$F"': SAFE,
    "for h in web1 web2; do sort /srv/$h $h; done": SAFE,
    "for h in web{1..3}; do sort $h; done": SAFE,
    "sort x.$(date +%F)": SAFE,
    "sort $(date +%F)": SAFE,
    "sort $(date +-%F)": DANGEROUS,
    "sort ${F:-usage.txt}": CAUTION,
    "sort ${#F}": SAFE,
    'F=a; F+=" -o/etc/x"; sort $F': DANGEROUS,
    "F=a; read F < x; sort $F": DANGEROUS,
    "F=a; (( F = -5 )); sort $F": DANGEROUS,
    # by whatever way the text sets it
    "sort ${F:---compress-program=./x}": DANGEROUS,
    "sort ${F/#*/--compress-program=./x}": DANGEROUS,
    ": --compress-program=./x; sort $_": DANGEROUS,
    "[[ --compress-program=./x =~ (.*) ]]; sort ${BASH_REMATCH[1]}": DANGEROUS,
    "builtin read F <<< --compress-program=./x; sort $F": DANGEROUS,
    'r"ead" "F" <<< --compress-program=./x; sort $F': DANGEROUS,
    "eval 'F=--compress-program=./x'; sort $F": DANGEROUS,
    "eval 'read F' <<< --compress-program=./x; sort $F": DANGEROUS,
    "trap 'F=--compress-program=./x' DEBUG; sort $F": DANGEROUS,
    'export "F=--compress-program=./x"; sort $F': DANGEROUS,
    "env F=-x sh -c 'sort $F'": DANGEROUS,
    "sort --compress-program{=,}./x": DANGEROUS,
    # a file whose name the text gives elsewhere
    "F=/tmp/x; tee $F": CAUTION,
    "F=/et; F+=c/cron.d/x; tee $F": DANGEROUS,
    "F=/etc/cron.d/x; tee $F": DANGEROUS,
    "F=/etc/cron.d/x; echo x > $F": DANGEROUS,
    "{ echo x; } > $F; F=/etc/cron.d/x": DANGEROUS,
    "echo x > $(echo /etc/cron.d/x)": DANGEROUS,
    "echo x > ${F:-/etc/cron.d/x}": DANGEROUS,
    "D=/etc; F=$D/cron.d/x; tee $F": DANGEROUS,
    "F=/etc/shadow; cat $F": CAUTION,
    "for i in 1 2; do tee /tmp/$i; done": CAUTION,
    "tee $F": CAUTION,
    # a name that is relative to where the text went before
    "cd /srv/app && tee x": CAUTION,
    "cd /etc/cron.d && tee x": DANGEROUS,
    "cd /; cd etc; tee cron.d/x": DANGEROUS,
    "pushd .git/hooks && echo x > pre-commit": DANGEROUS,
    "D=/etc/cron.d; cd $D; tee x": DANGEROUS,
    "cd $(echo /etc/cron.d); tee x": DANGEROUS,
    "cd $D; tee x": CAUTION,
    "cd /etc/cron.d && tee /tmp/x": CAUTION,
    "env -C /etc/cron.d tee x": DANGEROUS,
    # names of files may look like options, unless something stands before them
    "sort *": DANGEROUS,
    "sort ./*": SAFE,
    "sort -- *": SAFE,
    "cat *": SAFE,
    # as a value the kind decides
    'head -n "$N" x': SAFE,
    'sort -o "$F" x': CAUTION,
    'sort --compress-program="$P" x': DANGEROUS,
    'rm "$F"': DANGEROUS,
    'sh -c "$C"': DANGEROUS,
    'eval "$C"': DANGEROUS,
    "bash -c 'sort \"$1\"' _ --compress-program=./x": DANGEROUS,
    # a sub-command that is not said
    'kubectl "$V" pods': DANGEROUS,
    # what xargs reads becomes words
    "cat list | xargs sort": DANGEROUS,
    "cat list | xargs cat": SAFE,
    "cat list | xargs -I% cat /srv/%": SAFE,
}

UNKNOWN = {
    "frobnicate": DANGEROUS,
    "./ls": DANGEROUS,
    "/tmp/ls": DANGEROUS,
    "/usr/bin/ls": SAFE,
    "/bin/rm x": DANGEROUS,
    "/usr/bin/../../tmp/ls": DANGEROUS,
    "kubectl frobnicate": DANGEROUS,
}


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Verdict]:
    """All commands of this file, judged together."""
    harmful = [wrapper.format("rm -rf /srv/data") for wrapper in WRAPPERS]
    harmless = [wrapper.format("ls -la /srv/data") for wrapper in WRAPPERS]
    texts = [*STYLES, *MODES, *EXPANSIONS, *UNKNOWN, *harmful, *harmless, "rm x", "sudo ls"]
    return {verdict.text: verdict for verdict in judge(texts)}


@pytest.mark.parametrize(("command", "risk"), STYLES.items())
def test_words_are_read_as_the_tool_reads_them(
    command: str, risk: Risk, verdicts: dict[str, Verdict]
) -> None:
    """An option is found wherever and however the tool would take it, and one that is not known
    is never taken for harmless (N-12)."""
    assert verdicts[command].risk is risk, verdicts[command].findings


@pytest.mark.parametrize(("command", "risk"), MODES.items())
def test_an_option_or_operand_can_change_what_a_tool_does(
    command: str, risk: Risk, verdicts: dict[str, Verdict]
) -> None:
    """A tool that shows is judged otherwise where its words make it write, run or end something
    (N-10, N-12)."""
    assert verdicts[command].risk is risk, verdicts[command].findings


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapper_hides_nothing(wrapper: str, verdicts: dict[str, Verdict]) -> None:
    """What a wrapper runs is judged, with its options in whatever place (N-13)."""
    verdict = verdicts[wrapper.format("rm -rf /srv/data")]

    assert verdict.risk >= Risk.DANGEROUS, verdict.findings


def test_most_wrappers_leave_what_is_harmless_harmless(verdicts: dict[str, Verdict]) -> None:
    """A wrapper whose options are known is seen through: it is no reason for alarm by itself."""
    calm = [w for w in WRAPPERS if verdicts[w.format("ls -la /srv/data")].risk <= Risk.CAUTION]

    assert set(WRAPPERS) - set(calm) == {"env -S '{}'", "parallel {}", "su root -- -c '{}'"}


@pytest.mark.parametrize(("command", "risk"), EXPANSIONS.items())
def test_what_is_not_said_may_be_an_option(
    command: str, risk: Risk, verdicts: dict[str, Verdict]
) -> None:
    """A word whose value is known only when it runs counts as the worst that it may become
    (N-12, N-13)."""
    assert verdicts[command].risk is risk, verdicts[command].findings


@pytest.mark.parametrize(("command", "risk"), UNKNOWN.items())
def test_what_has_no_table_is_dangerous(
    command: str, risk: Risk, verdicts: dict[str, Verdict]
) -> None:
    """Only a name that is known, in a folder of the system, is a known tool (N-12)."""
    assert verdicts[command].risk is risk, verdicts[command].findings


def test_effects_and_reasons_are_told(verdicts: dict[str, Verdict]) -> None:
    """A verdict says what the command does to the world, by a rule and at a place (N-10)."""
    verdict = verdicts["rm x"]

    assert Effect.DELETES in verdict.effects
    assert {finding.rule for finding in verdict.findings} >= {"deletes"}
    assert verdict.findings[0].span.start == 0
    assert verdicts["sudo ls"].effects == {Effect.READS, Effect.PRIVILEGE}
