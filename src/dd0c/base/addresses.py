"""Where a caller is, and whether that is in one of some networks (K-20). Pure.

What a connection says of its other end is true. `X-Forwarded-For` is what the caller and every
proxy behind us wrote into it, so it is read from the end, and only as far as proxies wrote it that
are trusted: the first address that is none of theirs is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_interface,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAPPED_BITS = 96  # of an IPv6 address that stands for one of IPv4


def parse_network(text: str) -> Network:
    """A network as people write it, an address for itself; ValueError says what is wrong."""
    try:
        interface = ip_interface(text.strip())
    except ValueError:
        raise ValueError(f"{text!r:.60} is no address and no network such as 10.0.0.0/8") from None
    network = interface.network
    if interface.ip != network.network_address:
        raise ValueError(f"{text!r:.60} is an address inside {network}: which of both is meant?")
    mapped = _unmapped(network.network_address)
    if mapped.version != network.version and network.prefixlen >= MAPPED_BITS:
        return IPv4Network((str(mapped), network.prefixlen - MAPPED_BITS))
    return network


def parse_list(text: str) -> tuple[Network, ...]:
    """Networks with commas or blanks between."""
    return parse_all(tuple(text.replace(",", " ").split()))


@lru_cache(maxsize=4096)
def parse_all(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Several networks; remembered, as the same few are asked for with each request."""
    return tuple(map(parse_network, texts))


def find_caller(
    peer: str | None, forwarded: Iterable[str], trusted: tuple[Network, ...]
) -> Address | None:
    """Who asks: `peer` is the other end of the connection, `forwarded` the values of each header
    `X-Forwarded-For` in their order. None when that cannot be told."""
    caller = _parse_address(peer or "")
    hops = [hop for value in forwarded for hop in value.split(",")]
    while hops and caller is not None and is_within(caller, trusted):
        caller = _parse_address(hops.pop())
    return caller


def is_within(address: Address | None, networks: Iterable[Network]) -> bool:
    """Whether the address is in one of the networks; one that is not known is in none."""
    return address is not None and any(address in network for network in networks)


def _parse_address(text: str) -> Address | None:
    """An address, as a proxy may write it: with a port, in brackets, with a zone."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return _unmapped(ip_address(bare.partition("%")[0]))
    except ValueError:
        return None


def _unmapped(address: Address) -> Address:
    """IPv4 for what a socket of both versions writes as IPv6."""
    return getattr(address, "ipv4_mapped", None) or address
