"""`manage.py relay` as it is, but for where the screens come from: `python -m tests.bench.relay.ours FOLDER`."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from unittest.mock import patch


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "kvmweb.settings"
    import django

    django.setup()
    from django.core.management import call_command

    from vms.gateways.screens import Opened
    from vms.models import Console

    folder = Path(sys.argv[1])

    def open_screen(console: Console) -> Opened:
        screen = socket.socket(socket.AF_UNIX)
        screen.connect(str(folder / f"{console.vm.name}.sock"))
        return Opened(screen)

    with patch("vms.management.commands.relay.open_screen", open_screen):
        call_command("relay")


if __name__ == "__main__":
    main()
