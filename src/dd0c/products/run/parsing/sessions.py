"""Which commands open a session or need a terminal, and what is spoken there.

A session ends a step: what follows it in a block is typed somewhere else (rule 3 of the runbooks'
README). Decided by a table of programs; wrappers (`sudo`, `kubectl exec …`, `ssh host …`) hand the
question on to the command that they run. No verdict hangs on this, so words are split by shlex.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from functools import cache

from dd0c.products.run.parsing import placeholders

_READ_MAX = 4000  # characters of a command that are looked at
_NESTED_MAX = 8
_FED = "<|"
_SUBSTITUTED = re.compile(r"\$\([^()]*\)|`[^`]*`")
_SEPARATORS = frozenset(("|", "||", "&&", ";", "&", "|&", ";;"))
_ALWAYS = frozenset((
    "vi", "view", "nano", "pico", "joe", "mc", "htop", "btop", "atop",
    "nmtop", "iftop", "nethogs", "bmon", "glances", "k9s", "less", "more", "most", "man", "tig",
    "ncdu", "watch", "visudo", "vipw", "vigr", "nmtui", "cfdisk", "cgdisk",
    "telnet", "mosh", "rlogin", "minicom", "passwd", "crash", "gdb", "lldb",
    "irb", "ipython", "pry", "iex", "ghci", "sftp", "ftp", "lftp", "ktop", "alsamixer",
    "systemd-cgtop", "slabtop", "cmatrix", "lnav", "ranger", "Enter-PSSession", "newgrp",
    "sqlplus", "sqlcmd", "dialog",
))  # fmt: skip
_SHELLS = frozenset(("bash", "sh", "zsh", "ash", "dash", "ksh", "rbash", "fish"))
_UNLESS = {  # a full screen or a prompt, unless one of its words is like this
    "vim": r"-[eE]s|--version",
    "nvim": r"--headless|--version",
    "emacs": r"--batch|--script.*|--version",
    "tmux": r"-d|ls|kill-\w+|send-keys",
    "screen": r"-d|-dm\w*|-ls",
    "top": r"-\w*b\w*|--batch.*",
    "iotop": r"-\w*b\w*|--batch",
    "nvtop": r"-s",
    "psql": r"-\w*[cfl].*|--(?:command|file|list|version|help).*",
    "mysql": r"-\w*[eV].*|--(?:execute|version|help).*",
    "mariadb": r"-\w*[eV].*|--(?:execute|version|help).*",
    "cqlsh": r"-[ef].*|--(?:execute|file|version).*",
    "clickhouse-client": r"-q.*|--(?:query|queries-file|version).*",
    "mongo": r"--(?:eval|version).*|.*\.js",
    "mongosh": r"--(?:eval|version).*|-f|--file|.*\.js",
    "influx": r"-execute.*|query|write|ping|auth|bucket|backup|version|export|config|org",
    "python": r"-[cmV].*|--version|-|[^-].*",
    "python3": r"-[cmV].*|--version|-|[^-].*",
    "node": r"-[epv].*|--version|[^-].*",
    "fdisk": r"-\w*l\w*|--list|-v",
    "gdisk": r"-l",
    "parted": r"-\w*[slm]\w*|--script|--list|print|-v",
    "zkCli.sh": r"ls|get|stat|set|create|delete|deleteall|getAcl|quit",
    "hbase": r"[^s].*",
    "ssh-keygen": r"-[fNlRFyeiLHABp].*",
}
_WORDS = {
    "gcloud": r"^compute ssh(?!.*--command)|^alpha cloud-shell|^cloud-shell ssh$|^init$",
    "aws": r"^ssm start-session(?!.*--document-name)|^ecs execute-command.*--interactive",
    "az": r"^ssh vm|^serial-console connect",
    "crontab": r"(?:^|\s)-e\b",
    "systemctl": r"^(?:\S+ )*edit\b",
    "git": r"^(?:rebase (?:.* )?(?:-i|--interactive)|add (?:-p|-i)|commit(?: --amend| -a)?$)",
    "virsh": r"^console\b|^edit\b|^$",
    "virtctl": r"^(?:console|ssh|vnc)\b",
    "machinectl": r"^(?:shell|login)\b",
    "lxc": r"^exec .*-- (?:ba|a)?sh$",
    "ipmitool": r"\bsol activate\b",
    "terraform": r"^console\b",
    "rails": r"^(?:c|console|db|dbconsole)\b",
    "gitlab-rails": r"^(?:c|console|dbconsole)\b",
    "gitlab-psql": r"^(?!.*-\w*[cf])",
    "bundle": r"^exec (?:rails c|irb|pry)",
    "manage.py": r"^(?:shell|dbshell)\b",
    "vault": r"^login$",
    "toolbox": r"^$|^enter\b",
    "ceph": r"^$",
    "cephadm": r"^shell(?!.* -- )",
    "argocd": r"^login(?!.*--(?:password|sso))",
    "heroku": r"\brun (?:ba)?sh$|^ps:exec$",
    "php": r"^-a$",
    "erl": r"^$",
    "dpkg-reconfigure": r"^(?!.*-f ?non)",
}
"""Programs that are interactive when the words behind their name match."""
_PASSWORD = frozenset(("mysql", "mariadb", "mysqldump", "mysqladmin", "mysqlcheck", "xtrabackup"))
_SPOKEN = {
    "psql": "sql", "mysql": "sql", "mariadb": "sql", "sqlite3": "sql", "cqlsh": "sql",
    "sqlplus": "sql", "sqlcmd": "sql", "clickhouse-client": "sql", "gitlab-psql": "sql",
    "redis-cli": "redis", "valkey-cli": "redis", "mongo": "mongo", "mongosh": "mongo",
    "python": "python", "python3": "python", "ipython": "python",
    "rails": "ruby", "gitlab-rails": "ruby", "irb": "ruby",
    "Enter-PSSession": "powershell",
}  # fmt: skip
_WITH_VALUE = {  # options whose value is the next word
    "ssh": "bcDEeFIiJLlmOopQRSWw",
    "sudo": "ugpChrtTRD",
    "nsenter": "tSG",
    "redis-cli": "hpasnuri",
}
_FLAGS_OF_RUN = re.compile(
    r"--(?:rm|tty|stdin|interactive|privileged|quiet|detach|init|it|no-stdin|attach|.*=.*)$"
)


@cache
def _candidates() -> re.Pattern[str]:
    """A word without which no command is interactive: most commands are read no further."""
    clusters = {name for name, judge in _OTHERS.items() if judge in (_cluster, _container)}
    names = (_ALWAYS | _SHELLS | _PASSWORD | {*_UNLESS, *_WORDS, *_OTHERS}) - clusters
    verbs = ("exec", "rsh", "debug", "attach", "run", "edit")
    return re.compile(
        rf"(?<![\w-])(?:{'|'.join(map(re.escape, (*sorted(names), *verbs)))})(?![\w-])"
    )


def opens(command: str) -> bool:
    """Whether a command opens a session or needs a terminal."""
    if not _candidates().search(command, 0, _READ_MAX):
        return False
    return any(_interactive(words, 0) for words in simple_commands(command))


def spoken(command: str) -> str | None:
    """The language of what is typed in the session that a command opens, if it is no shell's."""
    for words in simple_commands(command):
        for word in reversed(words):
            if word.rpartition("/")[2] in _SPOKEN and _interactive(words, 0):
                return _SPOKEN[word.rpartition("/")[2]]
    return None


