"""The demo's second host: what it is to its machine, and that a demo VM goes there and comes back."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree
from lxml.builder import E

from kvmweb.second import cable
from tests.lab.machine import LabHost, eventually, own_folder
from tests.lab.stack import ROOT, Dashboard
from vms.demo import machines


class Second:
    """Started on the lab host as scripts/run starts it on this machine, by its root."""

    def __init__(self, machine: LabHost, folder: Path) -> None:
        self.machine = machine
        self.folder = folder

    def call(self, verb: str) -> None:
        self.machine.run("env", "-C", str(ROOT), sys.executable, "-B", "-m", "kvmweb.second", verb, str(self.folder))

    @property
    def uri(self) -> str:
        return f"qemu+unix:///system?socket={self.folder}/run/libvirt/libvirt-sock"

    def virsh(self, *words: str) -> str:
        return self.machine.run("virsh", "-q", "-c", self.uri, *words)

    def has(self) -> dict[str, str]:
        """{name: state} of its VMs."""
        lines = [line.split(maxsplit=2)[1:] for line in self.virsh("list", "--all").splitlines() if line.strip()]
        return {name: state.strip() for name, state in lines}

    def lose_power(self) -> None:
        """As at the end of this machine."""
        [(pid, _)] = json.loads((self.folder / "process").read_text())["processes"]
        self.machine.run("kill", "-KILL", str(pid))

    def end(self) -> None:
        """Take its VMs away."""
        for name, state in self.has().items():
            if state != "shut off":
                self.virsh("destroy", name)
            self.virsh("undefine", name)

    def define(self, name: str) -> None:
        """A VM that is somebody's."""
        file = self.folder / "theirs.xml"
        tree = E.domain(E.name(name), E.memory("16", unit="MiB"), E.os(E.type("hvm", arch="x86_64")), type="qemu")
        file.write_bytes(etree.tostring(tree))
        self.virsh("define", str(file))


@pytest.fixture
def second(lab_host: LabHost) -> Iterator[Second]:
    folder = own_folder("kvmweb-second-")
    made = Second(lab_host, folder / "second")
    yield made
    if made.folder.exists():
        made.end()
        made.call("remove")
    shutil.rmtree(folder)


@pytest.fixture
def shown(lab_host: LabHost, dashboard: Dashboard) -> Iterator[Second]:
    """The same, where the dashboard looks for it."""
    made = Second(lab_host, dashboard.state / "second")
    yield made
    if made.folder.exists():
        made.call("start")
        dashboard.manage("demo", "--remove")
        made.end()
        made.call("remove")


def traces(host: LabHost) -> list[str]:
    """What it could leave: cards, rules of netfilter, processes."""
    cards = [line for line in host.run("ip", "-o", "link").splitlines() if cable.names(0)[0] in line]
    rules = host.run("iptables", "--table", "mangle", "--list-rules", "PREROUTING").splitlines()
    own = ("unshare", "virtlogd", "libvirtd")
    return [*cards, *rules, *sorted(name for name in host.programs().values() if name in own)]


def row(dashboard: Dashboard) -> list[int]:
    """Its id, where the dashboard has it."""
    return [host["id"] for host in dashboard.get("/hosts")["items"] if host["name"] == "demo-second"]


def is_on(dashboard: Dashboard, vm: int, host: int) -> bool:
    shown = dashboard.get(f"/vms/{vm}")
    return bool(shown["host"]["id"] == host and shown["state"] == "running")


def test_it_has_what_it_had_and_leaves_nothing(lab_host: LabHost, second: Second) -> None:
    before = traces(lab_host)
    second.call("start")
    assert len(traces(lab_host)) == len(before) + 5
    assert second.virsh("hostname").strip() == "demo-second"
    assert "default" in second.virsh("net-list", "--name") and "default" not in lab_host.virsh("net-list", "--name")
    second.define("theirs")
    identity = second.virsh("domuuid", "theirs")
    second.lose_power()
    second.call("start")
    assert second.virsh("domuuid", "theirs") == identity
    second.virsh("start", "theirs")
    second.call("start")
    assert second.has() == {"theirs": "running"}, "one that runs is left alone"
    for word in ("destroy", "undefine"):
        with pytest.raises(AssertionError, match="demo-second stays: it has theirs, which"):
            second.call("remove")
        second.virsh(word, "theirs")
    second.call("remove")
    assert not second.folder.exists()
    assert traces(lab_host) == before


@pytest.mark.long
def test_a_demo_vm_goes_there_and_comes_back(dashboard: Dashboard, lab_host: LabHost, shown: Second) -> None:
    shown.call("start")
    said = dashboard.manage("demo", "--second").splitlines()
    assert "demo-second added" in said and not [line for line in said if "not one storage" in line], said
    [there] = row(dashboard)
    [web] = [vm for vm in dashboard.get("/vms?q=demo-web")["items"] if vm["tags"] == ["demo"]]
    [place] = dashboard.get(f"/placement?vm={web['id']}&host={there}")["items"]
    assert place["possible"], place

    ended = dashboard.await_operation(dashboard.ask(web["id"], "migrate", {"host": there}), within=90)
    assert "in clear text" in str(ended["log"]), ended["log"]
    eventually(lambda: is_on(dashboard, web["id"], there), "it is there")
    assert shown.has() == {"demo-web": "running"}
    assert dashboard.manage("demo", "--second") == "", "what was moved is not made once more"

    dashboard.await_operation(dashboard.ask(web["id"], "migrate", {"host": web["host"]["id"]}), within=90)
    eventually(lambda: is_on(dashboard, web["id"], web["host"]["id"]), "it is back")
    assert shown.has() == {}

    dashboard.await_operation(dashboard.ask(web["id"], "migrate", {"host": there}), within=90)
    shown.define("theirs")
    removed = dashboard.manage("demo", "--remove").splitlines()
    assert "demo-web removed" in removed and "demo-second stays: it has theirs, which the demo did not make" in removed
    assert shown.has() == {"theirs": "shut off"} and row(dashboard) == [there]
    shown.virsh("undefine", "theirs")
    assert dashboard.manage("demo", "--remove") == "demo-second removed\n"
    shown.call("remove")
    assert row(dashboard) == []
    assert not any((lab_host.images / name).exists() for name in machines.POOLS)
    assert dashboard.request("GET", f"/api/v1/vms/{web['id']}").status == 404
