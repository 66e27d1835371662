"""Working on a VM's serial line: typed, shared, taken over and back, and nothing that a guest prints does more than
draw."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Page, WebSocket, expect

from tests.browser.cast import Cast, Player
from tests.browser.conftest import NARROW, NewContext, sign_in
from tests.browser.watch import Watch
from tests.chaos.holds import stopped
from tests.lab.machine import eventually
from tests.lab.stack import Dashboard

BOB = "bob"
BOBS_PASSWORD = "another correct horse"
MAKE_BOB = f"""
from vms.models import User
User.objects.create_user("{BOB}", password="{BOBS_PASSWORD}", is_administrator=True)
"""


@pytest.fixture(scope="session")
def shell(cast: Cast) -> Player:
    """Runs, with a shell on its second serial line, the only one that can be opened, and with a screen."""
    player = cast.engage("shell", shell=True, run=True)
    player.guest.wait_for_boot()
    return player


@pytest.fixture(scope="session")
def bob(running: Dashboard) -> None:
    running.do(MAKE_BOB)


@pytest.fixture
def bobs_page(bob: None, new_browser: NewContext) -> Page:
    page = new_browser(None).new_page()
    sign_in(page, BOB, BOBS_PASSWORD)
    expect(page.get_by_role("button", name=f"Account: {BOB}")).to_be_visible()
    return page


def open_serial(page: Page, player: Player, more: str = "") -> None:
    page.goto(f"{player.path}serial/{more}")
    connected(page)


def connected(page: Page, *, within: float = 60) -> None:
    expect(page.locator("[data-serial]")).to_have_attribute("data-link", "connected", timeout=1000 * within)


def shows(page: Page, text: str, *, within: float = 20) -> None:
    """It stands on the terminal."""
    expect(page.locator(".xterm-rows")).to_contain_text(text, timeout=1000 * within)


def prompt(page: Page, player: Player) -> None:
    """The shell waits for a command; a guest that is still at its start may not have heard the first Enter."""
    page.locator(".xterm-screen").click()
    for _ in range(5):
        page.keyboard.press("Enter")
        with suppress(AssertionError):
            return shows(page, f"{player.name}:/#", within=6)
    shows(page, f"{player.name}:/#")


def run(page: Page, command: str) -> None:
    page.keyboard.insert_text(command)
    page.keyboard.press("Enter")


def say(page: Page, words: str) -> None:
    expect(page.locator("[data-say]")).to_contain_text(words)


def drives(page: Page, does: bool) -> None:
    """Whether what one types goes to the VM."""
    connected(page)
    button = page.get_by_role("button", name="Type text")
    expect(button).to_be_enabled() if does else expect(button).to_be_disabled()


def company(page: Page, words: str) -> None:
    expect(page.locator("#serial-company")).to_contain_text(words)


def test_it_is_typed_into(page: Page, shell: Player) -> None:
    open_serial(page, shell)
    prompt(page, shell)
    say(page, "Keys go to the VM")
    page.keyboard.type("echo kvmweb-$((6*7))")
    page.keyboard.press("Enter")
    shows(page, "kvmweb-42")
    page.keyboard.press("Control+Alt+Home")
    expect(page.get_by_role("button", name="Type text")).to_be_focused()


def test_what_it_said_is_there_after_another_tab_and_once(page: Page, shell: Player) -> None:
    open_serial(page, shell)
    prompt(page, shell)
    run(page, "clear; echo kept-$((100+23))")
    shows(page, "kept-123")
    page.get_by_role("navigation", name="Parts of this VM").get_by_role("link", name="Activity").click()
    page.get_by_role("navigation", name="Parts of this VM").get_by_role("link", name="Console").click()
    page.get_by_role("link", name="Serial").click()
    connected(page)
    shows(page, "kept-123")
    assert page.locator(".xterm-rows").inner_text().count("kept-123") == 1


def test_nothing_is_drawn_twice_when_the_way_is_lost_and_found(page: Page, shell: Player) -> None:
    open_serial(page, shell)
    prompt(page, shell)
    run(page, "clear; echo once-$((100+23))")
    shows(page, "once-123")
    page.get_by_role("button", name="View only").click()
    drives(page, False)
    page.get_by_role("button", name="View only").click()
    drives(page, True)
    page.locator(".xterm-screen").click()
    run(page, "echo then-$((200+23))")
    shows(page, "then-223")
    assert page.locator(".xterm-rows").inner_text().count("once-123") == 1


def test_two_people_take_it_from_each_other(page: Page, bobs_page: Page, shell: Player) -> None:
    open_serial(page, shell)
    prompt(page, shell)
    open_serial(bobs_page, shell)
    say(bobs_page, "view only")
    company(bobs_page, "admin uses it.")
    company(page, "Watching: bob")
    bobs_page.locator(".xterm-screen").click()
    bobs_page.keyboard.type("never")
    run(page, "echo both-$((20+2))")
    for one in (page, bobs_page):
        shows(one, "both-22")

    bobs_page.get_by_role("button", name="Take over").click()
    company(page, "bob took over.")
    say(page, "view only")
    say(bobs_page, "Keys go to the VM")
    page.locator(".xterm-screen").click()
    page.keyboard.type("nothing")
    run(bobs_page, "echo bobs-$((30+3))")
    for one in (page, bobs_page):
        shows(one, "bobs-33")

    page.get_by_role("button", name="Take back").click()
    company(bobs_page, "admin took over.")
    say(page, "Keys go to the VM")
    run(page, "echo mine-$((40+4))")
    shows(bobs_page, "mine-44")
    assert "never" not in page.locator(".xterm-rows").inner_text()
    assert "nothing" not in page.locator(".xterm-rows").inner_text()


def test_who_lost_it_does_not_get_it_by_coming_back(
    page: Page, bobs_page: Page, shell: Player, running: Dashboard, watches: dict[object, Watch]
) -> None:
    for each in watches.values():
        for complaint in ("WebSocket connection", "503", "409"):
            each.expect(complaint)
    open_serial(page, shell)
    open_serial(bobs_page, shell)
    bobs_page.get_by_role("button", name="Take over").click()
    company(page, "bob took over.")
    assert running.process
    with stopped(running.process.pid):
        os.kill(running.pid("console"), 15)
        for one in (page, bobs_page):
            expect(one.locator("[data-serial]")).to_have_attribute("data-link", re.compile("retrying|connecting"))
    for one in (page, bobs_page):
        connected(one)
    say(page, "view only")
    company(page, "bob uses it.")
    drives(bobs_page, True)
    bobs_page.goto("/")
    company(page, "Nobody types here now.")
    page.get_by_role("button", name="Type here").click()
    say(page, "Keys go to the VM")


SEQUENCES = [
    r"\033]0;title\007", r"\033]2;title\033\\", r"\033]1;icon\007",
    r"\033]4;1;?\007", r"\033]10;?\007", r"\033]11;?\007", r"\033]12;?\007", r"\033]11;#ff0000\007", r"\033]104\007",
    r"\033]52;c;c3RvbGVu\007", r"\033]52;c;?\007", r"\033]8;;https://evil.example\033\\good\033]8;;\033\\",
    r"\033[c", r"\033[>c", r"\033[=c", r"\033[0c", r"\033[5n", r"\033[6n", r"\033[?6n", r"\033[?25\$p", r"\033[4\$p",
    r"\033[18t", r"\033[14t", r"\033[16t", r"\033[21t", r"\033[22;0t", r"\033[8;5;10t", r"\033[x", r"\033[>q",
    r"\033P\$qm\033\\", r"\033P\$q\042p\033\\", r"\033P+q544e\033\\", r"\033Z", r"\005", r"\033[?1004h",
    r"\033]777;notify;a;b\007", r"\033]9;message\007",
]  # fmt: skip


def test_what_a_guest_prints_reaches_nothing_and_is_answered_by_nothing(new_browser: NewContext, shell: Player) -> None:
    context = new_browser(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    sent: list[bytes] = []

    def listen(socket: WebSocket) -> None:
        if "/console/" in socket.url:
            socket.on("framesent", lambda frame: sent.append(frame if isinstance(frame, bytes) else frame.encode()))

    page.on("websocket", listen)
    open_serial(page, shell)
    prompt(page, shell)
    page.evaluate("navigator.clipboard.writeText('mine')")
    page.locator(".xterm-screen").click()
    title, size = page.title(), page.evaluate("document.querySelector('.xterm-rows').children.length")
    run(
        page, "clear; printf '" + "".join(SEQUENCES) + r"'; printf '\033[38;2;1;200;3mgreen\033[0m'; echo done-$((1+1))"
    )
    shows(page, "done-2")
    after = len(sent)
    assert b"".join(sent).endswith(b"\r")
    # The focus goes and comes: a terminal that reports it would type.
    page.get_by_role("button", name="Find").focus()
    page.locator(".xterm-screen").click()
    page.wait_for_timeout(500)
    assert sent[after:] == []
    assert page.title() == title
    assert page.evaluate("navigator.clipboard.readText()") == "mine"
    assert page.evaluate("document.querySelector('.xterm-rows').children.length") == size
    assert page.evaluate("getComputedStyle(document.querySelector('.xterm-scrollable-element')).backgroundColor") in (
        "rgb(14, 17, 20)", "rgba(0, 0, 0, 0)",
    )  # fmt: skip
    assert "evil.example" not in page.locator(".xterm").inner_html()
    green = page.locator(".xterm-rows span", has_text="green").last
    assert green.evaluate("(one) => getComputedStyle(one).color") == "rgb(1, 200, 3)"


def test_the_guest_is_told_the_size(page: Page, shell: Player) -> None:
    open_serial(page, shell)
    prompt(page, shell)
    page.get_by_role("button", name="Tell the guest the size").click()
    run(page, "stty size | tr ' ' x")
    rows = page.evaluate("document.querySelector('.xterm-rows').children.length")
    expect(page.locator(".xterm-rows")).to_have_text(re.compile(rf"{rows}x1\d\d"))


def test_it_is_saved_as_text_and_found(page: Page, shell: Player) -> None:
    open_serial(page, shell)
    prompt(page, shell)
    run(page, "clear; i=0; while [ $i -lt 200 ]; do echo line-$i; i=$((i+1)); done")
    shows(page, "line-199")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as text").click()
    assert re.fullmatch(r"shell serial1 \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d\.txt", download.value.suggested_filename)
    lines = download.value.path().read_text().splitlines()
    assert [f"line-{number}" for number in range(200)] == [line for line in lines if line.startswith("line-")]
    page.get_by_role("button", name="Find").click()
    page.get_by_label("Find above").fill("line-17")
    page.locator("#console-find").get_by_role("button", name="Find").click()
    expect(page.locator("[data-seek-said]")).to_be_empty()
    page.get_by_label("Find above").fill("nowhere")
    page.locator("#console-find").get_by_role("button", name="Find").click()
    expect(page.locator("[data-seek-said]")).to_have_text("Not found.")


def test_on_a_telephone(new_browser: NewContext, shell: Player) -> None:
    page = new_browser(viewport=NARROW, has_touch=True, is_mobile=True).new_page()
    open_serial(page, shell)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.get_by_role("button", name="Keyboard").tap()
    expect(page.locator("[data-catcher]")).to_be_focused()
    page.keyboard.press("Enter")
    shows(page, f"{shell.name}:/#")
    row = page.get_by_role("toolbar", name="Keys")
    page.keyboard.type("echo wrong")
    row.get_by_role("button", name="Ctrl").tap()
    page.keyboard.type("u")
    page.keyboard.insert_text("ecoh")
    for _ in range(2):
        page.keyboard.press("Backspace")
    page.keyboard.insert_text("ho hand-$((6*7))")
    page.keyboard.press("Enter")
    shows(page, "hand-42")
    row.get_by_role("button", name="Up", exact=True).tap()
    page.keyboard.press("Enter")
    eventually(lambda: page.locator(".xterm-rows").inner_text().count("hand-42") == 2, "the last command again")


def test_a_tool_stays_under_the_pointer_that_presses_it(new_browser: NewContext, shell: Player) -> None:
    page = new_browser(viewport=NARROW).new_page()
    open_serial(page, shell)
    page.locator(".xterm-screen").click()
    say(page, "Keys go to the VM.")
    tool = page.locator("[popovertarget=console-find]")
    tool.hover()
    page.mouse.down()
    before = tool.bounding_box()
    # Longer than a page takes to draw anew what the lost focus changes.
    page.wait_for_timeout(300)
    assert tool.bounding_box() == before
    page.mouse.up()
    expect(page.locator("#console-find")).to_be_visible()
    say(page, "Click the terminal to type.")


def test_one_who_says_nothing_is_asked_to_press_enter(page: Page, cast: Cast) -> None:
    player = cast.engage("quiet", shell=True, run=True)
    player.guest.wait_for_boot()
    open_serial(page, player)
    expect(page.locator("[data-hint]")).to_be_visible()
    expect(page.locator("[data-hint]")).to_contain_text("console=ttyS0")
    prompt(page, player)
    expect(page.locator("[data-hint]")).to_be_hidden()


def test_without_a_screen_the_console_is_the_serial_line_and_start_is_on_the_card(
    page: Page, cast: Cast, watches: dict[object, Watch]
) -> None:
    for each in watches.values():
        # The page comes back to a line that ends in this moment.
        each.expect("409")
    player = cast.engage("headless", graphics=None, shell=True)
    page.goto(player.console)
    expect(page.locator("[data-serial]")).to_be_visible()
    expect(page.locator("#serial-card")).to_contain_text("headless is shut off.")
    page.locator("#serial-card").get_by_role("button", name="Start").click()
    connected(page)
    player.guest.wait_for_boot()
    prompt(page, player)
    player.guest.domain.destroy()
    expect(page.locator("#serial-card")).to_contain_text("headless is shut off.", timeout=60_000)
    say(page, "No serial line now.")
    player.guest.domain.create()
    connected(page)
    player.guest.wait_for_boot(2)
    prompt(page, player)
    page.get_by_role("link", name="Screen").click()
    expect(page.locator("#console-card")).to_contain_text("This VM has no screen.")


def test_a_serial_console_is_added_for_the_next_start(page: Page, cast: Cast) -> None:
    player = cast.engage("mute", run=True)
    page.goto(f"{player.path}serial/")
    card = page.locator("#serial-card")
    expect(card).to_contain_text("This VM has no serial console.")
    card.get_by_role("button", name="Add a serial console").click()
    expect(card).to_contain_text("from its next start on", timeout=60_000)
    player.guest.domain.destroy()
    expect(card).to_contain_text("is shut off", timeout=60_000)
    card.get_by_role("button", name="Start").click()
    connected(page)


@pytest.fixture
def virsh(shell: Player) -> Iterator[subprocess.Popen[bytes]]:
    """Somebody who holds the line on the host."""
    command = ["script", "-qec", f"virsh -c {shell.guest.host.uri} console shell serial1 --force", "/dev/null"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        while b"Escape character" not in process.stdout.readline():
            pass
        yield process
        process.kill()


def test_a_line_that_is_held_on_the_host_is_taken_only_when_asked(
    page: Page, virsh: subprocess.Popen[bytes], shell: Player
) -> None:
    page.goto(f"{shell.path}serial/")
    held = page.locator("[data-held]")
    expect(held).to_contain_text("Another program on the host holds this serial line.")
    held.get_by_role("button", name="Try again").click()
    expect(page.locator("[data-serial]")).to_have_attribute("data-link", "ended")
    expect(held).to_be_visible()
    assert virsh.poll() is None
    held.get_by_role("button", name="Take the line").click()
    connected(page)
    prompt(page, shell)
    eventually(lambda: virsh.poll() is not None, "virsh has lost it")
