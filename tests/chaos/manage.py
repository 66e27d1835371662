"""The product's manage.py in processes that know one kind more (tests/chaos/kind.py)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[2])

import django  # noqa: E402
from django.core.management import execute_from_command_line  # noqa: E402

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kvmweb.settings")
    django.setup()
    from tests.chaos import kind, way

    kind.register()
    way.register()
    execute_from_command_line(sys.argv)
