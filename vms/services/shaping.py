"""Changing what a VM is made of: what that is now, what a wish would change and what it needs, and the operation.

Read from what the watcher stored, without secrets; the worker does the same edits in the host's own document of that
moment, and refuses where it is another by then.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import Any, Final, Literal

from django.http import Http404

from vms.errors import BadFields, BadParameters, NothingChanges, NotLive, SeenOtherwise, WrongState
from vms.kinds import Kind
from vms.kinds.shaping import ADD_DISK, APPLY, SHAPE, Shape
from vms.libvirtxml import ADDRESSES, SECRET, BadXML, DomainXML, Given, difference, without
from vms.libvirtxml.shaping import (
    CPU_MODES,
    DISK_BUSES,
    HIDDEN,
    MACHINE,
    SORTS,
    BadValue,
    Edit,
    Lens,
    Part,
    Stale,
    Value,
    as_live,
    digest,
    is_live,
    name_of,
    part,
    parts,
    shape,
    slow_bus,
    twin,
)
from vms.models import Document, Host, Operation, StoragePool, VirtualMachine, Volume
from vms.permissions import Actor, Who, require, require_all, visible_volumes
from vms.services import definitions, offered, operations, reaching, shaped_with, systems, volumes
from vms.services.freshness import placed

When = Literal["now", "restart", "both"]
AUTOSTART: Final = "autostart"
# What is judged beside the difference: what our rows give is left out of that.
NEEDS: Final = {"medium": "vm.media", "network": "vm.nic"}
# What a machine's second value is, which follows the first where both are the same.
FOLLOWS: Final = {"cpus": "cpus_max", "memory": "memory_max"}
# libvirt writes what it found there into a run's document.
RESOLVED: Final = frozenset({"cpu_mode", "firmware", "machine"})
CARD_MODEL: Final = "virtio"
THREE_D: Final = "three_d"
# What depends on the host, with what is said of what it lacks.
OFFERED: Final = {"firmware": "vm_no_uefi", "machine": "choice", "cpu_mode": "choice"}


@dataclass(frozen=True)
class Wish:
    """One of: sets, {part: {lens: value}}; add, a sort of device and what is said of it; remove, a part. seen: the mark
    of what was looked at, "" for whatever is there."""

    sets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    add: str = ""
    said: Mapping[str, Any] = field(default_factory=dict)
    remove: str = ""
    apply: str = "both"
    seen: str = ""


@dataclass(frozen=True)
class Change:
    """One change in parts of a sentence: of which part, of what, what it was and what it becomes, and from when on."""

    part: str
    sort: str
    what: str
    was: Value
    value: Value
    when: When


@dataclass(frozen=True)
class Draft:
    """What a wish would change. diff: (sign, line). needs: the privileges that it takes."""

    params: Shape
    changes: tuple[Change, ...]
    diff: tuple[tuple[str, str], ...]
    needs: tuple[str, ...]
    takes: Mapping[str, int]
    locks: tuple[str, ...]


@dataclass(frozen=True)
class Machine:
    """A VM's definitions, without secrets. live: None while it does not run. sha256: of the next start's, as it was
    stored."""

    vm: VirtualMachine
    host: Host
    next: DomainXML
    live: DomainXML | None
    autostart: bool
    sha256: str = ""

    @property
    def mark(self) -> str:
        """Of the next start's definition."""
        return mark_of(self.next.text, autostart=self.autostart)

    @cached_property
    def parts(self) -> list[Part]:
        return parts(self.next)

    @cached_property
    def live_parts(self) -> list[Part]:
        return parts(self.live) if self.live else []

    def twin(self, of: Part) -> Part | None:
        """The same part of this run, where it runs and has it."""
        return twin(self.live, of, self.live_parts) if self.live else None

    def values(self, of: Part) -> dict[str, Value]:
        """Of the next start."""
        return of.values | ({AUTOSTART: self.autostart} if of.key == "overview" else {})

    def now(self, of: Part) -> dict[str, Value]:
        """What is otherwise in this run, by the names of lenses; {} while it does not run."""
        there = self.twin(of)
        if there is None:
            return {}
        after = of.values
        return {
            name: value
            for name, value in there.values.items()
            if name not in RESOLVED and name in after and after[name] != value
        }

    def is_new(self, of: Part) -> bool:
        """Whether this run has no such device."""
        return self.live is not None and self.twin(of) is None


