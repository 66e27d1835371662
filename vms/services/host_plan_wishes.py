"""What is asked of a plan."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

from vms.errors import BadFields
from vms.services import tags

KINDS: Final = ("consolidate", "balance", "evacuate", "whatif", "back")
ASKED: Final = KINDS[:-1]
PERCENTILES: Final = ("mean", "p95")
# Hours of measurements that are needed at least, and that are kept as finely as this reads them.
LEAST_HOURS, MOST_HOURS = 24, 31 * 24
MOST: Final = 1000
LARGEST_CPUS, LARGEST_MIB = 4096, 64 << 20
# field: (least, most).
NUMBERS: Final = {
    "margin": (0, 90), "window": (LEAST_HOURS, MOST_HOURS), "cpu_percent": (100, 3200),
    "memory_percent": (50, 400), "most": (1, MOST), "add": (0, MOST), "add_cpus": (1, LARGEST_CPUS),
    "add_mib": (64, LARGEST_MIB), "more_cpus": (0, LARGEST_CPUS), "more_mib": (0, LARGEST_MIB),
}  # fmt: skip


@dataclass(frozen=True)
class Wish:
    """kind: one of KINDS. hosts: those that it is about, () for all that he may maintain; away: of them those that are
    emptied. margin: percent of each host that stay free. window: hours of measurements. percentile: "mean" or "p95" of
    each VM's spans. on_allocation: by what VMs are given alone. spare: any one of the hosts in use may be lost.
    cpu_percent, memory_percent: so much may be given of what a host has. apart: no two VMs that share one of these tags
    are on one host. pinned, pinned_tags: VMs that stay. most: so many moves at most, where it balances. shrink: what it
    would be after shrinking what is too large. shrunk: as if that had been done; it is to be done before the plan is.

    Of "whatif": lose: the host that is lost, 0 for none. add: so many VMs of add_cpus and add_mib; more_cpus, more_mib:
    one more host, 0 for none. Of "back": of: the plan that is taken back."""

    kind: str
    hosts: tuple[int, ...] = ()
    away: tuple[int, ...] = ()
    margin: int = 20
    window: int = 7 * 24
    percentile: str = "p95"
    on_allocation: bool = False
    spare: bool = True
    cpu_percent: int = 400
    memory_percent: int = 100
    apart: tuple[str, ...] = ()
    pinned: tuple[int, ...] = ()
    pinned_tags: tuple[str, ...] = ()
    most: int = 20
    shrink: bool = False
    shrunk: bool = False
    lose: int = 0
    add: int = 0
    add_cpus: int = 2
    add_mib: int = 4096
    more_cpus: int = 0
    more_mib: int = 0
    of: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Of a stored row; what a newer version has beside is left out."""
        known = {field.name for field in fields(cls)}
        told: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items() if name in known
        }
        return cls(**told)


def check(wish: Wish) -> None:
    """Raises BadFields."""
    bad = {
        name: "number" for name, (least, most) in NUMBERS.items() if not least <= getattr(wish, name) <= most
    }  # fmt: skip
    if wish.kind not in KINDS:
        bad["kind"] = "choice"
    if wish.percentile not in PERCENTILES:
        bad["percentile"] = "choice"
    for name in ("apart", "pinned_tags"):
        words = getattr(wish, name)
        if len(words) > tags.MOST or not all(tags.fits(word) for word in words):
            bad[name] = "tag"
    if wish.kind == "evacuate" and not wish.away:
        bad["hosts"] = "missing"
    if wish.kind == "whatif":
        if bool(wish.more_cpus) != bool(wish.more_mib):
            bad["more_mib" if wish.more_cpus else "more_cpus"] = "number"
        elif not (wish.lose or wish.add or wish.more_cpus):
            bad["lose"] = "missing"
    if bad:
        raise BadFields(bad)
