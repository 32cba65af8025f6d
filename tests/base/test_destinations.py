"""Where tenants' calls may go (K-71)."""

from __future__ import annotations

import socket
from ipaddress import ip_address

import pytest

from dd0c.base.addresses import parse_list
from dd0c.base.destinations import REFUSED, Destination, find_refusal, goes_direct, read_url
from dd0c.base.errors import InvalidInput

WEB = Destination("https", "example.com", 443, "/")

REFUSED_ADDRESSES = (
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255"),
    *("127.0.0.1", "127.255.255.254", "169.254.169.254", "169.254.170.2", "172.16.0.1"),
    *("172.31.255.255", "192.0.0.170", "192.0.2.1", "192.168.1.1", "192.88.99.1", "198.18.0.1"),
    *("198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1"),
    *("255.255.255.255", "168.63.129.16", "100.100.100.200"),
    *("::", "::1", "::7f00:1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "2002:7f00:1::"),
    *("2002:808:808::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:20::1"),
    *("2001:db8::1", "3fff::1", "5f00::1", "4000::1", "100::1"),
)
ALLOWED_ADDRESSES = (
    *("8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.1", "169.253.1.1", "172.15.0.1"),
    *("172.32.0.1", "192.169.0.1", "198.20.0.1", "223.255.255.255", "126.255.255.255"),
    *("2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808"),
)


@pytest.mark.parametrize("address", REFUSED_ADDRESSES)
def test_refused(address: str) -> None:
    """K-71: no tenant's call goes to an address that is not of the internet, in any form of it."""
    assert find_refusal(WEB, ip_address(address)) is not None


@pytest.mark.parametrize("address", ALLOWED_ADDRESSES)
def test_permitted(address: str) -> None:
    """K-71: what is of the internet may be called, right beside what is not, too."""
    assert find_refusal(WEB, ip_address(address)) is None


@pytest.mark.parametrize("network", [network for network, _ in REFUSED])
def test_edges_of_networks(network: str) -> None:
    """K-71: a network is refused from its first address to its last."""
    (parsed,) = parse_list(network)
    assert find_refusal(WEB, parsed[0])
    assert find_refusal(WEB, parsed[-1])


@pytest.mark.parametrize(
    "host",
    [
        *("127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1"),
        *("017700000001", "127.0.0.1", "0", "0x0", "[::1]", "[::ffff:7f00:1]", "localhost"),
        *("[0:0:0:0:0:0:0:1]", "127.0.0.1.", "LOCALHOST"),
    ],
)
def test_spellings_of_loopback(host: str) -> None:
    """K-71: however the resolver lets loopback be spelled, it is refused: what it reads counts."""
    destination = read_url(f"https://{host}/")
    found = socket.getaddrinfo(destination.host, 443, type=socket.SOCK_STREAM)
    assert found
    assert all(find_refusal(destination, ip_address(str(one[4][0]))) for one in found)


@pytest.mark.parametrize(
    "url",
    [
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://example.com@127.0.0.1/",
        "https://@example.com/",
        "https://example.com:80:443/",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://example.com:x/",
        "https://exa\tmple.com/",
        "https://example.com/\r\nx: y",
        "https://example.com\\@127.0.0.1/",
        "https://127.0.0.1%2f@example.com/",
        "https://[::1%25eth0]/",
        "https://[::1/",
        "https:///path",
        "https:example.com",
        "//example.com/",
        "http:/example.com",
        "file:///etc/passwd",
        "gopher://example.com/",
        "ftp://example.com/",
        "https://exämple.com/",
        "https://１２７.0.0.1/",
        "https://example.com/" + "a" * 2048,
        "",
    ],
)
def test_bad_urls(url: str) -> None:
    """K-71: a URL that two readers could read in two ways is refused, and its path is not told."""
    with pytest.raises(InvalidInput) as refused:
        read_url(url)
    assert "passwd" not in refused.value.message


def test_read_url() -> None:
    """K-71: a URL is read once, into what is sent; a fragment stays here."""
    read = read_url("https://Example.com:8443/a/b?c=d#e")
    assert read == Destination("https", "example.com", 8443, "/a/b?c=d")
    assert read.authority == "example.com:8443"
    assert read_url("http://[2606:4700::1]").authority == "[2606:4700::1]"
    assert read_url("https://example.com./").host == "example.com"


@pytest.mark.parametrize(
    ("scheme", "port", "may"),
    [
        *(("https", 443, True), ("https", 8443, True), ("https", 1024, True), ("https", 80, False)),
        *(("https", 22, False), ("https", 25, False), ("https", 1023, False)),
        *(("http", 80, False), ("http", 8080, False)),
    ],
)
def test_ports_and_schemes(scheme: str, port: int, may: bool) -> None:
    """K-71: on the internet a tenant's call is encrypted, and speaks to no mail server or shell."""
    destination = Destination(scheme, "example.com", port, "/")
    assert (find_refusal(destination, ip_address("8.8.8.8")) is None) is may


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203"])
def test_allowed_networks(address: str) -> None:
    """K-71: what DD0C_OUTBOUND_ALLOW lists may be called in every form; nothing beside it may."""
    allowed = parse_list("10.1.0.0/16, fd00::/8")
    inside = Destination("http", "hooks.internal", 80, "/")
    assert find_refusal(inside, ip_address(address), allowed) is None
    assert find_refusal(inside, ip_address("10.2.0.1"), allowed) is not None
    assert find_refusal(inside, ip_address("fc00::1"), allowed) is not None


@pytest.mark.parametrize(
    ("host", "no_proxy", "direct"),
    [
        *(("localhost", "", True), ("127.0.0.9", "", True), ("::1", "", True)),
        *(("vault.corp", "corp", True), ("vault.corp", ".corp", True), ("corp", "corp", True)),
        *(("vault.corp", "*.corp", True), ("notcorp", "corp", False), ("a.example", "", False)),
        *(("10.1.2.3", "10.0.0.0/8", True), ("11.1.2.3", "10.0.0.0/8", False)),
        *(("a.example", "x, *", True), ("VAULT.corp", "vault.CORP", True)),
    ],
)
def test_past_the_proxy(host: str, no_proxy: str, direct: bool) -> None:
    """K-83: NO_PROXY means what it means elsewhere, and this machine needs no mention."""
    assert goes_direct(host, no_proxy) is direct
