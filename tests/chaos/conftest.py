"""One dashboard for the whole matrix, and the table at its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos import table
from tests.chaos.ear import Ear
from tests.chaos.fire import Fire
from tests.lab.guests import Guests
from tests.lab.machine import LabHost
from tests.lab.stack import Dashboard
from vms.demo.guest import Guest

LINES: list[str] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in LINES:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def fire(lab_host: LabHost, guest_files: Guest) -> Iterator[Fire]:
    guests = Guests(lab_host, guest_files)
    dashboard = Dashboard(lab_host, supervisor="tests.chaos.supervisor")
    dashboard.prepare()
    ear = Ear(lab_host)
    probe, witness = guests.make("probe", graphics=None), guests.make("witness", graphics=None, start=True)
    probe.domain.create()
    made = Fire(dashboard, lab_host, guests, ear, probe, witness)
    made.start()
    yield made
    LINES.extend(table.lines(made.told))
    dashboard.remove()
    ear.close()
    guests.remove_all()
