"""The public form of a document: no secret, and otherwise the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from vms.libvirtxml import SECRET, DomainXML, mask

GOLDEN = Path(__file__).with_name("golden")
TYPICAL = (GOLDEN / "typical-in.xml").read_text().rstrip("\n")


def test_it_makes_the_golden_public_form() -> None:
    assert mask(TYPICAL) == (GOLDEN / "typical-masked.xml").read_text().rstrip("\n")


def test_no_secret_of_the_typical_document_is_left() -> None:
    assert "hunter2" in TYPICAL
    assert "hunter2" not in mask(TYPICAL)
    assert "-secret" not in mask(TYPICAL)


def test_what_is_no_secret_stays() -> None:
    masked = mask(TYPICAL)
    for kept in ("http://debian.org/debian/12", "Acme", '<unheard-of attribute="kept">kept</unheard-of>', "console="):
        assert kept in masked
    assert DomainXML.parse(masked).macs == DomainXML.parse(TYPICAL).macs


def test_masking_twice_is_masking_once() -> None:
    assert mask(mask(TYPICAL)) == mask(TYPICAL)


@pytest.mark.parametrize(
    ("inside", "left"),
    [
        ("<os><cmdline>a=1 b='x y'</cmdline></os>", f"<os><cmdline>{SECRET}</cmdline></os>"),
        ("<os><initarg>x</initarg></os>", f"<os><initarg>{SECRET}</initarg></os>"),
        ("<a>x<!-- y -->z</a>", "<a>xz</a>"),
        ("<a><b/>x<!-- y -->z</a>", "<a><b/>xz</a>"),
        ("<graphics password='x' username='u'/>", '<graphics username="u"/>'),
    ],
)
def test_it_masks(inside: str, left: str) -> None:
    assert mask(f"<domain>{inside}</domain>") == f"<domain>{left}</domain>"