def mark_of(text: str, *, autostart: bool) -> str:
    return sha256(f"{autostart} {text}".encode()).hexdigest()[:32]


def machine(vm: VirtualMachine) -> Machine:
    """Raises WrongState where nothing is known of its definition."""
    placement = placed(vm)
    document = Document.objects.filter(placement=placement).only("live", "next_boot", "next_boot_sha256").first()
    try:
        after = DomainXML.parse(document.next_boot if document else "")
        live = DomainXML.parse(document.live) if document and document.live else None
    except BadXML:
        raise WrongState(name=vm.name, state=placement.state) from None
    return Machine(vm, placement.host, after, live, placement.autostart, document.next_boot_sha256 if document else "")


def part_or_404(there: Machine, key: str) -> Part:
    found = next((one for one in there.parts if one.key == key), None)
    if found is None:
        raise Http404
    return found


def device_or_404(there: Machine, key: str) -> Part:
    """By its key, or by the alias that a run gave it."""
    named = [one for one in there.live_parts if one.about.get("alias") == key]
    alike = [one for one in there.parts if one.sort not in MACHINE]
    found = next((one for one in alike if one.key == key), None)
    if found is None and named:
        found = next((one for one in alike if (run := there.twin(one)) and run.key == named[0].key), None)
    if found is None:
        raise Http404
    return found


def volume_of(who: Who, there: Machine, of: Part) -> Volume | None:
    """The volume that a disk is on, for who may see it."""
    found = volume_at(there.host, of.about.get("source", "")) if of.sort == "disk" else None
    return visible_volumes(who).filter(pk=found.pk).first() if found else None


def volume_at(host: Host, source: str) -> Volume | None:
    """What a definition of the host calls so: "pool/volume", or a path in a pool of it."""
    for pool in StoragePool.objects.filter(host=host, present=True) if source else ():
        start = f"{pool.path.rstrip('/')}/" if source.startswith("/") else f"{pool.name}/"
        if source.startswith(start) and "/" not in (name := source.removeprefix(start)):
            found = Volume.objects.filter(storage=pool.storage_id, name=name, present=True).first()
            if found:
                return found
    return None


def addable(there: Machine) -> list[str]:
    """The sorts of devices that can be added."""
    return [name for name, sort in SORTS.items() if not sort.once(there.next)]


def draft(actor: Actor, vm: VirtualMachine, wish: Wish) -> Draft:
    """What would be changed; nothing is asked of anybody. Raises NotAllowed, BadFields, SeenOtherwise, NothingChanges,
    NotLive, WrongState, Http404 for a part that it has not."""
    require(actor, SHAPE.privileges[0], vm)
    there = machine(vm)
    if wish.apply not in APPLY:
        raise BadFields({"apply": "choice"})
    if wish.seen and wish.seen != there.mark:
        raise SeenOtherwise(name=vm.name)
    edits, ids, more, locks = edits_of(actor, there, wish)
    if not edits:
        raise NothingChanges(name=vm.name)
    given = shaped_with.given(actor, there.host, ids)
    before = pretended(there.next, edits)
    after, edits = shaped(before, edits)
    live = [edit for edit in edits if edit["do"] != AUTOSTART and is_live(there.next, edit)]
    runs_as = pretended(there.live, edits, all=True) if there.live else None
    run = [(edit, found) for edit in live if runs_as and (found := as_live(runs_as, there.next, edit))]
    if wish.apply == "live" and (there.live is None or len(run) < len(edits)):
        raise NotLive(name=vm.name, what="")
    needs = set(more)
    if wish.apply != "live":
        needs |= needed(before, after, given)
    if runs_as and run and wish.apply != "next":
        made, _ = shaped(runs_as, [found for _, found in run])
        needs |= needed(runs_as, made, given)
    else:
        run = []
    now = [edit for edit, _ in run]
    took = takes(vm, before, after)
    if new := ids.get("new"):
        took = {"disk_bytes": new["size_bytes"] if is_charged(vm) else 0}
    return Draft(
        params=Shape(wish.apply, edits, sorted(needs), ids, digest_of(wish)),
        changes=tuple(told(there, edit, wish.apply, is_now=edit in now) for edit in edits),
        diff=tuple(lines(before.text, after.text)),
        needs=tuple(sorted(needs)),
        takes=took,
        locks=tuple(locks),
    )


