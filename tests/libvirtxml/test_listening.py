"""Where screens listen: read, changed in place, and what each transport reaches."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from vms.libvirtxml import DomainXML, Listen, faults, glance, let_vnc_listen, loopback, unreachable, where
from vms.libvirtxml.glance import without_password

GOLDEN = Path(__file__).with_name("golden")


@pytest.mark.parametrize(
    ("listen", "address", "place"),
    [
        ("none", None, "none"),
        ("socket", None, "socket"),
        ("address", "127.0.0.1", "loopback"),
        ("address", "127.9.9.9", "loopback"),
        ("address", "::1", "loopback"),
        ("address", "localhost", "loopback"),
        ("address", None, "loopback"),
        (None, None, "loopback"),
        ("address", "0.0.0.0", "everywhere"),
        ("address", "::", "everywhere"),
        ("address", "192.0.2.7", "address"),
        ("address", "2001:db8::1%eth0", "address"),
        ("address", "127.0.0.1.evil.example", "address"),
        ("network", None, "address"),
        ("network", "192.0.2.7", "address"),
        ("unheard-of", "192.0.2.7", "address"),
    ],
)
def test_where(listen: str | None, address: str | None, place: str) -> None:
    assert where(listen, address) == place


@pytest.mark.parametrize(
    ("transport", "user", "reached"),
    [
        ("local", "", {"none", "socket", "loopback", "everywhere", "address"}),
        ("unix", "", {"none", "socket", "loopback", "everywhere", "address"}),
        ("ssh", "root", {"socket", "loopback", "everywhere"}),
        ("ssh", "", {"socket", "loopback", "everywhere"}),
        ("ssh", "fred", {"loopback", "everywhere"}),
        ("tls", "", {"everywhere", "address"}),
        ("tcp", "", {"everywhere", "address"}),
    ],
)
def test_what_each_transport_reaches(transport: str, user: str, reached: set[str]) -> None:
    places = ("none", "socket", "loopback", "everywhere", "address")
    assert {place for place in places if not unreachable(transport, user, place)} == reached  # type: ignore[arg-type]


def test_the_loopback_of_an_address_is_one_of_two() -> None:
    found = [loopback(address) for address in ("127.0.0.1", "0.0.0.0", "::", "::1", None, "", "evil.example")]
    assert found == ["127.0.0.1", "127.0.0.1", "::1", "::1", "127.0.0.1", "127.0.0.1", "127.0.0.1"]


@pytest.mark.parametrize("listen", ["loopback", "everywhere", "socket", "none"])
@pytest.mark.parametrize(
    "before",
    [
        "<graphics type='vnc'><listen type='none'/></graphics>",
        "<graphics type='vnc' socket='/x/vnc.sock'><listen type='socket' socket='/x/vnc.sock'/></graphics>",
        "<graphics type='vnc' port='5907' autoport='no' listen='192.0.2.7' keymap='de' sharePolicy='ignore'>"
        "<listen type='address' address='192.0.2.7'/></graphics>",
        "<graphics type='vnc' port='-1' autoport='yes'><listen type='network' network='lan'/></graphics>",
        "<graphics type='vnc' port='5901'/>",
    ],
)
def test_it_listens_there_and_is_valid(before: str, listen: Listen) -> None:
    spice = "<graphics type='spice' port='-1' passwd='own'><listen type='address' address='0.0.0.0'/></graphics>"
    document = DomainXML.parse(
        "<domain type='qemu'><name>a</name><memory>1024</memory><os><type arch='x86_64'>hvm</type></os>"
        f"<devices>{spice}{before}</devices></domain>"
    )
    let_vnc_listen(document, listen)
    assert document.vnc and document.vnc.listens == listen
    assert faults(document.text) == []
    assert (document.vnc.password is not None) == (listen in ("loopback", "everywhere"))
    kept = DomainXML.parse(document.text).graphics[0]
    assert (kept.listens, kept.password) == ("everywhere", "own")
    if "keymap" in before:
        assert (document.vnc.keymap, document.vnc.element.get("sharePolicy"), document.vnc.port) == (
            "de",
            "ignore",
            5907,
        )


def test_the_golden_document_changes_in_its_lines_and_no_other() -> None:
    before = (GOLDEN / "typical-in.xml").read_text().rstrip("\n")
    document = DomainXML.parse(before)
    assert let_vnc_listen(document, "loopback")
    changed = [
        line for line in difflib.ndiff(before.splitlines(), document.text.splitlines()) if line.startswith(("+ ", "- "))
    ]
    assert sorted(changed) == sorted(
        [
            '-     <graphics type="vnc" passwd="hunter2" passwdValidTo="2026-01-01T00:00:00">',
            '-       <listen type="none"/>',
            '+     <graphics type="vnc" passwd="hunter2" passwdValidTo="2026-01-01T00:00:00" autoport="yes">',
            '+       <listen type="address" address="127.0.0.1"/>',
        ]
    )
    assert not let_vnc_listen(document, "loopback")


def test_the_glance_says_who_else_reaches_a_screen() -> None:
    document = DomainXML.parse(
        "<domain><devices><graphics type='spice' port='5900'><listen type='address' address='0.0.0.0'/></graphics>"
        "<graphics type='vnc' passwd='x'><listen type='address' address='127.0.0.1'/></graphics>"
        "<graphics type='vnc'><listen type='none'/></graphics></devices></domain>"
    )
    assert without_password(document) == ("spice",)
    told = glance(document, without_password(document))["graphics"]
    assert [screen["exposed"] for screen in told] == [["network", "no_password"], [], []]
    assert [screen["exposed"] for screen in glance(document)["graphics"]] == [[], [], []]
    told = glance(document, ("vnc",))["graphics"]
    assert [screen["exposed"] for screen in told] == [["network"], ["no_password"], []]
