"""kvm is said only where the processor and QEMU both say so; a device file alone lies."""

from __future__ import annotations

import libvirt
import pytest

from vms.libvirtxml import parse
from vms.virt import facts


class Handle:
    """A host with these processor flags, and a QEMU that can (or cannot) use kvm."""

    def __init__(self, flags: list[str], implied: list[str], can: bool, kind: str = "QEMU") -> None:
        self.flags, self.implied, self.can, self.kind = flags, implied, can, kind

    def getType(self) -> str:
        return self.kind

    def features(self, names: list[str]) -> str:
        return "<cpu>" + "".join(f"<feature name='{name}'/>" for name in names) + "</cpu>"

    def getCapabilities(self) -> str:
        return f"<capabilities><host>{self.features(self.flags)}</host></capabilities>"

    def baselineCPU(self, cpus: list[str], flags: int) -> str:
        return self.features([*self.flags, *self.implied])

    def getDomainCapabilities(self, *asked: object) -> str:
        if not self.can:
            raise libvirt.libvirtError("no kvm")
        return "<domainCapabilities><domain>kvm</domain></domainCapabilities>"


@pytest.mark.parametrize(
    ("handle", "arch", "expected"),
    [
        (Handle(["vmx"], [], True), "x86_64", "kvm"),
        (Handle([], ["svm"], True), "x86_64", "kvm"),
        (Handle([], [], True), "x86_64", "qemu"),
        (Handle(["vmx"], [], False), "x86_64", "qemu"),
        (Handle([], [], True), "aarch64", "kvm"),
        (Handle([], [], False), "aarch64", "qemu"),
        (Handle([], [], True, "TEST"), "x86_64", "test"),
    ],
)
def test_it_believes_neither_alone(handle: Handle, arch: str, expected: str) -> None:
    assert facts.domain_type(handle, parse(handle.getCapabilities()), arch) == expected
