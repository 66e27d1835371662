"""No dead controls: whatever can be pressed on a page is pressed once, and something must come of it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import NARROW, WIDE, Figures, Keys, NewContext
from tests.browser.controls import Wire, find, locate, press
from tests.browser.scenes import SCENES, Scene
from tests.browser.stage import Stage

# The frame around a page is pressed on one page; these show what another scene shows, too. Whatever is pressed where
# all are ticked would be asked of all of the crowd, and no machine of ours runs so many.
WITH_FRAME = "overview"
SAME = {
    "xml-off",
    "vm-strange",
    "list-page-2",
    "list-filtered",
    "list-all-ticked",
    "vm-activity",
    "host-activity",
    "hosts",
    "audit-wrong",
    "user-link",
    "list-tags",
    "volume-wipe",
    # Its buttons would move what other scenes show; "host-emptied" has the others.
    "host-maintenance",
    # Nor is a VM dumped for nothing.
    "dump",
    # A question with its two buttons, as "force-off" and "host-remove" are.
    "nmi",
    "discard-saved",
    "reset",
    "host-new-key",
    "pool-stop",
    "network-stop",
    "network-restart",
    "network-delete",
    "schedule-remove",
    "snapshot-revert",
    "snapshot-delete",
    "snapshot-rename",
}


# What something came of, by route, person and width: there it is not pressed again in another scene of the same page,
# nor what pages show alike on another page.
PRESSED: set[tuple[object, ...]] = set()


@pytest.fixture
def rows(pytestconfig: pytest.Config) -> int:
    """Of how many rows of a list, which are alike."""
    return 3 if pytestconfig.option.markexpr == "" else 1


@pytest.fixture
def pressed(pytestconfig: pytest.Config) -> set[tuple[object, ...]]:
    """The same for all scenes; with the tests marked long each scene has its own, and all is pressed in each."""
    return set() if pytestconfig.option.markexpr == "" else PRESSED


def load(page: Page, scene: Scene, stage: Stage, keys: Keys) -> None:
    """The scene, as it is before anything is pressed."""
    path = scene.path(stage)
    page.goto(path)
    if scene.who and page.url.partition("?")[0].endswith("/accounts/login/"):
        keys.forget(scene.who)
        keys.sign_in(page, scene.who)
        page.goto(path)
    scene.do(page)
    page.evaluate("() => controls.calm()")


def part(page: Page, scene: Scene) -> str:
    """Where to press: what is open lies above the rest, which another scene shows."""
    if page.locator(":popover-open").count():
        return ":popover-open"
    return "body" if scene.name == WITH_FRAME else "main, dialog"


@pytest.mark.parametrize(
    ("scene", "size"),
    [(scene, WIDE) for scene in SCENES if scene.name not in SAME]
    + [(scene, NARROW) for scene in SCENES if scene.name == WITH_FRAME],
    ids=lambda value: value.name if isinstance(value, Scene) else str(value["width"]),
)
def test_it_has_no_dead_control(
    scene: Scene,
    size: dict[str, int],
    stage: Stage,
    new_browser: NewContext,
    keys: Keys,
    figures: Figures,
    rows: int,
    pressed: set[tuple[object, ...]],
) -> None:
    context = new_browser(scene.who, viewport=size, says=(*scene.says, "409", "status of 40", "WebSocket"))
    page = context.new_page()
    wire = Wire(page)
    load(page, scene, stage, keys)
    within = part(page, scene)
    faults: list[str] = []
    fresh = True
    addresses: set[str] = set()
    for control in find(page, within, rows):
        place = (control.frame or scene.route, scene.who, size["width"], control.name, control.same)
        if place in pressed:
            continue
        if not fresh:
            load(page, scene, stage, keys)
        element = locate(page, within, control, rows)
        if element is None:
            continue
        effects = press(page, control, element, wire)
        address = page.evaluate("controls.isFile ? '' : controls.followed") if "link" in effects else ""
        if address.startswith(stage.dashboard.url) and address not in addresses:
            addresses.add(address)
            answer = context.request.get(address, headers={"Accept": "text/html"})
            if not answer.ok and scene.says == ():
                faults.append(f"leads to {answer.status}: {address}")
        figures.controls += 1
        if effects:
            pressed.add(place)
        else:
            faults.append(f"dead: {control.name}")
        for popup in context.pages[1:]:
            popup.close()
        wire.settle()
        harmless = {"link"} if control.kind == "link" else {"focus", "field", "tick"}
        fresh = effects <= harmless
    assert not faults, "\n".join(faults)
