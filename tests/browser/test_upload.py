"""A file from Chromium through the front to the second host: past a killed process, a stopped front and a new page."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewContext
from tests.lab.guests import Guests
from tests.lab.machine import eventually
from tests.lab.pools import LabPool, folder_pool
from tests.lab.sending import MIB, pool_of
from tests.lab.stack import Dashboard

# What a browser says while a request is interrupted, or refused for a moment.
SAYS = ("Failed to load resource", "net::ERR")
# So fast that there is a middle.
SLOW = 40 * MIB


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


def slowed(page: Page) -> None:
    """The network of the page takes its time; the file goes through it as through any other."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": SLOW},
    )


def offset(running: Dashboard, pool: int) -> int:
    """How much of the newest upload into the pool its host has written."""
    found = running.query(
        "SELECT u.offset_bytes FROM vms_upload u JOIN vms_operation o ON o.id = u.operation_id "
        "WHERE o.pool_id = ? ORDER BY u.id DESC LIMIT 1", pool,
    )  # fmt: skip
    return int(found[0][0]) if found else 0


def sent(page: Page) -> int:
    return int(page.locator("[data-upload]").get_attribute("data-sent") or 0)


def choose(page: Page, path: Path, pool: int) -> None:
    page.goto(f"/pools/{pool}/upload/")
    slowed(page)
    page.get_by_label("File").set_input_files(path)


@pytest.mark.parametrize("size", [128 * MIB, pytest.param(1024 * MIB, marks=pytest.mark.long)])
def test_it_arrives_whatever_happens_on_the_way(
    running: Dashboard, far_pool: tuple[int, LabPool], new_browser: NewContext, tmp_path: Path, size: int
) -> None:
    pool, there = far_pool
    path, sum_ = random_file(tmp_path, size)
    page = new_browser(says=SAYS).new_page()
    choose(page, path, pool)
    page.get_by_role("button", name="Upload", exact=True).click()

    def reaches(share: float) -> None:
        eventually(lambda: offset(running, pool) >= size * share, f"{share} of it is there", within=120)

    reaches(0.2)
    os.kill(running.pid("transfer"), signal.SIGKILL)
    reaches(0.4)
    front = running.pid("front")
    workers = [int(pid) for pid in Path(f"/proc/{front}/task/{front}/children").read_text().split()]
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    reaches(0.6)
    first = sent(page)
    choose(page, path, pool)
    expect(page.locator("[data-upload]")).to_have_attribute("data-finished", "1", timeout=180_000)
    all_sent = first + sent(page)
    assert size <= all_sent < max(1.1 * size, size + 100 * MIB)
    assert hashlib.sha256((there.folder / "random.img").read_bytes()).hexdigest() == sum_
    state = running.query("SELECT state, sha256 FROM vms_volume WHERE name = 'random.img' ORDER BY id DESC LIMIT 1")
    assert state == [("ready", sum_)]


def test_cancelling_at_sixty_percent_leaves_nothing(
    running: Dashboard, far_pool: tuple[int, LabPool], new_browser: NewContext, tmp_path: Path
) -> None:
    pool, there = far_pool
    path, _ = random_file(tmp_path, 96 * MIB)
    page = new_browser(says=SAYS).new_page()
    choose(page, path, pool)
    page.get_by_label("Name in the pool").fill("unwanted.img")
    page.get_by_role("button", name="Upload", exact=True).click()
    eventually(lambda: offset(running, pool) >= 0.3 * 96 * MIB, "a part of it is there", within=60)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused.")).to_be_visible()
    page.get_by_role("button", name="Continue").click()
    eventually(lambda: offset(running, pool) >= 0.6 * 96 * MIB, "60 % of it are there", within=60)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Nothing of it is left.")).to_be_visible()
    eventually(lambda: "unwanted.img" not in there.names(), "the volume is gone")
    held = "SELECT 1 FROM vms_volume WHERE name = 'unwanted.img'"
    eventually(lambda: running.query(held) == [], "its row is gone, and with it what was charged")
    eventually(
        lambda: (
            running.query("SELECT state FROM vms_operation WHERE kind = 'volume.upload' ORDER BY id DESC LIMIT 1")
            == [("cancelled",)]
        ),
        "the operation says so",
    )
