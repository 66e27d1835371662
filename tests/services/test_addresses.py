from __future__ import annotations

from ipaddress import ip_address

import pytest

from vms.errors import OutboundRefused
from vms.services.addresses import is_outside, parse

REFUSED = (
    "", "debian.org/x.iso", "//debian.org/x", "ftp://debian.org/x", "file:///etc/shadow", "gopher://debian.org/",
    "http://", "http:///x", "http://user@debian.org/", "http://user:word@debian.org/", "http://:@debian.org/",
    "http://debian.org:0/", "http://debian.org:65536/", "http://debian.org:x/", "http://debian.org /", "http://a\tb/",
    "http://debian.org/\r\nHost: x", "http://debian.org\\@127.0.0.1/", "http://2130706433/", "http://0x7f000001/",
    "http://0x7f.1/", "http://127.1/", "http://0177.0.0.1/", "http://1.2.3/", "http://1.2.3.4.5/", "http://08.8.8.8/",
    "http://0x/", "http://[::1", "http://[fe80::1%25eth0]/", "http://[v1.x]/", "http://a..b/", "http://-a.org/",
    "http://" + "a." * 130 + "org/", "http://" + "a" * 64 + ".org/", "http://a%2eorg/",
    "http://debian.org/" + "x" * 2000,
)  # fmt: skip


@pytest.mark.parametrize("url", REFUSED)
def test_what_is_no_plain_address_is_refused(url: str) -> None:
    with pytest.raises(OutboundRefused):
        parse(url)


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("HTTPS://Cloud.Debian.ORG", "https://cloud.debian.org/"),
        ("http://debian.org:80/a b", None),
        ("http://debian.org:80/%20?a=b&c=/d", "http://debian.org/%20?a=b&c=/d"),
        ("http://debian.org:8080/x#part", "http://debian.org:8080/x"),
        ("http://bücher.example/ü", "http://xn--bcher-kva.example/%C3%BC"),
        ("https://[2001:DB8::1]:443/", "https://[2001:db8::1]/"),
        ("http://8.8.8.8/", "http://8.8.8.8/"),
    ],
)
def test_an_address_is_read_as_it_is_asked_for(url: str, read: str | None) -> None:
    if read is None:
        with pytest.raises(OutboundRefused):
            parse(url)
    else:
        assert parse(url).url == read


def test_a_file_has_the_name_of_its_path() -> None:
    assert parse("https://a.org/x/debian-12.qcow2?y=/z").file_name == "debian-12.qcow2"


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "169.254.169.254",
        "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
        "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "168.63.129.16",
        "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::808:808", "2002:7f00:1::1", "2002:808:808::1", "2001::1", "2001:0:4136:e378::1", "2001:db8::1",
        "2001:20::1", "100::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
        "ff0e::1", "3fff::1", "5f00::1", "2620:4f:8000::1", "4000::1",
    ],
)  # fmt: skip
def test_inside(address: str) -> None:
    assert not is_outside(ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "172.32.0.1", "100.128.0.1", "223.255.255.254", "1.1.1.1", "2a04:4e42::644", "2606:4700::1111",
     "2001:200::1", "64:ff9b::808:808", "::ffff:8.8.8.8"],
)  # fmt: skip
def test_outside(address: str) -> None:
    assert is_outside(ip_address(address))
