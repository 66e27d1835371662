"""QEMU's own agent in a Debian, as its package starts it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import libvirt
import pytest
from lxml import etree
from lxml.builder import E

from kvmweb import environment
from tests.lab.cloud_image import cached_image
from tests.lab.guests import domain_type
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import Dashboard
from tests.lab.test_agent import KEY

NAME = "debian-agent"


@pytest.fixture
def debian(lab_host: LabHost) -> Iterator[libvirt.virDomain]:
    disk = lab_host.images / "debian-agent.qcow2"
    image = cached_image(environment.load().cache)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", image, "-F", "qcow2", disk, "3G"], check=True)
    document = E.domain(
        E.name(NAME),
        E.memory("768", unit="MiB"),
        E.vcpu("2"),
        E.os(E.type("hvm", arch="x86_64", machine="pc"), E.boot(dev="hd")),
        E.features(E.acpi()),
        E.devices(
            E.disk(
                E.driver(name="qemu", type="qcow2"), E.source(file=f"/var/lib/libvirt/images/{disk.name}"),
                E.target(dev="vda", bus="virtio"), type="file", device="disk",
            ),
            E.serial(type="pty"),
            E.channel(E.target(type="virtio", name="org.qemu.guest_agent.0"), type="unix"),
            E.memballoon(model="none"),
        ),
        type=domain_type(),
    )  # fmt: skip
    domain = lab_host.connect().defineXML(etree.tostring(document, encoding="unicode"))
    domain.create()
    yield domain
    domain.destroy()
    domain.undefine()
    disk.unlink()


def test_it_reports_freezes_and_lets_in(debian: libvirt.virDomain, dashboard: Dashboard) -> None:
    vm = dashboard.vm(debian.UUIDString())

    def told() -> Any:
        dashboard.post(f"/vms/{vm}/agent/ask")
        return dashboard.get(f"/vms/{vm}/agent")["reported"]

    reported = eventually(told, "it reports", within=1800, every=3)
    assert reported["system"].startswith("Debian GNU/Linux 12")
    [root] = [one for one in reported["file_systems"] if one["mounted_at"] == "/"]
    assert (root["type"], root["disks"]) == ("ext4", ["vda"])
    assert 0 < root["used_bytes"] < root["total_bytes"] < 3 << 30

    def ask(verb: str, body: Any = None) -> dict[str, Any]:
        answer = dashboard.post(f"/vms/{vm}/agent/{verb}", body)
        assert answer.status == 202, answer.body
        return dashboard.await_operation(answer.body["operation"]["id"], within=240)

    frozen = ask("freeze", {"seconds": 20})
    assert [line["params"]["number"] for line in frozen["log"] if line["code"] == "frozen"] != ["0"]
    eventually(lambda: dashboard.get(f"/vms/{vm}/agent")["frozen"] is None, "it is thawed by itself", within=120)
    ask("time")
    ask("password", {"user": "root", "password": "a new one, 7"})
    ask("ssh-keys", {"user": "root", "add": [KEY]})
    [mine] = dashboard.get(f"/vms/{vm}/agent")["keys"]
    assert [one["comment"] for one in mine["keys"]] == ["anna@desk"]
    ask("ssh-keys", {"user": "root", "remove": [mine["keys"][0]["fingerprint"]]})
    assert dashboard.get(f"/vms/{vm}/agent")["keys"][0]["keys"] == []
