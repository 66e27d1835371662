"""The lab: one real host for the whole run, guests for each test."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost
from tests.lab.pools import LabPool, folder_pool
from tests.lab.stack import Dashboard
from tests.webserver import WebServer, web_server
from vms.demo import guest
from vms.virt import Connection, HostSpec, connect


@pytest.fixture(scope="session")
def lab_host() -> Iterator[LabHost]:
    """A libvirtd that nobody else uses, as a fresh package leaves it: no pool, network default stopped."""
    host = LabHost()
    yield host
    host.stop()


@pytest.fixture(scope="session")
def far_host() -> Iterator[LabHost]:
    """Another machine: sshd, and libvirtd by TCP and TLS."""
    host = LabHost("lab-far", doors=True)
    yield host
    host.stop()


@pytest.fixture(scope="module")
def pool(lab_host: LabHost) -> Iterator[LabPool]:
    """A folder of the lab host's, for the volumes of a module's tests."""
    with folder_pool(lab_host) as made:
        yield made


@pytest.fixture
def connection(lab_host: LabHost) -> Iterator[Connection]:
    """To the lab host, without the dashboard."""
    with connect(HostSpec("unix", "qemu", socket=str(lab_host.socket))) as opened:
        yield opened


@pytest.fixture(scope="session")
def guest_files() -> guest.Guest:
    from django.conf import settings

    return guest.guest(settings.CACHE_DIR)


@pytest.fixture
def guests(lab_host: LabHost, guest_files: guest.Guest) -> Iterator[Guests]:
    """Makes guests on the lab host; they go with the test."""
    factory = Guests(lab_host, guest_files)
    yield factory
    factory.remove_all()


@pytest.fixture(scope="module")
def running_guest(lab_host: LabHost, guest_files: guest.Guest) -> Iterator[LabGuest]:
    """One that has booted once and obeys, for the tests of a module that leave it running."""
    factory = Guests(lab_host, guest_files)
    yield factory.make(f"running-{uuid.uuid4().hex[:8]}", start=True)
    factory.remove_all()


@pytest.fixture(scope="session")
def mirror() -> Iterator[WebServer]:
    """A web server inside, from which the dashboard may fetch."""
    with web_server() as made:
        yield made


@pytest.fixture(scope="session")
def shared_dashboard(lab_host: LabHost, mirror: WebServer) -> Iterator[Dashboard]:
    stack = Dashboard(lab_host, KVMWEB_OUTBOUND_ALLOW=f"127.0.0.1:{mirror.port}")
    stack.prepare()
    yield stack
    stack.remove()


@pytest.fixture
def dashboard(shared_dashboard: Dashboard) -> Dashboard:
    """The running dashboard, the same for all tests; one that a test has stopped is started again."""
    if shared_dashboard.process is None or shared_dashboard.process.poll() is not None:
        shared_dashboard.start()
    return shared_dashboard


# Whoever watches it writes for a moment still what it says of its end.
FORGET = """
import time
from django.db import IntegrityError
from vms.models import Host
Host.objects.filter(pk={pk}).update(left_alone=True)
for left in reversed(range(60)):
    try:
        Host.objects.filter(pk={pk}).delete()
        break
    except IntegrityError:
        if not left:
            raise
        time.sleep(0.5)
"""


@pytest.fixture
def other_host(dashboard: Dashboard, guest_files: guest.Guest) -> Iterator[tuple[int, Guests]]:
    """A second host, added to the same dashboard: its row's id and what makes guests on it."""
    host = LabHost("lab-b")
    row = (
        "from vms.models import Host; from django.conf import settings; "
        f"print('row', Host.objects.create(name='lab-b', transport='unix', socket='{host.socket}', "
        "node=settings.ENVIRONMENT.node).pk)"
    )
    pk = int(dashboard.do(row).split()[-1])
    guests = Guests(host, guest_files)
    yield pk, guests
    dashboard.do(FORGET.format(pk=pk))
    host.stop()


@pytest.fixture
def rule(dashboard: Dashboard) -> Iterator[Callable[..., None]]:
    """Changes a rule for the test."""
    before = {one["kind"]: one for one in dashboard.get("/alert-rules")}
    changed: list[str] = []

    def change(kind: str, **values: Any) -> None:
        changed.append(kind)
        assert dashboard.request("PATCH", f"/api/v1/alert-rules/{kind}", values).status == 200

    yield change
    for kind in changed:
        values = {name: before[kind][name] for name in ("enabled", "severity", "seconds", "threshold")}
        assert dashboard.request("PATCH", f"/api/v1/alert-rules/{kind}", values).status == 200
