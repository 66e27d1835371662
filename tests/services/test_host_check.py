"""The lines of the host check for machines of several kinds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vms.models import StoragePool
from vms.services.host_check import check
from vms.services.host_check_words import TITLES, WORDS

# What documents of libvirt's became, and with .check what is made of that.
GOLDEN = Path(__file__).parents[1] / "virt" / "golden"
GIB = 1 << 30
NETWORK = {"name": "default", "active": True}
FACTS: dict[str, Any] = {
    "arch": "x86_64", "domain_type": "kvm", "libvirt_version": "10.10.0", "hostname": "kvm1",
    "networks": [NETWORK], "missing": [],
}  # fmt: skip
BARE: dict[str, Any] = {
    "features": ["vmx", "aes"], "cpu_vendor": "Intel", "cpu_named": "Skylake", "kvm": True, "nested": True,
    "iommu": True, "cgroups": ["cpu", "memory"], "qemu_user": "+64055:+108", "firmwares": ["bios", "efi"],
    "secure_boot": True, "slow": False, "security": [{"model": "apparmor"}, {"model": "dac"}],
}  # fmt: skip
IN_A_VM = {**BARE, "features": ["aes", "hypervisor"], "kvm": False, "iommu": False}
SELINUX = {**BARE, "features": ["svm"], "cpu_vendor": "AMD", "security": [{"model": "selinux"}, {"model": "dac"}]}
AS_ROOT = {**BARE, "qemu_user": "+0:+0", "security": [{"model": "none"}, {"model": "dac"}]}
SILENT: dict[str, Any] = {"features": [], "kvm": None, "firmwares": None, "security": []}


def told(
    hardware: dict[str, Any], facts: dict[str, Any] | None = None, *, free: int = 50, driver: str = "qemu"
) -> dict[str, tuple[str, str]]:
    pool = StoragePool(name="default", active=True, capacity_bytes=100 * GIB, available_bytes=free * GIB)
    lines = check(driver, "ssh", {**FACTS, **(facts or {})}, hardware, [pool])
    for line in lines:
        assert line.title and line.means and "{" not in line.title + line.means + line.way + line.command
    return {line.code: (line.result, line.case) for line in lines}


def test_a_machine_with_everything_passes() -> None:
    results = told(BARE)
    assert {code for code, (result, _) in results.items() if result != "pass"} == {"hostname", "clock"}
    assert {results[code][0] for code in ("hostname", "clock")} == {"unknown"}


@pytest.mark.parametrize(
    ("hardware", "facts", "expected"),
    [
        (IN_A_VM, {"domain_type": "qemu"}, {"cpu": "cpu_is_vm", "kvm": "kvm_none", "iommu": "iommu_off"}),
        ({**BARE, "kvm": False}, {"domain_type": "qemu"}, {"cpu": "cpu_can", "kvm": "kvm_closed"}),
        ({**BARE, "kvm": False, "slow": True}, {"domain_type": "qemu"}, {"kvm": "kvm_slow"}),
        ({**BARE, "features": ["aes"]}, {"domain_type": "qemu"}, {"cpu": "cpu_cannot", "kvm": "kvm_lies"}),
        (SELINUX, {}, {"svirt": "svirt_on", "cpu": "cpu_can", "modules": "modules_there"}),
        ({**BARE, "security": [{"model": "smack"}, {"model": "dac"}]}, {}, {"svirt": "svirt_other"}),
        (AS_ROOT, {}, {"svirt": "svirt_off", "qemu_user": "user_root"}),
        ({**BARE, "nested": False, "cgroups": ["cpu"]}, {}, {"nested": "nested_off", "cgroups": "cgroups_missing"}),
        ({**BARE, "cgroups": None, "iommu": None}, {}, {"cgroups": "cgroups_unknown", "iommu": "iommu_unknown"}),
        ({**BARE, "firmwares": []}, {}, {"firmware": "firmware_bios"}),
        ({**BARE, "firmwares": ["efi"], "secure_boot": False}, {}, {"firmware": "firmware_efi"}),
        ({**BARE, "firmwares": None}, {}, {"firmware": "firmware_unknown"}),
        (BARE, {"libvirt_version": "9.0.0"}, {"libvirt": "libvirt_old"}),
        (BARE, {"libvirt_version": "<b>"}, {"libvirt": "libvirt_unknown"}),
        (BARE, {"networks": []}, {"networks": "networks_none"}),
        (BARE, {"networks": [{"active": False}]}, {"networks": "networks_stopped"}),
        (BARE, {"missing": ["pool_started", "network_autostart"]}, {"pools": "pools_default"}),
        (BARE, {"hostname": "localhost"}, {"hostname": "hostname_itself"}),
        (
            SILENT,
            {"domain_type": "qemu"},
            {
                "cpu": "cpu_unknown",
                "svirt": "svirt_unknown",
                "qemu_user": "user_unknown",
                "iommu": "iommu_unknown",
                "cgroups": "cgroups_unknown",
                "nested": "nested_unknown",
                "firmware": "firmware_unknown",
            },
        ),
    ],
)
def test_what_is_amiss_is_said(hardware: dict[str, Any], facts: dict[str, Any], expected: dict[str, str]) -> None:
    results = told(hardware, facts)
    assert {code: results[code][1] for code in expected} == expected


@pytest.mark.parametrize(
    ("name", "driver", "domain_type", "libvirt"),
    [
        ("small", "qemu", "qemu", "9.0.0"),
        ("server", "qemu", "kvm", "10.0.0"),
        ("old", "qemu", "kvm", "4.5.0"),
        ("container", "lxc", "lxc", "9.0.0"),
    ],
)
def test_what_libvirt_says_of_a_machine_is_judged(name: str, driver: str, domain_type: str, libvirt: str) -> None:
    stored = json.loads((GOLDEN / f"{name}.json").read_text())
    hardware = {**stored, "kvm": None if driver == "lxc" else True}
    results = told(hardware, {"domain_type": domain_type, "libvirt_version": libvirt}, driver=driver)
    judged = {code: f"{result}: {case}" for code, (result, case) in results.items()}
    assert judged == json.loads((GOLDEN / f"{name}.check.json").read_text())


def test_machines_without_uefi_are_not_asked_for_it() -> None:
    assert "firmware" not in told({**BARE, "firmwares": []}, {"arch": "s390x"})


@pytest.mark.parametrize(("free", "result"), [(50, "pass"), (8, "warning"), (4, "fail"), (0, "fail")])
def test_room_is_counted(free: int, result: str) -> None:
    assert told(BARE, free=free)["space"][0] == result


def test_other_drivers_are_not_asked_for_what_is_qemus() -> None:
    assert set(told(SILENT, driver="lxc")) == {"libvirt", "pools", "space", "networks", "hostname", "clock"}


def test_a_clear_way_fails_and_no_pool_too() -> None:
    found = {line.code: line.result for line in check("qemu", "tcp", FACTS, BARE, [])}
    assert (found["way"], found["pools"]) == ("fail", "fail")


def test_each_sentence_is_of_some_line() -> None:
    assert all(word.means for word in WORDS.values()) and all(TITLES.values())
