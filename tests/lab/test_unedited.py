"""VMs that nobody edited wait for nothing: many kinds of them, started, and after what is done to them outside."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest
from lxml import etree

from tests.data.kinds_of_vm import KINDS, STAY
from tests.data.shapes import TRIALS, Trial
from tests.data.shapes_seen import LATE, NOT_OFFERED
from tests.lab.machine import LabHost
from tests.lab.shaping import defined, machine_on, said, surroundings
from tests.lab.test_history import waiting
from vms.libvirtxml import DomainXML, parse, settings
from vms.libvirtxml.shaping import part, shape

LAYER = (
    libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
    | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA
    | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
)
SNAPSHOT = "<domainsnapshot><name>layer</name></domainsnapshot>"
# Their files are where both hosts see them, and no cache of either is asked about.
MOVE = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PERSIST_DEST | libvirt.VIR_MIGRATE_UNSAFE
# What a host of the lab starts no machine with.
LACKING = ("tpm0", "vsock0")
# The drive is empty as it is, and no document that is compared has a password in it.
NOTHING_WAITS = {("sda", "medium"), ("graphics0", "password")}
MOVED = (
    "old-machine", "host-model", "features", "cells", "later-processors", "less-memory", "own-clock", "overlay",
    "sata-drives", "named-card", "vnc", "lines", "random", "metadata",
)  # fmt: skip


@pytest.fixture
def kinds(lab_host: LabHost, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Their documents, by their names; what they name is there."""
    with surroundings(lab_host):
        texts = {name: filed(name, text, tmp_path) for name, text in KINDS.items()}
        try:
            yield texts
        finally:
            forget(lab_host, texts)


def filed(name: str, text: str, folder: Path) -> str:
    """The document with its files made."""
    text = text.replace("NAME", f"kind-{name}").replace("FOLDER", str(folder))
    for found in re.findall(rf"{folder}/[\w.-]+", text):
        path = Path(found)
        if path.suffix == ".d":
            path.mkdir()
        elif path.suffix == ".qcow2":
            below, make = path.with_suffix(".below"), ("qemu-img", "create", "-q", "-f", "qcow2")
            subprocess.run([*make, below, "1M"], check=True)
            subprocess.run([*make, "-F", "qcow2", "-b", below, path], check=True)
        elif path.suffix in (".img", ".iso", ".flp"):
            path.write_bytes(bytes(1 << 20))
    return text


def forget(host: LabHost, names: dict[str, str]) -> None:
    connection = host.connect()
    for domain in connection.listAllDomains():
        if domain.name().removeprefix("kind-") in names:
            if domain.isActive():
                domain.destroy()
            if domain.isPersistent():
                domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)
    connection.close()


class Started:
    """All of them on their host, and what their definitions said when they began."""

    def __init__(self, host: LabHost, texts: dict[str, str]) -> None:
        self.host = host
        self.began: dict[str, dict[str, str]] = {}
        self.wrong: list[str] = []
        connection = host.connect()
        for name, text in texts.items():
            try:
                domain = connection.defineXML(text)
                domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
            except libvirt.libvirtError as error:
                self.wrong.append(f"{name} does not start: {error}")
                continue
            self.began[name] = settings(parse(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)))
        connection.close()

    def look(self, when: str, names: list[str] | None = None, host: LabHost | None = None) -> None:
        """Nothing waits in any, whether or not somebody saw it begin."""
        connection = (host or self.host).connect()
        for name in names if names is not None else list(self.began):
            domain = connection.lookupByName(f"kind-{name}")
            for began in (self.began[name], {}):
                found = [(each.place, each.which, each.was, each.now) for each in waiting(domain, began)]
                self.wrong += [f"{name}, {when}: {each}" for each in found]
        connection.close()


def test_nothing_waits_whatever_is_done_to_them_from_outside(lab_host: LabHost, kinds: dict[str, str]) -> None:
    assert len(kinds) >= 50
    all_ = Started(lab_host, kinds)
    all_.look("started")
    lab_host.restart_libvirtd()
    all_.look("after libvirtd was started anew")
    connection = lab_host.connect()
    # With its memory, inside its disk.
    connection.lookupByName("kind-overlay").snapshotCreateXML(SNAPSHOT.replace("layer", "whole"))
    layered = [name for name in all_.began if "-a.img" in KINDS[name] or "-b.qcow2" in KINDS[name]]
    for name in layered:
        if "<readonly/>" in KINDS[name] or "shareable" in KINDS[name]:
            continue
        connection.lookupByName(f"kind-{name}").snapshotCreateXML(SNAPSHOT, LAYER)
    connection.close()
    all_.look("after a snapshot")
    assert not all_.wrong, "\n".join(all_.wrong)


def test_nothing_waits_where_they_have_moved_to(lab_host: LabHost, kinds: dict[str, str], tmp_path: Path) -> None:
    texts = {name: kinds[name] for name in MOVED}
    assert not STAY & set(MOVED)
    moved = Started(lab_host, texts)
    other = LabHost("lab-b")
    try:
        there, here = other.connect(), lab_host.connect()
        there.networkLookupByName("default").create()
        for name in moved.began:
            here.lookupByName(f"kind-{name}").migrate3(
                there, {libvirt.VIR_MIGRATE_PARAM_URI: f"unix://{tmp_path}/migration"}, MOVE
            )
        moved.look("after it moved", host=other)
        assert not moved.wrong, "\n".join(moved.wrong)
        here.close()
        there.close()
    finally:
        other.stop()


def test_each_field_waits_once_and_not_after_the_next_start(lab_host: LabHost) -> None:
    """By the table that the forms are tried with."""
    with surroundings(lab_host) as pool, defined(lab_host, machine_on(pool)) as own:
        connection = lab_host.connect()
        domain = connection.lookupByUUIDString(own)
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        first = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        began, wrong = settings(parse(first)), []
        for trial in TRIALS:
            if (trial.part, trial.lens) in NOTHING_WAITS or trial.part in LACKING:
                continue
            edited(connection, first, [trial])
            found = [(each.place, each.which) for each in waiting(domain, began)]
            # A value that it has already is no change; a topology needs as many processors, which is another.
            same = said(etree.fromstring(first).xpath(trial.path)) == trial.said
            number = 0 if same else 2 if trial.lens == "topology" else 1
            wrong += [] if len(found) == number else [f"{trial.part}/{trial.lens}={trial.value}: {found}"]
        # A machine with those starts here too.
        first_of_each = {
            (one.part, one.lens): one for one in TRIALS if one.part not in LACKING and one.lens != "medium"
        }
        edited(connection, first, [one for key, one in first_of_each.items() if key not in LATE | NOT_OFFERED])
        assert waiting(domain, began)
        domain.destroy()
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        now = settings(parse(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)))
        wrong += [f"after the start: {each.place} {each.was} {each.now}" for each in waiting(domain, now)]
        connection.close()
        assert not wrong, "\n".join(wrong)


def edited(connection: libvirt.virConnect, text: str, trials: list[Trial]) -> None:
    document = DomainXML.parse(text)
    for trial in trials:
        before: dict[str, int | str] = dict([trial.first] if trial.first else [])
        for lens, value in {**before, trial.lens: trial.value}.items():
            found = part(document, trial.part)
            assert found
            was = found.values[lens]
            shape(document, [{"do": "set", "part": trial.part, "lens": lens, "was": was, "value": value}])
    connection.defineXML(document.text)
