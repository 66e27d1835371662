"""Uploads and downloads: bytes between browsers and hosts."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand

from vms.gateways.memory import keep_blocks
from vms.gateways.transfer import Application
from vms.gateways.transfers import Transfers
from vms.services import schema


class Command(BaseCommand):
    help = "Carry uploads and downloads on a unix socket in the state folder until SIGTERM."
    # They would import every page, and this process has none; the suite makes them.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", default="transfer", help="which one it is: its socket is called so")

    def handle(self, *args: Any, **options: Any) -> None:
        schema.require_current()
        keep_blocks()
        transfers = Transfers(options["name"])
        transfers.start()
        configuration = uvicorn.Config(
            Application(transfers),
            uds=str(settings.STATE.socket(options["name"])), lifespan="off", ws="none", access_log=False,
            # It reads 256 KiB at once, uvloop half of that.
            loop="asyncio",
            log_config=None, server_header=False, date_header=False,
            # The peer is always nginx, which sets these headers itself; the socket lies in a folder closed to others.
            proxy_headers=True, forwarded_allow_ips="*", timeout_graceful_shutdown=2,
        )  # fmt: skip
        uvicorn.Server(configuration).run()
        transfers.stop()
        # A thread may wait for a host without a limit.
        os._exit(0)
