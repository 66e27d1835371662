"""`scripts/screenshots`: a picture of every page in both themes and sizes, with what axe and the policy find."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kvmweb.settings")
django.setup()

from tests.browser import chromium, routes  # noqa: E402

FOLDER = Path(__file__).resolve().parents[2] / "screenshots"


def main() -> int:
    base = os.environ.get("KVMWEB_BASE_URL", "http://localhost:8000").rstrip("/")
    user, password = os.environ.get("KVMWEB_USER", "admin"), os.environ["KVMWEB_PASSWORD"]
    wanted = set(sys.argv[1:])
    FOLDER.mkdir(exist_ok=True)
    findings: list[str] = []
    count = 0
    with chromium.browser() as browser:
        for theme in ("light", "dark"):
            for size in (chromium.WIDE, chromium.TELEPHONE):
                page = chromium.new_context(browser, theme, size).new_page()
                complaints = chromium.watch(page)
                page.goto(f"{base}/accounts/login/")
                page.screenshot(path=FOLDER / f"account_login-{theme}-{size[0]}.png")
                findings += chromium.axe(page)
                chromium.sign_in(page, base, user, password)
                for name, address in routes.addresses(page, base).items():
                    if name in ("account_login",) or (wanted and name not in wanted):
                        continue
                    page.goto(address)
                    page.wait_for_timeout(300)
                    page.screenshot(path=FOLDER / f"{name}-{theme}-{size[0]}.png")
                    findings += chromium.axe(page)
                    count += 1
                findings += complaints
                page.context.close()
    for finding in dict.fromkeys(findings):
        print(finding)
    print(f"{count} pictures in {FOLDER}, {len(findings)} findings")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
