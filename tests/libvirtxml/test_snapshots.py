"""What a snapshot's document says, what one is asked with, and what would come back with it."""

from __future__ import annotations

import pytest

from vms.libvirtxml import (
    BadXML,
    DomainXML,
    Given,
    comes_back,
    ground,
    parse,
    snapshot_definitions,
    snapshot_document,
    snapshot_otherwise,
    snapshot_sources,
    snapshot_told,
)

DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{file}'/>"
    "<target dev='vda' bus='virtio'/></disk>"
)
HOST_DEVICE = (
    "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0' bus='1' slot='0' function='0'/>"
    "</source></hostdev>"
)


def domain(devices: str = "", *, file: str = "/pool/base", tag: str = "domain", cpu: str = "", more: str = "") -> str:
    return (
        f"<{tag} type='kvm'><name>web</name><uuid>0cafa4ad-524f-4e47-9045-6ac9079393a2</uuid>"
        f"<memory unit='KiB'>65536</memory><vcpu>1</vcpu>{more}<os><type arch='x86_64'>hvm</type></os>{cpu}"
        f"<devices>{DISK.format(file=file)}{devices}</devices></{tag}>"
    )


def snapshot(*parts: str, state: str = "running", disk: str = "snapshot='internal'/", memory: str = "internal") -> str:
    return (
        f"<domainsnapshot><name>a &amp; b</name><description>d</description><state>{state}</state>"
        f"<parent><name>root</name></parent><creationTime>1795732119</creationTime><memory snapshot='{memory}'/>"
        f"<disks><disk name='vda' {disk}></disks>{''.join(parts)}</domainsnapshot>"
    )


EXTERNAL = "snapshot='external' type='file'><driver type='qcow2'/><source file='/pool/layer'/></disk"


def test_all_that_it_says_is_read() -> None:
    told = snapshot_told(snapshot(domain(), domain(tag="inactiveDomain")))
    assert (told.name, told.description, told.parent, told.taken_at) == ("a & b", "d", "root", 1795732119)
    assert (told.state, told.memory, told.kind) == ("running", "internal", "internal")
    [disk] = told.disks
    assert (disk.target, disk.how, disk.source, disk.layer) == ("vda", "internal", ("path", "/pool/base", "qcow2"), ())
    assert DomainXML.parse(told.live).name == DomainXML.parse(told.next_boot).name == "web"
    off = snapshot_told(snapshot(domain(), state="shutoff", memory="no", disk=EXTERNAL))
    assert (off.state, off.kind, off.live, off.disks[0].layer) == (
        "shut_off",
        "external",
        "",
        ("path", "/pool/layer", "qcow2"),
    )
    assert off.next_boot
    assert snapshot_told(snapshot(domain(), state="disk-snapshot", memory="no")).state == "disks"
    assert snapshot_told(snapshot(domain(), memory="internal", disk=EXTERNAL)).kind == "mixed"
    bare = snapshot_told("<domainsnapshot><name>x</name></domainsnapshot>")
    assert (bare.kind, bare.state, bare.taken_at, bare.disks, bare.next_boot) == ("", "unknown", None, (), "")
    for text in ("<!DOCTYPE x>", "<domain/>"):
        with pytest.raises(BadXML):
            snapshot_told(text)


def test_layers_are_the_vms_own() -> None:
    text = snapshot(domain(), state="shutoff", memory="no", disk=EXTERNAL)
    assert [one[1] for one in snapshot_sources(text)] == ["/pool/base", "/pool/layer"]


def test_people_write_text_and_nothing_else() -> None:
    evil = "</name><domain><devices/></domain>"
    text = snapshot_document(evil, evil, {"vda": "external", "sda": "no"}, {"vda": "/pool/l"}, memory=False)
    root = parse(text)
    assert (root.findtext("name"), root.findtext("description")) == (evil, evil)
    assert root.find("domain") is None and snapshot_definitions(text) == ("", "")
    [disk] = root.findall("disks/disk[@snapshot='external']")
    assert disk.find("source").attrib == {"file": "/pool/l"}  # type: ignore[union-attr]
    with pytest.raises(KeyError):
        snapshot_document("a", "", {"vda": "external"}, {}, memory=False)


def test_what_is_called_otherwise_stays_what_it_is() -> None:
    before = snapshot(domain(), domain(tag="inactiveDomain"))
    after = snapshot_otherwise(before, name="<new>", description="", parent="other")
    told = snapshot_told(after)
    assert (told.name, told.description, told.parent) == ("<new>", "", "other")
    assert snapshot_definitions(after) == snapshot_definitions(before)
    assert snapshot_otherwise(after) == after


