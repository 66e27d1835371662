"""What is handed to libvirt is compared with what it has: on libvirt's test driver, its answers on a fake handle."""

from __future__ import annotations

import ast
import inspect
import uuid
from pathlib import Path
from typing import Any, Final

import libvirt
import pytest

import vms
from tests.virt.conftest import UUID
from vms.errors import BadDocument, DefinitionStrayed, InvalidState, NeedsMore, NotAllowed, NotFound, StrayedLeft
from vms.libvirtxml import DEFINE, DomainXML, parse
from vms.virt import Connection, judging

ALL: Final = frozenset({DEFINE})
NEW: Final = "<domain type='test'><name>{}</name>{}<memory>1024</memory><os><type>hvm</type></os></domain>"


def test_an_edit_needs_what_its_difference_needs(connection: Connection) -> None:
    domain = connection.domain(UUID)
    before = domain.next_boot().text

    def edit(document: DomainXML) -> None:
        document.title = "Shop"
        document.kernel = "/etc/shadow"

    with pytest.raises(NeedsMore) as told:
        domain.modify(edit, allowed=frozenset({"vm.describe", "vm.device"}))
    assert isinstance(told.value, NotAllowed)
    assert told.value.params == {"privilege": DEFINE, "place": "os/kernel"}
    assert domain.next_boot().text == before
    assert domain.modify(edit, allowed=ALL)
    assert domain.next_boot().kernel == "/etc/shadow"


def test_a_new_domain_is_judged_whole_and_replaces_nothing(connection: Connection) -> None:
    some = frozenset({"vm.label", "vm.cpu_memory", "vm.boot"})
    with pytest.raises(NeedsMore) as told:
        connection.define_domain(NEW.format("new", ""), allowed=some)
    assert told.value.params["privilege"] == DEFINE, "the type of another hypervisor"
    identity = str(uuid.uuid4())
    for text in (NEW.format("web-01", ""), NEW.format("new", f"<uuid>{UUID}</uuid>")):
        with pytest.raises(InvalidState):
            connection.define_domain(text, allowed=ALL)
    with pytest.raises(NotFound):
        connection.domain(identity)
    connection.define_domain(NEW.format("new", f"<uuid>{identity}</uuid>"), allowed=ALL)
    assert connection.domain(identity).info().name == "new"


def test_a_text_that_is_no_definition_is_refused(connection: Connection) -> None:
    for text in ("<network/>", "<!DOCTYPE domain><domain/>", "<domain><?pi x?></domain>"):
        with pytest.raises(BadDocument):
            connection.define_domain(text, allowed=ALL)


class Handle:
    """A host that answers a definition with this, and takes this many."""

    def __init__(self, answer: str, takes: int = 9) -> None:
        self.answer, self.takes = answer, takes
        self.defined: list[str | None] = []

    def defineXMLFlags(self, text: str, flags: int) -> Handle:
        assert flags == libvirt.VIR_DOMAIN_DEFINE_VALIDATE
        if len(self.defined) == self.takes:
            raise libvirt.libvirtError("no more")
        self.defined.append(text)
        return self

    def XMLDesc(self, flags: int) -> str:
        assert flags == libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
        return self.answer

    def lookupByName(self, name: str) -> Any:
        error = libvirt.libvirtError("")
        error.err = (libvirt.VIR_ERR_NO_DOMAIN, 0, "", 0, "", "", "", 0, 0)
        raise error

    lookupByUUIDString = lookupByName

    def undefine(self) -> None:
        self.defined.append(None)


BEFORE: Final = "<domain><name>a</name><devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices></domain>"
AFTER: Final = BEFORE.replace("<devices>", "<title>A</title><devices>")
STRAY: Final = AFTER.replace("/usr/bin/qemu-system-x86_64", "/my/script")
DESCRIBE: Final = frozenset({"vm.describe"})


def test_what_the_host_fills_in_is_taken() -> None:
    host = Handle(AFTER.replace("</devices>", "<input type='mouse' bus='ps2'/></devices>"))
    assert judging.define(host, BEFORE, AFTER, DESCRIBE) is host
    assert host.defined == [AFTER]


def test_what_the_host_makes_of_it_beyond_that_is_undone_and_said() -> None:
    host = Handle(STRAY)
    with pytest.raises(DefinitionStrayed) as told:
        judging.define(host, BEFORE, AFTER, DESCRIBE)
    assert (told.value.code, told.value.params) == ("definition_strayed", {"place": "devices/emulator"})
    assert host.defined == [AFTER, BEFORE]
    assert judging.define(Handle(STRAY), BEFORE, STRAY, ALL), "who may define may have it"


def test_a_new_domain_that_strayed_is_gone() -> None:
    host = Handle(STRAY)
    made = "<domain><name>a</name></domain>"
    with pytest.raises(DefinitionStrayed):
        judging.define(host, None, made, frozenset({"vm.label", "vm.device", "vm.describe"}))
    assert host.defined == [made, None]


def test_what_cannot_be_undone_is_said() -> None:
    with pytest.raises(StrayedLeft) as told:
        judging.define(Handle(STRAY, takes=1), BEFORE, AFTER, DESCRIBE)
    assert told.value.params == {"place": "devices/emulator"}


