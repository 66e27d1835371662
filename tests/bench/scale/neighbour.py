"""Inside a dashboard's environment: writes a row a hundred times a second, as a request does, until its input ends.

`python -m tests.bench.scale.neighbour` prints the seconds that each took, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "kvmweb.settings"
    import django

    django.setup()
    from django.db import transaction
    from django.utils import timezone

    from vms.models import User

    ends = threading.Event()

    def listen() -> None:
        sys.stdin.read()
        ends.set()

    threading.Thread(target=listen, daemon=True).start()
    row = User.objects.filter(pk=User.objects.order_by("pk").values_list("pk", flat=True)[0])
    took = []
    print("ready", flush=True)
    while not ends.wait(0.01):
        began = time.perf_counter()
        with transaction.atomic():
            row.update(last_login=timezone.now())
        took.append(time.perf_counter() - began)
    print(json.dumps(took))


if __name__ == "__main__":
    main()
