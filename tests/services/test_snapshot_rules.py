"""What can be done with snapshots, judged by what is known of the VM."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from typing import Any

import pytest

from vms.services import snapshot_rules as rules
from vms.services import snapshots
from vms.services.snapshot_rules import Answer, Disk, Kept, Known, Machine
from vms.services.snapshot_words import REASONS, reason_words

OLD, NEW, NEWEST = (9, 0, 0), (9, 9, 0), (10, 10, 0)
BASE, ONE, TWO = ("path", "/pool/base"), ("path", "/pool/one"), ("path", "/pool/two")


def machine(**values: Any) -> Machine:
    return Machine(**{"libvirt": OLD, "disks": (Disk("vda", "qcow2", BASE),), **values})


def inside(name: str, parent: str = "", source: tuple[str, str] = BASE, **values: Any) -> Known:
    return Known(name, "internal", parent=parent, disks=(Kept("vda", "internal", source),), **values)


def over(name: str, layer: tuple[str, str], parent: str = "", source: tuple[str, str] = BASE) -> Known:
    return Known(name, "external", parent=parent, disks=(Kept("vda", "external", source, layer),))


def codes(answer: Answer) -> list[str]:
    for reason in (*answer.refusals, *answer.warnings):
        assert "{" not in reason_words(reason.code, reason.params), reason
        assert reason_words(reason.code, reason.params) != reason.code
    return [reason.code for reason in answer.refusals]


# A chain of two layers that were put there by two snapshots.
LAYERED = machine(
    disks=(Disk("vda", "qcow2", TWO, chain=(ONE, BASE)),),
    snapshots=(over("one", ONE), over("two", TWO, "one", ONE)),
)


@pytest.mark.parametrize(
    ("there", "memory", "refused"),
    [
        (machine(), False, []),
        (machine(), True, ["memory_off"]),
        (machine(state="running"), True, []),
        (machine(state="paused"), False, ["needs_memory"]),
        (machine(state="saved"), False, ["state"]),
        (machine(driver="lxc"), False, ["driver"]),
        (machine(disks=()), False, ["no_disk"]),
        (machine(disks=(Disk("vda", "raw", BASE),)), False, ["format"]),
        (machine(disks=(Disk("vda", "qcow2", BASE), Disk("vdb", "", ONE))), False, ["format"]),
        (machine(disks=(Disk("vda", "qcow2", BASE, shareable=True),)), False, ["shareable"]),
        (machine(disks=(Disk("vda", "qcow2", BASE, backs=True),)), False, ["backs"]),
        (machine(missing=frozenset({BASE})), False, ["missing"]),
        (machine(checkpoints=("c",)), False, ["checkpoints"]),
        (machine(nvram="raw"), False, ["uefi"]),
        (machine(nvram="qcow2", libvirt=(10, 9, 0)), False, ["uefi"]),
        (machine(nvram="raw", libvirt=NEWEST), False, ["nvram"]),
        (machine(nvram="qcow2", libvirt=NEWEST), False, []),
        (machine(state="running", passthrough=("hostdev0",), shares=("home",)), True, ["passthrough", "shares"]),
    ],
)
def test_what_is_kept_inside(there: Machine, memory: bool, refused: list[str]) -> None:
    assert codes(rules.internal(there, memory=memory)) == refused


@pytest.mark.parametrize(
    ("there", "memory", "refused"),
    [
        (machine(state="running"), False, []),
        (machine(disks=(Disk("vda", "raw", BASE),)), False, []),
        (machine(nvram="raw"), False, []),
        (machine(state="running"), True, ["memory_inside"]),
        (machine(disks=(Disk("vda", "raw", BASE, in_pool=False),)), False, ["not_file"]),
        (machine(snapshots=(inside("a"),)), False, ["over_inside"]),
        (machine(checkpoints=("c",)), False, ["checkpoints"]),
    ],
)
def test_what_is_kept_under_layers(there: Machine, memory: bool, refused: list[str]) -> None:
    assert codes(rules.external(there, memory=memory)) == refused


def test_the_kind_is_chosen_with_its_reason() -> None:
    raw = machine(disks=(Disk("vda", "raw", BASE),))
    for there, memory, kind, wanted, why in [
        (machine(), False, "", "internal", "inside"),
        (machine(snapshots=(inside("a"),)), False, "", "internal", "as_before"),
        (LAYERED, False, "", "external", "as_before"),
        (replace(raw, libvirt=NEW), False, "", "external", "format"),
        (machine(state="running", libvirt=NEW), False, "", "external", "needs_memory"),
        (machine(nvram="raw", libvirt=NEW), False, "", "external", "uefi"),
        (raw, False, "external", "external", "asked"),
        (machine(), False, "external", "external", "asked"),
    ]:
        found = rules.choose(there, memory=memory, kind=kind)
        assert (found.possible, found.kind, found.why.code) == (True, wanted, why), (there, found)
    # One that its host cannot go back to is nobody's choice but a person's.
    assert codes(rules.choose(raw, memory=False)) == ["format"]
    assert [one.code for one in rules.choose(raw, memory=False, kind="external").warnings] == ["external_stuck"]
    # The other kind is not taken silently, where there are some.
    stuck = machine(state="running", libvirt=NEW, snapshots=(inside("a"),))
    assert codes(rules.choose(stuck, memory=False)) == ["needs_memory"]
    assert codes(rules.choose(replace(LAYERED, state="running"), memory=True)) == ["memory_inside"]


def test_long_and_mixed_chains_are_warned_of() -> None:
    chain = tuple(("path", f"/pool/{number}") for number in range(9))
    long = machine(disks=(Disk("vda", "qcow2", TWO, chain=chain),), missing=frozenset({ONE}))
    assert [one.code for one in rules.warnings(long)] == ["long_chain", "missing_file"]
    assert "long" in [one.code for one in rules.external(long, memory=False).warnings]
    mixed = machine(snapshots=(inside("a"), over("b", ONE)))
    assert [one.code for one in rules.warnings(mixed)] == ["mixed"]
    assert "mixed" in [one.code for one in rules.internal(LAYERED, memory=False).warnings]


@pytest.mark.parametrize(
    ("there", "name", "refused"),
    [
        (machine(snapshots=(inside("a"),)), "a", []),
        (machine(snapshots=(inside("a"),)), "b", ["gone"]),
        (machine(snapshots=(inside("a"),), checkpoints=("c",)), "a", ["checkpoints_revert"]),
        (machine(snapshots=(inside("a", has_definition=False),)), "a", ["no_definition"]),
        (LAYERED, "one", ["external_old"]),
        (replace(LAYERED, libvirt=NEW), "one", []),
        (machine(snapshots=(inside("a"),), disks=()), "a", ["disk_gone"]),
        (machine(snapshots=(inside("a"),), disks=(Disk("vda", "qcow2", ONE),)), "a", ["disk_other"]),
        (machine(snapshots=(inside("a"),), disks=(Disk("vda", "qcow2", ONE, chain=(BASE,)),)), "a", ["layered"]),
        (machine(snapshots=(inside("a"), over("b", ONE, "a"))), "a", ["freezes"]),
        (machine(snapshots=(inside("a"),), missing=frozenset({BASE})), "a", ["missing"]),
        (machine(snapshots=(inside("a"),), disks=(Disk("vda", "qcow2", BASE, backs=True),)), "a", ["backs"]),
    ],
)
def test_going_back(there: Machine, name: str, refused: list[str]) -> None:
    assert codes(rules.revert(there, name)) == refused


def test_what_is_lost_by_going_back_is_said() -> None:
    there = machine(
        state="running", tpm=True, snapshots=(inside("a"),),
        disks=(Disk("vda", "qcow2", BASE), Disk("vdb", "qcow2", ONE)),
    )  # fmt: skip
    found = rules.revert(there, "a")
    assert codes(found) == []
    assert [one.code for one in found.warnings] == ["loses_run", "disk_left", "tpm_stays"]


@pytest.mark.parametrize(
    ("there", "name", "children", "refused"),
    [
        (machine(snapshots=(inside("a"), inside("b", "a"))), "a", False, []),
        (machine(snapshots=(inside("a"), inside("b", "a"))), "a", True, []),
        (machine(snapshots=(inside("a"),)), "b", False, ["gone"]),
        (machine(snapshots=(inside("a"),), disks=(Disk("vda", "qcow2", ONE, chain=(BASE,)),)), "a", False, ["layered"]),
        # While it is off an old libvirt merges the last layer only, and from there the one before.
        (LAYERED, "two", False, []),
        (LAYERED, "one", False, ["needs_run"]),
        (LAYERED, "one", True, []),
        (replace(LAYERED, state="running"), "one", False, []),
        (replace(LAYERED, libvirt=NEW), "one", False, []),
        (replace(LAYERED, libvirt=(8, 10, 0)), "two", False, ["merges_not"]),
        (replace(LAYERED, state="running", checkpoints=("c",)), "one", False, ["checkpoints"]),
        # What is inside a layer would go with it.
        (replace(LAYERED, state="running", snapshots=(*LAYERED.snapshots, inside("in", "two", TWO))), "two", False,
         ["inside_layers"]),
        (replace(LAYERED, state="running", snapshots=(*LAYERED.snapshots, inside("in", "two", TWO))), "one", False,
         ["inside_layers"]),
        (replace(LAYERED, state="running", snapshots=(inside("in"), over("one", ONE, "in"))), "one", False,
         ["over_inside"]),
        (replace(LAYERED, state="running", snapshots=(*LAYERED.snapshots, over("b", ONE, "one"))), "one", False,
         ["branched"]),
        (replace(LAYERED, state="running", snapshots=(over("gone", ("path", "/pool/other")),)), "gone", False,
         ["not_in_chain"]),
        (machine(snapshots=(Known("m", "mixed"),)), "m", False, ["mixed_one"]),
    ],
)  # fmt: skip
def test_letting_go(there: Machine, name: str, children: bool, refused: list[str]) -> None:
    assert codes(rules.delete(there, name, children=children)) == refused


def test_a_branch_goes_the_youngest_first() -> None:
    there = machine(snapshots=(inside("a"), inside("b", "a"), inside("c", "b"), inside("d", "a"), inside("e")))
    names = [one.name for one in there.branch("a")]
    assert names[-1] == "a" and names.index("c") < names.index("b") and "e" not in names
    ring = machine(snapshots=(inside("a", "b"), inside("b", "a")))
    assert sorted(one.name for one in ring.branch("a")) == ["a", "b"]
    left = rules.without(there, there.snapshots[1])
    assert [(one.name, one.parent) for one in left.snapshots] == [("a", ""), ("c", "a"), ("d", "a"), ("e", "")]


def test_only_what_is_not_inside_a_disk_is_called_otherwise() -> None:
    assert codes(rules.rename(LAYERED, "one")) == []
    assert codes(rules.rename(machine(snapshots=(inside("a"),)), "a")) == ["name_inside"]


def test_flattening() -> None:
    runs = machine(state="running", disks=(Disk("vda", "qcow2", ONE, chain=(BASE,)),))
    assert codes(rules.flatten(runs)) == []
    assert codes(rules.flatten(replace(runs, state="shut_off"))) == ["flatten_off"]
    assert codes(rules.flatten(machine(state="running"))) == ["no_layers"]
    assert codes(rules.flatten(replace(LAYERED, state="running"))) == ["snapshots_first"]
    assert codes(rules.flatten(replace(runs, checkpoints=("c",)))) == ["checkpoints"]


def test_every_code_has_its_words() -> None:
    source = inspect.getsource(rules) + inspect.getsource(snapshots)
    told = set(re.findall(r'Reason\("([a-z_]+)"', source)) | set(re.findall(r'because="([a-z_]+)"', source))
    assert told <= REASONS.keys() and len(told) > 30
    assert REASONS.keys() <= told, "no words for nothing"
