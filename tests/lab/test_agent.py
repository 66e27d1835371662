"""A guest's agent behind a real libvirtd and QEMU: what it tells, what it is asked, and what a hostile one can do."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.lab.agents import FILE_SYSTEM, JOIN, PlayedAgent
from tests.lab.certificates import Authority
from tests.lab.fixtures import FORGET
from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import Dashboard
from tests.lab.test_alerts import of
from tests.lab.test_serial import command, free
from tests.webserver import WebServer, status
from vms.demo.guest import Guest

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIx3ePbRA2uQ4gJzDyFP8sDqKQwXJE8pLR5p1hnGFXJq anna@desk"

# Nobody answers there, and what ends soon is told all the same.
TLS_HOST = """
from django.conf import settings
from vms.models import Host
made = Host(name="far", transport="tls", address="127.0.0.1", node=settings.ENVIRONMENT.node)
made.certificate, made.ca_certificate = {certificate!r}, {authority!r}
made.save()
print("row", made.pk)
"""


@dataclass
class Played:
    """The guest, its agent as the test plays it, and its row."""

    guest: LabGuest
    agent: PlayedAgent
    dashboard: Dashboard
    vm: int

    def told(self) -> Any:
        return self.dashboard.get(f"/vms/{self.vm}/agent")

    def ask(self, verb: str, body: Any = None) -> int:
        answer = self.dashboard.post(f"/vms/{self.vm}/agent/{verb}", body)
        assert answer.status == 202, answer.body
        return int(answer.body["operation"]["id"])

    def hear(self, word: str, within: float = 90) -> Any:
        """What it reports, once it has reported that word of itself."""

        def look() -> Any:
            assert self.dashboard.post(f"/vms/{self.vm}/agent/ask").status == 204
            told = self.told()
            return told if told["reported"] and word in told["reported"]["host_name"] else None

        return eventually(look, f"it reports {word!r}", within=within, every=0.5)

    def fails(self) -> None:
        """Until it is told that it did not answer."""

        def look() -> bool:
            assert self.dashboard.post(f"/vms/{self.vm}/agent/ask").status == 204
            return bool(self.told()["error"])

        eventually(look, "it is told", within=120, every=1)


@pytest.fixture(scope="module")
def joined(lab_host: LabHost, guest_files: Guest) -> Iterator[tuple[LabGuest, PlayedAgent]]:
    guests = Guests(lab_host, guest_files)
    path = lab_host.folder / "played.sock"
    made = guests.make("played-agent", shell=True, agent=path, start=True)
    agent = PlayedAgent(path)
    line = eventually(lambda: free(made, force=True), "the line")
    command(line, JOIN.encode())
    # What is still on its way when the line is let go may be lost.
    eventually(lambda: "state='connected'" in made.domain.XMLDesc(), "the guest has opened its port", within=60)
    line.close()
    yield made, agent
    agent.close()
    guests.remove_all()


@pytest.fixture
def played(joined: tuple[LabGuest, PlayedAgent], dashboard: Dashboard) -> Iterator[Played]:
    guest, agent = joined
    made = Played(guest, agent, dashboard, dashboard.vm(guest.uuid))
    eventually(lambda: made.told()["channel"] == "connected", "the channel is connected", within=60)
    agent.asked.clear()
    yield made
    agent.silent, agent.raw, agent.host_name, agent.file_systems = False, None, "guest-7", [FILE_SYSTEM]


def test_a_guest_tells_of_itself_and_is_asked(played: Played) -> None:
    eventually(lambda: played.told()["reported"], "it was asked by itself", within=60)
    told = played.hear("guest-7")
    reported = told["reported"]
    assert (reported["system"], reported["kernel"], reported["time_zone"]) == ("Played 1", "6.1", "CET")
    assert reported["cards"] == [{"name": "eth0", "mac": "52:54:00:00:00:07", "addresses": ["192.0.2.7/24"]}]
    assert reported["file_systems"][0]["total_bytes"] == 1 << 30
    assert [user["name"] for user in reported["users"]] == ["anna"]
    assert abs(reported["ahead_seconds"] - 3600) < 3
    played.dashboard.await_operation(played.ask("time"), within=60)
    assert played.agent.ahead == 0
    added = played.dashboard.await_operation(played.ask("ssh-keys", {"user": "anna", "add": [KEY]}), within=60)
    assert "keys_added" in [line["code"] for line in added["log"]]
    assert played.agent.keys["anna"] == [KEY]
    [mine] = played.told()["keys"]
    gone = {"user": "anna", "remove": [mine["keys"][0]["fingerprint"]]}
    played.dashboard.await_operation(played.ask("ssh-keys", gone), within=60)
    assert (played.agent.keys["anna"], played.told()["keys"][0]["keys"]) == ([], [])
    refused = played.dashboard.await_operation(played.ask("ssh-keys", {"user": "berta"}), "failed", within=60)
    assert refused["error"]["code"] == "agent_refused"


def test_a_password_is_left_nowhere(played: Played) -> None:
    secret = "kv-5ecret-in-the-guest-only"
    played.dashboard.await_operation(played.ask("password", {"user": "anna", "password": secret}), within=60)
    assert played.agent.passwords["anna"] == secret
    words = (secret.encode(), json.dumps(secret).encode())
    looked = 0
    for path in [*played.dashboard.folder.rglob("*"), *(played.guest.host.folder / "var/log").rglob("*")]:
        if path.is_file() and not path.is_symlink():
            looked += 1
            assert not any(word in path.read_bytes() for word in words), path
    assert looked > 5
    told = played.dashboard.query("SELECT params FROM vms_operation WHERE kind = 'vm.agent-password'")
    assert [json.loads(params) for (params,) in told] == [{"user": "anna"}]
    assert played.dashboard.query("SELECT sealed FROM vms_operation WHERE kind = 'vm.agent-password'") == [("",)]


def test_frozen_it_is_thawed_though_its_worker_was_killed(played: Played) -> None:
    played.dashboard.await_operation(played.ask("freeze", {"seconds": 8}), within=60)
    assert played.agent.frozen
    assert played.told()["frozen"]["since"]
    os.kill(played.dashboard.pid("worker"), signal.SIGKILL)
    eventually(lambda: not played.agent.frozen, "it is thawed", within=60)
    eventually(lambda: played.told()["frozen"] is None, "nothing says that it is frozen")
    # And by hand.
    played.dashboard.await_operation(played.ask("freeze", {"seconds": 600}), within=60)
    played.dashboard.await_operation(played.ask("thaw"), within=60)
    assert (played.agent.frozen, played.told()["frozen"]) == (False, None)


def test_killed_while_the_guest_freezes_it_does_not_stay_so(played: Played) -> None:
    """The guest does it, and its yes comes to nobody."""
    answered = played.agent.freeze

    def freeze(*, frozen: bool) -> int:
        if frozen:
            os.kill(played.dashboard.pid("worker"), signal.SIGKILL)
        return answered(frozen=frozen)

    played.agent.freeze = freeze  # type: ignore[method-assign]
    try:
        operation = played.ask("freeze", {"seconds": 600})
        ended = played.dashboard.await_operation(operation, "failed", "unknown", within=120)
        eventually(lambda: not played.agent.frozen, "it is thawed", within=150)
        assert ended["state"] in ("failed", "unknown")
    finally:
        played.agent.freeze = answered  # type: ignore[method-assign]
    eventually(lambda: played.told()["frozen"] is None, "nothing says that it is frozen", within=120)


def test_whatever_it_says_is_cut(played: Played) -> None:
    loud = "loud\x1b[31m\u202e\0" + "x" * (1 << 20)
    played.agent.host_name = loud.replace("\0", "")
    played.agent.file_systems = [{**FILE_SYSTEM, "mountpoint": f"/{number}\n<b>"} for number in range(150)]
    reported = played.hear("loud")["reported"]
    assert reported["host_name"] == "loud\ufffd[31m\ufffd" + "x" * 245
    assert (len(reported["file_systems"]), reported["left_out"]) == (64, 86)
    assert all(one["mounted_at"].endswith("\ufffd<b>") for one in reported["file_systems"])


@pytest.mark.parametrize("how", ["many", "wrong"])
def test_what_is_no_answer_is_told_as_that_and_ends(played: Played, how: str) -> None:
    played.hear("guest-7")
    if how == "many":
        played.agent.file_systems = [{**FILE_SYSTEM, "mountpoint": f"/{number}"} for number in range(10_000)]
    else:
        played.agent.raw = b'{"return": {"host-name": 7, "zone": []}}\n'
    played.fails()
    played.agent.raw, played.agent.file_systems, played.agent.host_name = None, [FILE_SYSTEM], "well again"
    played.hear("well again", within=180)


def test_one_that_never_answers_is_in_nobodys_way(played: Played, guests: Guests) -> None:
    other = guests.make("beside-the-silent", start=True)
    beside = played.dashboard.vm(other.uuid)
    played.agent.silent = True
    hanging = [played.ask("password", {"user": "anna", "password": f"secret-{number}"}) for number in range(4)]
    eventually(lambda: played.agent.asked, "it is asked", within=30)
    took = []
    for vm, verb, state in ((played.vm, "pause", "paused"), (played.vm, "resume", "running"),
                            (beside, "pause", "paused"), (beside, "resume", "running")):  # fmt: skip
        began = time.monotonic()
        played.dashboard.await_operation(played.dashboard.ask(vm, verb))
        played.dashboard.await_state(vm, state)
        took.append(time.monotonic() - began)
    for path in ("", "/agent", "/devices"):
        began = time.monotonic()
        played.dashboard.get(f"/vms/{played.vm}{path}")
        took.append(time.monotonic() - began)
    assert max(took) < 4, took
    last = played.ask("password", {"user": "anna", "password": "secret-again"})
    ends = [played.dashboard.await_operation(one, "unknown", "failed", within=240) for one in (*hanging, last)]
    codes = [end["error"]["code"] for end in ends]
    # Those that came to the guest only when it was paused are told that.
    assert set(codes) <= {"agent_silent", "invalid_state"} and codes[-1] == "agent_silent"


def test_a_full_guest_a_certificate_and_a_sink_that_fails_are_told(
    played: Played, mirror: WebServer, rule: Any
) -> None:
    dashboard = played.dashboard
    for kind in ("guest_disk_full", "sink_failing"):
        rule(kind, seconds=0)
    mirror.pages["/broken"] = status(500)
    made = dashboard.post("/alert-sinks", {"name": "broken", "kind": "webhook", "address": mirror.url("/broken")})
    sink = made.body["id"]
    authority = Authority()
    certificate, _ = authority.issue("dashboard", days=10)
    row = int(dashboard.do(TLS_HOST.format(certificate=certificate, authority=authority.certificate)).split()[-1])
    try:
        played.agent.file_systems = [{**FILE_SYSTEM, "used-bytes": 990 << 20}]
        played.agent.host_name = "guest-full"
        played.hear("guest-full")
        [full] = eventually(lambda: of(dashboard, "guest_disk_full", played.vm), "the guest is told of", within=120)
        assert full["params"]["place"] == "/" and full["params"]["used"] == 97
        eventually(lambda: of(dashboard, "sink_failing", None, state="open"), "so is the sink", within=60)
        ending = eventually(lambda: of(dashboard, "certificate_ends", row), "so is the certificate", within=120)
        assert [one["params"]["which"] for one in ending] == ["client"]
        played.agent.file_systems, played.agent.host_name = [FILE_SYSTEM], "guest-empty"
        played.hear("guest-empty")
        eventually(lambda: of(dashboard, "guest_disk_full", played.vm, state="ended"), "it is over", within=120)
        assert len(of(dashboard, "guest_disk_full", played.vm)) == 1
    finally:
        dashboard.request("DELETE", f"/api/v1/alert-sinks/{sink}")
        dashboard.do(FORGET.format(pk=row))


def test_what_is_not_even_json_ends_it_for_libvirt(played: Played) -> None:
    """The last one: it is asked no more until the guest opens its port anew."""
    played.hear("guest-7")
    played.agent.raw = b'{"return": [[[\n'
    played.fails()
    assert played.told()["reported"]["host_name"] == "guest-7"
