"""Where a caller is: what is believed, and what is not."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd0c.base import addresses, settings
from dd0c.base.errors import SetupError

PROXIES = addresses.parse_list("10.0.0.0/8, 2001:db8:1::/48")


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        (" 192.0.2.7 ", "192.0.2.7/32"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
    ],
)
def test_a_network_is_read_as_people_write_it(text: str, network: str) -> None:
    """Addresses stand for themselves, and IPv4 inside IPv6 is IPv4 (K-20)."""
    assert str(addresses.parse_network(text)) == network


@pytest.mark.parametrize(
    "text", ["", "10.0.0.1/8", "10.0.0.0/33", "10.0.0", "example.com", "10.0.0.0/-1", "x" * 999]
)
def test_what_is_no_network_is_refused(text: str) -> None:
    """Also an address inside a network: either may be meant (K-20)."""
    with pytest.raises(ValueError, match=r"network|which of both") as refused:
        addresses.parse_network(text)
    assert len(str(refused.value)) < 150


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        ("198.51.100.1", ["192.0.2.1"], "198.51.100.1"),  # anybody can write the header
        ("10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["203.0.113.9, 192.0.2.1"], "192.0.2.1"),  # the caller wrote the first
        ("10.0.0.1", ["203.0.113.9", "192.0.2.1"], "192.0.2.1"),  # as a header of its own
        ("10.0.0.1", ["203.0.113.9, 192.0.2.1, 10.9.9.9"], "192.0.2.1"),  # two proxies
        ("10.0.0.1", ["192.0.2.1, 2001:db8:1::5"], "192.0.2.1"),
        ("::ffff:10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.1:4711"], "192.0.2.1"),
        ("10.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("10.0.0.1", ["fe80::1%eth0"], "fe80::1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["192.0.2.1, unknown"], None),  # what cannot be read is not skipped
        ("10.0.0.1", ["192.0.2.1, "], None),
        (None, ["192.0.2.1"], None),
        ("a.socket", [], None),
    ],
)
def test_only_a_trusted_proxy_says_who_asks(
    peer: str | None, forwarded: list[str], caller: str | None
) -> None:
    """The header is read from its end, as far as proxies wrote it that are trusted (K-20)."""
    found = addresses.find_caller(peer, forwarded, PROXIES)
    assert found == (None if caller is None else ip_address(caller))


def test_without_trusted_proxies_nothing_is_believed() -> None:
    """The default: the other end of the connection is who asks (K-20)."""
    assert addresses.find_caller("10.0.0.1", ["192.0.2.1"], ()) == ip_address("10.0.0.1")


@given(st.text(), st.lists(st.text()))
def test_no_header_is_an_error(peer: str, forwarded: list[str]) -> None:
    """Whatever stands in it, there is an address or none, and none is within any network (K-20)."""
    addresses.find_caller(peer, forwarded, PROXIES)
    addresses.find_caller("10.0.0.1", forwarded, PROXIES)
    assert not addresses.is_within(None, addresses.parse_list("0.0.0.0/0 ::/0"))


def test_trusted_proxies_that_are_no_networks_stop_the_start() -> None:
    """A mistyped network would have everybody's key refused, or believe anybody (K-2)."""
    with pytest.raises(SetupError, match="trusted_proxies"):
        settings.load({}, {"DD0C_TRUSTED_PROXIES": "10.0.0.0/8, proxy.internal"})
