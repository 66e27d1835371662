"""The console relay: WebSockets of browsers to the screens and serial lines of VMs."""

from __future__ import annotations

import resource
import signal
import threading
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from vms.gateways.lines import Lines, open_device
from vms.gateways.relay import Relay
from vms.gateways.screens import open_screen
from vms.gateways.watching import say_gone, say_ready, watch
from vms.services import consoles, schema


class Command(BaseCommand):
    help = "Serve consoles on a unix socket in the state folder until SIGTERM."
    # They would import every page, and this process has none; the suite makes them.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", default="console", help="which one it is: its socket is called so")

    def handle(self, *args: Any, **options: Any) -> None:
        schema.require_current()
        # Two descriptors a console; the usual soft limit of 1,024 is near.
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        name = f"{options['name']} {settings.ENVIRONMENT.node}"[:100]
        # The pings are also what keeps the front from ending an idle console.
        ping_every = min(15.0, settings.ENVIRONMENT.proxy_timeout / 3)
        path = settings.STATE.socket(options["name"])
        lines = Lines(open_device)
        with Relay(path, name=name, open_screen=open_screen, lines=lines, ping_every=ping_every) as relay:
            consoles.close_stale(name)
            threading.Thread(target=relay.serve_forever, args=(0.2,), name="accept", daemon=True).start()
            say_ready()
            watch(relay, stop)
            relay.shutdown()
            relay.end_all("relay_ends")
            until = time.monotonic() + 3
            while relay.consoles and time.monotonic() < until:
                time.sleep(0.05)
        lines.end()
        say_gone()
        path.unlink(missing_ok=True)
