"""`python -m tests.bench [names]`: measure, print the table, and write docs/measured.md when all was measured."""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import closing

from tests.bench import (
    click_to_running,
    clones,
    event_to_page,
    hardware,
    hung_host,
    instance,
    list_page,
    machine,
    migration,
    placement,
    plans,
    report,
    resync,
    rights,
    scale,
    screens,
    serial_echo,
    starts,
    transfer,
    watching,
    weight,
)
from tests.bench.figures import Figure
from tests.bench.processes import ROOT
from tests.bench.relay.measure import measure as relay
from tests.bench.stage import Stage

FIGURES: dict[str, Callable[[Stage], list[Figure]]] = {
    "list": list_page.measure,
    "resync": resync.measure,
    "event": event_to_page.measure,
    "click": click_to_running.measure,
    "instance": instance.measure,
    "relay": relay,
    "serial": serial_echo.measure,
    "transfer": transfer.measure,
    "start": starts.measure,
    "weight": weight.measure,
    "rights": rights.measure,
    "scale": scale.measure,
    "hung": hung_host.measure,
    "clones": clones.measure,
    "hardware": hardware.measure,
    "watching": watching.measure,
    "screens": screens.measure,
    "migration": migration.measure,
    "placement": placement.measure,
    "plans": plans.measure,
}
PAGE = ROOT / "docs" / "measured.md"


def main() -> int:
    """0 when every goal is met that was measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"{', '.join(FIGURES)}; all when none is named")
    names = parser.parse_args().names
    if unknown := set(names) - FIGURES.keys():
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}")
    load = os.getloadavg()[0]
    found: list[Figure] = []
    with closing(Stage()) as stage:
        for name in names or FIGURES:
            began = time.monotonic()
            try:
                found += FIGURES[name](stage)
            except Exception:
                # The others are still worth knowing.
                traceback.print_exc()
                found.append(Figure(name, "could not be measured", holds=False))
            print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    print(report.terminal(found))
    if not names:
        PAGE.write_text(report.page(found, machine.facts(), (load, os.getloadavg()[0])))
        print(f"written: {PAGE.relative_to(ROOT)}")
    return 0 if all(figure.holds is not False for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
