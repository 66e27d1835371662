"""The web process cannot reach libvirt: not by an import of its own, nor by one of what it imports."""

from __future__ import annotations

import os
import subprocess
import sys

BEHIND = ("libvirt", "libvirtmod", "vms.virt", "vms.operations", "vms.watcher", "vms.inventory", "vms.tasks")
PROBE = f"""
import kvmweb.asgi, sys
from django.urls import get_resolver
get_resolver().url_patterns
print(*sorted(set({BEHIND}) & set(sys.modules)))
for module in ("libvirt", "vms.virt"):
    __import__(module)
    print(*sorted(set({BEHIND}) & set(sys.modules)))
"""


def test_the_web_process_does_not_load_libvirt_and_the_probe_would_see_it() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, env=os.environ, check=True)
    loaded, with_libvirt, with_ours = done.stdout.split("\n")[:3]
    assert loaded == ""
    assert with_libvirt == "libvirt libvirtmod"
    assert "vms.virt" in with_ours.split()
