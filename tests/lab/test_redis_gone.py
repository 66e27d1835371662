"""Redis hangs, or ends again and again: what can be done without it is done, and the rest says so."""

from __future__ import annotations

import os
import signal
import time
import urllib.error
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import eventually
from tests.lab.stack import Dashboard
from tests.lab.web import Browser, Live

PATHS = ("/", "/vms/", "/hosts/", "/activity/")
TRY_AGAIN = 1013


@pytest.fixture
def guest(guests: Guests) -> LabGuest:
    return guests.make("without-redis", start=True)


@contextmanager
def hung(dashboard: Dashboard) -> Iterator[None]:
    """Redis takes connections and says nothing."""
    pid = dashboard.pid("redis")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def hears_again(dashboard: Dashboard, browser: Browser, vm: int, verb: str) -> None:
    """As a page does, it connects until it may stay; then it is told what is done."""

    def stays() -> ExitStack | None:
        with ExitStack() as stack:
            try:
                page = stack.enter_context(browser.live())
                page.socket.ping().wait(5)
                page.socket.recv(timeout=1)
            except TimeoutError:
                pages.append(page)
                return stack.pop_all()
            except (ConnectionClosed, InvalidStatus):
                return None
            pages.append(page)
            return stack.pop_all()

    pages: list[Live] = []
    with eventually(stays, "a page may stay", within=60, every=1):
        dashboard.await_operation(dashboard.ask(vm, verb))
        pages[-1].wait_for(f"vm:{vm}")


def kill(dashboard: Dashboard) -> None:
    for pid in dashboard.pids("redis"):
        os.kill(pid, signal.SIGKILL)


def test_one_that_hangs_keeps_nobody(dashboard: Dashboard, guest: LabGuest) -> None:
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    browser = Browser(dashboard)
    others = {name: dashboard.pid(name) for name in ("web", "worker", "watcher", "console", "transfer")}
    with browser.live() as page, hung(dashboard):
        for path in (*PATHS, f"/vms/{vm}/"):
            began = time.monotonic()
            browser.page(path)
            assert time.monotonic() - began < 15, path
        operation = dashboard.ask(vm, "pause")
        dashboard.await_operation(operation, within=60)
        assert guest.stands_still()
        dashboard.await_state(vm, "paused", within=60)
        with pytest.raises(ConnectionClosed) as closed:
            page.wait_for("never", within=30)
        assert closed.value.rcvd and closed.value.rcvd.code == TRY_AGAIN, "the page says that it hears nothing"
        with pytest.raises(urllib.error.HTTPError) as entrance:
            Browser(dashboard)
        with entrance.value:
            assert entrance.value.code == 503 and b"Redis" in entrance.value.read()
    eventually(dashboard.is_ready, "all answer again", within=60)
    assert {name: dashboard.pid(name) for name in others} == others
    hears_again(dashboard, browser, vm, "resume")
    assert "without-redis" in browser.page("/vms/?q=without-redis"), "who was signed in still is"


@pytest.mark.long
def test_one_that_does_not_stay_is_not_needed_for_work(dashboard: Dashboard, guest: LabGuest) -> None:
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    browser = Browser(dashboard)
    for verb, state in (("pause", "paused"), ("resume", "running"), ("pause", "paused"), ("resume", "running")):
        kill(dashboard)
        operation = dashboard.ask(vm, verb)
        kill(dashboard)
        dashboard.await_operation(operation, within=60)
        kill(dashboard)
        dashboard.await_state(vm, state, within=60)
        assert "without-redis" in browser.page("/vms/?q=without-redis")
    eventually(dashboard.is_ready, "all answer again", within=60)
    hears_again(dashboard, browser, vm, "pause")
