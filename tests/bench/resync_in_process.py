"""Inside a prepared state folder: `python -m tests.bench.resync_in_process` prints seconds of resyncs and of the floor.

The watcher's own thread class, writer and connection; only the loop around them is ours.
"""

from __future__ import annotations

import json
import os
import threading
import time

ROUNDS = 7


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "kvmweb.settings"
    import django

    django.setup()
    import libvirt

    from tests.bench.floor import lists_stats_and_documents
    from vms.inventory import Reading, Writer
    from vms.models import Host, Placement
    from vms.virt import HostSpec, connect
    from vms.watcher import leases
    from vms.watcher.reader import Reader

    host = Host.objects.get()
    term = leases.take(host, leases.name(host.node), host.node)
    assert term
    writer = Writer()
    writer.start()
    reader = Reader(term, writer, lambda: None, lambda family, samples: None, lambda counted: None)
    spec = HostSpec(**host.spec_fields())
    raw = libvirt.open(spec.uri(spec.daemon()))

    with connect(spec) as connection:

        def resync() -> float:
            """Seconds until everything is read and stored."""
            stored = threading.Event()
            began = time.perf_counter()
            reader.resync(connection)
            # The host's next task, which waits for those before it.
            writer.read(Reading(term, [], done=lambda done: stored.set()))
            stored.wait(120)
            return time.perf_counter() - began

        first = resync()
        same, changed, floor = [], [], []
        for _ in range(ROUNDS):
            floor.append(lists_stats_and_documents(raw))
            same.append(resync())
            Placement.objects.update(title="as it was before", state="running")
            changed.append(resync())
    raw.close()
    writer.stop()
    leases.release(term)
    assert not Placement.objects.exclude(state="shut_off").exists()
    number = Placement.objects.filter(present=True).count()
    print(json.dumps({"number": number, "first": first, "same": same, "changed": changed, "floor": floor}))


if __name__ == "__main__":
    main()
