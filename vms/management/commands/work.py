from __future__ import annotations

import logging
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from celery import current_app, signals
from django.core.management.base import BaseCommand

from vms.operations import process
from vms.services import schema
from vms.services.operations import queue_name

logger = logging.getLogger(__name__)

# Where both want the processor, pages go first: a hundred clones hold nobody up who only looks.
NICE = 5
AUTOGROUP = Path("/proc/self/autogroup")


def step_back() -> None:
    """Let others go first who want the processor: also those of other sessions, among which many kernels share it out
    by session alone (autogroup in sched(7)), where this one's is its own."""
    os.nice(NICE)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            AUTOGROUP.write_text(str(NICE))


class Command(BaseCommand):
    help = "Run this node's operations until SIGTERM; what is not done within 10 s then is settled at the next start."
    # They would import every page, and this process has none; the suite makes them.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        schema.require_current()
        step_back()
        worker = process.current()

        def end() -> None:
            worker.stop()
            # Celery would wait for its threads without a limit, and a blocked host has none.
            os._exit(0)

        def ending(**kwargs: Any) -> None:
            threading.Thread(target=end, name="ending").start()

        # Celery would make them up for itself.
        os.environ["CELERY_SKIP_CHECKS"] = "1"
        signals.worker_shutting_down.connect(ending, weak=False)
        current_app.conf.worker_enable_remote_control = False
        current_app.Worker(
            pool="threads",
            concurrency=process.THREADS,
            queues=",".join(queue_name(queue, node) for queue in process.QUEUES for node in (worker.node, "")),
            hostname=f"kvmweb-{worker.worker.pid}@{worker.name}",
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            quiet=True,
            loglevel="INFO",
        ).start()
