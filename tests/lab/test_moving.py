"""A disk goes to another pool on a real host, off and running."""

from __future__ import annotations

from tests.lab.machine import eventually
from tests.lab.pools import folder_pool
from tests.lab.stack import Answer
from tests.lab.test_create import volume
from tests.lab.test_shaping import MIB, Shaped, shaped
from vms.libvirtxml import Target
from vms.virt import HostSpec, connect

__all__ = ["shaped"]


def move(shaped: Shaped, device: str, pool: int) -> Answer:
    return shaped.dashboard.post(f"/vms/{shaped.vm}/devices/{device}/move", {"pool": pool})


def test_a_disk_is_moved_off_and_running(shaped: Shaped) -> None:
    (shaped.pool.folder / "first").write_bytes(b"kept" * (MIB // 4))
    with folder_pool(shaped.host) as other:
        eventually(lambda: other.name in str(shaped.dashboard.get("/pools?page_size=200")), "the pool is known")
        pools = {one["name"]: one["id"] for one in shaped.dashboard.get("/pools?page_size=200")["items"]}
        here, there = pools[shaped.pool.name], pools[other.name]
        shaped.dashboard.do(
            f"from vms.models import Storage; Storage.objects.filter(pools__in=[{here}, {there}]).update(trusted=True)"
        )
        shaped.done(move(shaped, "vda", there))
        assert shaped.next("devices/disk[target/@dev='vda']/source/@pool") == [other.name]
        assert (other.folder / "first").read_bytes() == b"kept" * (MIB // 4)
        assert (shaped.pool.folder / "first").exists()
        old = volume(shaped.dashboard, here, "first")
        eventually(
            lambda: not shaped.dashboard.get(f"/volumes/{old['id']}/users")["vms"], "the old one is attached to nothing"
        )

        shaped.domain.create()
        shaped.dashboard.await_state(shaped.vm, "running")
        ended = shaped.done(move(shaped, "vdb", there))
        assert {"move_copies", "move_over"} <= {line["code"] for line in ended["log"]}
        path = f"{other.path}/second"
        for look in (shaped.now, shaped.next):
            assert look("devices/disk[target/@dev='vdb']/source/@file") == [path]
        assert volume(shaped.dashboard, there, "second")["state"] == "ready"
        eventually(
            lambda: not shaped.dashboard.get(f"/vms/{shaped.vm}/pending")["changes"], "nothing waits for a restart"
        )
        # And back, from what is named by its path now; there is one of its name.
        shaped.done(move(shaped, "vdb", here))
        assert shaped.now("devices/disk[target/@dev='vdb']/source/@file") == [f"{shaped.pool.path}/shaped.raw"]

        # A copy that is ended leaves the run as it was.
        other.make("third", MIB)
        before = shaped.domain.XMLDesc()
        with connect(HostSpec("unix", "qemu", str(shaped.host.socket))) as connection:
            domain = connection.domain(shaped.uuid)
            domain.begin_mirror("vda", Target(f"{shaped.pool.path}/third", "raw"))
            eventually(lambda: domain.is_mirrored("vda"), "both are the same")
            assert domain.mirrors("vda") == f"{shaped.pool.path}/third" and domain.mirror_job("vda")
            domain.end_mirror("vda", go_over=False)
            eventually(lambda: not domain.mirrors("vda"), "it has ended")
            assert domain.mirror_job("vda") is None
        assert shaped.now("devices/disk[target/@dev='vda']/source/@pool") == [other.name]
        assert before.count("<disk") == shaped.domain.XMLDesc().count("<disk")
        shaped.domain.destroy()
