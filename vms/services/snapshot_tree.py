"""A VM's snapshots as they are drawn: one row each, in columns, what goes on below in the same one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vms.models import Snapshot
from vms.services.snapshots import Branch


@dataclass(frozen=True)
class Row:
    """snapshot: None for where the VM is now. column: from 0. begins: it comes from none. turns: it leaves the line
    of the column before. goes_on: something below comes from it in its own column."""

    snapshot: Snapshot | None
    column: int
    begins: bool
    turns: bool
    goes_on: bool
    has_picture: bool = False

    @property
    def lines(self) -> range:
        """The columns before its own: in each of them a line goes on below."""
        return range(self.column)


def rows(roots: Sequence[Branch]) -> list[Row]:
    """All of them and the present state, which goes on in the column of what it came from; without a current one it
    stands by itself at the end. No recursion: what a host tells may be as deep as it likes."""
    here = current(roots)
    path = way_to(roots, here)
    found: list[Row] = []
    left: list[tuple[Branch | None, int, bool, bool]] = [(root, 0, True, False) for root in reversed(roots)]
    while left:
        node, column, begins, turns = left.pop()
        if node is None:
            found.append(Row(None, column, begins, turns, goes_on=False))
            continue
        snapshot = node.snapshot
        heirs: list[Branch | None] = [*sorted(node.children, key=lambda child: child.snapshot.name in path)]
        heirs += [None] if snapshot is here else []
        found.append(Row(snapshot, column, begins, turns, bool(heirs), node.has_picture))
        # The last one goes on where this one stands; the others turn off before it.
        left += [(heir, column, False, False) for heir in heirs[-1:]]
        left += [(heir, column + 1, False, True) for heir in reversed(heirs[:-1])]
    if here is None:
        found.append(Row(None, 0, begins=True, turns=False, goes_on=False))
    return found


def current(roots: Iterable[Branch]) -> Snapshot | None:
    return next((node.snapshot for node in walk(roots) if node.snapshot.is_current), None)


def way_to(roots: Iterable[Branch], snapshot: Snapshot | None) -> set[str]:
    """The names from the snapshot up."""
    parents = {node.snapshot.name: node.snapshot.parent_name for node in walk(roots)}
    found: set[str] = set()
    name = snapshot.name if snapshot else ""
    while name in parents and name not in found:
        found.add(name)
        name = parents[name]
    return found


def walk(roots: Iterable[Branch]) -> Iterable[Branch]:
    left = list(roots)
    while left:
        node = left.pop()
        yield node
        left += node.children


def dedented(text: str) -> str:
    """A definition that stood inside another document as it stands by itself: by as much as its last line is too far
    in."""
    lines = text.splitlines()
    last = lines[-1] if lines else ""
    inside = " " * (len(last) - len(last.lstrip()))
    return "\n".join(line.removeprefix(inside) for line in lines)
