"""What the tools really say, and what a person may do about it."""

from __future__ import annotations

import pytest

from scripts.steps.way_out import likely_way_out
from scripts.steps.work import Failed

SAID = [
    ("E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 (apt-get)", "package manager"),
    ("E: You don't have enough free space in /var/cache/apt/archives/.", "no room"),
    ("OSError: [Errno 28] No space left on device", "no room"),
    ("W: Failed to fetch http://deb.debian.org/x  Temporary failure resolving 'deb.debian.org'", "https_proxy"),
    ("npm error code EAI_AGAIN", "https_proxy"),
    ("npm error code SELF_SIGNED_CERT_IN_CHAIN", "certificate"),
    ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "published"),
    ("E: Unable to locate package qemu-system-x86", "apt-get update"),
    ("anna is not in the sudoers file.", "as root"),
    ("CommandError: The database was made by a newer version of the dashboard (vms.0009)", "git pull"),
    ("error: Failed to connect: authentication unavailable: no polkit agent available", "group libvirt"),
    ("something never seen before", "read the log"),
]


@pytest.mark.parametrize(("line", "words"), SAID)
def test_it_names_the_likely_way_out(line: str, words: str) -> None:
    assert words in likely_way_out(f"first line\n{line}\nlast line")


def test_a_failure_shows_the_line_that_tells() -> None:
    output = "Reading lists\nE: Unable to locate package x\n\n"
    assert Failed(output).telling_line == "E: Unable to locate package x"
    assert Failed("a\nError: build failed\n    at stack\nNode.js v20\n").telling_line == "Error: build failed"
    assert Failed("a\nlast\n").telling_line == "last"
    assert Failed("").telling_line == "no output"
