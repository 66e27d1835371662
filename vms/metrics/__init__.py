"""The store of numbers: a time series for each VM and host, of bounded size; no libvirt, no rows of the dashboard."""

from vms.metrics.asking import MOST_POINTS, Answer, Of, Point, ask, lately
from vms.metrics.database import close, prepare
from vms.metrics.series import FAMILIES, HOST, VM, Family, Series
from vms.metrics.tiers import TIERS, Tier
from vms.metrics.totals import Total, scale, spans, totals
from vms.metrics.writing import Sample, forget, left_undone, prune, roll_up, store, things

__all__ = [
    "FAMILIES",
    "HOST",
    "MOST_POINTS",
    "TIERS",
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
    "spans",
    "store",
    "things",
    "totals",
]
