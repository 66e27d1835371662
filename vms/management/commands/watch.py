from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import BaseCommand

from vms.services import schema
from vms.watcher import Watcher


class Command(BaseCommand):
    help = "Watch this node's hosts and keep the rows true that pages are made from, until SIGTERM."

    def handle(self, *args: Any, **options: Any) -> None:
        schema.require_current()
        watcher = Watcher()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda signum, frame: watcher.stop())
        watcher.run()