def simple_commands(command: str) -> list[list[str]]:
    """The words of each command of a list or pipeline, quotes taken away; the first lines only.

    What a pipe feeds ends with the word `<|`: as with a file, nobody types there.
    """
    text = _SUBSTITUTED.sub("x", placeholders.masked(command[:_READ_MAX]))
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words = list(lexer)
    except ValueError:  # a quote is open: the words as they stand
        words = text.split()
    commands: list[list[str]] = [[]]
    piped = False
    for word in words:
        if word in _SEPARATORS:
            commands[-1] += [_FED] if piped and commands[-1] else []
            commands.append([])
            piped = word in ("|", "|&")
        else:
            commands[-1].append(word)
    commands[-1] += [_FED] if piped and commands[-1] else []
    return [words for words in commands if words]


def _interactive(words: Sequence[str], depth: int) -> bool:
    words = _without_settings(words)
    if not words or depth > _NESTED_MAX:
        return False
    name, rest = words[0].rpartition("/")[2], list(words[1:])
    if name in _ALWAYS:
        return True
    if name in _SHELLS:
        return _shell(rest, depth)
    if name in _PASSWORD and any(word in ("-p", "--password") for word in rest):
        return True
    if name in _UNLESS:
        fed = any(word.startswith("<") for word in rest)
        return not fed and not any(re.fullmatch(_UNLESS[name], word) for word in rest)
    if name in _WORDS:
        return bool(re.search(_WORDS[name], " ".join(rest)))
    judge = _OTHERS.get(name)
    return judge(rest, depth + 1) if judge else False


