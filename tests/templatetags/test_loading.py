"""A command that checks the templates loads these first of all, and with them what they ask: in no other's shadow."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys

import vms.templatetags

NAMES = [f"vms.templatetags.{module.name}" for module in pkgutil.iter_modules(vms.templatetags.__path__)]
# Each in a child that has loaded nothing else; what is wrong is on its standard error.
PROBE = """
import django, os, sys
django.setup()
for name in sys.argv[1:]:
    child = os.fork()
    if not child:
        __import__(name)
        print(name)
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_each_can_be_the_first() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE, *NAMES], capture_output=True, text=True, env=os.environ)
    assert done.stdout.split() == NAMES, done.stderr
