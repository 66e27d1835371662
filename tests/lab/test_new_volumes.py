"""A new volume is made over nothing that is there, whether its host lists that or not."""

from __future__ import annotations

import pytest

from tests.lab.machine import LabHost
from tests.lab.pools import LabPool
from vms.errors import NameTaken, VirtError
from vms.libvirtxml import volume_document
from vms.virt import Connection

MIB = 1 << 20

formats = pytest.mark.parametrize("format", ["qcow2", "raw"])


def make(connection: Connection, pool: LabPool, name: str, format: str) -> None:
    connection.create_volume(pool.uuid, volume_document(name, MIB, format, whole=False), name=name)


@formats
def test_what_was_put_there_meanwhile_stays(pool: LabPool, connection: Connection, format: str) -> None:
    there = pool.folder / f"put-{format}"
    there.write_bytes(b"somebody's")
    with pytest.raises(NameTaken):
        make(connection, pool, there.name, format)
    assert there.read_bytes() == b"somebody's"


@formats
def test_nothing_is_written_through_a_link_that_leads_nowhere(
    pool: LabPool, connection: Connection, format: str
) -> None:
    victim = pool.folder.parent / f"victim-{format}"
    there = pool.folder / f"link-{format}"
    there.symlink_to(victim)
    with pytest.raises(VirtError):
        make(connection, pool, there.name, format)
    assert there.is_symlink() and not victim.exists()
    there.unlink()


@formats
def test_what_is_only_listed_still_is_in_nobodys_way(pool: LabPool, connection: Connection, format: str) -> None:
    make(connection, pool, f"gone-{format}", format)
    (pool.folder / f"gone-{format}").unlink()
    make(connection, pool, f"gone-{format}", format)
    assert (pool.folder / f"gone-{format}").exists()


def test_the_others_in_the_pool_are_not_looked_at(pool: LabPool, lab_host: LabHost, connection: Connection) -> None:
    """Which takes long where there are many: what was put there meanwhile is still not listed afterwards."""
    (pool.folder / "beside").write_bytes(b"somebody's")
    make(connection, pool, "new.qcow2", "qcow2")
    listed = lab_host.virsh("vol-list", pool.name)
    assert "new.qcow2" in listed and "beside" not in listed
