"""Which children of one element are those of the other, before they are compared."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

from vms.libvirtxml.difference.canonical import Node, Way

# An element of another type is another element: what is in it means something else. A drive is the same whatever lies
# in it: what that is of is a node of its own then.
KIND: Final = ("type", "device", "mode", "model", "protocol")
DRIVES: Final = ("cdrom", "floppy")
NAMES: Final = ("name", "id", "index", "dev")


@dataclass(frozen=True)
class Pairs:
    """both: (before, after) in the order of before. gone and come: those without a counterpart. moved: whether the
    order of those in both is another."""

    both: list[tuple[Node, Node]]
    gone: list[Node]
    come: list[Node]
    moved: bool


def kind(node: Node) -> tuple[str | None, ...]:
    is_drive = node.tag == "disk" and node.get("device") in DRIVES
    return tuple(node.get(name) for name in KIND[1 if is_drive else 0 :])


def identity(node: Node, way: Way) -> str | None:
    """By what it is told from others of its name: a disk by its target, a card by its MAC, others by name or number."""
    if way == ("devices", "disk"):
        return next((target.get("dev") for target in node.named("target")), None)
    if way == ("devices", "interface"):
        return next((mac.get("address") for mac in node.named("mac")), None)
    return next((found for name in NAMES if (found := node.get(name)) is not None), None)


def pair(before: list[Node], after: list[Node], way: Way) -> Pairs:
    """Of elements of one name: first those that are the same, then those of one kind with the same identity, then
    those of one kind in their order."""
    if not before or not after:
        return Pairs([], before, after, moved=False)
    partner: dict[int, int] = {}
    free = set(range(len(after)))

    def match(key: Callable[[Node], Hashable]) -> None:
        waiting: dict[Hashable, deque[int]] = defaultdict(deque)
        for place in sorted(free):
            waiting[key(after[place])].append(place)
        for place, node in enumerate(before):
            if place not in partner and waiting[key(node)]:
                partner[place] = waiting[key(node)].popleft()
                free.discard(partner[place])

    match(lambda node: node.digest)
    match(lambda node: (kind(node), identity(node, way) or node.digest))
    match(kind)
    order = [partner[place] for place in sorted(partner)]
    return Pairs(
        both=[(before[place], after[partner[place]]) for place in sorted(partner)],
        gone=[node for place, node in enumerate(before) if place not in partner],
        come=[after[place] for place in sorted(free)],
        moved=order != sorted(order),
    )
