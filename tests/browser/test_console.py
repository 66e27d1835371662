"""Working in a VM's screen: what is typed arrives, what ends it is said, what is missing is offered."""

from __future__ import annotations

import os
import re
import signal
import time
from string import ascii_lowercase, ascii_uppercase

import pytest
from playwright.sync_api import Error, Page, expect

from tests.browser.cast import Cast, Player
from tests.browser.conftest import NARROW, Figures, NewContext, sign_in
from tests.browser.watch import Watch
from tests.chaos.holds import stopped
from tests.lab.machine import eventually
from tests.lab.stack import ADMIN, Dashboard

# Playwright's typing sends no Shift of its own, and QEMU takes the place of a key: what needs Shift is pressed with it.
SHIFTED = dict(zip('~!@#$%^&*()_+{}|:"<>?' + ascii_uppercase, "`1234567890-=[]\\;',./" + ascii_lowercase, strict=True))


def say(page: Page, words: str, *, within: float = 60) -> None:
    expect(page.locator("[data-say]")).to_contain_text(words, timeout=1000 * within)


def open_console(page: Page, player: Player) -> None:
    page.goto(player.console)
    connected(page)


def connected(page: Page, *, within: float = 60) -> None:
    expect(page.locator("[data-console]")).to_have_attribute("data-link", "connected", timeout=1000 * within)


def type_with_shift(page: Page, text: str) -> None:
    for character in text:
        page.keyboard.press(f"Shift+{SHIFTED[character]}" if character in SHIFTED else character)


def said_by(player: Player, line: str) -> int:
    return sum(said.strip() == line for said in player.guest.lines())


def heard(player: Player, line: str, before: int, *, within: float = 40) -> None:
    eventually(lambda: said_by(player, line) > before, f"{line!r} on the serial line", within=within)


def test_start_it_and_work_in_its_screen(page: Page, cast: Cast) -> None:
    cast.is_off("web")
    player = cast["web"]
    boots = len(player.guest.boots())
    page.goto(player.console)
    expect(page.locator("#console-card")).to_contain_text("web is shut off.")
    page.evaluate("window.sameDocument = true")
    page.locator("#console-card").get_by_role("button", name="Start").click()
    expect(page.locator("#vm-header")).to_have_attribute("data-state", "running", timeout=60_000)
    connected(page)
    assert page.evaluate("window.sameDocument")
    player.guest.wait_for_boot(boots + 1)
    before = said_by(player, "kvmweb-42")
    page.locator("[data-screen] canvas").click()
    say(page, "Keys go to the VM")
    type_with_shift(page, "echo kvmweb-$((6*7)) > /dev/ttyS0")
    page.keyboard.press("Enter")
    heard(player, "kvmweb-42", before)


def test_the_same_on_a_telephone(new_browser: NewContext, cast: Cast) -> None:
    cast.is_on("web")
    player = cast["web"]
    page = new_browser(viewport=NARROW, has_touch=True, is_mobile=True).new_page()
    open_console(page, player)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    before = said_by(player, "kvmweb-42")
    page.get_by_role("button", name="Keyboard").tap()
    expect(page.locator("[data-catcher]")).to_be_focused()
    page.keyboard.type("echo wrong")
    page.keyboard.press("Backspace")
    row = page.get_by_role("toolbar", name="Keys")
    row.get_by_role("button", name="Ctrl").tap()
    expect(row.get_by_role("button", name="Ctrl")).to_have_attribute("aria-pressed", "true")
    page.keyboard.type("u")
    expect(row.get_by_role("button", name="Ctrl")).to_have_attribute("aria-pressed", "false")
    # What a telephone's keyboard does: it writes words into the field, and replaces them.
    page.keyboard.insert_text("ecoh")
    for _ in range(2):
        page.keyboard.press("Backspace")
    page.keyboard.insert_text("ho kvmweb-$((6*7)) > /dev/ttyS0")
    expect(page.locator("[data-catcher]")).to_be_focused()
    page.keyboard.press("Enter")
    heard(player, "kvmweb-42", before)


def test_view_only_shows_and_does_not_type(page: Page, cast: Cast) -> None:
    cast.is_on("web")
    player = cast["web"]
    open_console(page, player)
    switch = page.get_by_role("button", name="View only")
    switch.click()
    say(page, "view only")
    expect(page.get_by_role("button", name="Keys")).to_be_disabled()
    page.locator("[data-screen] canvas").click()
    type_with_shift(page, "watched")
    time.sleep(1)
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "false")
    connected(page)
    page.locator("[data-screen] canvas").click()
    # Had the first word arrived, this would be no command.
    before = said_by(player, "driven")
    type_with_shift(page, "echo driven > /dev/ttyS0")
    page.keyboard.press("Enter")
    heard(player, "driven", before)


