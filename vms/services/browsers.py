"""What a browser calls itself, in the words by which its owner knows it."""

from __future__ import annotations

import re
from typing import Final

# The first that fits: most say that they are others too.
BROWSERS: Final = (
    ("Edge", re.compile(r"\bEdg(?:A|iOS)?/(\d+)")),
    ("Opera", re.compile(r"\bOPR/(\d+)")),
    ("Samsung Internet", re.compile(r"\bSamsungBrowser/(\d+)")),
    ("Firefox", re.compile(r"\b(?:Firefox|FxiOS)/(\d+)")),
    ("Chrome", re.compile(r"\b(?:HeadlessChrome|Chrome|CriOS)/(\d+)")),
    ("Safari", re.compile(r"\bVersion/(\d+)[\d.]* (?:Mobile/\S+ )?Safari/")),
)
SYSTEMS: Final = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"), ("Linux", "Linux"), ("BSD", "BSD"),
)  # fmt: skip
LONGEST: Final = 60


def browser_name(user_agent: str) -> str:
    """ "Firefox 128, Linux"; of one that is not known the beginning of what it said, "" of one that said nothing."""
    browser = next((f"{name} {found[1]}" for name, shape in BROWSERS if (found := shape.search(user_agent))), "")
    system = next((name for word, name in SYSTEMS if word in user_agent), "")
    return ", ".join(filter(None, (browser, system))) if browser else user_agent[:LONGEST]