def _without_settings(words: Sequence[str]) -> list[str]:
    rest = list(words)
    while rest and (
        re.match(r"[A-Za-z_]\w*=", rest[0]) or rest[0] in ("env", "time", "exec", "nohup")
    ):
        rest.pop(0)
    return rest


def _shell(rest: list[str], depth: int) -> bool:
    """A shell without a script, a command or something that is fed to it."""
    given = [word for word in rest if not word.startswith("-") or word == "-s"]
    told = [word for word in rest if re.fullmatch(r"-\w*c\w*", word)]
    return not (given or told)


def _after_options(rest: list[str], valued: str, long_valued: Sequence[str] = ()) -> list[str]:
    """What follows the options; those in `valued` take the next word, as do the long ones named."""
    at = 0
    while at < len(rest) and rest[at].startswith("-") and rest[at] != "--":
        option = rest[at]
        short = not option.startswith("--") and option[-1] in valued and option[1] in valued
        at += 2 if (short and len(option) == 2) or option in long_valued else 1
    return rest[at + 1 :] if rest[at : at + 1] == ["--"] else rest[at:]


def _privileged(rest: list[str], depth: int) -> bool:
    command = _after_options(rest, _WITH_VALUE["sudo"])
    if not command:
        return any(re.fullmatch(r"-\w*[is]\w*|--login|--shell|-e|--edit", word) for word in rest)
    return _interactive(command, depth)


def _su(rest: list[str], depth: int) -> bool:
    return not any(word.startswith(("-c", "--command")) for word in rest)


def _remote(rest: list[str], depth: int) -> bool:
    host_on = _after_options(rest, _WITH_VALUE["ssh"])
    flags = "".join(word for word in rest if re.fullmatch(r"-[a-zA-Z]+", word))
    if set(flags) & set("NfVQGWO") or any(word.startswith("<") for word in rest):
        return False
    command = _after_options(host_on[1:], _WITH_VALUE["ssh"])
    return bool(host_on) and (not command or _interactive(shlex_words(command), depth))


def shlex_words(words: list[str]) -> list[str]:
    """The words of a command that is handed on as one text."""
    return simple_commands(" ".join(words))[-1] if words else []


def _rooted(rest: list[str], depth: int) -> bool:
    operands = _after_options(rest, "")
    return bool(operands) and (len(operands) == 1 or _interactive(operands[1:], depth))


def _entered(rest: list[str], depth: int) -> bool:
    command = _after_options(rest, _WITH_VALUE["nsenter"], ("--target", "--wd", "--root"))
    return not command or _interactive(command, depth)


