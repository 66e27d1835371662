"""What is told of alerts outside: signed, tried again, and in nobody's way."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.utils import timezone

from kvmweb.environment import outbound_allow, smtp
from tests.conftest import make_vm
from tests.webserver import WebServer, head, status, web_server
from vms.errors import BadFields
from vms.models import Alert, AlertDelivery, AlertSilence, AlertSink, Host, User
from vms.operations import sending
from vms.operations.alerting import Alerter
from vms.operations.sending import Sender, signature
from vms.permissions import Actor
from vms.services import alert_sinks, alerts
from vms.services.alerts import Found

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]


class Hooks:
    """A server that takes what webhooks are told."""

    def __init__(self, server: WebServer) -> None:
        self.server = server
        self.got: list[tuple[dict[str, str], bytes]] = []
        server.pages["/hook"] = self.take

    def take(self, connection: socket.socket, text: str) -> None:
        lines, _, body = text.partition("\r\n\r\n")
        fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines.split("\r\n")[1:])}
        data = body.encode()
        while len(data) < int(fields["content-length"]):
            data += connection.recv(65536)
        self.got.append((fields, data))
        connection.sendall(head(204))


@pytest.fixture
def hooks(settings: Any) -> Iterator[Hooks]:
    with web_server() as server:
        allowed = outbound_allow(f"127.0.0.1:{server.port}")
        settings.ENVIRONMENT = replace(
            settings.ENVIRONMENT,
            outbound_allow=allowed,
            base_url="https://kvm.example.org",
            smtp=smtp("smtp://localhost"),
        )
        yield Hooks(server)


@pytest.fixture
def send() -> Iterator[Callable[[], None]]:
    """Send what is due, until all of it was tried."""
    sender = Sender()

    def turn() -> None:
        sender.turn()
        until = time.monotonic() + 20
        while sender.busy and time.monotonic() < until:
            time.sleep(0.01)
        assert not sender.busy

    yield turn
    sender.pool.shutdown()


def add(actor: Actor, hooks: Hooks, name: str = "pager", path: str = "/hook", **fields: Any) -> tuple[AlertSink, str]:
    wish = {"name": name, "kind": "webhook", "address": hooks.server.url(path), "least": "warning", **fields}
    return alert_sinks.add(actor, wish)


def begin(host: Host, name: str = "web-01", severity: str = "critical") -> Alert:
    vm = make_vm(host, name, "shut_off")
    found = Found("vm_stopped", f"vm:{vm.pk}", name, {"how": "crashed", "was": "running"}, vm=vm.pk)
    rule = alerts.rules()["vm_stopped"]
    rule.severity = severity
    made = alerts.begin(found, rule)
    assert made
    alerts.tell(timezone.now())
    made.refresh_from_db()
    return made


def soon() -> None:
    """The pause before the next try is over."""
    AlertDelivery.objects.exclude(due_at=None).update(due_at=timezone.now())


def test_a_webhook_is_told_begin_and_end_once_and_signed(host: Host, actor: Actor, hooks: Hooks, send: Any) -> None:
    sink, key = add(actor, hooks)
    alert = begin(host)
    send()
    send()
    [(fields, body)] = hooks.got
    assert fields["kvmweb-signature"] == f"sha256={signature(key, fields['kvmweb-timestamp'], body)}"
    assert abs(int(fields["kvmweb-timestamp"]) - time.time()) < 60
    told = json.loads(body)
    assert told["what"] == "begun" and told["link"] == "https://kvm.example.org/alerts/"
    assert told["alert"]["of"] == {"kind": "vm", "id": alert.vm_id, "name": "web-01"}
    assert told["alert"]["detail"].startswith("web-01: crashed: ")
    alerts.end(alert, timezone.now())
    send()
    assert [json.loads(body)["what"] for _, body in hooks.got] == ["begun", "ended"]
    sink.refresh_from_db()
    assert sink.sent_at and not sink.failing_since
    assert key not in sink.sealed and "/hook" not in sink.address


def test_what_fails_is_tried_again_in_order_and_given_up_at_last(
    host: Host, actor: Actor, hooks: Hooks, send: Any
) -> None:
    sink, _ = add(actor, hooks)
    taking = hooks.server.pages["/hook"]
    hooks.server.pages["/hook"] = status(503)
    alert = begin(host)
    alerts.end(alert, timezone.now())
    send()
    first, last = AlertDelivery.objects.order_by("pk")
    assert (first.attempts, first.error_code, last.attempts) == (1, "answer_5", 0)
    assert first.due_at and first.due_at > timezone.now() + timedelta(seconds=5)
    sink.refresh_from_db()
    assert sink.failing_since and sink.error_code == "answer_5"
    assert [found.subject for found in sending_condition()] == [f"sink:{sink.pk}"]
    hooks.server.pages["/hook"] = taking
    soon()
    send()
    send()
    assert [json.loads(body)["what"] for _, body in hooks.got] == ["begun", "ended"]
    sink.refresh_from_db()
    assert not sink.error_code and not sending_condition()
    hooks.server.pages["/hook"] = status(503)
    begin(host, "web-02")
    for _ in sending.PAUSES:
        send()
        soon()
    assert AlertDelivery.objects.filter(due_at__isnull=False).count() == 1
    send()
    assert not AlertDelivery.objects.filter(due_at__isnull=False).exists()


def sending_condition() -> list[Found]:
    from vms.services import alert_conditions

    return list(alert_conditions.failing_sinks(alerts.rules()["sink_failing"]))


def test_one_that_hangs_delays_neither_the_others_nor_whoever_looks(
    host: Host, actor: Actor, hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "SECONDS", 3.0)
    let_go = threading.Event()

    def hang(connection: socket.socket, text: str) -> None:
        let_go.wait(10)

    hooks.server.pages["/hangs"] = hang
    add(actor, hooks, "hangs", "/hangs")
    add(actor, hooks, "takes")
    begin(host)
    sender = Sender()
    began = time.monotonic()
    sender.turn()
    Alerter().turn()
    assert time.monotonic() - began < 2
    while not hooks.got and time.monotonic() - began < 2.5:
        time.sleep(0.01)
    assert hooks.got and sender.busy
    # What comes meanwhile gets past it, too.
    begin(host, "web-02")
    sender.turn()
    while len(hooks.got) < 2 and time.monotonic() - began < 2.8:
        time.sleep(0.01)
    assert len(hooks.got) == 2 and sender.busy
    sender.pool.shutdown()
    let_go.set()
    assert not sender.busy
    late = AlertDelivery.objects.filter(sink__name="hangs").order_by("pk")[0]
    assert late.error_code == "outbound_broken" and late.attempts == 1


@pytest.mark.parametrize(
    ("code", "lines", "said"), [(302, ("Location: /hook",), "answer_3"), (404, (), "answer_4"), (200, (), "")]
)
def test_a_redirect_is_not_followed_and_an_answer_is_told_by_its_class(
    host: Host, actor: Actor, hooks: Hooks, send: Any, code: int, lines: tuple[str, ...], said: str
) -> None:
    hooks.server.pages["/there"] = status(code, *lines)
    add(actor, hooks, path="/there")
    begin(host)
    send()
    assert AlertDelivery.objects.get().error_code == said
    assert not hooks.got


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("http://hooks.example.org/", "sink_https"),
        ("ftp://hooks.example.org/", "sink_url"),
        ("https://user:password@hooks.example.org/", "sink_url"),
        ("https://", "sink_url"),
        ("", "sink_url"),
    ],
)
def test_an_address_that_is_none_for_a_webhook_is_refused(actor: Actor, address: str, code: str) -> None:
    with pytest.raises(BadFields) as refused:
        alert_sinks.add(actor, {"name": "x", "kind": "webhook", "address": address, "least": "warning"})
    assert refused.value.errors == {"address": code}


@pytest.mark.parametrize("address", ["https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/latest/"])
def test_what_lies_inside_is_not_asked(host: Host, actor: Actor, send: Any, address: str) -> None:
    alert_sinks.add(actor, {"name": "x", "kind": "webhook", "address": address, "least": "warning"})
    begin(host)
    send()
    assert AlertDelivery.objects.get().error_code == "outbound_refused"


def test_mail_names_the_thing_the_reason_and_the_way_out(host: Host, actor: Actor, hooks: Hooks, send: Any) -> None:
    wish = {"name": "us", "kind": "mail", "address": "a@example.org, b@example.org", "least": "critical"}
    alert_sinks.add(actor, wish)
    begin(host, "small", "warning")
    begin(host, "bad\nname")
    send()
    [sent] = mail.outbox
    assert sent.to == ["a@example.org", "b@example.org"]
    assert sent.subject == "[kvmweb] VM stopped unasked: bad name"
    assert "Start it again" in sent.body and "https://kvm.example.org/alerts/" in sent.body


def test_a_mail_server_that_refuses_is_told(
    host: Host, actor: Actor, hooks: Hooks, send: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Any, messages: Any) -> int:
        raise ConnectionRefusedError

    monkeypatch.setattr(EmailBackend, "send_messages", refuse)
    alert_sinks.add(actor, {"name": "us", "kind": "mail", "address": "a@example.org", "least": "warning"})
    begin(host)
    send()
    assert AlertDelivery.objects.get().error_code == "mail"


def test_without_a_mail_server_there_is_no_mail(actor: Actor) -> None:
    with pytest.raises(BadFields) as refused:
        alert_sinks.add(actor, {"name": "us", "kind": "mail", "address": "a@example.org", "least": "warning"})
    assert refused.value.errors == {"address": "sink_no_mail"}


def test_nothing_leaves_in_the_name_of_who_administers_no_more(
    host: Host, alice: User, actor: Actor, hooks: Hooks, send: Any
) -> None:
    add(actor, hooks)
    User.objects.filter(pk=alice.pk).update(is_administrator=False)
    begin(host)
    send()
    assert AlertDelivery.objects.get().error_code == "owner" and not hooks.got
    carol = User.objects.create(username="carol", is_administrator=True)
    alert_sinks.change(Actor(carol), AlertSink.objects.get(), {})
    soon()
    send()
    assert len(hooks.got) == 1


def test_what_is_silenced_is_told_when_it_still_is_so_afterwards(
    host: Host, actor: Actor, hooks: Hooks, send: Any
) -> None:
    add(actor, hooks)
    AlertSilence.objects.create(kind="vm_stopped", until=timezone.now() + timedelta(hours=1), made_by="alice")
    short, long = begin(host), begin(host, "web-02")
    alerts.end(short, timezone.now())
    send()
    assert not hooks.got
    AlertSilence.objects.update(until=timezone.now())
    alerts.tell(timezone.now())
    send()
    [(_, body)] = hooks.got
    assert json.loads(body)["alert"]["id"] == long.pk


def test_a_test_arrives_and_a_failed_one_is_not_tried_again(actor: Actor, hooks: Hooks, send: Any) -> None:
    sink, _ = add(actor, hooks)
    alert_sinks.test(actor, sink)
    send()
    [(_, body)] = hooks.got
    assert json.loads(body)["what"] == "test" and json.loads(body)["alert"] is None
    alert_sinks.change(actor, sink, {"address": hooks.server.url("/gone")})
    alert_sinks.test(actor, sink)
    send()
    last = AlertDelivery.objects.order_by("pk").last()
    assert last and (last.error_code, last.due_at) == ("answer_4", None)


def test_another_address_gets_another_key(host: Host, actor: Actor, hooks: Hooks, send: Any) -> None:
    sink, key = add(actor, hooks)
    new = alert_sinks.change(actor, sink, {"address": hooks.server.url("/hook")})
    assert new and new != key and alert_sinks.change(actor, sink, {"least": "critical"}) == ""
    begin(host)
    send()
    [(fields, body)] = hooks.got
    assert fields["kvmweb-signature"] == f"sha256={signature(new, fields['kvmweb-timestamp'], body)}"


def test_one_that_is_switched_off_is_told_nothing_later(host: Host, actor: Actor, hooks: Hooks, send: Any) -> None:
    sink, _ = add(actor, hooks)
    alert = begin(host)
    alert_sinks.change(actor, sink, {"enabled": False})
    send()
    alerts.end(alert, timezone.now())
    alert_sinks.change(actor, sink, {"enabled": True})
    send()
    assert not hooks.got


def test_two_workers_send_it_once(host: Host, actor: Actor, hooks: Hooks) -> None:
    add(actor, hooks)
    begin(host)
    [one], [other] = sending.due(), sending.due()
    assert sending.claim(one) and not sending.claim(other)
