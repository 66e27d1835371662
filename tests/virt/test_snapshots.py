"""Snapshots by libvirt's own test driver: what is told, and what is judged before it is handed over."""

from __future__ import annotations

import pytest

from vms.errors import BadDocument, NeedsMore
from vms.libvirtxml import snapshot_document
from vms.virt import Connection, Domain, judging

DEFINITION = "<domain type='test'><name>test</name><memory>1</memory><os><type>hvm</type></os></domain>"


@pytest.fixture
def domain(connection: Connection) -> Domain:
    return connection.domain(connection.domains()[0].uuid)


def take(domain: Domain, name: str) -> None:
    domain.take_snapshot(snapshot_document(name, "d", {}, {}, memory=True), disks_only=False, quiesce=False)


def keep(domain: Domain, name: str) -> None:
    """Of one that is off."""
    domain.take_snapshot(snapshot_document(name, "", {}, {}, memory=False), disks_only=False, quiesce=False)


def test_what_is_kept_is_told(domain: Domain) -> None:
    assert domain.snapshots() == () and domain.current_snapshot() == ""
    take(domain, "first")
    take(domain, "second")
    first, second = domain.snapshots()
    assert (first.name, first.current, second.current) == ("first", False, True)
    assert first.told and second.told and second.told.parent == "first" and first.told.description == "d"
    assert domain.snapshot_names() == ["first", "second"] and domain.current_snapshot() == "second"
    assert [one.name for one in domain.info().snapshots] == ["first", "second"]
    domain.revert("first", allowed=frozenset())
    assert domain.current_snapshot() == "first"
    domain.drop_snapshot("second")
    assert domain.snapshot_names() == ["first"]


def test_one_that_is_taken_brings_no_definition(domain: Domain) -> None:
    text = snapshot_document("x", "", {}, {}, memory=False).replace(
        "</domainsnapshot>", f"{DEFINITION}</domainsnapshot>"
    )
    with pytest.raises(BadDocument):
        domain.take_snapshot(text, disks_only=False, quiesce=False)
    assert domain.snapshot_names() == []


def test_one_that_is_described_keeps_its_definitions(domain: Domain) -> None:
    take(domain, "first")
    domain.describe_snapshot("first", to="first", description="new")
    [told] = domain.snapshots()
    assert told.told and told.told.description == "new"
    with pytest.raises(BadDocument):
        judging.describe_snapshot(domain.handle, "first", lambda text: text.replace("<domain ", "<domain id='7' "), 0)


def test_what_comes_back_is_judged_before_the_call(domain: Domain) -> None:
    domain.force_off()
    domain.modify(lambda document: setattr(document, "memory_kib", 4 << 20), allowed=frozenset({"vm.cpu_memory"}))
    keep(domain, "more")
    domain.modify(lambda document: setattr(document, "memory_kib", 2 << 20), allowed=frozenset({"vm.cpu_memory"}))
    keep(domain, "less")
    with pytest.raises(NeedsMore):
        domain.revert("more", allowed=frozenset({"vm.revert"}))
    assert domain.current_snapshot() == "less"
