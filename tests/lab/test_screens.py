"""What stands on a real guest's screen is what the dashboard shows, and what stood there when it broke is kept."""

from __future__ import annotations

import http.client
import os
import signal
import time
from io import BytesIO
from pathlib import Path

import pytest
from lxml import etree
from lxml.builder import E
from PIL import Image

from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import eventually
from tests.lab.stack import Dashboard


def asked(dashboard: Dashboard, vm: int, of: str = "now") -> tuple[int, bytes]:
    """Status and body of one request for its picture."""
    connection = http.client.HTTPConnection("127.0.0.1", dashboard.port, timeout=20)
    try:
        connection.request(
            "GET", f"/api/v1/vms/{vm}/screenshot?of={of}", headers={"Authorization": f"Bearer {dashboard.token}"}
        )
        answer = connection.getresponse()
        body = answer.read()
        if answer.status == 200:
            told = [answer.getheader(name) for name in ("Cache-Control", "Content-Type", "X-Content-Type-Options")]
            assert told == ["no-store", "image/png", "nosniff"]
        return answer.status, body
    finally:
        connection.close()


def screen(dashboard: Dashboard, vm: int, of: str = "now") -> Image.Image:
    def look() -> bytes | None:
        status, body = asked(dashboard, vm, of)
        return body if status == 200 else None

    return Image.open(BytesIO(eventually(look, f"the screen of VM {vm}", within=15)), formats=("PNG",))


def drawn(picture: Image.Image) -> int:
    """How many points are not black."""
    grey = picture.convert("L").histogram()
    return sum(grey[30:])


def qemu_of(guest: LabGuest) -> int:
    [found] = [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if f"guest={guest.name},".encode() in path.read_bytes()
    ]
    return found


def test_the_screen_of_a_guest_is_a_picture_in_which_something_is_drawn(
    dashboard: Dashboard, running_guest: LabGuest
) -> None:
    vm = dashboard.vm(running_guest.uuid)
    dashboard.await_state(vm, "running")
    first, _ = asked(dashboard, vm)
    assert first in (200, 202)
    picture = screen(dashboard, vm)
    assert (picture.format, picture.size) == ("PNG", (720, 400))
    assert drawn(picture) > 500


def test_one_that_is_off_or_has_no_screen_shows_none(dashboard: Dashboard, guests: Guests) -> None:
    for name, graphics in (("dark", "vnc"), ("screenless", None)):
        guest = guests.make(f"{name}-{time.monotonic_ns()}", graphics=graphics)
        vm = dashboard.vm(guest.uuid)
        assert asked(dashboard, vm)[0] == 409
        if graphics is None:
            guest.domain.create()
            dashboard.await_state(vm, "running")
            assert asked(dashboard, vm)[0] == 409


def test_what_stood_there_when_its_qemu_was_killed_is_kept(dashboard: Dashboard, guests: Guests) -> None:
    guest = guests.make(f"killed-{time.monotonic_ns()}", start=True)
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    before = screen(dashboard, vm)
    assert asked(dashboard, vm, "crash")[0] == 409
    os.kill(qemu_of(guest), signal.SIGKILL)
    dashboard.await_state(vm, "shut_off")
    assert dashboard.get(f"/vms/{vm}")["state_reason"] == "crashed"
    kept = screen(dashboard, vm, "crash")
    assert kept.size == before.size
    assert drawn(kept) == pytest.approx(drawn(before), rel=0.2)


def with_panic(guest: LabGuest, on_crash: str) -> None:
    root = etree.fromstring(guest.domain.XMLDesc(0))
    devices = root.find("devices")
    assert devices is not None
    devices.append(E.panic(model="isa"))
    for old in root.findall("on_crash"):
        root.remove(old)
    devices.addprevious(E.on_crash(on_crash))
    guest.host.connect().defineXML(etree.tostring(root, encoding="unicode"))
