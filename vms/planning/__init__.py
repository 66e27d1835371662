"""Which VM is to be on which host: arithmetic on what they use, have and can. Nothing here knows of rows or of libvirt
(docs/decisions/0138)."""

from vms.planning.balance import balanced, unevenness
from vms.planning.bounds import fewest
from vms.planning.consolidate import Consolidated, consolidated
from vms.planning.evacuate import evacuated
from vms.planning.exact import improved
from vms.planning.loss import Lost, added, after_loss, survives
from vms.planning.order import Ordered, ordered
from vms.planning.values import Assignment, Guest, Host, Load, Move, moves_of, total

__all__ = [
    "Assignment", "Consolidated", "Guest", "Host", "Load", "Lost", "Move", "Ordered", "added", "after_loss", "balanced",
    "consolidated", "evacuated", "fewest", "improved", "moves_of", "ordered", "survives", "total", "unevenness",
]  # fmt: skip
