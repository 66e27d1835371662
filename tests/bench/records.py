"""What libvirt tells of a running guest with two processors, a memory balloon, two disks and two cards."""

from __future__ import annotations

from typing import Any

DISK = ("rd.reqs", "rd.bytes", "rd.times", "wr.reqs", "wr.bytes", "wr.times", "fl.reqs", "fl.times", "allocation")
CARD = ("rx.bytes", "rx.pkts", "rx.errs", "rx.drop", "tx.bytes", "tx.pkts", "tx.errs", "tx.drop")
BALLOON = ("current", "swap_in", "swap_out", "major_fault", "minor_fault", "unused", "available", "usable",
           "disk_caches", "rss")  # fmt: skip


def record(number: int) -> dict[str, Any]:
    """Of the guest of that number; by tests/bench/watching.py a real guest's has all of its names."""
    told: dict[str, Any] = {"cpu.time": number, "cpu.user": 0, "cpu.system": 0, "vcpu.current": 2, "vcpu.maximum": 2}
    told |= {f"balloon.{name}": 0 for name in BALLOON}
    for each in range(2):
        told |= {f"vcpu.{each}.{name}": 0 for name in ("state", "time", "wait", "delay")}
        told |= {f"block.{each}.name": f"vd{'ab'[each]}", f"net.{each}.name": f"vnet{2 * number + each}"}
        told |= {f"block.{each}.{name}": 0 for name in DISK} | {f"net.{each}.{name}": 0 for name in CARD}
    return {**told, "block.count": 2, "net.count": 2}
