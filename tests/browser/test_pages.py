"""Every page: a picture in both themes on a desk and on a telephone, nothing for axe to find, nothing too wide."""

from __future__ import annotations

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Group
from playwright.sync_api import expect

from tests import routes
from tests.browser.chromium import axe
from tests.browser.conftest import NARROW, PICTURES, WIDE, Figures, NewContext
from tests.browser.scenes import SCENES, Scene
from tests.browser.stage import Stage
from vms.models import (
    Alert,
    AlertSilence,
    AlertSink,
    ApiToken,
    Console,
    Grant,
    Host,
    HostPlan,
    Image,
    Network,
    Offer,
    Operation,
    Quota,
    Schedule,
    Size,
    StoragePool,
    User,
    VirtualMachine,
    Volume,
)

TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_it_is_in_order(
    scene: Scene, stage: Stage, new_browser: NewContext, figures: Figures, pytestconfig: pytest.Config
) -> None:
    faults: list[str] = []
    # Contrast hangs on the theme, the rest on the shape: two looks see both. Four pictures are for people.
    everything = pytestconfig.option.markexpr == ""
    for size in (WIDE, NARROW):
        path = scene.path(stage)
        shape = {"viewport": size, "is_mobile": size is NARROW, "has_touch": size is NARROW}
        page = new_browser(scene.who, says=scene.says, reduced_motion="reduce", **shape).new_page()
        page.goto(path)
        scene.do(page)
        for theme in ("light", "dark") if everything else ("light",) if size is WIDE else ("dark",):
            page.emulate_media(color_scheme=theme)
            expect(page.locator("html")).to_have_attribute("data-bs-theme", theme)
            page.screenshot(path=PICTURES / f"{scene.name}-{size['width']}-{theme}.png", animations="disabled")
            figures.pictures += 1
            if (size is WIDE) == (theme == "light"):
                faults += [f"{size['width']} {theme}: {line}" for line in axe(page)]
        if size is NARROW and (wide := page.evaluate(TOO_WIDE)) > 0:
            faults.append(f"{wide} px too wide")
    assert not faults, "\n".join(faults)


def test_a_telephone_reaches_what_a_desk_reaches(new_browser: NewContext) -> None:
    page = new_browser(viewport=NARROW, is_mobile=True, has_touch=True).new_page()
    page.goto("/")
    links = "places => places.map(place => place.getAttribute('href'))"
    desk = page.locator(".side nav a").evaluate_all(links)
    assert set(desk) <= set(page.locator(".bottom a, #more-menu a").evaluate_all(links)) and len(desk) > 8
    page.get_by_role("button", name="More").tap()
    page.get_by_role("link", name="Storage", exact=True).tap()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Storage")


def test_every_page_has_a_scene(stage: Stage, new_browser: NewContext, figures: Figures) -> None:
    ask = new_browser(says=("",)).request
    shown = {scene.route for scene in SCENES}
    known = routes.routes()
    assert shown <= set(known), f"no such route: {shown - set(known)}"
    world = routes.World(
        Host(pk=1),
        VirtualMachine(pk=stage.cast["web"].pk),
        Operation(pk=stage.operations["failed"]),
        Grant(pk=1),
        Quota(pk=1),
        Size(pk=1),
        User(pk=1),
        UserSession(pk=1),
        Console(pk=1),
        ApiToken(pk=1),
        Group(pk=1),
        StoragePool(pk=1),
        Volume(pk=1),
        Network(pk=1),
        Image(pk=1),
        Volume(pk=1),
        Offer(pk=1),
        Alert(pk=1),
        AlertSilence(pk=1),
        AlertSink(pk=1),
        HostPlan(pk=1),
        Schedule(pk=1),
    )
    forgotten = []
    for route in known:
        answer = ask.get(routes.address(route, world.values(route)), max_redirects=0)
        if "<html" in answer.text() and answer.ok and route not in shown:
            forgotten.append(route)
    assert not forgotten
    figures.routes = len(shown)
