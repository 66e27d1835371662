"""What stands on a real guest's screen is what the dashboard shows, and what stood there when it broke is kept."""

from __future__ import annotations

import http.client
import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path

import libvirt
import pytest
from lxml import etree
from lxml.builder import E
from PIL import Image

from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import Dashboard
from tests.lab.test_metrics import Shell
from tests.lab.web import Browser

KERNEL = "Its guest's kernel gave up."


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

    return Image.open(BytesIO(eventually(look, f"the screen of VM {vm}", within=60)), formats=("PNG",))


def drawn(picture: Image.Image) -> int:
    """How many points are not black."""
    grey = picture.convert("L").histogram()
    return sum(grey[30:])


def own_screen(guest: LabGuest) -> Image.Image:
    """As its QEMU draws it now."""
    path = guest.host.folder / "screen"
    guest.host.virsh("screenshot", guest.uuid, str(path))
    with Image.open(path) as picture:
        picture.load()
    return picture


def standing(guest: LabGuest) -> Image.Image | None:
    """What is on its screen, where it draws nothing more but a cursor."""
    before = own_screen(guest)
    time.sleep(2)
    after = own_screen(guest)
    return after if is_like(before, after, within=0.02) else None


def is_like(one: Image.Image, other: Image.Image, *, within: float = 0.05) -> bool:
    """Whether as much is drawn on both, but for a cursor."""
    return one.size == other.size and drawn(one) == pytest.approx(drawn(other), rel=within)


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
    stands = eventually(lambda: standing(guest), "its screen stands still", within=60)
    # An earlier one is shown until the next was taken.
    eventually(lambda: is_like(screen(dashboard, vm), stands), "that is shown", within=60, every=1)
    assert asked(dashboard, vm, "crash")[0] == 409
    os.kill(qemu_of(guest), signal.SIGKILL)
    dashboard.await_state(vm, "shut_off")
    assert dashboard.get(f"/vms/{vm}")["state_reason"] == "crashed"
    kept = screen(dashboard, vm, "crash")
    assert is_like(kept, stands), (kept.size, drawn(kept), stands.size, drawn(stands))


def with_panic(guest: LabGuest, on_crash: str) -> None:
    root = etree.fromstring(guest.domain.XMLDesc(0))
    devices = root.find("devices")
    assert devices is not None
    devices.append(E.panic(model="isa"))
    for old in root.findall("on_crash"):
        root.remove(old)
    devices.addprevious(E.on_crash(on_crash))
    guest.host.connect().defineXML(etree.tostring(root, encoding="unicode"))


def types(guest: LabGuest, command: str) -> None:
    """As root there, without waiting for its end."""
    shell = Shell(guest)
    shell.line.sendall(f"{command}\r".encode())
    shell.until(command.encode() + b"\r\n")
    shell.close()


def test_a_panic_is_told_with_what_stood_there(dashboard: Dashboard, guests: Guests) -> None:
    guest = guests.make(f"panics-{time.monotonic_ns()}", shell=True)
    with_panic(guest, "restart")
    guest.start()
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    types(guest, "sleep 1; echo c > /proc/sysrq-trigger")
    # It is known although it runs again at once.
    eventually(lambda: codes(dashboard, vm).count("panicked") == 1, "it is told that it panicked", within=120)
    assert KERNEL in Browser(dashboard).page(f"/vms/{vm}/")
    guest.wait_for_boot(2)
    guest.domain.setLifecycleAction(libvirt.VIR_DOMAIN_LIFECYCLE_CRASH, libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_PRESERVE, 0)
    screen(dashboard, vm)
    types(guest, "sleep 1; echo c > /proc/sysrq-trigger")
    dashboard.await_state(vm, "crashed", within=120)
    assert dashboard.get(f"/vms/{vm}")["state_reason"] == "panicked"
    eventually(lambda: codes(dashboard, vm).count("panicked") == 2, "it is told again")
    # Kept at once is the last one that was taken; then the one of where it stands still.
    eventually(lambda: drawn(screen(dashboard, vm, "crash")) > 500, "what stood there is kept", within=60)
    page = Browser(dashboard).page(f"/vms/{vm}/")
    assert KERNEL in page and f"/api/v1/vms/{vm}/screenshot?of=crash" in page


def codes(dashboard: Dashboard, vm: int) -> list[str]:
    """What happened to it."""
    return [str(code) for (code,) in dashboard.query("select code from vms_happening where vm_id = ?", vm)]


# The timer of an i6300esb as its data sheet has it, which a driver would set: at 60h how fast it runs, about a second
# for each of its two stages, at 68h that it runs.
SETS_THE_TIMER = (
    "cd $(dirname $(grep -l 0x25ab /sys/bus/pci/devices/*/device))",
    r"printf '\004\000' | dd of=config bs=2 seek=48 conv=notrunc 2>/dev/null",
    r"printf '\002' | dd of=config bs=1 seek=104 conv=notrunc 2>/dev/null",
)


def test_a_watchdog_that_nobody_feeds_is_told(dashboard: Dashboard, guests: Guests) -> None:
    guest = guests.make(f"watched-{time.monotonic_ns()}", shell=True)
    root = etree.fromstring(guest.domain.XMLDesc(0))
    devices = root.find("devices")
    assert devices is not None
    devices.append(E.watchdog(model="i6300esb", action="pause"))
    guest.host.connect().defineXML(etree.tostring(root, encoding="unicode"))
    guest.start()
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    with closing(Shell(guest)) as shell:
        for command in SETS_THE_TIMER:
            shell.run(command)
    dashboard.await_state(vm, "paused", within=60)
    assert dashboard.get(f"/vms/{vm}")["state_reason"] == "watchdog"
    eventually(lambda: codes(dashboard, vm).count("watchdog_fired") == 1, "it is told that it fired")
    assert "Its watchdog heard nothing from the guest." in Browser(dashboard).page(f"/vms/{vm}/")
    dashboard.await_operation(dashboard.ask(vm, "resume"))
    guest.wait_for_count()


@pytest.fixture
def small(lab_host: LabHost) -> Iterator[Path]:
    """A file system on the host with room for 4 MiB."""
    place = lab_host.folder / "small"
    place.mkdir()
    lab_host.run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place))
    yield place
    lab_host.run("umount", str(place))
    place.rmdir()


def test_a_disk_without_room_is_told_by_its_name(dashboard: Dashboard, guests: Guests, small: Path) -> None:
    guest = guests.make(f"full-{time.monotonic_ns()}", shell=True)
    path = small / "disk.raw"
    guest.host.run("truncate", "-s", "64M", str(path))
    root = etree.fromstring(guest.domain.XMLDesc(0))
    devices = root.find("devices")
    assert devices is not None
    driver = E.driver(name="qemu", type="raw", error_policy="stop")
    devices.append(E.disk(driver, E.source(file=str(path)), E.target(dev="vda", bus="virtio"), type="file"))
    guest.host.connect().defineXML(etree.tostring(root, encoding="unicode"))
    guest.start()
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    types(guest, "dd if=/dev/zero of=/dev/vda bs=1M count=16; sync")
    dashboard.await_state(vm, "paused", within=60)
    page = Browser(dashboard).page(f"/vms/{vm}/")
    assert "Its disk vda failed." in page and "No room is left where it lies." in page
    assert codes(dashboard, vm).count("disk_failed") == 1
    guest.remove()