def ask(actor: Actor, vm: VirtualMachine, wish: Wish, *, idempotency_key: str | None = None) -> Operation:
    """The operation that changes it so. Raises what draft and request raise."""
    if known := asked_before(actor, vm, wish, idempotency_key):
        return known
    made = draft(actor, vm, wish)
    require_all(actor, made.needs, vm)
    return operations.request(
        kind_of(wish), vm, actor=actor, params=made.params, takes=made.takes, locks=made.locks,
        secrets=secrets_of(wish), charged_to=vm.charged_user or vm.charged_group or actor.user,
        idempotency_key=idempotency_key,
    )  # fmt: skip


def asked_before(actor: Actor, vm: VirtualMachine, wish: Wish, key: str | None) -> Operation | None:
    """What the same request has begun already; by now it is so. Raises NotAllowed, BadParameters where it was another
    request."""
    if not key:
        return None
    require(actor, SHAPE.privileges[0], vm)
    known = operations.of_key(actor, key)
    asked = (kind_of(wish).name, vm.pk, digest_of(wish))
    if known and (known.kind, known.target_id, known.params.get("asked")) != asked:
        raise BadParameters(field="Idempotency-Key")
    return known


def kind_of(wish: Wish) -> Kind:
    """A disk that is made takes as long as its pool needs."""
    return ADD_DISK if wish.add == "disk" and "pool" in wish.said else SHAPE


def digest_of(wish: Wish) -> str:
    """Without its password, which a digest would let be guessed."""
    sets = {part: {name: hidden(name, value) for name, value in values.items()} for part, values in wish.sets.items()}
    return sha256(repr(replace(wish, sets=sets)).encode()).hexdigest()


def hidden(name: str, value: Any) -> Any:
    return SECRET if name == HIDDEN and value else value


def secrets_of(wish: Wish) -> dict[str, str]:
    """Its password; one part has one, and nobody changes two at once."""
    given = [values[HIDDEN] for values in wish.sets.values() if values.get(HIDDEN)]
    return {HIDDEN: given[0]} if given else {}


def pretended(document: DomainXML, edits: Iterable[Edit], *, all: bool = False) -> DomainXML:
    """The document as if there was a password where one is taken away, where any is changed, or where the screen gets
    an address, which never is without one: whether there is one, the host alone knows."""
    made = DomainXML.parse(document.text)
    for edit in edits:
        opens = edit.get("lens") == "listens" and edit["value"] in ADDRESSES
        loses = edit.get("lens") == HIDDEN and (all or not edit["value"])
        if (opens or loses) and (found := part(made, edit["part"])):
            found.element.set("passwd", SECRET)
    return made


