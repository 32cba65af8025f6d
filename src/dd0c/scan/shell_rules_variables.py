"""Variables that make other programs run something, or make this shell read its text otherwise.

A name that is known to do so is dangerous however it is set. Any other name is judged by its value
where a program gets it (`NAME=value cmd`, `export`, `env`): a number or a plain word starts
nothing, but nobody knows all variables that name a program, so what could be a command line or a
path is not passed over. A variable of this shell only (`x=1`) is data: what becomes of it is judged
where it is used.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from dd0c.scan.judgement import NOTHING, Judgement, found
from dd0c.scan.models import Risk
from dd0c.scan.paths import guarded
from dd0c.scan.syntax import Assignment, Expansion, Glob, Literal, Substitution, Word

_RUNS = (
    *("PATH", "LD_*", "DYLD_*", "GCONV_PATH", "NLSPATH", "LOCPATH", "MALLOC_CHECK_", "HOSTALIASES"),
    *("IFS", "ENV", "PS[0-4]", "BASH*", "SHELLOPTS", "SHELL", "PROMPT*", "*_COMMAND", "COMMAND"),
    *("FPATH", "FUNCNEST", "HISTFILE", "HISTCONTROL", "INPUTRC", "EXECIGNORE", "GLOBIGNORE"),
    *("CDPATH", "FIGNORE", "MAILPATH", "TIMEFORMAT", "ZDOTDIR", "ZSH*", "KSH*", "precmd"),
    *("HOME", "XDG_*", "*PAGER", "*PAGERSECURE", "*EDITOR", "*EDIT", "VISUAL", "*BROWSER", "LESS*"),
    *("MANOPT", "MANROFFOPT", "MANPATH", "*OPENER", "*_VIEWER", "*ASKPASS*", "GIT_*", "GIT*"),
    *("*_RSH", "RSH", "*_SSH", "SSH_*", "CVS_*", "SVN_*", "HG*", "*_DIFF", "*_MERGE", "*DIFFTOOL"),
    *(
        "PYTHON*",
        "PERL*",
        "RUBY*",
        "GEM_*",
        "BUNDLE_*",
        "NODE_OPTIONS",
        "NODE_PATH",
        "NODE_REPL*",
        "NODE_ICU*",
        "NODE_EXTRA*",
        "NPM_*",
        "npm_*",
        "PIP_*",
        "LUA_*",
    ),
    *("PHP*", "JAVA_*", "_JAVA_*", "JDK_*", "CLASSPATH", "*_OPTIONS", "*OPTS", "*_OPT", "*FLAGS"),
    *("*_ARGS", "*_CONFIG", "*_CONFIG_*", "*_CONF", "*_CNF", "*_RC", "*RC", "*_INIT", "*INIT"),
    *("OPENSSL*", "*_ENGINE*", "*_PRELOAD", "*_PLUGIN*", "*_MODULES", "*_HOOK*", "*_WRAPPER"),
    *(
        "CC",
        "CXX",
        "*_LINKER",
        "RUSTC*",
        "GOFLAGS",
        "MAKE*",
        "CMAKE_*",
        "TAR_*",
        "RSYNC_*",
        "SUDO_*",
    ),
    *("TERMINFO*", "TERMCAP", "VIM*", "EXINIT", "EMACS*", "TCL*", "R_*", "GDB*", "*_PROXYCOMMAND"),
    *("*_DRIVER_PATH", "*_LIBRARY_PATH", "*LIB_PATH", "*PROG", "*_PROGRAM", "*_BINARY", "*_BIN"),
    *("*_EXEC", "*_EXEC_*", "*_SHELL", "*_SCRIPT", "*_CMD", "*_HELPER", "*_HANDLER", "*_DAEMON"),
    *(
        "TMUX",
        "KRB5_*",
        "NSS_*",
        "RES_OPTIONS",
        "QT_*",
        "GTK_*",
        "PKG_CONFIG*",
        "AWK*",
        "POSIXLY_*",
    ),
    *("http_proxy", "https_proxy", "*_PROXY", "all_proxy", "WGETRC", "CURL_HOME", "NETRC"),
)
_HARMLESS = (
    *(
        "LANG",
        "LANGUAGE",
        "LC_*",
        "TZ",
        "COLUMNS",
        "LINES",
        "TERM",
        "NO_COLOR",
        "CLICOLOR*",
        "FORCE_COLOR",
    ),
    *("DEBIAN_FRONTEND", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_DEFAULT_OUTPUT"),
    *("NAMESPACE", "DISPLAY", "PGDATABASE", "PGUSER", "PGPORT", "PGHOST", "PGCONNECT_TIMEOUT"),
    *("ETCDCTL_API", "SYSTEMD_COLORS", "SYSTEMD_LESS", "HISTTIMEFORMAT", "ANSIBLE_NOCOLOR"),
    *("VAULT_ADDR", "CONSUL_HTTP_ADDR", "NOMAD_ADDR", "DOCKER_CONTEXT", "CLOUDSDK_CORE_PROJECT"),
)
_BOUNDED = (
    *("KUBECONFIG", "DOCKER_HOST", "*_HOST", "*_URL", "*_URI", "*_ADDR", "*_ENDPOINT", "*_TOKEN"),
    *("*PASSWORD", "*_KEY", "*_SECRET", "*_ID", "*_NAME", "*_DIR", "*_FILE", "*_VERSION"),
)
"""Where a program looks, or who it is: it then does as it always does."""
_SETTINGS = ("KUBECONFIG",)
"""Files of settings that can name programs: trusted where only the trusted write."""
_PLAIN = re.compile(r"[\w.,:@%+-]*")
_COMMAND_LIKE = re.compile(r"[\s;|&$`(){}<>!]|^[./~]|\.(?:sh|py|pl|so)\b")


def judge_assignment(one: Assignment, *, given: bool) -> Judgement:
    """What setting a variable may do; `given`: another program gets it."""
    name = one.name
    if _matches(name, _HARMLESS) and (one.value is None or _is_plain(one.value)):
        return NOTHING
    if _matches(name, _RUNS):
        told = f"{name} decides what other commands run, or how they are read"
        return found(Risk.DANGEROUS, "poisoned-environment", one.span, told)
    if _matches(name, _SETTINGS) and one.value is not None and not guarded(one.value):
        told = f"{name} names settings, in a place where others may write, that can run programs"
        return found(Risk.DANGEROUS, "poisoned-environment", one.span, told)
    if not given or one.value is None or _is_plain(one.value):
        return NOTHING
    text = one.value.text
    if not _matches(name, _BOUNDED) and (text is None or _COMMAND_LIKE.search(text)):
        told = f"{name} is handed to a program that may run what it says"
        return found(Risk.DANGEROUS, "unknown-environment", one.span, told)
    told = f"nothing is known of the variable {name}, which a program is given"
    return found(Risk.CAUTION, "unknown-environment", one.span, told)


def is_dangerous(name: str) -> bool:
    """Whether a variable of this name decides what runs."""
    return _matches(name, _RUNS)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _is_plain(value: Word) -> bool:
    """Whether a value can start nothing: no path, no blanks, nothing unsaid."""
    text = value.text
    return text is not None and _PLAIN.fullmatch(text) is not None


def is_numeric(value: Word | None, numeric: frozenset[object]) -> bool:
    """Whether what a variable is set to can only be a number."""
    if value is None:
        return False
    for part in value.parts:
        if isinstance(part, Literal):
            if part.text and not re.fullmatch(r"[-+]?\d+|\d*", part.text):
                return False
        elif isinstance(part, Glob):
            if not re.fullmatch(r"\{\d+\.\.\d+(?:\.\.\d+)?\}", part.text):
                return False
        elif isinstance(part, Substitution):
            if part.span not in numeric:
                return False
        elif not (isinstance(part, Expansion) and part.name in (None, "#", "?", "$", "!")):
            return False
    return True
