"""Which processor a VM can have on a host, as libvirt's documents tell it; no libvirt here expands a model."""

from __future__ import annotations

import libvirt
import pytest
from lxml import etree

from vms.virt.cpus import best
from vms.virt.machine import GuestCpu

TOLD = (
    "<domainCapabilities><arch>x86_64</arch><cpu><mode name='host-model' supported='{supported}'>"
    "<model fallback='forbid'>EPYC</model><vendor>AMD</vendor><feature policy='require' name='x2apic'/>"
    "<feature policy='disable' name='monitor'/></mode><mode name='custom' supported='yes'>"
    "<model usable='no'>EPYC-Milan</model><blockers model='EPYC-Milan'><feature name='vaes'/>"
    "<feature name='erms'/></blockers></mode></cpu></domainCapabilities>"
)


class Handle:
    """Only what is asked: to name the features of a model."""

    def __init__(self, told: str = "") -> None:
        self.told = told
        self.asked: list[str] = []

    def baselineCPU(self, documents: list[str], flags: int) -> str:
        self.asked += documents
        if not self.told:
            raise libvirt.libvirtError("no such model")
        return self.told


def test_a_model_s_own_features_are_among_them_and_those_that_it_lacks_are_not() -> None:
    handle = Handle("<cpu><model>EPYC</model><feature name='aes'/><feature name='monitor'/></cpu>")
    found = best(handle, etree.fromstring(TOLD.format(supported="yes")))
    assert found == GuestCpu("EPYC", "AMD", ("aes", "x2apic"), (("EPYC-Milan", ("erms", "vaes")),), ("monitor",))
    assert "x2apic" in handle.asked[0] and "monitor" not in handle.asked[0]


def test_what_libvirt_cannot_expand_is_known_as_far_as_it_is_told() -> None:
    found = best(Handle(), etree.fromstring(TOLD.format(supported="yes")))
    assert found and found.features == ("x2apic",)


@pytest.mark.parametrize("text", [TOLD.format(supported="no"), "<domainCapabilities/>"])
def test_a_host_may_have_none(text: str) -> None:
    assert best(Handle(), etree.fromstring(text)) is None
