"""The store of numbers: time series of VMs, hosts and pools, of bounded size; no libvirt, no rows of the dashboard."""

from vms.metrics.asking import MOST_POINTS, Answer, Of, Point, ask, lately
from vms.metrics.database import close, prepare
from vms.metrics.series import FAMILIES, GUEST, HOST, POOL, TOGETHER, VM, Family, Series, series_of
from vms.metrics.tiers import TIERS, Tier
from vms.metrics.totals import Total, scale, spans, totals
from vms.metrics.writing import Sample, forget, left_undone, prune, roll_up, store, things

__all__ = [
    "FAMILIES",
    "GUEST",
    "HOST",
    "MOST_POINTS",
    "POOL",
    "TIERS",
    "TOGETHER",
    "VM",
    "Answer",
    "Family",
    "Of",
    "Point",
    "Sample",
    "Series",
    "Tier",
    "Total",
    "ask",
    "close",
    "forget",
    "lately",
    "left_undone",
    "prepare",
    "prune",
    "roll_up",
    "scale",
    "series_of",
    "spans",
    "store",
    "things",
    "totals",
]
