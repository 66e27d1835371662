"""Where scripts/run changes nothing."""

from __future__ import annotations

import pytest

from scripts.steps.system import complaint

BOOKWORM = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n'
UBUNTU = 'PRETTY_NAME="Ubuntu 24.04"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n'


@pytest.mark.parametrize("version", ["12", "13"])
def test_it_goes_on_on_debian(version: str) -> None:
    assert complaint(BOOKWORM.replace('"12"', f'"{version}"'), "x86_64") == ""


@pytest.mark.parametrize(
    ("os_release", "machine", "named"),
    [
        (BOOKWORM.replace('"12"', '"11"'), "x86_64", "Debian"),
        ("ID=debian\n", "x86_64", "unknown"),
        (UBUNTU, "x86_64", "Ubuntu 24.04"),
        (BOOKWORM, "aarch64", "aarch64"),
        ("", "x86_64", "unknown"),
    ],
)
def test_it_says_what_it_needs_elsewhere(os_release: str, machine: str, named: str) -> None:
    said = complaint(os_release, machine)
    assert "needs Debian 12 or 13" in said and named in said and "Nothing was changed" in said
