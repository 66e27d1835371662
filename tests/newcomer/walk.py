"""The newcomer's browser, in the machine's network: `python -m tests.newcomer.walk ADDRESS`, the password on stdin.

Signs in, opens demo-web's console and types a command; whether it arrived is seen on the VM's serial line, elsewhere.
"""

from __future__ import annotations

import sys

from playwright.sync_api import Page, expect, sync_playwright

VM = "demo-web"
COMMAND = "echo kvmweb-$((6*7)) > /dev/ttyS0"
# QEMU takes the place of a key: what needs Shift is pressed with it (US layout, which the demo guest has).
SHIFTED = {"$": "4", "(": "9", ")": "0", "*": "8", ">": ".", "S": "s"}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


def walk(page: Page, address: str, password: str) -> None:
    page.goto(address)
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name=VM).first.click()
    page.get_by_role("link", name="Console").first.click()
    expect(page.locator("[data-console]")).to_have_attribute("data-link", "connected", timeout=60_000)
    page.locator("[data-screen] canvas").click()
    expect(page.locator("[data-say]")).to_contain_text("Keys go to the VM")
    for character in COMMAND:
        # No faster than a person: the VM's keyboard keeps sixteen keys at most.
        page.keyboard.press(f"Shift+{SHIFTED[character]}" if character in SHIFTED else character, delay=40)
    page.keyboard.press("Enter", delay=40)
    page.wait_for_timeout(2000)


def main() -> None:
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page()
        page.set_default_timeout(60_000)
        walk(page, sys.argv[1], sys.stdin.readline().strip())
        browser.close()


if __name__ == "__main__":
    main()