LIVE: Final = """<domain type='qemu' id='7'><devices><graphics type='spice' port='5900' autoport='yes'/>
<graphics type='vnc' port='5901' autoport='yes' passwd='own'><listen type='address' address='127.0.0.1'/></graphics>
</devices></domain>"""
LENT: Final = "<graphics type='vnc' port='5901' autoport='yes' passwd='{}'>{}</graphics>"
LOCAL: Final = "<listen type='address' address='127.0.0.1'/>"


class Live:
    def __init__(self) -> None:
        self.updates: list[str] = []

    def XMLDesc(self, flags: int) -> str:
        return LIVE

    def updateDeviceFlags(self, device: str, flags: int) -> None:
        self.updates.append(device)


def test_a_device_that_runs_is_judged_in_its_place() -> None:
    handle = Live()
    lends = frozenset({"vm.device"})
    judging.update(handle, LENT.format("lent", LOCAL), lends)
    assert handle.updates == [LENT.format("lent", LOCAL)]
    with pytest.raises(NeedsMore):
        judging.update(handle, LENT.format("lent", LOCAL.replace("127.0.0.1", "0.0.0.0")), lends)
    with pytest.raises(NeedsMore):
        judging.update(handle, LENT.format("lent", LOCAL), frozenset())
    with pytest.raises(NeedsMore):
        judging.update(handle, "<disk type='block' device='lun'><source dev='/dev/sda'/></disk>", lends)
    with pytest.raises(BadDocument):
        judging.update(handle, "<!DOCTYPE disk><disk/>", lends)
    assert len(handle.updates) == 1


DRIVES: Final = """<domain type='qemu' id='7'><devices>
<disk type='file' device='cdrom'><source file='/lent'/><target dev='sda' bus='sata'/></disk>
<disk type='volume' device='cdrom'><source pool='p' volume='v' index='1'/><target dev='sdb' bus='sata'/></disk>
</devices></domain>"""


def test_a_drive_is_judged_as_the_one_of_its_target(monkeypatch: pytest.MonkeyPatch) -> None:
    handle, media = Live(), frozenset({"vm.media"})
    monkeypatch.setattr(handle, "XMLDesc", lambda flags: DRIVES)
    empty = "<disk type='file' device='cdrom'><target dev='{}' bus='sata'/></disk>"
    judging.update(handle, empty.format("sdb"), media)
    assert handle.updates == [empty.format("sdb")]
    full = "<disk type='volume' device='cdrom'><source pool='p' volume='w'/><target dev='sdb' bus='sata'/></disk>"
    for refused in (full, empty.format("sdc"), full.replace("volume='w'", "volume='v'").replace("sdb", "sda")):
        with pytest.raises(NeedsMore):
            judging.update(handle, refused, media)


def test_the_device_goes_into_a_copy() -> None:
    document = DomainXML.parse(LIVE)
    made = judging.put_in(document, parse(LENT.format("lent", LOCAL)))
    assert document.text == DomainXML.parse(LIVE).text
    assert [screen.password for screen in made.graphics] == [None, "lent"]


# How libvirt's functions call a document that they take.
XML: Final = frozenset({"xml", "xmlDesc", "xmldesc", "xmlDoc", "dxml", "new_xml", "metadata"})


def takers() -> set[str]:
    """libvirt's methods that take a document."""
    classes = [thing for name, thing in inspect.getmembers(libvirt, inspect.isclass) if name.startswith("vir")]
    return {
        name
        for thing in classes
        for name, method in inspect.getmembers(thing, inspect.isfunction)
        if XML & set(inspect.signature(method).parameters)
    }


def test_domains_are_handed_over_only_where_they_are_judged() -> None:
    """Every call of the product of a method that takes a document; the others make pools, networks and volumes."""
    known = takers() - {"update"}  # virNetwork's has the name of everybody's
    assert {"defineXMLFlags", "createXML", "attachDeviceFlags", "updateDeviceFlags", "restoreFlags"} <= known
    root = Path(vms.__file__).parent
    calls = {
        (str(path.relative_to(root)), node.func.attr)
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in known
    }
    assert calls == {
        ("virt/judging.py", "defineXMLFlags"),
        ("virt/judging.py", "updateDeviceFlags"),
        # Of snapshots: without a definition in it, or with the host's own.
        ("virt/judging.py", "snapshotCreateXML"),
        # Of a run whose whole document was judged as it will be (vms.virt.shaping.reshape).
        ("virt/shaping.py", "attachDeviceFlags"),
        ("virt/shaping.py", "detachDeviceFlags"),
        ("virt/shaping.py", "updateDeviceFlags"),
        ("virt/shaping.py", "setMetadata"),
        ("virt/define.py", "storagePoolDefineXML"),
        ("virt/define.py", "createXML"),
        ("virt/connection.py", "storagePoolDefineXML"),
        ("virt/connection.py", "networkDefineXML"),
        ("virt/connection.py", "nwfilterDefineXML"),
        ("virt/networks.py", "networkDefineXML"),
        ("virt/volumes.py", "createXML"),
        ("virt/ready.py", "networkDefineXML"),
        ("virt/ready.py", "storagePoolDefineXML"),
        ("virt/secrets.py", "secretDefineXML"),
    }
