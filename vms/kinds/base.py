"""What an operation is: no code, only facts that requests, workers and pages share."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self

from vms.errors import BadParameters

Target = Literal["vm", "host"]
Queue = Literal["quick", "slow"]


@dataclass(frozen=True)
class Params:
    """An operation's parameters; a subclass adds fields of type str, int or bool."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The parameters; BadParameters names the field that is unknown, missing or of another type."""
        known = {field.name: field for field in fields(cls)}
        for name in values:
            if name not in known:
                raise BadParameters(field=name)
        for name, field in known.items():
            if name in values and type(values[name]).__name__ != field.type:
                raise BadParameters(field=name)
        try:
            return cls(**values)
        except TypeError:
            raise BadParameters(field=next(name for name in known if name not in values)) from None


@dataclass(frozen=True)
class Kind:
    """One kind of operation.

    name: "vm.start"; the part after the dot is its route and its verb. title: the words on its button.
    done: the words for what has happened ("started"), for Activity. privileges: all are needed. states: the VM
    states in which it may be asked for, empty for any. lock: whether it holds its target while it runs. supersedes:
    kinds that it ends when they are queued, running or waiting on the same target. waits: it has a phase without
    lock in which the guest decides. silence_seconds: the longest that the host may say nothing. harm: the place in
    menus, 0 is harmless. ask: asked before; the question names the VM and what is lost. unheard: makes sense also on a
    host that is silent, left alone, or has never been connected to.
    """

    name: str
    title: str
    done: str
    target: Target
    privileges: tuple[str, ...]
    params: type[Params] = Params
    queue: Queue = "quick"
    states: frozenset[str] = frozenset()
    lock: bool = True
    supersedes: frozenset[str] = frozenset()
    waits: bool = False
    cancellable: bool = False
    silence_seconds: int = 60
    harm: int = 0
    ask: bool = False
    menu: bool = False
    unheard: bool = False

    @property
    def verb(self) -> str:
        return self.name.partition(".")[2]
