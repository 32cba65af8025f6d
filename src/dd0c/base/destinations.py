"""Where a call may go: reading its URL, and judging the addresses that its name stands for. Pure.

What a tenant types is a way into our network: `http://169.254.169.254/` has the credentials of the
machine, `http://127.0.0.1:5432/` is our database, and a name may stand for either. So the addresses
are judged, never the name, and after the resolver has read it: it takes 127.1, 2130706433 and
0x7f.0.0.1 for loopback. An address that carries another inside is judged by the inner one where
networks need it (IPv4-mapped, NAT64) and refused where nobody does (6to4, Teredo).

The tables are the special-purpose registries of IANA for IPv4 and IPv6; of IPv6 only 2000::/3 is
the internet at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from dd0c.base.addresses import Address, Network, is_within, parse_network
from dd0c.base.errors import InvalidInput

URL_CHARACTERS_MAX = 2048
PORTS = {"http": 80, "https": 443}
PORT_OF_USERS_MIN = 1024

NAT64 = IPv6Network("64:ff9b::/96")
GLOBAL = IPv6Network("2000::/3")

REFUSED: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "this host"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "shared by a carrier's customers"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local, where clouds keep a machine's credentials"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "reserved for protocols"),
    ("192.0.2.0/24", "for documentation"),
    ("192.31.196.0/24", "reserved for protocols"),
    ("192.52.193.0/24", "reserved for protocols"),
    ("192.88.99.0/24", "a relay of 6to4"),
    ("192.168.0.0/16", "private"),
    ("192.175.48.0/24", "reserved for protocols"),
    ("198.18.0.0/15", "for benchmarks"),
    ("198.51.100.0/24", "for documentation"),
    ("203.0.113.0/24", "for documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved, or broadcast"),
    ("168.63.129.16/32", "where Azure keeps a machine's configuration"),
    ("::/128", "this host"),
    ("::1/128", "loopback"),
    ("64:ff9b:1::/48", "a private translation to IPv4"),
    ("fc00::/7", "private"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
    ("2001::/32", "Teredo, which carries an address of IPv4"),
    ("2001::/23", "reserved for protocols"),
    ("2001:db8::/32", "for documentation"),
    ("2002::/16", "6to4, which carries an address of IPv4"),
    ("2620:4f:8000::/48", "reserved for protocols"),
    ("3fff::/20", "for documentation"),
)
"""What is not the internet, with the reason that people are told."""

_REFUSED = tuple((ip_network(text), why) for text, why in REFUSED)


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL in the parts that are used, so that nothing reads it in another way again."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """What the header `Host` says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def read_url(url: str) -> Destination:
    """Where a URL leads; InvalidInput says what is wrong with it, without repeating the path."""
    if len(url) > URL_CHARACTERS_MAX:
        raise InvalidInput(f"the URL is longer than {URL_CHARACTERS_MAX} characters")
    if not url.isascii() or any(c <= " " or c in '\\"<>^`{|}\x7f' for c in url):
        raise InvalidInput("the URL has characters that no URL has: encode them as %XX")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise InvalidInput("the URL has a host or a port that cannot be read") from None
    if parts.scheme not in PORTS or not host or "%" in host:
        raise InvalidInput("the URL must be https://host/…")
    if "@" in parts.netloc:
        raise InvalidInput("the URL must not hold a name or a password")
    if port == 0:
        raise InvalidInput("the URL has a port that cannot be read")
    target = parts.path or "/"
    return Destination(
        parts.scheme,
        host.rstrip("."),
        port or PORTS[parts.scheme],
        f"{target}?{parts.query}" if parts.query else target,
    )


def find_refusal(
    destination: Destination, address: Address, allowed: tuple[Network, ...] = ()
) -> str | None:
    """Why a tenant's call must not go to that address of the destination; None where it may.

    Into an `allowed` network everything may go. Elsewhere it is https, and a port that a user of a
    machine may open: the others are of mail servers, remote shells and the like.
    """
    meant = _meant(address)
    if is_within(meant, allowed):
        return None
    for network, why in _REFUSED:
        if meant in network:
            return f"its address is {why}"
    if meant.version == 6 and meant not in GLOBAL:
        return "its address is not of the internet"
    if destination.scheme != "https":
        return "what is sent there could be read on its way: use https://"
    if destination.port != PORTS["https"] and destination.port < PORT_OF_USERS_MIN:
        return f"port {destination.port} is not of the web: use 443, or 1024 and above"
    return None


def goes_direct(host: str, no_proxy: str) -> bool:
    """Whether a call goes past the proxy: to this machine, and to what NO_PROXY lists.

    An entry is a name, which stands for what is below it too, an address, a network, or `*`.
    """
    try:
        address: Address | None = _meant(ip_address(host))
    except ValueError:
        address = None
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    for entry in no_proxy.replace(",", " ").split():
        name = entry.lower().removeprefix("*").removeprefix(".")
        if entry == "*" or host.lower() == name or host.lower().endswith(f".{name}"):
            return True
        if address is not None and _is_network_of(entry, address):
            return True
    return False


def _is_network_of(entry: str, address: Address) -> bool:
    try:
        return address in parse_network(entry)
    except ValueError:
        return False


def _meant(address: Address) -> Address:
    """The address of IPv4 where one of IPv6 stands for it."""
    mapped: IPv4Address | None = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return mapped
    return IPv4Address(int(address) & 0xFFFF_FFFF) if address in NAT64 else address
