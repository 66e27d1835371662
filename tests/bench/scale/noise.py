"""Changes VMs of a fleet from outside: `python -m tests.bench.scale.noise RATE SOCKET...` until its input ends.

Pauses and resumes one running VM after the other, so many a second over all the sockets; prints how many it were and
in how many seconds.
"""

from __future__ import annotations

import sys
import threading
import time
from itertools import cycle

import libvirt


def main() -> None:
    rate, sockets = float(sys.argv[1]), sys.argv[2:]
    connections = [libvirt.open(f"test+unix:///default?socket={socket}") for socket in sockets]
    lists = [connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING) for connection in connections]
    # One of the first host, one of the second, and so on.
    domains = cycle([domain for row in zip(*lists, strict=False) for domain in row])
    ends = threading.Event()

    def listen() -> None:
        sys.stdin.read()
        ends.set()

    threading.Thread(target=listen, daemon=True).start()
    print("ready", flush=True)
    began, changes = time.monotonic(), 0
    while not ends.is_set():
        domain = next(domains)
        domain.suspend()
        domain.resume()
        changes += 2
        ends.wait(max(began + changes / rate - time.monotonic(), 0))
    print(changes, time.monotonic() - began)


if __name__ == "__main__":
    main()
