"""What a definition has by itself, and what its snapshots name."""

from __future__ import annotations

import pytest

from vms.libvirtxml import BadXML, DomainXML, belongings, snapshot_sources

DISKS = """<devices>
<disk type='file' device='disk'><driver type='qcow2'/><source file='/pool/own'/>
  <backingStore type='file'><source file='/pool/base'/></backingStore></disk>
<disk type='volume'><source pool='default' volume='second'/></disk>
<disk type='network' device='lun'><source protocol='iscsi' name='iqn.2026:x/1'/></disk>
<disk type='block' device='disk'><source dev='/dev/vg/shared'/><shareable/></disk>
<disk type='file' device='disk'><source file='/pool/seed'/><readonly/></disk>
<disk type='file' device='cdrom'><source file='/iso/boot.iso'/></disk>
<disk type='file' device='cdrom'/>
<disk type='file' device='floppy'><source file='/iso/floppy'/></disk>
<filesystem><source dir='/srv/share'/></filesystem>
<tpm><backend type='{tpm}'/></tpm>
</devices>"""
DOMAIN = "<domain type='kvm'><os>{os}<kernel>/boot/vmlinuz</kernel></os>" + DISKS + "</domain>"


def document(tpm: str = "emulator", os: str = "<nvram>/nvram/x</nvram>") -> DomainXML:
    return DomainXML.parse(DOMAIN.format(tpm=tpm, os=os))


def test_what_it_has() -> None:
    found = belongings([document()])
    assert [one[:2] for one in found.disks] == [
        ["network", "iscsi:iqn.2026:x/1"], ["path", "/dev/vg/shared"], ["path", "/pool/own"], ["path", "/pool/seed"],
        ["volume", "default/second"],
    ]  # fmt: skip
    assert [one[1] for one in found.shared] == ["/dev/vg/shared", "/pool/seed"]
    assert [one[1] for one in found.media] == ["/iso/boot.iso", "/iso/floppy", "/srv/share"]
    assert (found.nvram, found.tpm) == ("/nvram/x", True)


def test_of_two_documents_each_counts_once() -> None:
    other = DomainXML.parse("<domain><devices><disk><source file='/pool/hotplugged'/></disk></devices></domain>")
    both = belongings([document("passthrough", ""), other, document("passthrough", "")])
    assert ["path", "/pool/hotplugged"] in [one[:2] for one in both.disks] and len(both.disks) == 6
    assert (both.nvram, both.tpm) == ("", False)
    assert belongings([document(os="<nvram type='file'><source file='/nvram/y'/></nvram>")]).nvram == "/nvram/y"
    assert belongings([]).disks == []


def test_a_snapshot_names_its_disks_and_its_memory() -> None:
    text = (
        "<domainsnapshot><name>a</name><memory snapshot='external' file='/pool/memory'/><disks/>"
        "<domain><devices><disk device='disk'><source file='/pool/then'/></disk>"
        "<disk device='cdrom'><source file='/iso/x'/></disk></devices></domain>"
        "<inactiveDomain><devices><disk><source file='/pool/next'/></disk></devices></inactiveDomain></domainsnapshot>"
    )
    assert [one[1] for one in snapshot_sources(text)] == ["/pool/memory", "/pool/next", "/pool/then"]
    with pytest.raises(BadXML):
        snapshot_sources("<!DOCTYPE x>")
