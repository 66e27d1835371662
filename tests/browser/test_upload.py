"""A file from Chromium through the front to the second host: past a killed process, a stopped front and a new page."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from kvmweb.second.namespaces import children
from tests.browser.conftest import Figures, NewContext
from tests.browser.network import network
from tests.lab.guests import Guests
from tests.lab.machine import eventually
from tests.lab.pools import LabPool, folder_pool
from tests.lab.sending import MIB, pool_of
from tests.lab.stack import ADMIN, Dashboard

# What a browser says while a request is interrupted, or refused for a moment.
SAYS = ("Failed to load resource", "net::ERR")
# Bytes a second: so many while nobody does anything, and so few that there is a middle while somebody does.
SPEED, CRAWL = 60 * MIB, MIB // 2


@pytest.fixture
def far_pool(running: Dashboard, other_host: tuple[int, Guests]) -> Iterator[tuple[int, LabPool]]:
    """A pool of the second host: its id, and itself."""
    _, guests = other_host
    with folder_pool(guests.host) as made:
        yield pool_of(running, made), made


def random_file(folder: Path, size: int) -> tuple[Path, str]:
    """A file of random bytes, and their SHA-256."""
    path, sum_ = folder / "random.img", hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(size // MIB):
            piece = os.urandom(MIB)
            sum_.update(piece)
            file.write(piece)
    return path, sum_.hexdigest()


@contextmanager
def stopped_front(running: Dashboard) -> Iterator[None]:
    """The front is dead and nothing starts it again: connections break, and new ones are refused."""
    assert running.process
    supervisor, front = running.process.pid, running.pid("front")
    workers = children(front)
    os.kill(supervisor, signal.SIGSTOP)
    try:
        for pid in (front, *workers):
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: refused(running.port), "the front is gone")
        yield
    finally:
        os.kill(supervisor, signal.SIGCONT)
        eventually(running.is_ready, "the front is back", within=60)


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


def offset(running: Dashboard, pool: int) -> int:
    """How much of the newest upload into the pool its host has written."""
    found = running.query(
        "SELECT u.offset_bytes FROM vms_upload u JOIN vms_operation o ON o.id = u.operation_id "
        "WHERE o.pool_id = ? ORDER BY u.id DESC LIMIT 1", pool,
    )  # fmt: skip
    return int(found[0][0]) if found else 0


def choose(page: Page, path: Path, pool: int) -> None:
    page.goto(f"/pools/{pool}/upload/")
    page.get_by_label("Files").set_input_files(path)


@pytest.mark.parametrize(
    ("size", "seconds"), [(128 * MIB, 0.5), pytest.param(1024 * MIB, 20, marks=pytest.mark.long)], ids=["128M", "1G"]
)
def test_it_arrives_whatever_happens_on_the_way(
    running: Dashboard,
    far_pool: tuple[int, LabPool],
    new_browser: NewContext,
    tmp_path: Path,
    figures: Figures,
    size: int,
    seconds: float,
) -> None:
    pool, there = far_pool
    path, sum_ = random_file(tmp_path, size)
    with network(SPEED) as wire:
        page = new_browser(says=SAYS, proxy={"server": wire.address}).new_page()
        choose(page, path, pool)
        page.get_by_role("button", name="Upload", exact=True).click()

        def reaches(share: float) -> None:
            wire.speed = SPEED
            eventually(lambda: offset(running, pool) >= size * share, f"{share} of it is there", within=300)
            wire.speed = CRAWL

        reaches(0.2)
        os.kill(running.pid("transfer"), signal.SIGKILL)
        reaches(0.4)
        with stopped_front(running):
            time.sleep(seconds)
        reaches(0.6)
        choose(page, path, pool)
        wire.speed = SPEED
        expect(page.locator("[data-upload]")).to_have_attribute("data-finished", "1", timeout=600_000)
        figures.add(f"upload of {size // MIB} MiB: {wire.sent / size:.3f} of it was sent")
        # What is on its way at each of three interruptions is sent again, of a small file a larger share.
        assert size <= wire.sent < max(1.1 * size, size + 100 * MIB)
    assert hashlib.sha256((there.folder / "random.img").read_bytes()).hexdigest() == sum_
    state = running.query("SELECT state, sha256 FROM vms_volume WHERE name = 'random.img' ORDER BY id DESC LIMIT 1")
    assert state == [("ready", sum_)]


@pytest.fixture
def charged(running: Dashboard) -> Iterator[Callable[[], int]]:
    """How many bytes of disks are charged to the administrator, who has a quota for now."""
    wish = {"user": ADMIN, "limits": {"disk_bytes": 1 << 50}}
    quota = running.post("/quotas", wish).body["id"]
    yield lambda: int(running.get(f"/quotas/{quota}")["used"]["disk_bytes"])
    running.request("DELETE", f"/api/v1/quotas/{quota}")


def test_cancelling_at_sixty_percent_leaves_nothing(
    running: Dashboard,
    far_pool: tuple[int, LabPool],
    new_browser: NewContext,
    tmp_path: Path,
    charged: Callable[[], int],
) -> None:
    pool, there = far_pool
    size = 96 * MIB
    path, _ = random_file(tmp_path, size)
    before = charged()
    with network(SPEED) as wire:
        page = new_browser(says=SAYS, proxy={"server": wire.address}).new_page()
        choose(page, path, pool)
        page.get_by_label("Name in the pool").fill("unwanted.img")
        page.get_by_role("button", name="Upload", exact=True).click()
        eventually(lambda: offset(running, pool) >= 0.3 * size, "a part of it is there", within=60)
        wire.speed = CRAWL
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_text("Paused.")).to_be_visible()
        assert charged() == before + size
        page.get_by_role("button", name="Continue").click()
        wire.speed = SPEED
        eventually(lambda: offset(running, pool) >= 0.6 * size, "60 % of it are there", within=60)
        wire.speed = CRAWL
        assert "unwanted.img" in there.names()
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_text("Nothing of it is left.")).to_be_visible()
    eventually(lambda: "unwanted.img" not in there.names(), "the volume is gone")
    held = "SELECT 1 FROM vms_volume WHERE name = 'unwanted.img'"
    eventually(lambda: running.query(held) == [], "its row is gone")
    last = "SELECT state FROM vms_operation WHERE kind = 'volume.upload' ORDER BY id DESC LIMIT 1"
    eventually(lambda: running.query(last) == [("cancelled",)], "the operation says so")
    assert charged() == before


def test_of_several_files_the_one_that_is_refused_can_be_sent_otherwise(
    running: Dashboard, far_pool: tuple[int, LabPool], new_browser: NewContext, tmp_path: Path
) -> None:
    pool, there = far_pool
    paths = [tmp_path / name for name in ("mistaken.qcow2", "good one.img", "left-out.img")]
    for path in paths:
        path.write_bytes(os.urandom(MIB))
    page = new_browser(says=SAYS).new_page()
    page.goto(f"/pools/{pool}/upload/")
    page.get_by_label("Files").set_input_files(paths)
    first, _, third = page.get_by_role("group").all()
    third.get_by_role("button", name="Leave out").press("Enter")
    expect(page.get_by_label("Files")).to_be_focused()
    button, form = page.get_by_role("button", name="Upload", exact=True), page.locator("[data-upload]")
    button.press("Enter")
    expect(form).to_have_attribute("data-finished", "1", timeout=60_000)
    expect(first.get_by_role("alert")).to_contain_text("another format")
    assert there.names() == ["good-one.img"]
    first.get_by_label("Format").select_option("raw")
    button.press("Enter")
    expect(form).to_have_attribute("data-finished", "2", timeout=60_000)
    expect(first.get_by_role("alert")).to_be_hidden()
    assert there.names() == ["good-one.img", "mistaken.qcow2"]
