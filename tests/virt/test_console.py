"""Opening a serial device where there is none to open; tests/lab has a real one."""

from __future__ import annotations

import threading

import pytest

from tests.virt.conftest import UUID
from vms.errors import NotFound, Unsupported
from vms.virt import HostSpec, open_console


def test_a_driver_without_consoles_says_so_and_nothing_is_left(spec: HostSpec) -> None:
    with pytest.raises(Unsupported):
        open_console(spec, UUID, "serial0")
    with pytest.raises(NotFound):
        open_console(spec, "00000000-0000-4000-8000-000000000000", "serial0")
    assert not [thread for thread in threading.enumerate() if thread.name == "serial line"]
