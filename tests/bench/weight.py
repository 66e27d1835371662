"""What a browser with an empty cache fetches for a page, as it comes over the network."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Page

from tests.bench.event_to_page import sign_in
from tests.bench.figures import Figure
from tests.bench.stage import Stage

GOAL = 200_000


def measure(stage: Stage) -> list[Figure]:
    guest = stage.guests.make("weighed")
    dashboard = stage.small_dashboard
    vm = dashboard.vm(guest.uuid)
    context = stage.chromium.new_context()
    sign_in(context.new_page(), dashboard.url, dashboard.password)
    figures = []
    for words, path in (("VM list", "/vms/"), ("VM page", f"/vms/{vm}/")):
        page = context.new_page()
        size, addresses = weigh(page, dashboard.url + path)
        page.close()
        outside = [address for address in addresses if not address.startswith((dashboard.url, "data:"))]
        figures.append(
            Figure(
                f"page weight: first load of the {words}",
                f"{size / 1000:.0f} kB in {len(addresses)} requests; from outside: {len(outside)}",
                f"at most {GOAL / 1000:.0f} kB, nothing from outside",
                size <= GOAL and not outside,
            )
        )
    context.close()
    guest.remove()
    return figures


def weigh(page: Page, url: str) -> tuple[int, list[str]]:
    """Bytes as received, headers included, and the addresses, of a load without a cache."""
    addresses: list[str] = []
    sizes: list[int] = []
    network = page.context.new_cdp_session(page)
    network.on("Network.requestWillBeSent", lambda event: addresses.append(address(event)))
    network.on("Network.loadingFinished", lambda event: sizes.append(int(event["encodedDataLength"])))
    network.send("Network.enable")
    network.send("Network.clearBrowserCache")
    page.goto(url, wait_until="networkidle")
    page.wait_for_selector("html[data-hears]", state="attached")
    page.wait_for_timeout(500)
    return sum(sizes), addresses


def address(event: dict[str, Any]) -> str:
    url: str = event["request"]["url"]
    return urlsplit(url)._replace(fragment="").geturl()