def shaped(document: DomainXML, edits: Iterable[Edit]) -> tuple[DomainXML, list[dict[str, Any]]]:
    """A copy with the edits, and the edits with the keys that parts have then. Raises BadFields, SeenOtherwise."""
    made, edits = DomainXML.parse(document.text), list(edits)
    before = {one.key: one.element for one in parts(made) if one.sort == "disk"}
    try:
        shape(made, [edit for edit in edits if edit["do"] != AUTOSTART])
    except BadValue as bad:
        raise BadFields({bad.lens: f"shape_{bad.why}"}) from None
    except Stale:
        raise SeenOtherwise(name=document.name or "") from None
    keys = {one.element: one.key for one in parts(made) if one.sort == "disk"}
    called = {key: keys.get(element, key) for key, element in before.items()}
    return made, [
        {**edit, "becomes": called[edit["part"]]}
        if edit["do"] == "set" and called.get(edit["part"], edit["part"]) != edit["part"]
        else dict(edit)
        for edit in edits
    ]


def needed(before: DomainXML, after: DomainXML, given: Given) -> set[str]:
    return {need.privilege for need in difference(without(before.text, given), without(after.text, given))}


def takes(vm: VirtualMachine, before: DomainXML, after: DomainXML) -> dict[str, int]:
    """How much more is charged for it; nothing for one that is charged to nobody."""
    if not is_charged(vm):
        return {"vcpus": 0, "memory_kib": 0}
    return {
        "vcpus": max(0, (after.vcpus or 0) - (before.vcpus or 0)),
        "memory_kib": max(0, (after.memory_kib or 0) - (before.memory_kib or 0)),
    }


def is_charged(vm: VirtualMachine) -> bool:
    return vm.charged_user_id is not None or vm.charged_group_id is not None


def lines(before: str, after: str) -> Iterable[tuple[str, str]]:
    """(sign, line) of what differs, with three lines around it."""
    for line in list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm=""))[2:]:
        yield ("…", "") if line.startswith("@@") else (line[:1], line[1:])


def told(there: Machine, edit: Edit, apply: str, *, is_now: bool) -> Change:
    runs = there.live is not None
    when: When = "now" if not runs or apply == "live" or edit["do"] == AUTOSTART else "both" if is_now else "restart"
    if edit["do"] == AUTOSTART:
        return Change("overview", "overview", AUTOSTART, edit["was"], edit["value"], when)
    if edit["do"] == "set":
        sort = next(one.sort for one in there.parts if one.key == edit["part"])
        return Change(edit["part"], sort, edit["lens"], edit["was"], edit["value"], when)
    if edit["do"] == "remove":
        sort = next(one.sort for one in there.parts if one.key == edit["part"])
        return Change(edit["part"], sort, "removed", None, None, when)
    return Change(str(edit["said"].get("target", "")), edit["sort"], "added", None, None, when)


Made = tuple[list[dict[str, Any]], dict[str, Any], set[str], list[str]]


