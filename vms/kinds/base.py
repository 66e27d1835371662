"""What an operation is: no code, only facts that requests, workers and pages share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal, Self

from vms.errors import BadParameters

Target = Literal["vm", "host", "pool", "volume", "network"]
# What is asked of a volume, whose rights hang on who uses it (vms.permissions.volumes).
Deed = Literal["see", "attach", "copy", "delete"]
# What is in the queue transfer is claimed by the transfer process, at the first request for it.
# guest: the answer hangs on what runs in a VM; few of a host at a time, each on a connection of its own. plan: nobody
# claims it; each worker's clock asks for the operations that it is made of, one after the other.
Queue = Literal["quick", "slow", "guest", "transfer", "plan"]

# What a form says for a field of type bool.
SAID: Final = {"true": True, "false": False}


# Kinds that need nothing else leave a VM's definition as it is.
LEAVING: Final = frozenset(
    {
        "vm.power", "vm.force", "vm.console", "vm.delete", "host.maintain", "vm.agent.freeze", "vm.agent.password",
        "vm.copy",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Params:
    """An operation's parameters; a subclass adds fields of type str, int or bool, or of list or dict, which
    no form's texts hold."""

    @property
    def together(self) -> frozenset[str]:
        """The keys that it holds while it is queued or runs ("vm:12"), those of one batch together."""
        return frozenset()

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

    @classmethod
    def from_form(cls, values: Mapping[str, str]) -> Self:
        """The parameters out of a form's texts, which may hold other fields too; BadParameters as above."""
        read: dict[str, Any] = {}
        for field in fields(cls):
            if field.name in values:
                text = values[field.name]
                value: Any = (
                    text if field.type == "str" else SAID.get(text) if field.type == "bool" else whole_number(text)
                )
                read[field.name] = value
        return cls.from_json(read)


@dataclass(frozen=True)
class Autostart(Params):
    """enabled: whether it starts with its host from now on."""

    enabled: bool


def whole_number(text: str) -> int | None:
    """The number that the digits write, of a size that a database column holds; None for any other text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


@dataclass(frozen=True)
class Kind:
    """One kind of operation.

    name: "vm.start"; the part after the dot is its route and its verb. title: the words on its button.
    done: the words for what has happened ("started"), for Activity. privileges: all are needed. states: the VM
    states in which it may be asked for, empty for any. lock: whether it holds its target while it runs. supersedes:
    kinds that it ends when they are queued, running or waiting on the same target. waits: it has a phase without
    lock in which the guest decides. silence_seconds: the longest that the host may say nothing. harm: the place in
    menus, 0 is harmless. ask: asked before; the question names the VM and what is lost. unheard: makes sense also on a
    host that is silent, left alone, or has never been connected to. menu: an entry of the one menu, with this icon, in
    these words with those of says below them; left out in the states of hidden, where another entry stands for it;
    folded away, with others of its sort, where variant. kept: only for VMs that their host keeps when they stop.
    starts: begins a run, which no VM may have twice. takes: the resources of a quota that it may use up; whoever asks
    for it says how much of each. deed: what the caller must be allowed to do with the volume that is the
    target. secrets: the names of what goes sealed to the worker beside the parameters, until the operation ends.
    apart: it is asked for on pages and addresses of its own, not on those that follow from the kind. makes: its target
    is a VM that is not there before; its row goes where the operation ends for certain without its effect. of_trash:
    whether it is for VMs in the trash, where all others are refused; of_template: likewise for templates. spares: it is
    refused for VMs that are protected.
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
    says: str = ""
    icon: str = "power"
    hidden: frozenset[str] = frozenset()
    variant: bool = False
    kept: bool = False
    starts: bool = False
    takes: frozenset[str] = frozenset()
    deed: Deed | None = None
    secrets: frozenset[str] = frozenset()
    apart: bool = False
    makes: bool = False
    of_trash: Literal["no", "only", "too"] = "no"
    of_template: Literal["no", "only", "too"] = "no"
    spares: bool = False

    @property
    def defines(self) -> bool:
        """Whether it may leave another definition: all but what only drives a VM."""
        return self.target == "vm" and (self.makes or not LEAVING.issuperset(self.privileges))

    @property
    def verb(self) -> str:
        return self.name.partition(".")[2]