def _cluster(rest: list[str], depth: int) -> bool:
    """kubectl and oc: exec, rsh, debug, attach, run, edit."""
    ahead, _, command = _split_at(rest, "--")
    verbs = ("exec", "rsh", "debug", "attach", "run", "edit", "login")
    verb = next((word for word in ahead if word in verbs), None)
    behind = ahead[ahead.index(verb) + 1 :] if verb else []
    terminal = any(re.fullmatch(r"-\w*[it]\w*|--(?:tty|stdin)(?:=true)?", w) for w in ahead)
    if verb == "edit":
        return True
    if verb == "attach":
        return terminal
    if verb in ("rsh", "exec") and not command:
        operands = _after_options(behind, "cnf", ("--container", "--namespace", "--shell", "-n"))
        command = _after_options(operands[1:], "cnf", ("--container", "--namespace"))
        if verb == "rsh" and operands and not command:
            return True
    if verb in ("debug", "run") and not command:
        node = verb == "debug" and any(re.match(r"nodes?/", word) for word in behind)
        return terminal or node or (verb == "debug" and "--image" not in " ".join(behind))
    if verb in ("exec", "rsh", "debug", "run") and (terminal or verb in ("rsh", "debug")):
        return _interactive(command, depth)
    return False


def _split_at(words: list[str], mark: str) -> tuple[list[str], str, list[str]]:
    at = words.index(mark) if mark in words else len(words)
    return words[:at], mark, words[at + 1 :]


def _container(rest: list[str], depth: int) -> bool:
    """docker, podman, nerdctl, crictl, also behind `compose`."""
    composed = rest[:1] == ["compose"]
    rest = _after_options(rest[1:], "fp", ("--file",)) if composed else rest
    rest = rest[1:] if rest[:1] == ["container"] else rest
    if rest[:1] == ["attach"]:
        return True
    if rest[:1] not in (["exec"], ["run"]):
        return False
    options = [word for word in rest[1:] if word.startswith("-")]
    terminal = any(re.fullmatch(r"-\w*[it]\w*|--(?:tty|interactive)", word) for word in options)
    terminal = terminal or (composed and "-T" not in options)
    at = 1
    while at < len(rest) and rest[at].startswith("-"):
        flag = _FLAGS_OF_RUN.match(rest[at]) or re.fullmatch(r"-[itdPTq]+", rest[at])
        at += 1 if flag else 2
    command = rest[at + 1 :]
    return terminal and (
        not command if rest[0] == "run" and not command else _interactive(command, depth)
    )


def _redis(rest: list[str], depth: int) -> bool:
    operands = _after_options(rest, _WITH_VALUE["redis-cli"], ("--user", "--pass"))
    modes = (
        "--scan",
        "--bigkeys",
        "--latency",
        "--stat",
        "--memkeys",
        "--rdb",
        "--cluster",
        "--eval",
    )
    return not operands and not any(word.startswith(("<", *modes)) for word in rest)


def _sqlite(rest: list[str], depth: int) -> bool:
    return len(_after_options(rest, "")) < 2 and not any(word.startswith("<") for word in rest)


def _run_by(valued: str, *, skip: int = 0) -> Callable[[list[str], int], bool]:
    """A program that runs what follows its options and `skip` operands."""
    return lambda rest, depth: _interactive(_after_options(rest, valued)[skip:], depth)


_OTHERS: dict[str, Callable[[list[str], int], bool]] = {
    "sudo": _privileged, "doas": _privileged, "su": _su, "runuser": _su,
    "ssh": _remote, "chroot": _rooted, "nsenter": _entered,
    "kubectl": _cluster, "oc": _cluster, "k": _cluster, "microk8s.kubectl": _cluster,
    "docker": _container, "podman": _container, "nerdctl": _container, "crictl": _container,
    "redis-cli": _redis, "valkey-cli": _redis, "sqlite3": _sqlite,
    "docker-compose": lambda rest, depth: _container(["compose", *rest], depth),
    "timeout": _run_by("ks", skip=1), "nice": _run_by("n"), "strace": _run_by("pefoPs"),
}  # fmt: skip
