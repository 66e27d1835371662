"""Every place of libvirt's schema that takes a path, device, socket or script needs vm.define."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Final

import libvirt
import pytest
from lxml import etree

from tests.libvirtxml.places import Place, Schema
from vms.libvirtxml import DEFINE, DomainXML, difference

ANSWER: Final = (Path(__file__).with_name("golden") / "rich-got.xml").read_text()
# Fewer nodes to go through: neither controllers nor where the guest sees its devices.
BEFORE: Final = re.sub(r"(?s)<controller [^>]*/>|<controller .*?</controller>|<address [^>]*/>", "", ANSWER)
ELSEWHERE: Final = "/elsewhere/of-the-host"
# By the version of libvirt whose schema is on this machine.
COUNTS: Final = {"9.0.0": 97}
QEMU: Final = "{http://libvirt.org/schemas/domain/qemu/1.0}"
CHARACTERS: Final = ("serial", "console", "channel", "parallel", "smartcard", "redirdev")
# What the schema has as a plain text or number, and what is no name of the host but runs or opens something there.
BY_HAND: Final = [
    *(f"devices/{name}/source/{part}" for name in CHARACTERS for part in (
        "@path", "@host", "@service", "@channel", "@mode", "reconnect/@enabled",
    )),
    *(f"devices/interface/source/@{part}" for part in ("bridge", "network", "address", "port", "mode", "type")),
    *(f"devices/disk/source/@{part}" for part in ("pool", "volume", "name", "protocol", "startupPolicy", "query")),
    *(f"devices/disk/{part}" for part in (
        "auth/secret/@uuid", "encryption/secret/@uuid", "source/auth/secret/@uuid", "source/encryption/secret/@uuid",
        "source/host/@name", "source/snapshot/@name", "source/seclabel/@model", "shareable", "transient", "@rawio",
        "@sgio", "@snapshot", "driver/@type", "backingStore/format/@type", "source/slices/slice/@offset",
    )),
    *(f"devices/hostdev/source/{part}" for part in (
        "address/@bus", "vendor/@id", "adapter/@name", "@protocol", "@wwpn",
    )),
    *(f"devices/interface/{part}" for part in (
        "mac/@address", "filterref/@filter", "filterref/parameter/@value", "virtualport/@type", "vlan/tag/@id",
        "vlan/@trunk", "backend/@type", "ip/@address", "@trustGuestRxFilters", "tune/sndbuf", "portForward/@proto",
        "target/@managed", "teaming/@type", "driver/@name", "port/@isolated",
    )),
    *(f"devices/graphics/{part}" for part in (
        "@websocket", "@port", "@tlsPort", "@display", "@xauth", "@address", "@p2p", "listen/@network", "gl/@enable",
    )),
    *(f"devices/{part}" for part in (
        "emulator", "rng/backend/source/@host", "rng/backend/source/@service", "tpm/backend/encryption/@secret",
        "tpm/backend/@persistent_state", "video/driver/@vhostuser", "video/driver/@name", "vsock/cid/@address",
        "memory/@access", "shmem/@name", "lease/lockspace", "crypto/backend/@model", "audio/server/@name",
        "audio/@server", "filesystem/target/@dir", "filesystem/@accessmode", "input/source/@grab",
        "redirfilter/usbdev/@allow",
    )),
    "os/loader", "os/nvram", "os/cmdline", "os/initarg", "os/initenv", "os/inituser", "bootloader", "bootloader_args",
    "sysinfo/entry/@file", "sysinfo/@type", "os/smbios/@mode", "idmap/uid/@target", "resource/partition",
    "resource/fibrechannel/@appid", "seclabel/label", "seclabel/@type", "seclabel/baselabel", "launchSecurity/@type",
    "keywrap/cipher/@name", "perf/event/@name", "memoryBacking/source/@type", "memoryBacking/access/@mode",
    "cpu/numa/cell/@memAccess", "uuid", "genid", "on_lockfailure", "metadata/hook",
    f"{QEMU}commandline/{QEMU}arg/@value", f"{QEMU}commandline/{QEMU}env/@value",
    f"{QEMU}override/{QEMU}device/@alias", f"{QEMU}capabilities/{QEMU}add/@capability",
]  # fmt: skip


def parts(place: str) -> Place:
    """The names on the way; a namespace has slashes too."""
    return tuple(place.replace(QEMU, "QEMU:").split("/"))


def element_name(name: str) -> str:
    return name.replace("QEMU:", QEMU)


@pytest.fixture(scope="module")
def derived() -> list[Place]:
    return Schema().places()


def test_the_schema_has_as_many_as_were_looked_at(derived: list[Place]) -> None:
    number = libvirt.getVersion()
    version = f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
    assert derived, "the schema has no such places: it was not understood"
    assert version in COUNTS, (
        f"libvirt {version} has {len(derived)} places; look at the new ones and write the count here"
    )
    assert len(derived) == COUNTS[version]
    assert {"devices/emulator", "os/loader", "devices/interface/script/@path", "devices/serial/log/@file"} <= {
        "/".join(place) for place in derived
    }


def every_way(root: etree._Element, names: Place) -> Iterator[list[int]]:
    """Where in the document the place can be put: in each element that is there, and in a new one, as the numbers of
    children by name; -1 for a new one."""
    if not names or names[0].startswith("@"):
        yield []
        return
    for number, child in enumerate(root.findall(element_name(names[0]))):
        for way in every_way(child, names[1:]):
            yield [number, *way]
    yield [-1] * len([name for name in names if not name.startswith("@")])


def put(root: etree._Element, names: Place, way: list[int]) -> None:
    """Write something of the host's to that place."""
    here = root
    for name, number in zip(names, way, strict=False):
        tag = element_name(name)
        here = etree.SubElement(here, tag) if number < 0 else here.findall(tag)[number]
    if names[-1].startswith("@"):
        here.set(names[-1][1:], ELSEWHERE)
    else:
        for child in list(here):
            here.remove(child)
        here.text = ELSEWHERE


def test_each_needs_vm_define_wherever_it_is_put(derived: list[Place]) -> None:
    before = DomainXML.parse(BEFORE).element
    tried = 0
    for place in [*derived, *map(parts, BY_HAND)]:
        for way in every_way(before, place):
            after = deepcopy(before)
            put(after, place, way)
            found = difference(BEFORE, etree.tostring(after, encoding="unicode"))
            assert DEFINE in {need.privilege for need in found}, f"{'/'.join(place)} at {way} needs only {found}"
            tried += 1
    assert tried > 2 * len(derived)
