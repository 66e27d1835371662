"""One dashboard, one Chromium, one cast of VMs for the run; a context of its own for each test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect

from tests.browser.cast import Cast
from tests.browser.chromium import FLAGS, PROGRAM
from tests.browser.stage import Stage
from tests.browser.watch import Watch
from tests.lab.guests import Guests
from tests.lab.machine import LabHost
from tests.lab.stack import ADMIN, Dashboard
from vms.demo.guest import Guest

# Playwright's event loop runs in this thread, which Django takes for a coroutine.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

# A worker on a busy machine takes its time; what never comes still fails.
expect.set_options(timeout=20_000)

MALLORY = "mallory"
MALLORYS_PASSWORD = "correct horse battery"
MAKE_MALLORY = f"""
from vms.models import User
User.objects.create_user("{MALLORY}", password="{MALLORYS_PASSWORD}", is_staff=True, is_superuser=True)
"""
WIDE = {"width": 1600, "height": 1000}
NARROW = {"width": 375, "height": 812}
FAILED = pytest.StashKey[bool]()
PICTURES = Path(os.environ.get("KVMWEB_TEST_PICTURES") or tempfile.mkdtemp(prefix="kvmweb-pictures-"))


class NewContext(Protocol):
    def __call__(self, name: str | None = ADMIN, *, says: Sequence[str] = (), **arguments: Any) -> BrowserContext: ...


@dataclass
class Figures:
    """What the run has counted and measured; told at its end."""

    routes: int = 0
    pictures: int = 0
    controls: int = 0
    lines: list[str] = field(default_factory=list)

    def add(self, line: str) -> None:
        self.lines.append(line)


FIGURES = Figures()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in FIGURES.lines:
        terminalreporter.write_line(line)
    if FIGURES.pictures or FIGURES.controls:
        terminalreporter.write_line(
            f"{FIGURES.routes} routes, {FIGURES.pictures} pictures in {PICTURES}, {FIGURES.controls} controls"
        )


@pytest.fixture
def figures() -> Figures:
    return FIGURES


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    return {"executable_path": PROGRAM, "args": FLAGS}


@pytest.fixture(scope="session")
def running(shared_dashboard: Dashboard) -> Dashboard:
    """The dashboard, with an account without rights beside the administrator's."""
    shared_dashboard.do(MAKE_MALLORY)
    shared_dashboard.start()
    return shared_dashboard


@pytest.fixture(scope="session")
def cast(running: Dashboard, lab_host: LabHost, guest_files: Guest) -> Iterator[Cast]:
    """web, deaf and stage run (deaf ignores its power button), idle is off; spice has SPICE only, blank no screen."""
    guests = Guests(lab_host, guest_files)
    cast = Cast(guests, running)
    cast.engage("web", run=True)
    cast.engage("deaf", obeys=False, run=True)
    cast.engage("idle")
    cast.engage("spice", graphics="spice")
    cast.engage("blank", graphics=None)
    yield cast
    guests.remove_all()


@pytest.fixture(scope="session")
def stage(cast: Cast) -> Stage:
    """More VMs than a page holds, one with a terrible name, one that is gone; operations of every outcome."""
    stage = Stage(cast)
    stage.set()
    return stage


@pytest.fixture(autouse=True)
def visitors_leave(request: pytest.FixtureRequest) -> Iterator[None]:
    """The next test finds the one host of the dashboard."""
    yield
    if "stage" in request.fixturenames:
        request.getfixturevalue("stage").visitors_leave()


def sign_in(page: Page, name: str, password: str) -> None:
    """Through the form, as a person does."""
    page.goto("/accounts/login/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


class Keys:
    """Who is signed in, by the cookies; each account signs in once, since sign-ins are counted."""

    def __init__(self, browser: Browser, dashboard: Dashboard) -> None:
        self.browser = browser
        self.dashboard = dashboard
        self.passwords = {ADMIN: dashboard.password, MALLORY: MALLORYS_PASSWORD}
        self.states: dict[str, StorageState] = {}

    def of(self, name: str) -> StorageState:
        if name not in self.states:
            context = self.browser.new_context(base_url=self.dashboard.url)
            page = context.new_page()
            self.sign_in(page, name)
            self.states[name] = context.storage_state()
            context.close()
        return self.states[name]

    def sign_in(self, page: Page, name: str) -> None:
        sign_in(page, name, self.passwords[name])
        page.wait_for_url(self.dashboard.url + "/")

    def forget(self, name: str) -> None:
        """That session has been ended."""
        self.states.pop(name, None)


@pytest.fixture(scope="session")
def keys(browser: Browser, running: Dashboard) -> Keys:
    return Keys(browser, running)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


@pytest.fixture
def watches() -> Iterator[dict[BrowserContext, Watch]]:
    """What is noted of each of the test's browsers; asked at its end."""
    watches: dict[BrowserContext, Watch] = {}
    yield watches
    for watch in watches.values():
        watch.check()


@pytest.fixture
def new_browser(
    request: pytest.FixtureRequest,
    browser: Browser,
    running: Dashboard,
    keys: Keys,
    watches: dict[BrowserContext, Watch],
) -> Iterator[NewContext]:
    """Makes watched contexts: new_browser("mallory"), new_browser(None) for nobody; more arguments are playwright's.

    says: what its pages may log as errors.
    """

    def make(name: str | None = ADMIN, *, says: Sequence[str] = (), **arguments: Any) -> BrowserContext:
        state = keys.of(name) if name else None
        # Whole Chromium lets a pressed button write to the clipboard; its headless shell refuses unless told.
        # A glyph that turns costs as much of a processor as the page that it stands on.
        shape = {"viewport": WIDE, "permissions": ["clipboard-write"], "reduced_motion": "reduce"}
        context = browser.new_context(**{**shape, "base_url": running.url, "storage_state": state, **arguments})
        context.set_default_timeout(15_000)
        watches[context] = Watch(context, running.url, says)
        return context

    yield make
    for context in watches:
        if request.node.stash.get(FAILED, False):
            name = request.node.name.replace("/", "-")
            for number, page in enumerate(context.pages):
                page.screenshot(path=PICTURES / f"failed-{name}-{number}.png")
        context.close()


@pytest.fixture
def context(new_browser: NewContext) -> BrowserContext:
    """The administrator's browser."""
    return new_browser()


@pytest.fixture
def watch(context: BrowserContext, watches: dict[BrowserContext, Watch]) -> Watch:
    """What is noted of the administrator's browser."""
    return watches[context]


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()
