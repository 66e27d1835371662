"""The web process cannot reach libvirt: not by an import of its own, nor by one of what it imports."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROBE = """
import kvmweb.asgi, sys
from django.urls import get_resolver
get_resolver().url_patterns
behind = {"libvirt", "libvirtmod", "vms.virt", "vms.operations", "vms.watcher", "vms.inventory", "vms.tasks"}
print(*sorted(behind & set(sys.modules)))
"""


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ, check=True)
    return done.stdout.strip()


def test_the_web_process_does_not_load_libvirt() -> None:
    assert run(PROBE) == ""


@pytest.mark.parametrize("module", ["libvirt", "vms.virt"])
def test_the_probe_would_see_it(module: str) -> None:
    assert module in run(f"import kvmweb.asgi, {module}\n{PROBE}")
