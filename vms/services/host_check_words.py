"""What the lines of the host check say. Commands are for who sits at the host: the dashboard runs none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vms.kinds.words import mark


@dataclass(frozen=True)
class Words:
    """means: what is so; way: what to do; command: what shows or changes it on the host."""

    means: str
    way: str = ""
    command: str = ""


TITLES: Final[dict[str, str]] = {
    "cpu": mark("Processor"),
    "modules": mark("KVM's modules"),
    "kvm": mark("/dev/kvm"),
    "nested": mark("VMs inside VMs"),
    "iommu": mark("IOMMU"),
    "cgroups": mark("Control groups"),
    "svirt": mark("sVirt"),
    "qemu_user": mark("QEMU's user"),
    "firmware": mark("Firmware for VMs"),
    "libvirt": mark("libvirt's version"),
    "pools": mark("Place for disks"),
    "space": mark("Room in {pool}"),
    "networks": mark("Networks"),
    "hostname": mark("Its own name"),
    "way": mark("The way to it"),
    "clock": mark("Clock"),
}

WORDS: Final[dict[str, Words]] = {
    "cpu_can": Words(mark("The processor can run VMs ({flag}).")),
    "cpu_other": Words(mark("The processor can run VMs.")),
    "cpu_unknown": Words(
        mark("libvirt does not tell the processor's features."),
        mark("Look at the host whether one of these words comes out."),
        "grep -Eom1 'vmx|svm' /proc/cpuinfo",
    ),
    "cpu_is_vm": Words(
        mark("This host is a VM itself, and the one that it runs on does not pass {flag} on: VMs run slowly here."),
        mark("Let the outer host give this VM its own processor (host-passthrough), with nesting switched on there."),
    ),
    "cpu_cannot": Words(
        mark("The processor lacks {flag}: VMs run in software, about ten times as slow."),
        mark("Switch virtualization on in the machine's firmware set-up (VT-x, AMD-V or SVM), and start it anew."),
    ),
    "modules_there": Words(mark("kvm and {module} are loaded: QEMU uses them.")),
    "modules_unknown": Words(
        mark("libvirt does not tell which modules are loaded."),
        mark("Load what is missing: modprobe {module}."),
        "lsmod | grep kvm",
    ),
    "kvm_usable": Words(mark("QEMU opens it: VMs run by hardware.")),
    "kvm_slow": Words(
        mark(
            "QEMU finds KVM and loses it at each look, each of which takes seconds. It is so where /dev/kvm is "
            "there and QEMU's user may not open it."
        ),
        mark("Give the device to the group kvm, and start libvirt anew."),
        "chown root:kvm /dev/kvm && chmod 0660 /dev/kvm",
    ),
    "kvm_lies": Words(
        mark("QEMU says that it finds KVM, but the processor lacks {flag}: VMs are made for software emulation."),
        mark("Put the processor right first, see above."),
    ),
    "kvm_closed": Words(
        mark("The processor can, but QEMU finds no KVM."),
        mark("Load {module}, and see that the group kvm may open the device. Then start libvirt anew."),
        "ls -l /dev/kvm",
    ),
    "kvm_none": Words(mark("QEMU finds no KVM."), mark("Put the processor right first, see above."), "ls -l /dev/kvm"),
    "nested_on": Words(mark("A VM here can run VMs of its own.")),
    "nested_off": Words(
        mark("A VM here cannot run VMs of its own. Few need to."),
        mark("Where it is needed: give {module} the option nested=1, and load it anew while no VM runs."),
        "cat /sys/module/{module}/parameters/nested",
    ),
    "nested_unknown": Words(
        mark("Whether VMs here can run VMs of their own is not to be learned from libvirt."),
        "",
        "cat /sys/module/{module}/parameters/nested",
    ),
    "iommu_on": Words(mark("On: devices can be given to VMs.")),
    "iommu_off": Words(
        mark("Off, or the machine has none: no PCI device can be given to a VM."),
        mark("Switch it on in the firmware set-up (VT-d or AMD-Vi) and, on Intel, by intel_iommu=on for the kernel."),
        "ls /sys/kernel/iommu_groups",
    ),
    "iommu_unknown": Words(mark("This libvirt does not tell whether there is one."), "", "ls /sys/kernel/iommu_groups"),
    "cgroups_there": Words(mark("VMs are held by them: shares and limits of processor and memory work.")),
    "cgroups_missing": Words(
        mark("Running VMs are not under: {names}. Shares and limits of these have no effect."),
        mark("See that the kernel has them, and cgroup_controllers in /etc/libvirt/qemu.conf leaves them in."),
        "cat /sys/fs/cgroup/cgroup.controllers",
    ),
    "cgroups_unknown": Words(
        mark("libvirt shows them only by a VM that runs, and none does."), "", "cat /sys/fs/cgroup/cgroup.controllers"
    ),
    "svirt_on": Words(
        mark("{driver} keeps each VM's process to its own disks: a guest that broke out of QEMU reaches nothing else.")
    ),
    "svirt_off": Words(
        mark(
            "No security driver: a guest that broke out of QEMU would reach all that QEMU's user may, "
            "and the disks of the other VMs."
        ),
        mark("Switch AppArmor or SELinux on, as the host's distribution does by itself, and start libvirt anew."),
        "virsh capabilities | grep -A2 secmodel",
    ),
    "svirt_other": Words(mark("Its security driver is {driver}, of which the dashboard knows nothing.")),
    "svirt_unknown": Words(mark("libvirt does not tell its security driver."), "", "aa-status; getenforce"),
    "user_own": Words(mark("QEMU runs as user {user}, who is nobody else.")),
    "user_root": Words(
        mark("QEMU runs as root: a guest that broke out of it would be root on this host."),
        mark("Take user and group out of /etc/libvirt/qemu.conf, start libvirt anew, then the VMs."),
        "grep -E '^(user|group)' /etc/libvirt/qemu.conf",
    ),
    "user_unknown": Words(mark("libvirt does not tell as whom QEMU runs."), "", "ps -o user= -C qemu-system-x86_64"),
    "firmware_secure": Words(mark("BIOS and UEFI, also with secure boot.")),
    "firmware_efi": Words(mark("BIOS and UEFI, without secure boot.")),
    "firmware_unknown": Words(
        mark("This libvirt does not tell whether VMs here can start by UEFI."), "", "ls /usr/share/qemu/firmware"
    ),
    "firmware_bios": Words(
        mark("libvirt finds no UEFI for VMs: those that want it cannot be made here."),
        mark("Install UEFI for VMs (the package ovmf, or edk2-ovmf)."),
        "ls /usr/share/qemu/firmware",
    ),
    "libvirt_good": Words(mark("libvirt {version} knows all that the dashboard asks of it.")),
    "libvirt_old": Words(
        mark("libvirt {version} can neither go back to an external snapshot nor delete one; 9.9 and later can."),
        mark("All else works. Update it with the host's distribution when that does."),
    ),
    "libvirt_unknown": Words(mark("It does not tell its version."), "", "libvirtd --version"),
    "pools_there": Words(mark("There is a storage pool, and it starts with the host.")),
    "pools_default": Words(
        mark("The pool “default” is missing, stopped, or does not start with the host."),
        mark("“Get it ready” on the host's page puts that right."),
    ),
    "pools_none": Words(
        mark("There is no storage pool, so no place for disks."),
        mark("“Get it ready” on the host's page makes one, or add one under Storage."),
    ),
    "space_good": Words(mark("{free} GiB free, {share} %.")),
    "space_low": Words(mark("Only {free} GiB free, {share} %."), mark("Make room before it is full.")),
    "space_none": Words(
        mark("Full but for {free} GiB, {share} %: VMs stop when their disks cannot grow."),
        mark("Delete what nobody uses, or move disks elsewhere."),
    ),
    "space_stopped": Words(mark("The pool is stopped: nothing in it can be used."), mark("Start it.")),
    "space_unknown": Words(mark("The pool does not tell how much fits into it.")),
    "networks_there": Words(mark("A network runs that VMs can be connected to.")),
    "networks_default": Words(
        mark("The network “default” is missing, stopped, or does not start with the host."),
        mark("“Get it ready” on the host's page puts that right."),
    ),
    "networks_stopped": Words(mark("No network runs."), mark("Start one.")),
    "networks_none": Words(
        mark("There is no network."), mark("“Get it ready” on the host's page makes one, or add one under Networks.")
    ),
    "hostname_told": Words(
        mark("It calls itself {name}. A VM moves here only if the other host finds it by this name."),
        mark("Look on the other host whether its address comes out."),
        "getent hosts {name}",
    ),
    "hostname_itself": Words(
        mark("It calls itself {name}: another host that moves a VM here would look for it at itself."),
        mark("Give it a name of its own that the others know."),
        "hostnamectl",
    ),
    "hostname_unknown": Words(mark("It does not tell its name."), "", "hostname"),
    "way_clear": Words(
        mark("Not encrypted: whoever reaches its port, or listens on the way, is root on it."),
        mark("Reach it by SSH or TLS instead: “Edit” on the host's page."),
    ),
    "clock": Words(
        mark("libvirt does not tell the host's time. Hosts whose clocks differ show their VMs other times."),
        "",
        "timedatectl",
    ),
}
