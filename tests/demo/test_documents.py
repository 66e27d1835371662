"""The demo's definitions."""

from __future__ import annotations

import pytest

from vms.demo.documents import Fittings, Role, domain_document, role_of
from vms.demo.machines import OURS, ROLES, free_name
from vms.libvirtxml import DomainXML, faults

UUID = "6d1f6a53-5f0c-4c39-9b0e-5f5b6f4c2f11"


@pytest.mark.parametrize("role", ROLES, ids=lambda role: str(role.name))
@pytest.mark.parametrize("network", ["default", ""])
@pytest.mark.parametrize("domain_type", ["qemu", "kvm"])
def test_every_definition_follows_libvirts_schema(role: Role, network: str, domain_type: str) -> None:
    text = domain_document(role, UUID, "demo-web-2", Fittings(domain_type, "/a.iso", "/b.qcow2", network))
    assert faults(text) == []
    document = DomainXML.parse(text)
    assert document.type == domain_type
    assert document.networks == ([network] if network else [])
    assert [screen.type for screen in document.graphics] == ["vnc"]


def test_a_demo_vm_is_known_by_its_mark_and_never_by_its_name() -> None:
    text = domain_document(ROLES[0], UUID, "anything", Fittings("qemu", "/a.iso", "/b.qcow2", ""))
    assert role_of(text) == "demo-web"
    copied = DomainXML.parse(text)
    copied.uuid = "11111111-2222-4333-8444-555555555555"
    assert role_of(copied.text) == ""
    assert role_of("<domain><name>demo-web</name><uuid>x</uuid></domain>") == ""


def test_the_next_free_name_is_taken() -> None:
    assert free_name("demo-web", set()) == "demo-web"
    assert free_name("demo-web", {"demo-web", "demo-web-2"}) == "demo-web-3"


@pytest.mark.parametrize(
    ("name", "is_ours"),
    [(f"{UUID}.qcow2", True), ("demo-0123456789abcdef.iso", True), ("demo-data.iso", False), ("web.qcow2", False)],
)
def test_only_volumes_of_the_demos_making_are_taken_away(name: str, is_ours: bool) -> None:
    assert bool(OURS.fullmatch(name)) is is_ours
