"""The demo: three VMs that show what the dashboard does, and no trace of them afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.lab.guests import Guests
from tests.lab.machine import LabHost, eventually, hello
from tests.lab.stack import Dashboard
from tests.newcomer.terminal import Terminal
from vms.demo import machines, snapshots
from vms.demo.guest import Guest
from vms.libvirtxml import DEFINE, DomainXML, faults
from vms.virt import Connection, HostSpec, connect, define

TREE = {"installed": "", "configured": "installed", "first-try": "configured", "second-try": "configured"}


@pytest.fixture
def connection(lab_host: LabHost) -> Iterator[Connection]:
    with connect(HostSpec("unix", "qemu", str(lab_host.socket))) as opened:
        yield opened
        machines.remove(opened, print)
        for network in opened.networks():
            if network.active:
                lab_host.virsh("net-destroy", network.name)


@pytest.fixture
def only_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo of one VM that is not started: quick, where the other two would tell nothing more."""
    monkeypatch.setattr(machines, "ROLES", [role for role in machines.ROLES if role.state == "shut_off"])


def states(connection: Connection) -> dict[str, str]:
    return {info.name: info.state for info in connection.domains()}


def everything(host: LabHost) -> str:
    """All that a run of the demo could change, in libvirt's words."""
    asked = [["list", "--all"], ["pool-list", "--all"], ["net-list", "--all"], ["snapshot-list", "demo-build"]]
    return "\n".join(host.virsh(*words) for words in asked)


def grants(dashboard: Dashboard) -> list[dict[str, Any]]:
    """Those of the demo's accounts; who made VMs before has his."""
    return [each for each in dashboard.get("/grants?page_size=200")["items"] if each["to"]["name"].startswith("demo-")]


def parents(branches: list[dict[str, Any]]) -> dict[str, str]:
    """{name: parent} of all the snapshots in these branches."""
    found: dict[str, str] = {}
    for branch in branches:
        found |= {branch["name"]: branch["parent"], **parents(branch["children"])}
    return found


def test_it_makes_three_vms_leaves_others_alone_and_takes_only_its_own_away(
    connection: Connection, dashboard: Dashboard, guests: Guests, guest_files: Guest, lab_host: LabHost
) -> None:
    theirs = guests.make("demo-web")
    before = lab_host.virsh("dumpxml", "demo-web")
    pools = connection.pools()

    made = ["demo-web-2 made", "demo-db made", "demo-build made"]
    made += ["demo-build: 4 snapshots taken", "demo-operator made", "demo-viewer made"]
    assert dashboard.manage("demo").splitlines() == made
    assert states(connection) == {
        "demo-web": "shut_off", "demo-web-2": "running", "demo-db": "paused", "demo-build": "shut_off",
    }  # fmt: skip
    tagged = {vm["name"]: vm["id"] for vm in dashboard.get("/vms?q=demo")["items"] if vm["tags"] == ["demo"]}
    assert set(tagged) == {"demo-web-2", "demo-db", "demo-build"}
    given = grants(dashboard)
    assert {(grant["to"]["name"], grant["role"], grant["on"]["name"]) for grant in given} == {
        ("demo-operator", "operator", "demo"), ("demo-viewer", "viewer", "demo-web-2"),
    }  # fmt: skip
    web = next(info for info in connection.domains() if info.name == "demo-web-2")
    [mac] = DomainXML.parse(web.live_xml).macs
    [address] = connection.leases()[mac]
    assert eventually(lambda: hello(lab_host, address), "it answers", within=60) == "hello from demo-web-2"
    assert faults(web.next_boot_xml) == []
    [network] = connection.networks()
    assert (network.active, network.autostart) == (True, False)

    tree = f"/vms/{tagged['demo-build']}/snapshots"
    eventually(lambda: parents(dashboard.get(tree)["items"]) == TREE, "its snapshots are shown")
    assert dashboard.get(tree)["current"] == "second-try", "there it is now"
    [first] = dashboard.get(tree)["items"]
    lab_host.virsh("snapshot-delete", "demo-build", "first-try")
    assert dashboard.manage("demo") == "demo-build: 4 snapshots taken\n"

    def anew() -> bool:
        told = dashboard.get(tree)
        return bool(told["items"][0]["taken_at"] > first["taken_at"] and told["current"] == "second-try")

    eventually(anew, "those taken anew are shown at once", within=5)

    images = [image["name"] for image in dashboard.get("/images")["items"]]
    assert images == [f"demo-{guest_files.recipe}.iso"], "one may install from its CD"
    assert set(machines.POOLS) <= {pool["name"] for pool in dashboard.get("/pools")["items"]}

    now = everything(lab_host)
    assert dashboard.manage("demo") == ""
    assert everything(lab_host) == now, "the second run changes nothing"

    removed = dashboard.manage("demo", "--remove").splitlines()
    assert sorted(removed) == [
        "demo-build removed", "demo-db removed", "demo-operator switched off", "demo-viewer switched off",
        "demo-web-2 removed",
    ]  # fmt: skip
    assert grants(dashboard) == []
    assert states(connection) == {"demo-web": "shut_off"}
    assert lab_host.virsh("dumpxml", "demo-web") == before
    assert connection.pools() == pools
    assert not any((lab_host.images / name).exists() for name in machines.POOLS)
    assert theirs.is_off()
    assert [vm["name"] for vm in dashboard.get("/vms?q=demo")["items"]] == ["demo-web"]
    assert {dashboard.request("GET", f"/api/v1/vms/{vm}").status for vm in tagged.values()} == {404}
    assert dashboard.manage("demo", "--remove") == "", "nothing is left to remove"


