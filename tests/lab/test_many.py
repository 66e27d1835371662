"""Two of every process on PostgreSQL and a Redis of the site's own: they share the work, and one may die or sleep."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import libvirt
import psycopg
import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from kvmweb.environment import REDIS_PROGRAM
from tests.lab import quotas
from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, eventually
from tests.lab.pools import folder_pool
from tests.lab.stack import Dashboard, free_port
from tests.lab.test_console import Screen
from tests.postgresql import PostgreSQL

EVERY = ("web", "worker", "watcher", "console", "transfer")
Rows = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    server = PostgreSQL()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    port = free_port()
    words = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--requirepass", "sesame"]
    server = subprocess.Popen(words, executable=REDIS_PROGRAM, cwd="/", stdout=subprocess.DEVNULL)
    yield f"redis://:sesame@127.0.0.1:{port}/0"
    server.terminate()
    server.wait()


@pytest.fixture(scope="module")
def crowd(lab_host: LabHost, postgresql: PostgreSQL, redis_url: str) -> Iterator[Dashboard]:
    made = Dashboard(
        lab_host,
        KVMWEB_PROCESSES=",".join(f"{name}=2" for name in EVERY),
        KVMWEB_DATABASE_URL=postgresql.url,
        KVMWEB_REDIS_URL=redis_url,
    )
    made.prepare()
    made.start()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def rows(postgresql: PostgreSQL) -> Iterator[Rows]:
    with psycopg.connect(postgresql.url, autocommit=True) as connection:
        yield connection


def lease(rows: Rows) -> tuple[int, int]:
    """(pid of the watcher, epoch) of the one host's lease."""
    [(watcher, epoch)] = rows.execute("select watcher, epoch from vms_lease").fetchall()
    return int(watcher.split()[-2]), epoch


# Notes which process wrote a row of what watchers alone write.
NOTE_WRITERS = """
create table if not exists writers (name text);
create or replace function note_writer() returns trigger language plpgsql as
$$ begin insert into writers values (current_setting('application_name')); return null; end $$;
create or replace trigger note_writer after insert or update on vms_placement
  for each row execute function note_writer();
create or replace trigger note_writer after insert or update on vms_host
  for each row execute function note_writer();
"""


def writers(rows: Rows) -> set[int]:
    """The pids of those that have written since the last time."""
    found = rows.execute("delete from writers returning name").fetchall()
    return {int(name.split()[1]) for (name,) in found}


def look(crowd: Dashboard, vm: int) -> AbstractContextManager[ClientConnection]:
    """A console of the VM."""
    wish = crowd.post(f"/vms/{vm}/console", {"kind": "vnc", "mode": "view"})
    return connect(crowd.url.replace("http", "ws") + wish.body["url"], subprotocols=[Subprotocol("binary")])


def test_they_share_the_work(crowd: Dashboard, guests: Guests, rows: Rows) -> None:
    assert {name: len(crowd.pids(name)) for name in EVERY} == dict.fromkeys(EVERY, 2)
    assert not crowd.pids("redis")
    assert not (crowd.state / "db/kvmweb.sqlite3").exists()
    several = [guests.make(f"shared-{number}") for number in range(4)]
    for operation in [crowd.ask(crowd.vm(guest.uuid), "start") for guest in several]:
        crowd.await_operation(operation)
    vm = crowd.vm(several[0].uuid)
    crowd.await_state(vm, "running")
    with look(crowd, vm) as first, look(crowd, vm) as second, look(crowd, vm) as third:
        assert all(Screen(socket).is_drawn() for socket in (first, second, third))
    relays = rows.execute("select distinct relay from vms_console where vm_id = %s", [vm]).fetchall()
    assert len(relays) == 1, "all who look at one VM meet in one process"
    for guest in several:
        guest.domain.destroy()


def test_a_web_and_a_worker_that_die_are_not_missed(crowd: Dashboard, guests: Guests) -> None:
    guest = guests.make("goes-on")
    vm = crowd.vm(guest.uuid)
    for name in ("web", "worker"):
        os.kill(crowd.pid(name), signal.SIGKILL)
    for _ in range(10):
        assert crowd.request("GET", "/api/v1/vms").status == 200
    crowd.await_operation(crowd.ask(vm, "start"))
    guest.domain.destroy()


def test_as_many_get_something_as_there_is_room_for(lab_host: LabHost, crowd: Dashboard) -> None:
    with folder_pool(lab_host) as pool:
        try:
            quotas.race(crowd, pool)
        finally:
            quotas.tidy(crowd, pool)


@pytest.fixture
def seen(crowd: Dashboard, guests: Guests) -> LabGuest:
    guest = guests.make("seen-by-two", start=True)
    crowd.await_state(crowd.vm(guest.uuid), "running")
    return guest


def have(guest: LabGuest, verb: str, state: int) -> None:
    """Ask its host for that. The daemon of libvirt 9.0 falls now and then while it lets somebody go who no longer
    answers, in two threads at once (remoteClientFreePrivateCallbacks), and the lab starts another."""

    def done() -> bool:
        try:
            if guest.state() != state:
                getattr(guest.domain, verb)()
            return guest.state() == state
        except libvirt.libvirtError:
            return False

    eventually(done, f"{verb} of {guest.name}")


def test_a_watcher_that_sleeps_is_replaced_and_writes_nothing_when_it_wakes(
    crowd: Dashboard, seen: LabGuest, rows: Rows
) -> None:
    rows.execute(NOTE_WRITERS)
    vm = crowd.vm(seen.uuid)
    sleeper, epoch = lease(rows)
    os.kill(sleeper, signal.SIGSTOP)
    try:
        # What it is told meanwhile waits for it, and would be read and written when it wakes.
        have(seen, "suspend", libvirt.VIR_DOMAIN_PAUSED)
        eventually(lambda: lease(rows)[0] != sleeper, "another watcher has the host", within=60)
        crowd.await_state(vm, "paused", within=60)
        other, now = lease(rows)
        assert now > epoch
        writers(rows)
    finally:
        os.kill(sleeper, signal.SIGCONT)
    run, stand = libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_PAUSED
    for verb, wanted, state in (("resume", run, "running"), ("suspend", stand, "paused"), ("resume", run, "running")):
        have(seen, verb, wanted)
        crowd.await_state(vm, state)
        time.sleep(2)
    assert writers(rows) == {other}
    assert lease(rows) == (other, now)
    assert sleeper in crowd.pids("watcher"), "it lives on and waits for its turn"


def test_a_watcher_that_dies_is_replaced(crowd: Dashboard, seen: LabGuest, rows: Rows) -> None:
    holder, epoch = lease(rows)
    os.kill(holder, signal.SIGKILL)
    have(seen, "suspend", libvirt.VIR_DOMAIN_PAUSED)
    crowd.await_state(crowd.vm(seen.uuid), "paused", within=60)
    assert lease(rows)[1] > epoch


def test_what_people_did_is_one_chain_whichever_worker_sealed_it(crowd: Dashboard, rows: Rows) -> None:
    """Of two, one of which was killed before."""
    waiting = "select count(*) from vms_auditevent where seq is null"
    eventually(lambda: rows.execute(waiting).fetchall() == [(0,)], "every row has its seal")
    assert "As it was written" in crowd.manage("verify_audit")
    rows.execute("alter table vms_auditevent disable trigger audit_stays")
    [(last,)] = rows.execute("select max(seq) from vms_auditevent").fetchall()
    rows.execute("delete from vms_auditevent where seq = %s", [last])
    with pytest.raises(AssertionError, match=f"the end was cut off: row {last} is missing"):
        crowd.manage("verify_audit")
