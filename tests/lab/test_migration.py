"""VMs go from one real host to another, and whatever comes in between, they run in exactly one place."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.lab.counting import Counter, at_rest, await_known, own_counter, shared_counter
from tests.lab.machine import LabHost, address, eventually
from tests.lab.moves import Pair, onward, paired, shared_pool, slow_cable
from tests.lab.pools import LabPool, folder_pool
from tests.lab.stack import Dashboard, command_line
from vms.demo import guest

SLOW = {"bandwidth_mib": 1}
ASKED = count()


@pytest.fixture(scope="module")
def pair(shared_dashboard: Dashboard, lab_host: LabHost, guest_files: guest.Guest) -> Iterator[Pair]:
    if shared_dashboard.process is None or shared_dashboard.process.poll() is not None:
        shared_dashboard.start()
    with paired(shared_dashboard, lab_host, guest_files) as made:
        yield made


@pytest.fixture(scope="module")
def shared(pair: Pair) -> Iterator[Counter]:
    """Its disk is on storage that both hosts have."""
    with shared_counter(pair, "shared-counter") as made:
        yield made


@pytest.fixture(scope="module")
def third(pair: Pair) -> Iterator[Pair]:
    """The second of the two, and one more."""
    with onward(pair) as made:
        yield made


@pytest.fixture(scope="module", params=["two hosts", pytest.param("three hosts", marks=pytest.mark.long)])
def mover(request: pytest.FixtureRequest) -> Iterator[Counter]:
    """On the first of two hosts, or on the second of three, to which it came from the first."""
    if request.param == "two hosts":
        yield request.getfixturevalue("shared")
        return
    with shared_counter(request.getfixturevalue("third"), "shared-by-three") as made:
        yield made


@pytest.fixture
def ways(mover: Counter) -> Pair:
    """Where it is, and where it goes."""
    return mover.pair


@contextmanager
def line(dashboard: Dashboard, vm: int) -> Iterator[ClientConnection]:
    """Its shell, as a page opens it."""
    answer = dashboard.post(f"/vms/{vm}/console", {"kind": "serial", "device": "serial1", "mode": "drive"})
    assert answer.status == 200, answer
    with connect(dashboard.url.replace("http", "ws") + answer.body["url"], compression=None, max_size=None) as opened:
        yield opened


def answers(opened: ClientConnection, word: str, after: str = ":") -> bool:
    """Whether the shell does what is typed, after that. No part of the last words, lost in the moment of a move, leaves
    the shell waiting for an end that does not come, as one of a pair of brackets would: Enter is always the end."""
    opened.send(f"{after}; echo {word}-$#\r".encode())
    got, until = b"", time.monotonic() + 20
    while f"{word}-0".encode() not in got and time.monotonic() < until:
        piece = opened.recv(timeout=20)
        got += piece if isinstance(piece, bytes) else b""
    return f"{word}-0".encode() in got


def follows(dashboard: Dashboard, vm: int, word: str, after: str = ":") -> bool:
    """Whether somebody who asks for the line once more types on the VM. Of what was typed in the moment of a move a
    part may be lost: he takes half a word away first, by Ctrl+U. Ctrl+C would hang the guest's shell now and then
    (docs/decisions/0155)."""
    try:
        with line(dashboard, vm) as opened:
            opened.send(b"\x15")
            # What the line brings first was said to others: his word is nobody else's.
            return answers(opened, f"{word}-{next(ASKED)}", after)
    except (ConnectionClosed, TimeoutError, AssertionError):
        return False


def test_it_moves_with_its_open_console_and_is_the_same_vm(pair: Pair, shared: Counter) -> None:
    dashboard, vm = pair.dashboard, shared.vm
    assert dashboard.post("/tags", {"vms": [vm], "add": ["moving"]}).status == 204
    before = dashboard.get(f"/vms/{vm}")
    with line(dashboard, vm) as opened:
        assert answers(opened, "before")
        moving = pair.move(vm, pair.there)
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                opened.recv(timeout=60)
    assert closed.value.rcvd and closed.value.rcvd.reason == "target_closed"
    ended = dashboard.await_operation(moving, within=60)
    eventually(lambda: follows(dashboard, vm, "after"), "the console is on the other host", within=30, every=0.5)
    pair.await_there(vm, pair.there)
    now = dashboard.get(f"/vms/{vm}")
    assert (now["id"], now["uuid"], now["tags"], now["state"]) == (vm, before["uuid"], ["moving"], "running")
    assert now["state_since"] == before["state_since"]
    assert pair.runs(shared.guest) == ["lab-b"] and pair.defined(shared.guest) == ["lab-b"]
    shared.counted_on()
    figures = dashboard.query("select result from vms_operation where id = ?", moving)[0][0]
    assert "downtime_ms" in figures, figures
    assert [each["code"] for each in ended["log"]] == [
        "claimed", "migrates", "starts_with_none", "migrated", "seen",
    ]  # fmt: skip
    assert pair.started_by(shared.guest) == [pair.there.name]
    about = [one["of"] for one in dashboard.get("/alerts")["items"] if one["of"]]
    assert not [one for one in about if (one["kind"], one["id"]) == ("vm", vm)]
    kept = dashboard.query("select operation_id from vms_version where vm_id = ? order by id desc", vm)
    assert kept
    pair.moved(vm, pair.here, postcopy=True)
    assert pair.runs(shared.guest) == [pair.here.name] and pair.defined(shared.guest) == [pair.here.name]
    shared.counted_on()


def test_a_cancelled_move_leaves_it_where_it_is(ways: Pair, mover: Counter) -> None:
    moving = ways.move(mover.vm, ways.there, **SLOW)
    eventually(lambda: ways.dashboard.operation(moving)["progress"], "it moves", within=30)
    assert ways.dashboard.post(f"/operations/{moving}/cancel").status in (200, 202)
    ways.dashboard.await_operation(moving, "cancelled", within=30)
    stays(ways, mover)


@pytest.mark.long
def test_one_that_is_cancelled_when_all_but_a_little_is_there(ways: Pair, mover: Counter) -> None:
    """It comes through or not, and what is said is what is so."""
    moving = ways.move(mover.vm, ways.there, bandwidth_mib=4)
    eventually(lambda: is_nearly_there(ways, moving), "nearly all of it is there", within=60, every=0.02)
    ways.dashboard.post(f"/operations/{moving}/cancel")
    ended = ways.dashboard.await_operation(moving, "cancelled", "succeeded", within=60)
    host = ways.here if ended["state"] == "cancelled" else ways.there
    eventually(lambda: ways.defined(mover.guest) == [host.name], "it is in one place", within=20)
    assert ways.runs(mover.guest) == [host.name]
    ways.await_there(mover.vm, host)
    if host is ways.there:
        ways.moved(mover.vm, ways.here)
    stays(ways, mover)


def is_nearly_there(pair: Pair, moving: int) -> bool:
    operation = pair.dashboard.operation(moving)
    return operation["state"] not in ("queued", "running") or (operation["progress"] or 0) >= 97


def test_one_that_takes_too_long_stays(ways: Pair, mover: Counter) -> None:
    moving = ways.move(mover.vm, ways.there, timeout_s=3, **SLOW)
    ended = ways.dashboard.await_operation(moving, "failed", within=40)
    assert ended["error"]["code"] == "moved_too_long"
    stays(ways, mover)


@pytest.mark.long
@pytest.mark.parametrize(
    ("end", "code"), [("cancel", "migrate_late"), ("pause", "migrate_paused"), ("postcopy", "migrate_postcopy")]
)
def test_a_guest_that_writes_faster_than_it_goes(pair: Pair, shared: Counter, end: str, code: str) -> None:
    """It would never be there by itself: when its time is over, what was chosen comes to pass."""
    with busy(pair, shared):
        wish = {"bandwidth_mib": 8, "timeout_s": 25, "on_timeout": end, "postcopy": end == "postcopy"}
        moving = pair.move(shared.vm, pair.there, **wish)
        eventually(lambda: passes(pair, moving) > 1, "all of it went, and goes once more", within=25)
        ended = pair.dashboard.await_operation(moving, "failed" if end == "cancel" else "succeeded", within=120)
    assert code in [line["code"] for line in ended["log"]]
    if end == "cancel":
        stays(pair, shared)
        return
    pair.await_there(shared.vm, pair.there)
    assert pair.runs(shared.guest) == pair.defined(shared.guest) == [pair.there.name]
    shared.counted_on()
    pair.moved(shared.vm, pair.here)


@contextmanager
def busy(pair: Pair, counter: Counter) -> Iterator[None]:
    """Meanwhile it writes 8 MiB of its memory over and over."""
    once = "dd if=/dev/urandom of=/once bs=64k count=128 2>/dev/null"
    again = "while :; do dd if=/once of=/again bs=64k conv=notrunc 2>/dev/null; done & BUSY=$!"
    with line(pair.dashboard, counter.vm) as opened:
        assert answers(opened, "once", after=once) and answers(opened, "again", after=again)
    try:
        yield
    finally:
        rests = partial(follows, pair.dashboard, counter.vm, "rests", after="kill $BUSY")
        eventually(rests, "it rests", within=60)


def passes(pair: Pair, moving: int) -> int:
    """How often its memory went, and goes."""
    move = pair.dashboard.operation(moving)["move"]
    return int(move["passes"]) if move else 0


def test_one_that_is_off_goes_with_its_disk_or_without(pair: Pair) -> None:
    with shared_pool(pair) as (name, folder):
        one = at_rest(pair, "rests", name, folder)
        await_known(one, name)
        for host in (pair.there, pair.here):
            pair.moved(one.vm, host, mode="offline")
            assert pair.defined(one.guest) == pair.started_by(one.guest) == [host.name]
        one.remove()
    with folder_pool(pair.here) as first, folder_pool(pair.there) as second:
        one = at_rest(pair, "rests-too", first.name, first.folder)
        await_known(one, first.name)
        pool = pair.pools(second.name)[second.name]
        pair.moved(one.vm, pair.there, mode="offline", copy_storage=True, pool=pool)
        assert pair.defined(one.guest) == pair.started_by(one.guest) == [pair.there.name]
        assert (second.folder / one.name).read_bytes() == (first.folder / one.name).read_bytes()
        assert len(second.names()) == 1
        pair.dashboard.await_operation(pair.dashboard.ask(one.vm, "start"))
        assert pair.runs(one.guest) == [pair.there.name]
        one.remove()


def stays(pair: Pair, counter: Counter) -> None:
    """It runs here, and there is nothing of it on the other host."""
    eventually(lambda: pair.defined(counter.guest) == [pair.here.name], "the other host has nothing of it", within=20)
    assert pair.runs(counter.guest) == pair.started_by(counter.guest) == [pair.here.name]
    pair.await_there(counter.vm, pair.here)
    pair.await_shown_once(counter.vm)
    counter.counted_on()


def test_a_worker_that_is_killed(ways: Pair, mover: Counter) -> None:
    moving = ways.move(mover.vm, ways.there, **SLOW)
    eventually(lambda: ways.dashboard.operation(moving)["progress"], "it moves", within=30)
    os.kill(ways.dashboard.pid("worker"), signal.SIGKILL)
    ended = ways.dashboard.await_operation(moving, "failed", within=60)
    assert ended["error"]["code"] == "worker_died"
    stays(ways, mover)


def test_a_target_that_dies(ways: Pair, mover: Counter) -> None:
    moving = ways.move(mover.vm, ways.there, **SLOW)
    eventually(lambda: ways.dashboard.operation(moving)["progress"], "it moves", within=30)
    for pid, program in ways.there.programs().items():
        if program in ("libvirtd", "qemu-system-x86"):
            os.kill(pid, signal.SIGKILL)
    ways.dashboard.await_operation(moving, "failed", within=90)
    stays(ways, mover)
    silent = "select 1 from vms_host where id = ? and error_code != ''"
    eventually(lambda: not ways.dashboard.query(silent, ways.ids[ways.there.name]), "its libvirt is heard again")


def test_a_network_that_is_cut(ways: Pair, mover: Counter) -> None:
    moving = ways.move(mover.vm, ways.there, **SLOW)
    eventually(lambda: ways.dashboard.operation(moving)["progress"], "it moves", within=30)
    ways.here.run("ip", "link", "set", ways.cable, "down")
    try:
        assert ways.dashboard.post(f"/operations/{moving}/cancel").status in (200, 202)
        ways.dashboard.await_operation(moving, "cancelled", within=60)
    finally:
        ways.here.run("ip", "link", "set", ways.cable, "up")
    stays(ways, mover)


def test_its_disk_goes_with_it(ways: Pair) -> None:
    with (
        own_counter(ways, "own-counter") as own,
        folder_pool(ways.there) as second,
        folder_pool(ways.there, disk="16m") as small,
    ):
        pools = ways.pools(second.name, small.name)
        # Once all is looked through, somebody else fills it.
        ways.there.run("dd", "if=/dev/zero", f"of={small.path}/ballast", "bs=1M", "count=13")
        refused = ways.move(own.vm, ways.there, copy_storage=True, pool=pools[small.name])
        ways.dashboard.await_operation(refused, "failed", within=60)
        stays(ways, own)
        assert small.names() == ["ballast"]
        ways.moved(own.vm, ways.there, copy_storage=True, pool=pools[second.name])
        assert ways.defined(own.guest) == [ways.there.name]
        own.folder = second.folder
        own.counted_on()
        assert len(second.names()) == 1


@contextmanager
def copying(pair: Pair, name: str) -> Iterator[tuple[Counter, LabPool, int]]:
    """A VM in the middle of a move that takes its disk along: where that goes, and the operation."""
    with own_counter(pair, name) as own, folder_pool(pair.there) as second:
        pool = pair.pools(second.name)[second.name]
        moving = pair.move(own.vm, pair.there, copy_storage=True, pool=pool, **SLOW)
        eventually(lambda: pair.dashboard.operation(moving)["progress"], "it moves", within=30)
        assert second.names(), "its disk is there"
        yield own, second, moving


def volumes(pair: Pair, pool: LabPool) -> list[tuple[str, ...]]:
    """What the inventory has in it."""
    sql = "select v.name from vms_volume v join vms_storagepool p on p.storage_id = v.storage_id where p.name = ?"
    return pair.dashboard.query(sql, pool.name)


@pytest.mark.long
def test_a_source_whose_libvirt_dies(ways: Pair) -> None:
    with copying(ways, "orphan") as (own, pool, moving):
        os.kill(ways.here.pid("libvirtd"), signal.SIGKILL)
        ended = ways.dashboard.await_operation(moving, "failed", within=120)
        assert ended["error"], ended
        stays(ways, own)
        assert pool.names() == [] and volumes(ways, pool) == []
        assert "volume_taken_away" in [each["code"] for each in ended["log"]]


@pytest.mark.long
def test_a_source_whose_qemu_dies(ways: Pair) -> None:
    """It runs nowhere then, and is not started again by anybody."""
    with copying(ways, "victim") as (own, pool, moving):
        os.kill(qemu_of(ways.here, own), signal.SIGKILL)
        ended = ways.dashboard.await_operation(moving, "failed", within=120)
        assert ended["error"], ended
        ways.dashboard.await_state(own.vm, "shut_off")
        ways.await_there(own.vm, ways.here)
        assert ways.dashboard.get(f"/vms/{own.vm}")["state_reason"] == "crashed"
        assert ways.runs(own.guest) == [] and ways.defined(own.guest) == [ways.here.name]
        assert pool.names() == [] and volumes(ways, pool) == []
        said = own.written()
        assert said == list(range(1, len(said) + 1))


@pytest.mark.long
def test_a_source_whose_qemu_dies_when_it_runs_there_already(ways: Pair) -> None:
    """A part of its memory is lost: that is not called moved, and nothing of it is started again here."""
    with shared_counter(ways, "torn") as torn, slow_cable(ways):
        moving = ways.move(torn.vm, ways.there, postcopy=True, timeout_s=3, on_timeout="postcopy")
        eventually(partial(goes_over, ways, moving), "it goes over", within=60)
        eventually(lambda: ways.runs(torn.guest) == [ways.there.name], "it runs there", within=30)
        os.kill(qemu_of(ways.here, torn), signal.SIGKILL)
        ended = ways.dashboard.await_operation(moving, "unknown", within=120)
        assert ended["error"], ended
        assert ways.runs_here(torn.guest) is False
        assert ways.defined(torn.guest) == [ways.here.name, ways.there.name]
        told = partial(ways.dashboard.get, f"/vms/{torn.vm}")
        eventually(lambda: told()["state_reason"] == "postcopy_failed", "it is told")
        assert ways.started_by(torn.guest) == []
        assert told()["host"]["id"] == ways.ids[ways.there.name]


def goes_over(pair: Pair, moving: int) -> bool:
    return "migrate_postcopy" in [line["code"] for line in pair.dashboard.operation(moving)["log"]]


def qemu_of(host: LabHost, counter: Counter) -> int:
    """The pid of what runs it on that host."""
    uuid = counter.guest.uuid
    return next(pid for pid, word in host.programs().items() if word.startswith("qemu") and uuid in command_line(pid))


def test_disks_go_under_tls_only(pair: Pair, shared: Counter) -> None:
    clear = "from vms.models import MoveRoute; MoveRoute.objects.update(way='{}')"
    pair.dashboard.do(clear.format("clear"))
    try:
        with pytest.raises(AssertionError, match="clear"):
            pair.move(shared.vm, pair.there, copy_storage=True, pool=1)
        ended = pair.moved(shared.vm, pair.there)
        assert "in clear text" in str(ended["log"])
    finally:
        pair.dashboard.do(clear.format("tls"))
    pair.moved(shared.vm, pair.here)
    shared.counted_on()


@pytest.mark.long
def test_twenty_moves_with_the_console_typed_into_all_the_while(pair: Pair, shared: Counter) -> None:
    typed = 0
    for number in range(20):
        host = pair.there if number % 2 == 0 else pair.here
        moving = pair.move(shared.vm, host, postcopy=number % 4 == 3)
        while pair.dashboard.operation(moving)["state"] in ("queued", "running"):
            typed += follows(pair.dashboard, shared.vm, f"move{number}")
        pair.dashboard.await_operation(moving)
        pair.await_there(shared.vm, host)
        eventually(partial(follows, pair.dashboard, shared.vm, f"there{number}"), "its line", within=60)
        assert pair.defined(shared.guest) == [host.name]
    assert typed
    shared.counted_on()


@pytest.mark.long
def test_it_goes_round_three_hosts_and_comes_home(pair: Pair, third: Pair) -> None:
    with (
        own_counter(pair, "traveller") as traveller,
        folder_pool(pair.there) as second,
        folder_pool(third.there) as further,
        folder_pool(pair.here) as home,
    ):
        traveller.pair = third
        pools = pair.pools(second.name, further.name, home.name)
        for host, pool in ((pair.there, second), (third.there, further), (pair.here, home)):
            third.moved(traveller.vm, host, copy_storage=True, pool=pools[pool.name])
            traveller.folder = pool.folder
            traveller.counted_on()
            assert third.defined(traveller.guest) == [host.name]
            assert len(pool.names()) == 1
        assert [vm["id"] for vm in pair.dashboard.get("/vms?q=traveller")["items"]] == [traveller.vm]


@contextmanager
def by_peers(pair: Pair, way: str) -> Iterator[None]:
    """Meanwhile the two libvirts speak with each other."""
    usual = {"target": pair.ids[pair.there.name], "address": address(2)}
    path = f"/api/v1/hosts/{pair.ids[pair.here.name]}/move-routes"
    wish = {**usual, "way": way, "peer": True, "peer_transport": "tcp"}
    assert pair.dashboard.request("PUT", path, wish).status == 200
    yield
    assert pair.dashboard.request("PUT", path, usual).status == 200


@pytest.mark.long
@pytest.mark.parametrize("way", ["tls", "clear", "tunnel"])
def test_peers_move_it(pair: Pair, shared: Counter, way: str) -> None:
    with by_peers(pair, way):
        pair.moved(shared.vm, pair.there)
    assert pair.defined(shared.guest) == ["lab-b"]
    pair.moved(shared.vm, pair.here)
    shared.counted_on()


@pytest.mark.long
def test_peers_go_on_when_the_worker_is_killed(pair: Pair, shared: Counter) -> None:
    with by_peers(pair, "tls"):
        moving = pair.move(shared.vm, pair.there, bandwidth_mib=8)
        eventually(lambda: pair.dashboard.operation(moving)["progress"], "it moves", within=30)
        os.kill(pair.dashboard.pid("worker"), signal.SIGKILL)
        ended = pair.dashboard.await_operation(moving, within=120)
    assert "reconciled" in [line["code"] for line in ended["log"]]
    pair.await_there(shared.vm, pair.there)
    assert pair.defined(shared.guest) == ["lab-b"]
    pair.moved(shared.vm, pair.here)
    shared.counted_on()


@pytest.mark.long
def test_a_target_that_says_nothing_at_the_switch(ways: Pair, mover: Counter) -> None:
    """Its memory is there, and nobody knows whether it runs: it is not let run on here."""
    daemon = ways.there.pid("libvirtd")
    moving = ways.move(mover.vm, ways.there, bandwidth_mib=8)
    eventually(lambda: ways.dashboard.operation(moving)["progress"], "it moves", within=30)
    os.kill(daemon, signal.SIGSTOP)
    try:
        ways.dashboard.await_operation(moving, "unknown", within=240)
        assert ways.runs_here(mover.guest) is False
    finally:
        os.kill(daemon, signal.SIGCONT)
    eventually(
        lambda: ways.dashboard.operation(moving)["state"] in ("succeeded", "failed"), "it is settled", within=120
    )
    eventually(lambda: len(ways.runs(mover.guest)) == 1, "it runs in one place", within=60)
    eventually(lambda: len(ways.defined(mover.guest)) == 1, "it is in one place", within=60)
    mover.counted_on()
    [place] = ways.runs(mover.guest)
    if place == ways.there.name:
        # For the tests behind this one.
        ways.await_there(mover.vm, ways.there)
        ways.moved(mover.vm, ways.here)