@pytest.mark.long
def test_its_accounts_passwords_are_on_the_terminal_once_and_nowhere_else(
    connection: Connection, dashboard: Dashboard
) -> None:
    command = ["env", "-C", str(dashboard.started_in), "setpriv", "--pdeathsig", "TERM"]
    command += [*map(str, dashboard.python), "-m", dashboard.supervisor, "--demo"]
    dashboard.stop()
    shown = []
    try:
        for _ in range(2):
            with closing(Terminal(command, dashboard.environment)) as terminal:
                terminal.wait_for("Ctrl-C stops the dashboard.*\n", within=240)
                shown.append(dict(re.findall(r"(demo-\w+) +(\S+)   \(shown once\)", terminal.text)))
                terminal.process.terminate()
                assert terminal.process.wait(60) == 0
        assert [list(names) for names in shown] == [["demo-operator", "demo-viewer"], []]
        files = [file for file in dashboard.state.rglob("*") if file.is_file()]
        assert any(file.name == "demo.log" for file in files)
        for password in shown[0].values():
            assert not [file for file in files if password.encode() in file.read_bytes()]
    finally:
        dashboard.start()


def test_a_copy_that_somebody_made_of_a_demo_vm_is_his(
    connection: Connection, guest_files: Guest, only_build: None
) -> None:
    machines.make(connection, lambda: guest_files, print)
    [build] = [info for info in connection.domains() if info.name == "demo-build"]
    copy = DomainXML.parse(build.next_boot_xml)
    copy.name, copy.uuid = "my-copy", "6d1f6a53-5f0c-4c39-9b0e-5f5b6f4c2f11"
    connection.define_domain(copy.text, allowed=frozenset({DEFINE}))
    machines.remove(connection, print)
    assert states(connection) == {"my-copy": "shut_off"}
    define.remove_domain(connection, copy.uuid)


