"""What a guest's agent tells, as libvirt names it, and what of that leaves the room."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, NoReturn

import libvirt
import pytest

from vms.errors import AgentAbsent, AgentRefused, AgentSilent
from vms.virt.agent import ASKED, LARGEST, TOLD, Agent, read
from vms.virt.failures import said_by_host

DOCUMENT = (
    "<domain><devices><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='{}'/></channel>"
    "</devices></domain>"
)
TOLD_BY_ONE: dict[str, Any] = {
    "hostname": "web-7",
    "os.name": "Debian",
    "os.pretty-name": "Debian GNU/Linux 12",
    "timezone.name": "CET",
    "if.count": 3,
    "if.0.name": "lo",
    "if.0.addr.count": 1,
    "if.0.addr.0.addr": "127.0.0.1",
    "if.1.name": "eth0",
    "if.1.hwaddr": "52:54:00:00:00:07",
    "if.1.addr.count": 5,
    "if.1.addr.0.addr": "192.0.2.7",
    "if.1.addr.0.prefix": 24,
    "if.1.addr.1.addr": "fe80::1%eth0",
    "if.1.addr.1.prefix": 300,
    "if.1.addr.2.addr": "<script>",
    "if.1.addr.3.addr": "224.0.0.1",
    "if.1.addr.4.addr": 7,
    "if.2.name": "eth1",
    "if.2.hwaddr": "no MAC",
    "if.2.addr.count": 0,
    "fs.count": 2,
    "fs.0.mountpoint": "/srv",
    "fs.0.disk.count": 1,
    "fs.0.disk.0.alias": "vda",
    "fs.0.total-bytes": LARGEST * 2,
    "fs.1.mountpoint": "/",
    "fs.1.used-bytes": -1,
    "user.count": 1,
    "user.0.name": "an\x1b[31mna\u202e",
    "user.0.login-time": 1_700_000_000_123,
}


def test_what_fits_is_told() -> None:
    told = read(TOLD_BY_ONE, -90)
    assert (told.host_name, told.system, told.time_zone, told.ahead_seconds) == (
        "web-7", "Debian GNU/Linux 12", "CET", -90,
    )  # fmt: skip
    [card] = told.cards
    assert (card.mac, card.addresses) == ("52:54:00:00:00:07", ("192.0.2.7/24", "fe80::1"))
    assert [(one.mounted_at, one.disks, one.total_bytes, one.used_bytes) for one in told.file_systems] == [
        ("/", (), None, None), ("/srv", ("vda",), None, None),
    ]  # fmt: skip
    [user] = told.users
    assert (user.name, user.since) == ("an\ufffd[31mna\ufffd", 1_700_000_000)


def test_nothing_is_nothing() -> None:
    assert read({}, None).cards == ()
    assert read({"hostname": 7, "fs.count": "many", "user.count": True}, None).host_name == ""


def test_lists_are_counted() -> None:
    told = read({"fs.count": 10_000, "user.count": 33, "if.count": 2**40}, None)
    assert (len(told.file_systems), len(told.users), told.cards) == (64, 32, ())
    assert told.left_out == 10_000 - 64 + 1 + 2**40 - 16


class Handle:
    """libvirt's domain, as far as it is asked here."""

    def __init__(self, state: str = "connected", error: int | None = None, text: str = "") -> None:
        self.state = state
        self.error = error
        self.text = text
        self.timeouts: list[int] = []

    def isActive(self) -> bool:
        return True

    def XMLDesc(self, flags: int) -> str:
        return DOCUMENT.format(self.state)

    def agentSetResponseTimeout(self, seconds: int, flags: int) -> None:
        self.timeouts.append(seconds)

    def guestInfo(self, types: int, flags: int) -> Any:
        return self.answer({"hostname": "web-7"})

    def getTime(self) -> NoReturn:
        raise failure(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, "")

    def fsFreeze(self, mountpoints: None, flags: int) -> Any:
        return self.answer(2)

    def answer(self, value: Any) -> Any:
        if self.error is not None:
            raise failure(self.error, self.text)
        return value


def failure(code: int, text: str) -> libvirt.libvirtError:
    made = libvirt.libvirtError(text)
    made.err = (code, libvirt.VIR_FROM_QEMU, text, 2, None, None, None, 0, 0)
    return made


def agent(handle: Handle) -> Agent:
    @contextmanager
    def guard() -> Any:
        with said_by_host(lambda: True):
            yield

    return Agent(handle, guard)


def test_a_question_waits_for_less_than_a_task_and_leaves_the_longer_time() -> None:
    handle = Handle()
    assert agent(handle).info().host_name == "web-7"
    assert handle.timeouts == [ASKED, TOLD]
    agent(handle).freeze()
    assert handle.timeouts == [ASKED, TOLD, TOLD]


def test_one_that_is_not_connected_is_not_asked() -> None:
    handle = Handle("disconnected", libvirt.VIR_ERR_INTERNAL_ERROR)
    with pytest.raises(AgentAbsent):
        agent(handle).freeze()
    assert handle.timeouts == []


def test_its_words_are_cut() -> None:
    handle = Handle(error=libvirt.VIR_ERR_INTERNAL_ERROR, text="no\x1b[31m\n" + "x" * 5000)
    with pytest.raises(AgentRefused) as refused:
        agent(handle).freeze()
    assert refused.value.details.startswith("no\ufffd[31m\ufffdxx")
    assert len(refused.value.details) == 500


def test_silence_is_silence() -> None:
    with pytest.raises(AgentSilent):
        agent(Handle(error=libvirt.VIR_ERR_AGENT_UNRESPONSIVE)).info()
