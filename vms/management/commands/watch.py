from __future__ import annotations

import gc
import signal
import sys
from typing import Any

from django.core.management.base import BaseCommand

from vms.services import schema
from vms.watcher import Watcher


class Command(BaseCommand):
    help = "Watch this node's hosts and keep the rows true that pages are made from, until SIGTERM."
    # They would import every page, and this process has none; the suite makes them.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        schema.require_current()
        # The thread that writes holds SQLite's one lock: the others let it go on sooner than after 5 ms.
        sys.setswitchinterval(0.0005)
        # Rows of 10,000 VMs stay: to look through all of them for cycles takes half a second, in which nothing is read.
        gc.set_threshold(10_000, 20, 1_000)
        watcher = Watcher()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda signum, frame: watcher.stop())
        watcher.run()