def test_snapshots_are_made_whole_only_where_nobody_took_one(
    connection: Connection, guest_files: Guest, lab_host: LabHost, only_build: None
) -> None:
    said: list[str] = []
    machines.make(connection, lambda: guest_files, said.append)
    lab_host.virsh("snapshot-delete", "demo-build", "second-try")
    lab_host.virsh("snapshot-delete", "demo-build", "first-try")
    machines.make(connection, lambda: guest_files, said.append)
    assert said == ["demo-build made", *["demo-build: 4 snapshots taken"] * 2]
    [build] = [info for info in connection.domains() if info.name == "demo-build"]
    assert {one.name: one.told and one.told.parent for one in build.snapshots} == TREE
    assert [one.name for one in build.snapshots if one.current] == ["second-try"]

    lab_host.virsh("snapshot-delete", "demo-build", "first-try")
    lab_host.virsh("snapshot-create-as", "demo-build", "mine")
    before = lab_host.virsh("snapshot-list", "demo-build", "--tree")
    machines.make(connection, lambda: guest_files, said.append)
    assert lab_host.virsh("snapshot-list", "demo-build", "--tree") == before
    assert len(said) == 3


def test_a_vm_that_cannot_have_the_snapshots_keeps_the_demo_from_nothing(
    connection: Connection, guest_files: Guest, lab_host: LabHost, only_build: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "MOMENTS", (*snapshots.MOMENTS, snapshots.MOMENTS[0]))
    said: list[str] = []
    [uuid] = machines.make(connection, lambda: guest_files, said.append)
    assert said[1].startswith("No snapshots of demo-build: ")
    assert connection.domain(uuid).snapshot_names() == [], "half a tree is none"


def test_what_a_killed_run_left_half_made_is_made_whole(
    connection: Connection, guest_files: Guest, lab_host: LabHost, only_build: None
) -> None:
    def dies() -> Guest:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        machines.make(connection, dies, print)
    path = machines.place_iso(connection, guest_files, fresh=True)
    iso = lab_host.images / machines.IMAGES / path.rpartition("/")[2]
    iso.write_bytes(b"half")
    machines.make(connection, lambda: guest_files, print)
    assert states(connection) == {"demo-build": "shut_off"}
    assert iso.read_bytes() == guest_files.iso.read_bytes()


def test_a_host_without_its_network_gets_vms_without_a_card(
    connection: Connection, guest_files: Guest, lab_host: LabHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "NETWORK", "not-there")
    monkeypatch.setattr(machines, "BOOT_SECONDS", 1.0)
    said: list[str] = []
    machines.make(connection, lambda: guest_files, said.append)
    assert any("no network card" in line for line in said)
    assert states(connection)["demo-web"] == "running"
    lab_host.virsh("destroy", "demo-web")
    machines.make(connection, lambda: guest_files, said.append)
    assert states(connection)["demo-web"] == "running", "a later run starts what should run"


@pytest.mark.long
def test_a_fleet_of_a_thousand_comes_once_and_goes(dashboard: Dashboard, connection: Connection) -> None:
    dashboard.manage("demo", "--fleet")
    [fleet_host] = [host for host in dashboard.get("/hosts")["items"] if host["name"] == "demo-fleet"]
    vms = dashboard.get(f"/vms?host={fleet_host['id']}&q=ber-&page_size=200")["items"]
    assert (fleet_host["driver"], fleet_host["transport"]) == ("test", "unix")
    assert dashboard.get(f"/vms?host={fleet_host['id']}")["count"] >= 1000
    assert {vm["state"] for vm in vms} == {"running", "shut_off", "paused"}
    off = next(vm for vm in vms if vm["state"] == "shut_off")
    dashboard.await_operation(dashboard.ask(off["id"], "start"))
    dashboard.await_state(off["id"], "running")
    assert dashboard.manage("demo", "--fleet") == "", "the second run changes nothing"
    assert dashboard.get(f"/vms/{off['id']}")["state"] == "running"
    assert "demo-fleet removed" in dashboard.manage("demo", "--remove")
    assert [host["name"] for host in dashboard.get("/hosts")["items"] if host["driver"] == "test"] == []
    assert dashboard.get("/vms?q=ber-")["count"] == 0
