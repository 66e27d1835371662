"""What is wrong with a definition, and in which line; whatever it is, nothing else than that comes out."""

from __future__ import annotations

import pytest

from vms.libvirtxml import Fault, blame, faults

GOOD = """\
<domain type="kvm">
  <name>x</name>
  <memory>1024</memory>
  <os>
    <type arch="x86_64">hvm</type>
  </os>
  <devices>
    <disk type="file" device="disk">
      <source file="/x"/>
      <target dev="vda" bus="virtio"/>
    </disk>
    <interface type="network">
      <source network="default"/>
    </interface>
  </devices>
</domain>"""
FOREIGN = '<metadata><a:b xmlns:a="urn:a" c="d"><e/></a:b></metadata><os>'
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
QEMU = 'xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0"'


@pytest.mark.parametrize(
    ("was", "is_now", "told"),
    [
        ('bus="virtio"', 'bus="none"', [Fault(10, "attribute", 'bus="none"')]),
        ('<source network="default"/>', "<source network='default'/>\n<odd/>", [Fault(14, "element", "<odd>")]),
        ("1024", "1k", [Fault(3, "text", "<memory>1k</memory>")]),
        ('"kvm"', '"none"', [Fault(1, "attribute", 'type="none"')]),
        ('"kvm"', '"kvm" odd="1"', [Fault(1, "attribute", 'odd="1"')]),
        ('type="network">', 'type="none">', [Fault(12, "element", "<interface>")]),
        ("<os>", "<os><type>hvm</type></os><os>", [Fault(4, "twice", "<os>")]),
        ("<devices>", '<devices><i:include xmlns:i="http://www.w3.org/2001/XInclude" href="/etc/passwd"/>',
         [Fault(7, "element", "<include>")]),
        ("<os>", FOREIGN, []),
        ('type="kvm"', f'type="kvm" {QEMU}', []),
    ],
)  # fmt: skip
def test_a_fault_has_its_line(was: str, is_now: str, told: list[Fault]) -> None:
    assert blame(GOOD.replace(was, is_now)) == told


def test_all_faults_are_told_at_once() -> None:
    text = GOOD.replace('bus="virtio"', 'bus="none"').replace("1024", "1k").replace("<source n", "<odd/><source n")
    assert [fault.line for fault in blame(text)] == [3, 10, 13]
    wrong = '<disk type="file"><target dev="vdb" bus="none"/></disk>\n' * 900
    many = GOOD.replace("<interface", f"{wrong}<interface")
    assert len(blame(many)) == 20


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "empty"),
        ("hello", 1, "Start tag expected"),
        (GOOD.replace("</os>", "</so>"), 6, "mismatch"),
        ("<!DOCTYPE domain>" + GOOD, 0, "document type"),
        ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + GOOD.replace("1024", "&b;"), 0, "document type"),
        (f'<!DOCTYPE a [<!ENTITY l0 "lol">{LAUGHS}]>' + GOOD.replace('"kvm"', '"&l9;"'), 1, "amplification"),
        (f'<!DOCTYPE a [<!ENTITY l0 "lol">{LAUGHS}]>' + GOOD.replace("1024", "&l9;"), 1, "amplification"),
        (GOOD.replace("<os>", "<?php 1?><os>"), 0, "processing instruction"),
        (GOOD.replace(">x<", ">\0<"), 2, "Char 0x0"),
        (GOOD.replace(">x<", ">\ud800<"), 0, "surrogates"),
        (GOOD.replace("<os>", f"<metadata>{'<a>' * 300}{'</a>' * 300}</metadata><os>"), 4, "depth"),
        (GOOD.replace("<os>", f"<metadata>{'<a>' * 200}{'</a>' * 200}</metadata><os>"), 0, "deeper"),
        (GOOD.replace("<os>", f"<metadata>{'<a/>' * 9000}</metadata><os>"), 4, "more than 1000"),
        (GOOD.replace("<target", "<target " + " ".join(f'a{n}=""' for n in range(9000))), 10, "more than 1000"),
        (GOOD.replace(">x<", f">{'x' * (1 << 20)}<"), 0, "longer than"),
        (GOOD.replace("<name", "<a:name").replace("</name", "</a:name"), 2, "not defined"),
    ],
)
def test_what_is_no_document_for_us_is_told_in_words(text: str, line: int, said: str) -> None:
    [fault] = blame(text)
    assert (fault.line, fault.code) == (line, "xml") and said in fault.said and "<string>" not in fault.said


def test_another_root_is_told() -> None:
    assert blame("<network/>") == [Fault(1, "element", "<network>")]
    assert blame('<domain xmlns="urn:a"/>') == [Fault(1, "element", "<domain>")]


def test_where_nothing_by_itself_is_wrong_the_schemas_own_words_are_told() -> None:
    text = GOOD.replace("<name>x</name>", "")
    assert faults(text) and {fault.code for fault in blame(text)} == {"schema"}
