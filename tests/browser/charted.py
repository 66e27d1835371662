"""An hour that charts can show: what a VM and its host would have done, with a gap in it."""

from __future__ import annotations

from tests.browser.stage import Stage

# Waves of different lengths; between the 20th and the 28th minute nothing was measured.
HOUR = """
import math, time
from vms import metrics
now = int(time.time()) // 5 * 5
times = [t for t in range(now - 3600, now - 30, 5) if not now - 2400 < t < now - 1920]
def wave(t, least, most, length):
    return least + (most - least) * (1 + math.sin(t / length)) / 2
def vm(t):
    values = dict(cpu=wave(t, 5, 85, 300), steal=wave(t, 0, 6, 90), wait=wave(t, 0, 15, 200))
    values |= dict(memory=wave(t, 5e8, 9e8, 900), memory_balloon=2**30, memory_process=wave(t, 8e8, 1e9, 1500))
    values |= dict(disk_read=wave(t, 0, 3e7, 120), disk_write=wave(t, 0, 5e7, 240))
    values |= dict(disk_reads=wave(t, 0, 300, 120), disk_writes=wave(t, 0, 700, 240))
    values |= dict(disk_read_latency=wave(t, 2e-4, 2e-3, 400), disk_write_latency=wave(t, 4e-4, 8e-3, 500))
    values |= dict(net_in=wave(t, 0, 2e6, 700), net_out=wave(t, 0, 9e6, 500), net_packets_in=wave(t, 0, 900, 700))
    values |= dict(net_packets_out=wave(t, 0, 4000, 500), net_drops=0, net_errors=0)
    return [values.get(name) for name in metrics.VM.names]
metrics.store({{metrics.VM: [({vm}, t, vm(t)) for t in times]}})
metrics.roll_up(metrics.VM, metrics.TIERS[1], sorted({{({vm}, t // 60 * 60) for t in times}}))
def host(t):
    return [wave(t, 5, 60, 500), wave(t, 0, 9, 130), wave(t, 2e9, 3e9, 800)]
metrics.store({{metrics.HOST: [(1, t, host(t)) for t in times]}})
metrics.store({{metrics.GUEST: [({vm}, t, [wave(t, 60, 62, 900), 6 << 30, 10 << 30]) for t in times[::60]]}})
from datetime import datetime, UTC
from vms.models import Happening
for state, ago in (("paused", 900), ("running", 840)):
    made = Happening.objects.create(host_id=1, vm_id={vm}, code="state", params={{"state": state}})
    Happening.objects.filter(pk=made.pk).update(at=datetime.fromtimestamp(now - ago, UTC))
"""
POOL = """
import time
from vms import metrics
now = int(time.time()) // 60 * 60
times = range(now - 3600, now, 60)
metrics.store({{metrics.POOL: [({pool}, t, [(20 << 30) + (t - times[0]) * 2**20, 60 << 30]) for t in times]}})
"""


def charted(stage: Stage) -> int:
    """The number of a VM that runs and has an hour behind it, as has the first host."""
    player = stage.runs("stoic")
    stage.dashboard.do(HOUR.format(vm=player.pk))
    return player.pk


def charted_pool(stage: Stage, path: str) -> str:
    """The page with the charts of the pool whose page that is."""
    pool = int(path.strip("/").split("/")[1])
    stage.dashboard.do(POOL.format(pool=pool))
    return f"/pools/{pool}/metrics/"


def beside(stage: Stage) -> str:
    """The page of two VMs over each other."""
    other = stage.settle("idle").pk
    stage.dashboard.do(HOUR.format(vm=other).replace("t / length", "t / length + 1"))
    return f"/vms/compare/?ids={charted(stage)},{other}"
