"""Inside a dashboard's environment: writes a row a hundred times a second, as a request does, until its input ends.

`python -m tests.bench.scale.neighbour` prints, as JSON, the seconds that each took, and those of as many writes to a
database beside it that nobody else uses: what the machine alone makes of a write.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "kvmweb.settings"
    import django

    django.setup()
    from django.conf import settings
    from django.db import transaction
    from django.utils import timezone

    from vms.models import User

    ends = threading.Event()

    def listen() -> None:
        sys.stdin.read()
        ends.set()

    threading.Thread(target=listen, daemon=True).start()
    row = User.objects.filter(pk=User.objects.order_by("pk").values_list("pk", flat=True)[0])
    shared, alone = [], []
    with (
        tempfile.TemporaryDirectory(dir=settings.ENVIRONMENT.state.db) as folder,
        closing(sqlite3.connect(Path(folder) / "alone.sqlite3", isolation_level=None)) as own,
    ):
        own.executescript(
            "pragma journal_mode=wal; pragma synchronous=full; create table a (b); insert into a values (0)"
        )
        print("ready", flush=True)
        while not ends.wait(0.01):
            began = time.perf_counter()
            with transaction.atomic():
                row.update(last_login=timezone.now())
            shared.append(time.perf_counter() - began)
            began = time.perf_counter()
            own.execute("begin immediate")
            own.execute("update a set b = b + 1")
            own.execute("commit")
            alone.append(time.perf_counter() - began)
    print(json.dumps([shared, alone]))


if __name__ == "__main__":
    main()
