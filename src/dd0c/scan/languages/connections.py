"""Words that say what a connection is made of: ssh's `-o name=value`, socat's addresses.

Both hide commands among plain settings, and both are read without regard to case.
"""

from __future__ import annotations

import re

from dd0c.scan.languages.facts import Facts, File, caution, dangerous, feeds, named, starts
from dd0c.scan.models import Effect

_OPTION = re.compile(r"\s*([A-Za-z0-9]+)(?:\s*=\s*|\s+)(.*)", re.DOTALL)
_SSH_RUNS = frozenset({"proxycommand", "localcommand", "knownhostscommand"})
_SSH_HARMLESS = named(
    "addressfamily batchmode bindaddress canonicaldomains canonicalizehostname checkhostip "
    "certificatefile ciphers compression connectionattempts connecttimeout controlpath "
    "controlpersist controlmaster escapechar exitonforwardfailure fingerprinthash "
    "gssapiauthentication hashknownhosts hostbasedauthentication hostkeyalgorithms hostkeyalias "
    "hostname identitiesonly identityfile ipqos kbdinteractiveauthentication kexalgorithms "
    "loglevel logverbose macs nohostauthenticationforlocalhost numberofpasswordprompts "
    "passwordauthentication port preferredauthentications proxyjump pubkeyacceptedalgorithms "
    "pubkeyacceptedkeytypes pubkeyauthentication rekeylimit requesttty requiredrsasize "
    "serveralivecountmax serveraliveinterval sessiontype streamlocalbindunlink tcpkeepalive "
    "updatehostkeys user userknownhostsfile globalknownhostsfile verifyhostkeydns visualhostkey "
    "protocol useroaming challengeresponseauthentication stricthostkeychecking"
)
_SSH_OPENS = named(
    "dynamicforward localforward remoteforward forwardagent forwardx11 forwardx11trusted "
    "gatewayports gssapidelegatecredentials permitremoteopen tunnel sendenv setenv "
    "permitlocalcommand"
)
_SOCAT_RUNS = frozenset({"exec", "system", "shell"})
_SOCAT_READS = named(
    "- stdin stdout stdio stderr tcp tcp4 tcp6 tcp-connect tcp4-connect tcp6-connect udp udp4 "
    "udp6 udp-connect udp-sendto openssl openssl-connect ssl unix-connect unix unix-client"
)
_SOCAT_FILES = frozenset({"open", "create", "gopen", "file", "creat"})


def read(text: str, dialect: str | None) -> Facts:
    """What one setting or address does; `dialect` says whose it is."""
    yield from _socat(text) if dialect == "socat" else _ssh(text)


def _ssh(text: str) -> Facts:
    found = _OPTION.fullmatch(text)
    name = found[1].lower() if found else ""
    if found and name in _SSH_RUNS:
        if found[2].strip().lower() != "none":
            yield from starts(found[2].lstrip().removeprefix("exec "), found.start(2), len(text))
    elif name in _SSH_HARMLESS:
        return
    elif name in _SSH_OPENS:
        why = "The connection carries more than a session."
        yield caution("opens-connection", why, 0, len(text), Effect.NETWORK)
    else:
        why = "This setting of ssh may name a program."
        yield dangerous("runs-unknown-command", why, 0, len(text))


def _socat(text: str) -> Facts:
    for address in re.split(r"!!", text):
        keyword, _, rest = address.partition(":")
        name = keyword.split(",")[0].strip().lower()
        at = text.find(rest) if rest else len(text)
        if name in _SOCAT_RUNS:
            yield from feeds(rest, at, at + len(rest))
        elif name in _SOCAT_FILES:
            path = rest.split(",")[0]
            yield File(path, at, at + len(path), writes=True)
        elif name in _SOCAT_READS or name.isdigit():
            continue
        elif name.endswith(("-listen", "-recv", "-recvfrom")) or name in ("pty", "pipe"):
            yield caution("opens-connection", "Waits for a connection.", 0, len(text))
        elif "/" in address and not rest:
            path = address.split(",")[0]
            yield File(path, 0, len(path), writes=True)
        else:
            why = "This kind of address is not known here."
            yield dangerous("program-unreadable", why, 0, len(text))