def test_what_nobody_took_away_comes_back_for_nothing() -> None:
    """Of a run with what libvirt fills in, and a processor that the host has put in words."""
    soft, hard = (
        "<cpu mode='host-model'/>",
        "<cpu mode='custom'><model>EPYC</model><feature name='x' policy='require'/></cpu>",
    )
    run = domain(cpu=hard, more="<resource><partition>/machine</partition></resource>")
    now, start = domain(cpu=soft), domain(cpu=soft)
    assert comes_back([now], run, start, Given()) == ()
    assert comes_back([now], "", start, Given()) == ()
    other = run.replace("/machine", "/system")
    assert [need.privilege for need in comes_back([now], other, start, Given())] == ["vm.define"]


def test_what_is_gone_since_needs_its_privilege() -> None:
    now = domain()
    for run, start in (("", domain(HOST_DEVICE)), (domain(HOST_DEVICE), domain())):
        needs = comes_back([now], run, start, Given())
        assert "vm.define" in {need.privilege for need in needs}, needs
    # It runs with it still.
    assert comes_back([now, domain(HOST_DEVICE)], domain(HOST_DEVICE), now, Given()) == ()
    more = domain().replace("65536", "131072")
    assert {need.privilege for need in comes_back([now], "", more, Given())} == {"vm.cpu_memory"}


def test_its_own_layers_are_given_and_no_others() -> None:
    layered = domain(file="/pool/layer")
    own = Given(files={"/pool/base": "qcow2", "/pool/layer": "qcow2"})
    assert comes_back([layered], "", domain(), own) == ()
    below = "<backingStore type='file'><format type='qcow2'/><source file='/pool/base'/></backingStore>"
    with_chain = layered.replace("<target dev='vda'", f"{below}<target dev='vda'")
    assert comes_back([with_chain], "", domain(), own) == ()
    strange = domain(file="/etc/shadow")
    assert "vm.define" in {need.privilege for need in comes_back([layered], "", strange, own)}
    chained = with_chain.replace("/pool/base", "/etc/shadow")
    assert "vm.define" in {need.privilege for need in comes_back([domain()], "", chained, own)}


CD = "<disk type='{how}' device='cdrom'>{driver}{source}<target dev='sda' bus='sata'/><readonly/></disk>"


def test_a_medium_that_he_may_install_from_comes_back_for_no_more_than_that() -> None:
    raw = "<driver name='qemu' type='raw'/>"
    empty = domain(CD.format(how="file", driver=raw, source=""))
    for how, source, place in (
        ("file", "<source file='/iso/debian.iso'/>", ("path", "/iso/debian.iso")),
        ("volume", "<source pool='iso' volume='debian.iso'/>", ("volume", "iso/debian.iso")),
    ):
        then = domain(CD.format(how=how, driver=raw, source=source))
        may = {need.privilege for need in comes_back([empty], "", then, Given(media=frozenset({place})))}
        assert may <= {"vm.media", "vm.disk"}, may
        assert "vm.define" in {need.privilege for need in comes_back([empty], "", then, Given())}
        # As a disk it would be written to.
        disk = then.replace("device='cdrom'", "device='disk'")
        assert "vm.define" in {
            need.privilege for need in comes_back([empty], "", disk, Given(media=frozenset({place})))
        }


def test_what_decides_which_snapshots_there_can_be() -> None:
    text = domain(
        "<disk type='file' device='cdrom'><target dev='sda'/><readonly/></disk>"
        "<disk type='block' device='disk'><driver type='raw'/><source dev='/dev/x'/><target dev='vdb'/><shareable/>"
        f"</disk>{HOST_DEVICE}<hostdev type='usb'/><interface type='hostdev'/>"
        "<filesystem><target dir='home'/></filesystem><tpm/>"
    ).replace("<type arch='x86_64'>hvm</type>", "<type>hvm</type><loader type='pflash'/><nvram format='qcow2'/>")
    found = ground(DomainXML.parse(text))
    assert [(one.target, one.format, one.writable, one.shareable) for one in found.disks] == [
        ("vda", "qcow2", True, False), ("sda", "", False, False), ("vdb", "raw", True, True),
    ]  # fmt: skip
    assert (found.nvram, found.shares, found.tpm, len(found.passthrough)) == ("qcow2", ("home",), True, 2)
    assert ground(DomainXML.parse(domain())).nvram == ""
    efi = domain().replace("<os>", "<os firmware='efi'>")
    assert ground(DomainXML.parse(efi)).nvram == "raw"