def edits_of(actor: Actor, there: Machine, wish: Wish) -> Made:
    """The edits, the ids of what they take from the host, the privileges that no difference shows, and what must be
    held meanwhile."""
    if wish.remove:
        gone = part_or_404(there, wish.remove)
        if not gone.can_go:
            raise BadFields({"part": "shape_fixed"})
        out = {"do": "remove", "part": gone.key, "was": digest(there.next, gone.key)}
        choice = offered.choice_of(actor, there.host, gone) if gone.sort in ("hostdev", "filesystem") else None
        return [out], {"offers": [choice]} if choice else {}, {"vm.device"} if choice else set(), []
    if wish.add:
        return added(actor, there, wish)
    edits: list[dict[str, Any]] = []
    ids: dict[str, list[Any]] = {}
    more: set[str] = set()
    for key, values in wish.sets.items():
        there_is = part_or_404(there, key)
        for name, value in followed(there_is, values, live=wish.apply == "live").items():
            if key == "overview" and name == AUTOSTART:
                if type(value) is not bool:
                    raise BadFields({name: "shape_flag"})
                if value != there.autostart:
                    edits.append({"do": AUTOSTART, "was": there.autostart, "value": value})
                    more.add("vm.force")
                continue
            lens = there_is.lens(name)
            if lens is None:
                raise BadFields({name: "unknown"})
            if name in OFFERED and value != lens.read(there_is.element) and value not in host_has(there, name):
                raise BadFields({name: OFFERED[name]})
            if name == THREE_D and value is True and not (lens.read(there_is.element) or has_3d(there)):
                raise BadFields({name: "shape_no_3d"})
            chosen = value
            if lens.form in ("medium", "network"):
                chosen = taken(actor, there, there_is, name, value, ids)
            elif lens.form == "system":
                chosen = system(value, str(lens.read(there_is.element)))
            was = lens.read(there_is.element)
            if lens.form == HIDDEN:
                edits.append({"do": "set", "part": key, "lens": name, "was": "", "value": checked(lens, value)})
                continue
            if wish.apply == "live" and there.live:
                run = twin(there.live, there_is)
                was_now = run.lens(name) if run else None
                if run and was_now and was_now.read(run.element) == chosen:
                    continue
            elif chosen == was:
                continue
            edits.append({"do": "set", "part": key, "lens": name, "was": was, "value": checked(lens, chosen)})
            more |= {NEEDS[lens.form]} if lens.form in NEEDS else set()
    return edits, ids, more, []


def checked(lens: Lens, value: Any) -> Value:
    """The value as it stands in an edit. Raises BadFields."""
    try:
        found = lens.check(value)
    except BadValue as bad:
        raise BadFields({lens.name: f"shape_{bad.why}"}) from None
    return SECRET if lens.form == HIDDEN and found else found


def host_has(there: Machine, name: str) -> tuple[str, ...]:
    """The values of the lens that its host has: firmware, machine types, processors."""
    hardware = there.host.hardware
    if name == "machine":
        return tuple(str(one) for one in hardware.get("machines") or ())
    if name == "cpu_mode":
        return (*CPU_MODES, *(str(one) for one in hardware.get("cpu_models") or ()))
    starts = hardware.get("firmwares") or ["bios"]
    system = there.next.element.find("os/type")
    is_q35 = system is not None and "q35" in system.get("machine", "")
    secure = bool("efi" in starts and hardware.get("secure_boot") and is_q35)
    return tuple(one for one in ("bios", "efi") if one in starts) + (("secure",) if secure else ())


def has_3d(there: Machine) -> bool:
    """Whether its host draws in 3D for guests."""
    return bool(there.host.hardware.get("three_d"))


def left_out(there: Machine) -> frozenset[str]:
    """The lenses that its host has nothing for."""
    return frozenset() if has_3d(there) else frozenset({THREE_D})


def system(value: object, now: str) -> str:
    """libosinfo's address of the system that a request names; what is there already may be one that nobody knows.
    Raises BadFields."""
    if not isinstance(value, str):
        raise BadFields({"os": "shape_text"})
    if value.strip() in ("", now):
        return value.strip()
    if not (found := systems.address(value)):
        raise BadFields({"os": "shape_system"})
    return found


def followed(of: Part, values: Mapping[str, Any], *, live: bool) -> dict[str, Any]:
    """The values in the order of the part's lenses; where all that a machine has is in use, the most that it can have
    goes along with what it is to have."""
    wished, now = dict(values), of.values
    for name, most in FOLLOWS.items():
        if name in wished and most not in wished and most in now and now[name] == now[most] and not live:
            wished[most] = wished[name]
    order = [AUTOSTART, *(lens.name for lens in of.lenses)]
    return dict(sorted(wished.items(), key=lambda one: order.index(one[0]) if one[0] in order else len(order)))


