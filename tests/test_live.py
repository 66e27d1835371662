"""Names out, looks in, over a real Redis."""

from __future__ import annotations

import threading

import pytest
from channels.layers import get_channel_layer
from redis import Redis

from vms import live

pytestmark = pytest.mark.usefixtures("redis")


def test_a_look_is_answered_when_the_watcher_has_read(db: None) -> None:
    def watcher() -> None:
        request = live.next_look([7], timeout=5)
        assert request is not None
        host, name, answer = request
        assert (host, name) == (7, "vm:12")
        live.looked(answer)

    thread = threading.Thread(target=watcher)
    thread.start()
    assert live.look(7, "vm:12", wait=5)
    thread.join()


def test_two_hosts_are_looked_at_at_once(db: None) -> None:
    begun = [live.begin_look(host, "vm:12") for host in (7, 8)]
    for _ in begun:
        request = live.next_look([7, 8], timeout=5)
        assert request is not None
        live.looked(request[2])
    assert all(live.await_look(one) for one in begun)


def test_a_look_that_nobody_answers_returns_in_time() -> None:
    assert not live.look(7, "vm:12", wait=0.2)
    assert not live.await_look(live.begin_look(7, "vm:12"), wait=0.2)


def test_an_answer_that_cannot_be_told_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Redis(host="127.0.0.1", port=1)
    with monkeypatch.context() as changed:
        changed.setattr(live, "connection", lambda: gone)
        live.looked("kvmweb:looked:somebody")


def test_numbers_of_several_hosts_come_together() -> None:
    live.store_numbers(1, {"10": {"cpu": 0.5, "memory_kib": 1}})
    live.store_numbers(2, {"20": {"cpu": 0.1, "memory_kib": 2}})
    assert set(live.numbers([1, 2])) == {"10", "20"}


@pytest.mark.django_db(transaction=True)
async def test_an_announcement_carries_names_and_a_number() -> None:
    layer = get_channel_layer()
    assert layer is not None
    channel = await layer.new_channel()
    await layer.group_add(live.GROUP, channel)
    live.announcer().send(["vm:1"])
    first = await layer.receive(channel)
    live.announcer().send(["vm:2", "op:3"])
    second = await layer.receive(channel)
    assert (first["names"], second["names"]) == (["vm:1"], ["vm:2", "op:3"])
    assert second["number"] == first["number"] + 1


@pytest.mark.django_db(transaction=True)
async def test_a_storm_of_names_is_few_announcements() -> None:
    layer = get_channel_layer()
    assert layer is not None
    channel = await layer.new_channel()
    await layer.group_add(live.GROUP, channel)
    for number in range(400):
        live.announcer().send([f"vm:{number}"])
    told: list[list[str]] = []
    while sum(map(len, told)) < 400:
        told.append((await layer.receive(channel))["names"])
    assert [name for names in told for name in names] == [f"vm:{number}" for number in range(400)]
    assert len(told) < 40


def test_who_is_there_is_counted_and_forgotten(redis: None) -> None:
    assert live.present("watcher", "a") == 1
    assert live.present("watcher", "b") == 2
    assert live.present("watcher", "a") == 2
    assert live.present("worker", "a") == 1
    live.connection().zadd(live.key("present", "watcher"), {"b": 1.0})
    assert live.present("watcher", "a") == 1
