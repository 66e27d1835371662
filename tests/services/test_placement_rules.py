"""Each reason for which a VM can't move, from two sides that fit but for one thing; no document is too much."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from tests.data.kinds_of_vm import KINDS
from vms.libvirtxml import DiskNeed, DomainXML, MoveNeeds, move_needs
from vms.services.placement_rules import How, can, judge
from vms.services.placement_sides import DiskSide, HostSide, PoolSide, VmSide
from vms.services.placement_words import REASONS
from vms.services.sentences import move_reason

DOCUMENT: Final = """<domain type='kvm'><name>web-01</name><memory unit='GiB'>4</memory><vcpu>2</vcpu>
<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type>{os}</os>{more}
<cpu mode='custom'><model>EPYC</model><vendor>AMD</vendor><feature policy='require' name='x2apic'/>
<feature policy='disable' name='monitor'/>{cpu}</cpu>
<devices><interface type='network'><source network='dmz'/></interface>{devices}</devices></domain>"""
FITS: Final = HostSide(
    2, "host-b", machines={"pc-q35-7.2": 288}, emulator="/usr/bin/qemu-system-x86_64", cpu_vendor="AMD",
    cpu_model="EPYC", cpu_features=frozenset({"aes", "x2apic"}), cpu_models=frozenset({"EPYC", "qemu64"}), cpus=8,
    memory_kib=64 << 20, free_kib=32 << 20, networks={"dmz": True}, bridges=frozenset({"br0"}),
    links=frozenset({"eth0", "br0"}), storages={1: "netfs"}, qemu=(7, 2, 0), labels=frozenset({"apparmor", "dac"}),
    firmwares=frozenset({"bios", "efi"}), secure_boot=True, tpm=True,
    pools=(PoolSide(5, "fast", 9, ("qcow2", "raw"), 100 << 30),),
)  # fmt: skip
HERE: Final = replace(FITS, pk=1, name="host-a", cpu_features=frozenset({"aes", "x2apic"}))
UUID: Final = "6f5f5c1e-0000-4000-8000-000000000001"


def needs(os: str = "", more: str = "", cpu: str = "", devices: str = "", text: str = DOCUMENT) -> MoveNeeds:
    return move_needs(DomainXML.parse(text.format(os=os, more=more, cpu=cpu, devices=devices)))


def disk(storages: set[int] = frozenset({1}), **fields: Any) -> DiskSide:  # type: ignore[assignment]
    made = {
        "target": "vda", "medium": False, "at": (("path", "/x/web.qcow2", "qcow2"),), "network": False,
        "readonly": False, "shareable": False, "transient": False, "cache": "",
    }  # fmt: skip
    private = fields.pop("private", False)
    return DiskSide(DiskNeed(**{**made, **fields}), frozenset(storages), "web.qcow2", "qcow2", 20 << 30, private)


def vm(**fields: Any) -> VmSide:
    made = {"needs": needs(), "disks": (disk(),), "here": HERE, "state": "running"}
    return VmSide(1, "web-01", UUID, **{**made, **fields})


def told(one: VmSide, host: HostSide, how: How | None = None) -> list[str]:
    return [reason.code for reason in judge(one, host, how or How("live" if one.runs else "offline"))]


LOCAL: Final = vm(disks=(disk({7}),))
PASSES: Final = DOCUMENT.replace("mode='custom'><model>EPYC</model>", "mode='host-passthrough'>")
EMULATED: Final = needs(text=DOCUMENT.replace("'kvm'", "'qemu'"))
OFF: Final = {"state": "shut_off"}
INTO: Final = How("live", copy=True, pool=FITS.pools[0])

# What is told, and nothing else is.
CASES: Final[list[tuple[list[str], VmSide, HostSide, How | None]]] = [
    ([], vm(), FITS, None),
    ([], vm(**OFF), FITS, None),
    ([], vm(state="paused"), FITS, None),
    (["same"], vm(), replace(FITS, pk=1), None),
    (["template"], vm(template=True, **OFF), FITS, None),
    (["gone"], vm(present=False), FITS, None),
    (["not_kept"], vm(persistent=False), FITS, None),
    (["saved"], vm(saved=True, state="saved"), FITS, None),
    (["state"], vm(state="pmsuspended"), FITS, None),
    (["state"], vm(), FITS, How("offline")),
    (["state"], vm(**OFF), FITS, How("live")),
    (["unread"], vm(needs=None), FITS, None),
    (["snapshots"], vm(snapshots=2), FITS, None),
    (["checkpoints"], vm(checkpoints=2), FITS, None),
    (["here_silent"], vm(here=replace(HERE, fresh="silent")), FITS, None),
    (["maintenance"], vm(), replace(FITS, maintenance=True), None),
    (["silent"], vm(), replace(FITS, fresh="silent"), None),
    (["alone"], vm(), replace(FITS, fresh="alone"), None),
    (["old"], vm(), replace(FITS, fresh="old"), None),
    (["new"], vm(), HostSide(3, "host-c", fresh="new", known=False), None),
    (["unknown"], vm(), HostSide(3, "host-c", known=False), None),
    (["driver"], vm(), replace(FITS, driver="lxc"), None),
    (["nodes"], vm(here=replace(HERE, node="one")), replace(FITS, node="two"), None),
    ([], vm(here=replace(HERE, node="one")), FITS, None),
    (["uuid_taken"], vm(), replace(FITS, uuids=frozenset({UUID}), names=frozenset({"web-01"})), None),
    (["name_taken"], vm(), replace(FITS, names=frozenset({"web-01"})), None),
    (["qemu_older"], vm(), replace(FITS, qemu=(6, 2, 0)), None),
    ([], vm(**OFF), replace(FITS, qemu=(6, 2, 0)), None),
    (["arch"], vm(), replace(FITS, arch="aarch64"), None),
    (["kvm"], vm(), replace(FITS, kvm=False), None),
    (["emulated"], vm(needs=EMULATED), replace(FITS, kvm=False, cpu_vendor="Intel"), None),
    ([], vm(needs=EMULATED, here=replace(HERE, qemu=(9, 0, 0))), replace(FITS, qemu=(9, 0, 0)), None),
    ([], vm(needs=EMULATED), FITS, How("paused")),
    ([], vm(needs=EMULATED, state="paused"), FITS, None),
    (["machine"], vm(), replace(FITS, machines={"pc-q35-6.2": 288}), None),
    (["vcpus"], vm(), replace(FITS, machines={"pc-q35-7.2": 1}), None),
    (["pinned"], vm(needs=needs(more="<cputune><vcpupin vcpu='0' cpuset='1,8-9'/></cputune>")), FITS, None),
    (["few_cpus"], vm(), replace(FITS, cpus=1), None),
    (["emulator"], vm(needs=needs(devices="<emulator>/usr/libexec/qemu-kvm</emulator>")), FITS, None),
    (["firmware"], vm(needs=needs(os="<loader type='pflash'>/x</loader>")),
     replace(FITS, firmwares=frozenset({"bios"})), None),
    (["secure_boot"], vm(needs=needs(os="<loader type='pflash' secure='yes'>/x</loader>")),
     replace(FITS, secure_boot=False), None),
    (["label"], vm(needs=needs(more="<seclabel type='static' model='selinux'/>")), FITS, None),
    ([], vm(needs=needs(more="<seclabel type='dynamic' model='selinux'/>")), FITS, None),
    (["cpu_stays"], vm(needs=needs(text=PASSES.replace("<cpu ", "<cpu migratable='off' "))), FITS, None),
    (["cpu_clocked"], vm(needs=needs(cpu="<feature policy='require' name='invtsc'/>")),
     replace(FITS, cpu_features=FITS.cpu_features | {"invtsc"}), None),
    ([], vm(needs=needs(cpu="<feature name='invtsc'/>", more="<clock><timer name='tsc' frequency='3'/></clock>")),
     replace(FITS, cpu_features=FITS.cpu_features | {"invtsc"}), None),
    (["cpu_vendor"], vm(), replace(FITS, cpu_vendor="Intel"), None),
    (["cpu_vendor"], vm(needs=needs(text=PASSES)), replace(FITS, cpu_vendor="Intel"), None),
    (["cpu_features"], vm(needs=needs(text=PASSES)), replace(FITS, cpu_features=frozenset({"aes"})), None),
    ([], vm(needs=needs(text=PASSES), **OFF), replace(FITS, cpu_features=frozenset({"aes"})), None),
    ([], vm(needs=needs(text=PASSES)), FITS, None),
    (["cpu_unknown"], vm(needs=needs(text=PASSES)), replace(FITS, cpu_features=frozenset()), None),
    (["cpu_unknown"], vm(), replace(FITS, cpu_model="", cpu_models=frozenset()), None),
    (["cpu_own_features"], vm(), replace(FITS, cpu_features=frozenset({"aes"})), None),
    (["cpu_model"], vm(), replace(FITS, cpu_model="EPYC-Rome", cpu_models=frozenset({"qemu64"})), None),
    # Its best is of that model, but for what this VM does without, and but for what it has.
    ([], vm(), replace(FITS, cpu_models=frozenset({"qemu64"}), cpu_lacks=frozenset({"monitor"})), None),
    (["cpu_model"], vm(), replace(FITS, cpu_models=frozenset({"qemu64"}), cpu_lacks=frozenset({"sha-ni"})), None),
    # Only what this VM does without is wanting.
    ([], vm(), replace(FITS, cpu_model="Opteron_G3", cpu_models=frozenset({"qemu64"}),
                       cpu_blocked={"EPYC": frozenset({"monitor"})}), None),
    (["cpu_model"], vm(), replace(FITS, cpu_model="Opteron_G3", cpu_models=frozenset(),
                                  cpu_blocked={"EPYC": frozenset({"monitor", "sha-ni"})}), None),
    (["memory"], vm(), replace(FITS, memory_kib=2 << 20, free_kib=1 << 20), None),
    (["memory_free"], vm(), replace(FITS, free_kib=1 << 20), None),
    ([], vm(**OFF), replace(FITS, free_kib=1 << 20), None),
    (["pages"], vm(needs=needs(more="<memoryBacking><hugepages/></memoryBacking>")), FITS, None),
    (["pages"], vm(needs=needs(more="<memoryBacking><hugepages><page size='1' unit='G'/></hugepages></memoryBacking>")),
     replace(FITS, pages=frozenset({2048})), None),
    ([], vm(needs=needs(more="<memoryBacking><hugepages><page size='2' unit='M'/></hugepages></memoryBacking>")),
     replace(FITS, pages=frozenset({2048})), None),
    (["network"], vm(), replace(FITS, networks={"default": True}), None),
    (["network_stopped"], vm(), replace(FITS, networks={"dmz": False}), None),
    ([], vm(**OFF), replace(FITS, networks={"dmz": False}), None),
    (["sriov"], vm(here=replace(HERE, sriov=frozenset({"dmz"}))), FITS, None),
    (["bridge"], vm(needs=needs(devices="<interface type='bridge'><source bridge='br7'/></interface>")), FITS, None),
    (["bridge_unknown"], vm(needs=needs(devices="<interface type='bridge'><source bridge='br7'/></interface>")),
     replace(FITS, bridges=None), None),
    (["link"], vm(needs=needs(devices="<interface type='direct'><source dev='eth7'/></interface>")), FITS, None),
    (["filter"], vm(needs=needs(devices="<interface type='user'><filterref filter='web'/></interface>")), FITS, None),
    (["transient"], vm(disks=(disk(transient=True),)), FITS, None),
    (["medium"], vm(disks=(disk({7}, target="sda", medium=True, readonly=True),)), FITS, None),
    (["seed"], vm(disks=(disk({7}, target="sda", medium=True, readonly=True, private=True),)), FITS, None),
    ([], vm(disks=(disk({1}, target="sda", medium=True, readonly=True),)), FITS, None),
    (["cache"], vm(here=replace(HERE, qemu=(2, 8, 0))), FITS, None),
    ([], vm(here=replace(HERE, qemu=(2, 8, 0)), disks=(disk(cache="none"),)), FITS, None),
    ([], vm(disks=(disk({0}, network=True),)), FITS, None),
    (["disk_outside"], vm(disks=(disk({0}),)), FITS, INTO),
    # It lies over another that the host does not reach.
    (["disks_local"], vm(disks=(disk({1, 7}),)), FITS, None),
    (["disk_shared"], vm(disks=(disk({7}, shareable=True),)), FITS, INTO),
    (["disk_readonly"], vm(disks=(disk({7}, readonly=True),)), FITS, INTO),
    ([], vm(disks=(disk({7}, readonly=True),), **OFF), FITS, replace(INTO, mode="offline")),
    ([], vm(disks=(disk({7}, target="sda", medium=True),), **OFF), FITS, replace(INTO, mode="offline")),
    (["disks_local"], vm(disks=LOCAL.disks, **OFF), FITS, None),
    ([], LOCAL, FITS, INTO),
    (["clear"], LOCAL, replace(FITS, clear_from=frozenset({1})), INTO),
    (["no_pool"], LOCAL, FITS, How("live", copy=True)),
    (["format"], LOCAL, FITS, replace(INTO, pool=replace(FITS.pools[0], formats=("raw",)))),
    (["room"], LOCAL, FITS, replace(INTO, pool=replace(FITS.pools[0], available_bytes=1 << 30))),
    (["virtiofs"], vm(needs=needs(devices="<filesystem><driver type='virtiofs'/></filesystem>")), FITS, None),
    (["folder"], vm(needs=needs(devices="<filesystem/>")), FITS, None),
    (["tpm"], vm(needs=needs(devices="<tpm><backend type='emulator'/></tpm>")), replace(FITS, tpm=False), None),
    (["tpm_off"], vm(needs=needs(devices="<tpm><backend type='emulator'/></tpm>"), **OFF), FITS, None),
    (["nvram_off"], vm(needs=needs(os="<nvram>/x</nvram>"), **OFF), FITS, None),
    ([], vm(needs=needs(os="<nvram>/x</nvram>")), FITS, None),
    (["device"], vm(needs=needs(devices="<tpm><backend type='passthrough'/></tpm>")), FITS, None),
]  # fmt: skip
# Of its host alone, and what is no more than it seems.
DEVICES: Final = [
    ("<hostdev mode='subsystem' type='pci'/>", ["pci"]),
    ("<hostdev type='pci'><teaming type='transient' persistent='ua-0'/></hostdev>", []),
    ("<hostdev type='mdev'/><hostdev type='usb'/>", ["mdev", "usb"]),
    ("<hostdev type='scsi_host'/>", ["scsi"]),
    ("<hostdev mode='capabilities' type='storage'/>", ["capabilities"]),
    ("<interface type='hostdev'/>", ["pci"]),
    ("<interface type='vdpa'/><interface type='vhostuser'/>", ["vdpa", "card"]),
    ("<disk type='nvme'/>", ["pci"]),
    ("<shmem name='x'><model type='ivshmem'/></shmem>", ["shmem"]),
    ("<shmem name='x' role='master'><model type='ivshmem-doorbell'/></shmem>", []),
    ("<memory model='nvdimm'/>", ["nvdimm"]),
    ("<memory model='dimm'/>", []),
]


@pytest.mark.parametrize(("codes", "one", "host", "how"), CASES, ids=lambda value: str(value)[:40])
def test_each_reason_and_no_other(codes: list[str], one: VmSide, host: HostSide, how: How | None) -> None:
    assert told(one, host, how) == codes


@pytest.mark.parametrize(("devices", "kinds"), DEVICES)
def test_what_is_its_host_s_own(devices: str, kinds: list[str]) -> None:
    assert list(needs(devices=devices).bound) == kinds


def test_every_reason_is_met_and_has_its_words() -> None:
    met = {code for codes, *_ in CASES for code in codes}
    assert met == set(REASONS)
    for codes, one, host, how in CASES:
        for reason in judge(one, host, how or How("live" if one.runs else "offline")):
            for params in (reason.params, {**reason.params, **reason.of_host}):
                text = move_reason(reason.code, params, vm="web-01", host="host-b", here="host-a")
                assert "{" not in text and "…" not in text and "  " not in text, codes


def test_which_of_them_stop_it() -> None:
    notes = {
        "checkpoints", "unknown", "old", "qemu_older", "few_cpus", "emulator", "cpu_unknown", "memory_free",
        "bridge_unknown", "nvram_off", "emulated",
    }  # fmt: skip
    for codes, one, host, how in CASES:
        found = judge(one, host, how or How("live" if one.runs else "offline"))
        assert can(found) == (set(codes) <= notes), codes


def test_who_does_not_see_the_host_is_told_nothing_of_it() -> None:
    passes = vm(needs=needs(text=PASSES))
    [reason] = judge(passes, replace(FITS, cpu_features=frozenset({"aes"})), How())
    told = move_reason(reason.code, reason.params, vm="web-01", host="", here="")
    assert told.startswith("web-01 has all") and "the other host lacks some." in told
    whole = move_reason(reason.code, {**reason.params, **reason.of_host}, vm="web-01", host="host-b", here="host-a")
    assert "host-b lacks some (x2apic)." in whole
    assert move_reason("kvm", {}, vm="web-01", host="", here="").startswith("The other host has no KVM")


@pytest.mark.parametrize("name", sorted(KINDS))
def test_no_document_is_too_much(name: str) -> None:
    text = KINDS[name].replace("NAME", name).replace("FOLDER", "/srv")
    for state in ("running", "shut_off"):
        one = vm(needs=move_needs(DomainXML.parse(text)), state=state)
        judge(one, FITS, INTO)
        judge(one, HostSide(3, "host-c"), How())