def test_a_text_is_typed_as_keys(page: Page, cast: Cast) -> None:
    cast.is_on("web")
    player = cast["web"]
    open_console(page, player)
    before = said_by(player, 'It\'s "so" {1} ~|\\?')
    page.get_by_role("button", name="Type text").click()
    field = page.get_by_label("Text to type as keys")
    field.fill("größer")
    page.get_by_role("button", name="Type it").click()
    expect(page.locator("[data-typing-said]")).to_have_text("Cannot be typed as keys: ö ß")
    field.fill("echo 'It'\"'\"'s \"so\" {1} ~|\\?' > /dev/ttyS0\n")
    page.get_by_role("button", name="Type it").click()
    expect(page.locator("[data-typing-said]")).to_have_text("Typed.")
    heard(player, 'It\'s "so" {1} ~|\\?', before)


def test_clipboards_cross_by_a_click_each_way(page: Page, cast: Cast) -> None:
    player = cast.engage("pasting", clipboard=True, run=True)
    open_console(page, player)
    player.guest.wait_for_boot()
    page.get_by_role("button", name="Clipboard").click()
    expect(page.get_by_role("button", name="Copy it here")).to_be_disabled()
    page.get_by_label("For the VM's clipboard").fill("from the desk, größer")
    page.get_by_role("button", name="Give it to the VM").click()
    expect(page.locator("[data-clipboard-said]")).to_have_text("The VM has it.")
    player.guest.wait_for_line("clipboard from the desk")
    expect(page.get_by_label("The VM's clipboard", exact=True)).to_have_value("heard: from the desk, größer")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy it here").click()
    expect(page.locator("[data-clipboard-said]")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == "heard: from the desk, größer"


def test_a_text_is_typed_for_the_vms_own_keyboard(page: Page, cast: Cast) -> None:
    cast.is_on("web")
    player = cast["web"]
    open_console(page, player)
    before = said_by(player, "yz-kvmweb")
    page.get_by_role("button", name="Type text").click()
    field = page.get_by_label("Text to type as keys")
    page.get_by_label("Keyboard of the VM").select_option("German")
    # The guest has a US keyboard, so that it reads what stands there at the places of these German keys.
    field.fill("echo zyßkvmweb > -dev-ttzS0\n")
    page.get_by_role("button", name="Type it").click()
    expect(page.locator("[data-typing-said]")).to_have_text("Typed.")
    heard(player, "yz-kvmweb", before)
    field.fill("größer €@~ £")
    page.get_by_role("button", name="Type it").click()
    expect(page.locator("[data-typing-said]")).to_have_text("Cannot be typed as keys: £")


class Fingers:
    """Fingers on the picture, in parts of its width and height."""

    def __init__(self, page: Page) -> None:
        self.session = page.context.new_cdp_session(page)
        box = page.locator("[data-stage]").bounding_box()
        assert box
        self.box = box

    def touch(self, kind: str, *points: tuple[float, float]) -> None:
        box = self.box
        self.session.send(
            "Input.dispatchTouchEvent",
            {
                "type": kind,
                "touchPoints": [
                    {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"], "id": number}
                    for number, (x, y) in enumerate(points)
                ],
            },
        )

    def move(self, start: list[tuple[float, float]], end: list[tuple[float, float]]) -> None:
        """All fingers down, then along straight lines, then up."""
        steps = 12
        self.touch("touchStart", *start)
        for step in range(1, steps + 1):
            part = step / steps
            self.touch(
                "touchMove",
                *((a + (c - a) * part, b + (d - b) * part) for (a, b), (c, d) in zip(start, end, strict=True)),
            )
            time.sleep(0.02)
        self.touch("touchEnd")


def picture(page: Page) -> dict[str, float]:
    box = page.locator("[data-screen] canvas").bounding_box()
    assert box
    return {"x": round(box["x"]), "y": round(box["y"]), "width": round(box["width"]), "height": round(box["height"])}


def test_two_fingers_enlarge_and_move_the_picture_and_one_points(new_browser: NewContext, cast: Cast) -> None:
    cast.is_on("web")
    player = cast["web"]
    page = new_browser(viewport=NARROW, has_touch=True, is_mobile=True).new_page()
    open_console(page, player)
    page.locator("[data-stage]").scroll_into_view_if_needed()
    player.guest.wait_for_count()
    before, pointed = picture(page), said_by(player, "pointer")
    fingers = Fingers(page)
    fingers.move([(0.45, 0.5), (0.55, 0.5)], [(0.3, 0.5), (0.7, 0.5)])
    eventually(lambda: picture(page)["width"] > 2 * before["width"], "the picture is larger")
    large = picture(page)
    # What lay between the fingers is there still.
    assert abs(large["x"] + large["width"] / 2 - (before["x"] + before["width"] / 2)) < 0.1 * large["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    fingers.move([(0.45, 0.5), (0.55, 0.5)], [(0.65, 0.6), (0.75, 0.6)])
    eventually(lambda: picture(page)["x"] > large["x"] + 30, "the picture has moved")
    assert picture(page)["width"] == large["width"]
    # Nothing of it was the VM's.
    player.guest.wait_for_count()
    assert said_by(player, "pointer") == pointed
    fingers.move([(0.5, 0.5)], [(0.6, 0.5)])
    eventually(lambda: said_by(player, "pointer") > pointed, "one finger is the VM's pointer", within=40)
    fingers.move([(0.1, 0.5), (0.9, 0.5)], [(0.45, 0.5), (0.55, 0.5)])
    eventually(lambda: picture(page) == before, "the picture is as it was")


def test_combinations_arrive(page: Page, cast: Cast) -> None:
    cast.is_on("web")
    player = cast["web"]
    open_console(page, player)
    page.locator("[data-screen] canvas").click()
    type_with_shift(page, "cat > /dev/ttyS0")
    page.keyboard.press("Enter")
    type_with_shift(page, "before")
    page.keyboard.press("Enter")
    heard(player, "before", 0)
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Ctrl", exact=True).check()
    page.get_by_label("Key", exact=True).fill("nothing")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("[data-combo-said]")).to_have_text("No key is called nothing.")
    page.get_by_label("Key", exact=True).fill("c")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("[data-combo-said]")).to_have_text("Sent Control-c.")
    page.keyboard.press("Escape")
    page.locator("[data-screen] canvas").click()
    type_with_shift(page, "echo after > /dev/ttyS0")
    page.keyboard.press("Enter")
    heard(player, "after", 0)


def test_ctrl_alt_del_reboots_and_the_screen_stays(page: Page, cast: Cast) -> None:
    cast.is_on("web")
    player = cast["web"]
    boots = len(player.guest.boots())
    open_console(page, player)
    page.get_by_role("button", name="Keys").click()
    page.get_by_role("button", name="Ctrl-Alt-Del", exact=True).click()
    player.guest.wait_for_boot(boots + 1)
    connected(page)


def test_it_comes_back_by_itself_when_the_vm_does(page: Page, cast: Cast, watch: Watch) -> None:
    for complaint in ("Failed when connecting", "409"):
        watch.expect(complaint)
    cast.is_on("web")
    player = cast["web"]
    open_console(page, player)
    player.guest.domain.destroy()
    expect(page.locator("#console-card")).to_contain_text("web is shut off.", timeout=60_000)
    expect(page.locator("[data-last]")).to_be_visible()
    assert page.evaluate("document.querySelector('[data-last]').width") > 100
    say(page, "No screen now.")
    player.guest.domain.create()
    connected(page)
    expect(page.locator("#console-card")).to_be_hidden()
    expect(page.locator("[data-last]")).to_be_hidden()


def test_it_comes_back_by_itself_when_the_relay_does(page: Page, cast: Cast, running: Dashboard, watch: Watch) -> None:
    for complaint in ("WebSocket connection", "Failed when connecting", "503", "409"):
        watch.expect(complaint)
    cast.is_on("web")
    open_console(page, cast["web"])
    relay = running.pid("console")
    assert running.process
    with stopped(running.process.pid):
        os.kill(relay, signal.SIGKILL)
        expect(page.locator("[data-console]")).to_have_attribute("data-link", re.compile("retrying|connecting"))
    connected(page, within=40)
    assert running.pid("console") != relay


def test_what_is_typed_while_disconnected_is_not_sent_and_the_page_says_so(
    page: Page, cast: Cast, running: Dashboard, watch: Watch
) -> None:
    for complaint in ("WebSocket connection", "Failed when connecting", "409"):
        watch.expect(complaint)
    cast.is_on("web")
    player = cast["web"]
    open_console(page, player)
    lost, back = said_by(player, "lost"), said_by(player, "back")
    page.get_by_role("button", name="Type text").click()
    page.get_by_label("Text to type as keys").fill("# " + 2000 * "x")
    page.get_by_role("button", name="Type it").click()
    expect(page.locator("[data-typing-said]")).to_contain_text(" of 2002 typed.")
    page.locator("[data-screen] canvas").click()
    assert running.process
    # Nobody starts the relay again meanwhile.
    with stopped(running.process.pid):
        os.kill(running.pid("console"), signal.SIGKILL)
        expect(page.locator("[data-typing-said]")).to_have_text(re.compile(r"lost: at most \d+ of 2002 arrived"))
        say(page, "What you type is not sent.")
        # Nor is it taken for the page's own commands: "/" is its search.
        type_with_shift(page, "echo lost > /dev/ttyS0")
        page.keyboard.press("Enter")
    connected(page)
    say(page, "Keys go to the VM")
    page.locator("[data-screen] canvas").click()
    page.keyboard.press("Control+C")
    type_with_shift(page, "echo back > /dev/ttyS0")
    page.keyboard.press("Enter")
    heard(player, "back", back)
    assert said_by(player, "lost") == lost


def test_keys_are_given_back_without_a_mouse(page: Page, cast: Cast) -> None:
    cast.is_on("web")
    open_console(page, cast["web"])
    page.locator("[data-screen] canvas").click()
    page.keyboard.press("Tab")
    say(page, "Keys go to the VM")
    page.keyboard.press("Control+Alt+Home")
    expect(page.get_by_role("button", name="Keys")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Type text")).to_be_focused()


def test_a_screenshot_is_a_png_of_the_screen(page: Page, cast: Cast) -> None:
    cast.is_on("web")
    open_console(page, cast["web"])
    with page.expect_download() as download:
        page.get_by_role("button", name="Screenshot").click()
    assert re.fullmatch(r"web \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d\.png", download.value.suggested_filename)
    assert download.value.path().read_bytes().startswith(b"\x89PNG")


def test_fit_one_to_one_and_full_screen(page: Page, cast: Cast) -> None:
    cast.is_on("web")
    open_console(page, cast["web"])
    canvas = page.locator("[data-screen] canvas")
    own = page.evaluate("document.querySelector('[data-screen] canvas').width")

    def width() -> float:
        box = canvas.bounding_box()
        assert box
        return box["width"]

    assert width() != own
    page.get_by_role("button", name="Fit").click()
    eventually(lambda: width() == own, "1:1")
    page.get_by_role("button", name="Fit").click()
    page.get_by_role("button", name="Full screen").click()
    eventually(lambda: page.evaluate("!!document.fullscreenElement"), "full screen")
    bar = page.get_by_role("toolbar", name="Console")
    expect(bar).to_be_hidden()
    page.get_by_role("button", name="Bar").click()
    expect(bar).to_be_visible()
    page.get_by_role("button", name="Leave full screen").click()
    eventually(lambda: not page.evaluate("!!document.fullscreenElement"), "no full screen")


def has_ended(page: Page) -> bool:
    """The own window closed itself, or it shows the door."""
    try:
        return "/accounts/login/" in page.url or bool(page.evaluate("window.closedItself"))
    except Error:  # it is on its way to the door
        return False


def test_signing_out_elsewhere_ends_it(
    new_browser: NewContext, cast: Cast, running: Dashboard, figures: Figures
) -> None:
    cast.is_on("web")
    context = new_browser(None)
    page = context.new_page()
    sign_in(page, ADMIN, running.password)
    page.wait_for_url(running.url + "/")
    other = context.new_page()
    other.goto("/")
    page.goto(cast["web"].console + "?own")
    connected(page)
    page.evaluate("window.close = () => (window.closedItself = true)")
    other.get_by_role("button", name=f"Account: {ADMIN}").click()
    began = time.monotonic()
    other.get_by_role("button", name="Sign out").click()
    eventually(lambda: has_ended(page), "the console has ended", every=0.05)
    figures.add(f"sign-out to the end of an open console: {time.monotonic() - began:.1f} s")


def test_own_window_opens_once(page: Page, cast: Cast) -> None:
    cast.is_on("web")
    open_console(page, cast["web"])
    with page.expect_popup() as popup:
        page.get_by_role("link", name="Own window").click()
    connected(popup.value)
    expect(popup.value.get_by_role("link", name="Own window")).to_have_count(0)
    page.get_by_role("link", name="Own window").click()
    connected(popup.value)
    assert len(page.context.pages) == 2


@pytest.mark.parametrize(
    ("name", "words", "button"),
    [
        ("spice", "This VM has a SPICE screen", "Add a VNC screen"),
        ("blank", "This VM has no screen", "Add a screen"),
    ],
)
def test_what_it_lacks_is_said_and_offered(page: Page, cast: Cast, name: str, words: str, button: str) -> None:
    player = cast.engage(f"{name}-screen", graphics="spice" if name == "spice" else None, run=True)
    page.goto(player.console)
    card = page.locator("#console-card")
    expect(card).to_contain_text(words)
    if name == "spice":
        expect(card.locator("code")).to_contain_text(f"/system {player.guest.uuid}")
    card.get_by_role("button", name=button).click()
    expect(card).to_contain_text("from its next start on", timeout=60_000)
    player.guest.domain.destroy()
    expect(card).to_contain_text("is shut off", timeout=60_000)
    card.get_by_role("button", name="Start").click()
    connected(page)
    kinds = re.findall(r"<graphics type='(\w+)'", player.guest.domain.XMLDesc())
    assert kinds == (["spice", "vnc"] if name == "spice" else ["vnc"])
