"""A definition that an administrator writes, on a real host."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chaos.holds import idle
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import REHEARSAL, Dashboard
from tests.libvirtxml.test_blame import FOREIGN, QEMU

OWN = "11111111-2222-3333-4444-555555555555"
TEXT = f"""\
<domain type="qemu" {QEMU}>
  <name>written</name>
  <uuid>{OWN}</uuid>
  <memory unit="MiB">64</memory>
  {FOREIGN}
    <type arch="x86_64" machine="pc">hvm</type>
  </os>
  <qemu:commandline>
    <qemu:env name="TOLD" value="yes"/>
  </qemu:commandline>
</domain>"""


@pytest.fixture(autouse=True)
def nothing_left(lab_host: LabHost) -> Iterator[None]:
    yield
    connection = lab_host.connect()
    for domain in connection.listAllDomains():
        if domain.name() == "written":
            domain.undefine()
    connection.close()


def named(host: LabHost) -> list[str]:
    return [name for name in host.virsh("list", "--all", "--name").split() if name == "written"]


def asked(dashboard: Dashboard, text: str, *ends: str) -> dict[str, Any]:
    """The operation after its end."""
    answer = dashboard.post("/hosts/1/vms", {"xml": text})
    assert answer.status == 202, answer
    return dashboard.await_operation(answer.body["operation"]["id"], *(ends or ("succeeded",)), within=60)


def test_it_is_defined_as_it_is_written_or_not_at_all(lab_host: LabHost, dashboard: Dashboard) -> None:
    preview = dashboard.post("/hosts/1/vms/preview", {"xml": TEXT})
    assert preview.status == 200 and "commandline" in preview.body["roots"], preview
    wrong = dashboard.post("/hosts/1/vms", {"xml": TEXT.replace("</os>", "<odd/></os>")})
    assert (wrong.status, wrong.body["errors"][0]["where"]) == (422, ["body", "xml", 7]), wrong

    failed = asked(dashboard, TEXT.replace('machine="pc"', 'machine="none"'), "failed")
    assert failed["error"]["details"] and "undone" in [line["code"] for line in failed["log"]], failed
    assert not named(lab_host)
    assert dashboard.request("GET", f"/api/v1/vms/{failed['target']['id']}").status == 404

    vm = asked(dashboard, TEXT)["target"]["id"]
    text = lab_host.virsh("dumpxml", "written")
    assert 'name="TOLD"' in text.replace("'", '"') and "urn:a" in text and OWN not in text
    shown = eventually(lambda: found if (found := dashboard.get(f"/vms/{vm}"))["present"] else None, "it is seen")
    assert (shown["name"], shown["state"], shown["uuid"] in text) == ("written", "shut_off", True)
    again = dashboard.post("/hosts/1/vms", {"xml": TEXT})
    assert (again.status, again.body["errors"][0]["code"]) == (422, "taken")
    gone = dashboard.post(f"/vms/{vm}/delete", {"trash": False, "confirm": "written"})
    dashboard.await_operation(gone.body["operation"]["id"], within=60)
    assert not named(lab_host)


DOOMED = """
import os, signal
from vms.operations.process import WorkerProcess
from vms.virt import Connection
real = Connection.define_domain
def define(*args, **kwargs):
    if {after}:
        real(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
Connection.define_domain = define
WorkerProcess(name="doomed").take({operation})
"""


@pytest.mark.long
@pytest.mark.parametrize("after", [False, True])
def test_a_worker_killed_there_leaves_it_whole_or_nothing(lab_host: LabHost, dashboard: Dashboard, after: bool) -> None:
    with idle(dashboard, dashboard.pid("worker")):
        operation = dashboard.post("/hosts/1/vms", {"xml": TEXT}).body["operation"]["id"]
        doomed = subprocess.Popen(
            [*dashboard.python, REHEARSAL, dashboard.code], cwd=dashboard.started_in, env=dashboard.environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        doomed.communicate(json.dumps(DOOMED.format(after=after, operation=operation)) + "\n", timeout=120)
        assert doomed.returncode == -signal.SIGKILL, doomed.returncode
    ended = dashboard.await_operation(operation, "succeeded", "failed", within=120)
    assert (ended["state"] == "succeeded", bool(named(lab_host))) == (after, after), ended
    vm = dashboard.request("GET", f"/api/v1/vms/{ended['target']['id']}")
    assert (vm.status == 200) == after
    if after:
        gone = dashboard.post(f"/vms/{ended['target']['id']}/delete", {"trash": False, "confirm": "written"})
        dashboard.await_operation(gone.body["operation"]["id"], within=60)