def taken(
    actor: Actor, there: Machine, of: Part, name: str, value: Any, ids: dict[str, list[Any]]
) -> str:  # fmt: skip
    """What an id of a request is called in the definition; what is there already by its name, or "" for nothing."""
    lens = of.lens(name)
    now = lens.read(of.element) if lens else ""
    if value == "" or value == now:
        return str(value)
    if type(value) is not int:
        raise BadFields({name: "choice"})
    if name == "medium":
        volume, pool = shaped_with.medium(actor, there.host, value)
        ids["images"] = [value]
        return f"{pool.name}/{volume.name}"
    network = shaped_with.network(actor, there.host, value)
    ids.update(networks=[value], leaves=[now], macs=[of.about.get("mac", "").lower()])
    return network.name


def added(actor: Actor, there: Machine, wish: Wish) -> Made:
    if wish.add not in SORTS:
        raise BadFields({"sort": "choice"})
    if wish.add not in addable(there):
        raise BadFields({"sort": "shape_twice"})
    documents = [there.next, *([there.live] if there.live else [])]
    ids: dict[str, Any] = {}
    locks: list[str] = []
    more: set[str] = set()
    said: dict[str, Any] = {}
    if wish.add == "disk":
        bus = wish.said.get("bus") or "virtio"
        if bus not in DISK_BUSES:
            raise BadFields({"bus": "choice"})
        said = {"bus": bus, "target": name_of(bus, *documents)}
        if kind_of(wish) is ADD_DISK:
            if "volume" in wish.said:
                raise BadFields({"volume": "unknown"})
            pool = shaped_with.pool_for(actor, there.host, wish.said["pool"])
            new = new_disk(there, pool, wish.said.get("size_gib"))
            ids, locks = {"new": new}, [volumes.name_lock(pool, new["name"])]
            said |= {"pool": pool.name, "volume": new["name"], "format": new["format"]}
        else:
            volume, pool = shaped_with.volume(actor, there.host, number(wish.said, "volume"))
            ids, locks = {"volumes": [volume.pk]}, [operations.named(volume)]
            said |= {"pool": pool.name, "volume": volume.name, "format": volume.format}
    elif wish.add == "cdrom":
        bus = slow_bus(there.next)
        said = {"bus": bus, "target": name_of(bus, *documents)}
    elif wish.add == "card":
        network = shaped_with.network(actor, there.host, number(wish.said, "network"))
        mac = definitions.free_mac()
        ids = {"networks": [network.pk], "macs": [mac]}
        model = wish.said.get("model") or CARD_MODEL
        if model not in CARD_MODELS:
            raise BadFields({"model": "choice"})
        said = {"network": network.name, "mac": mac, "model": model}
    elif wish.add in ("hostdev", "folder"):
        choice = offered.chosen(actor, there.host, wish.add, wish.said)
        ids, more = {"offers": [choice]}, {"vm.device"}
        said = offered.said_of(actor, there.host, choice)[1]
    elif wish.add == "screen":
        said = {"listen": reaching.closed_place(there.host)}
    elif wish.add == "serial":
        said = {"number": len([one for one in there.parts if one.sort == "serial"]) + 1}
    return [{"do": "add", "sort": wish.add, "said": said}], ids, more, locks


def new_disk(there: Machine, pool: StoragePool, size: object) -> dict[str, Any]:
    """What is made in the pool, called after its VM. size: in GiB. Raises BadFields."""
    if type(size) is not int:
        raise BadFields({"size_gib": "volume_size"})
    try:
        volumes.check_size(size << 30)
    except BadFields:
        raise BadFields({"size_gib": "volume_size"}) from None
    format = volumes.formats(pool)[0]
    name = definitions.disk_name(pool, definitions.clean_name(there.vm.name), len(there.next.disks), format)
    return {"pool": pool.pk, "name": name, "size_bytes": size << 30, "format": format}


CARD_MODELS: Final = ("virtio", "e1000e", "e1000", "rtl8139")


def number(said: Mapping[str, Any], name: str) -> int:
    """The id. Raises BadFields."""
    value = said.get(name)
    if type(value) is not int:
        raise BadFields({name: "choice"})
    return value
