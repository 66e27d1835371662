"""A system installed from an ISO, from the form to a command that is typed into it."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import libvirt
import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import connected
from tests.browser.test_serial import connected as line_connected
from tests.browser.test_serial import run, shows
from tests.lab.installer import installer
from tests.lab.machine import LabHost, eventually
from tests.lab.pools import LabPool, folder_pool
from tests.lab.sending import pool_of
from tests.lab.stack import Dashboard
from vms.demo.guest import Guest

NAME = "installed"
# Two boots and a copy of a disk, emulated.
INSTALLED = 240_000
# Bytes of what comes onto the disk, at least.
SYSTEM = 15 << 20


@pytest.fixture
def pool(running: Dashboard, lab_host: LabHost, guest_files: Guest) -> Iterator[LabPool]:
    """A pool with the ISO in it, which is known as an image."""
    with folder_pool(lab_host) as made:
        number = pool_of(running, made)
        running.do(f"from vms.models import Storage; Storage.objects.filter(pools={number}).update(trusted=True)")
        shutil.copy(installer(guest_files), made.folder / "installer.iso")
        made.names()
        asked = "/images?q=installer.iso"
        eventually(lambda: running.get(asked)["items"], "the ISO is an image", within=60)
        yield made
        connection = lab_host.connect()
        with suppress(libvirt.libvirtError):
            domain = connection.lookupByName(NAME)
            if domain.isActive():
                domain.destroy()
            domain.undefine()
        connection.close()


def fill(page: Page, pool: LabPool) -> None:
    """The form, with a machine that is large enough for the test's guest and no larger."""
    page.goto("/vms/new/?source=iso")
    page.locator("[name=size][value=own]").check()
    for fold in ("Where:", "System and firmware:"):
        page.get_by_text(fold).click()
    for name, text in {"name": NAME, "cpus": "1", "memory": "192", "disk": "1"}.items():
        page.locator(f"input[name={name}]").fill(text)
    chosen = {"iso": "installer.iso", "pool": pool.name, "network": "no network card", "firmware": "BIOS"}
    for name, label in chosen.items():
        page.locator(f"select[name={name}]").select_option(label=label)


@contextmanager
def worker_held(dashboard: Dashboard) -> Iterator[None]:
    """What is asked for inside waits for its worker."""
    pid = dashboard.pid("worker")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def media(host: LabHost) -> list[bool]:
    """Whether the CD is in the drive of this run, and of the next."""
    return ["installer.iso" in host.virsh(*words, NAME) for words in (["dumpxml"], ["dumpxml", "--inactive"])]


def test_an_iso_installs_a_system_that_starts_from_its_disk(
    page: Page, running: Dashboard, lab_host: LabHost, pool: LabPool
) -> None:
    fill(page, pool)
    with worker_held(running):
        page.get_by_role("button", name="Create and start").click()
        expect(page).to_have_url(re.compile(r"/vms/\d+/console/$"))
        expect(page.locator("#vm-header")).to_contain_text("creating…")
        expect(page.locator("#console-card")).to_contain_text("installed: creating…")
    # Nobody has a hand on it from here on: the screen opens, what installs restarts, and the disk comes first.
    connected(page, within=120)
    offer = page.locator("#vm-header .installed")
    expect(offer).to_contain_text("installer.iso", timeout=INSTALLED)
    disk = pool.folder / f"{NAME}.qcow2"
    assert disk.stat().st_size > SYSTEM and media(lab_host) == [True, True]
    offer.get_by_role("button", name="Eject the CD").click()
    eventually(lambda: media(lab_host) == [False, False], "the CD is out", within=60)
    expect(offer).to_have_count(0)
    page.get_by_role("link", name="Serial").click()
    line_connected(page)
    shows(page, "up ", within=240)
    page.locator(".xterm-screen").click()
    page.keyboard.press("Enter")
    shows(page, "kvmweb demo guest", within=60)
    run(page, "echo runs-$((6*7))")
    shows(page, "runs-42")
    vm = int(page.url.split("/vms/")[1].split("/")[0])
    page.goto("/")
    gone = running.post(f"/vms/{vm}/delete", {"volumes": "all", "confirm": NAME, "trash": False})
    running.await_operation(gone.body["operation"]["id"], "succeeded", within=60)
    assert pool.names() == ["installer.iso"]
