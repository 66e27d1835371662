"""Codes, times and sizes in words."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from vms.models import Alert, Happening, Host, Network, Operation, OperationLog, StoragePool, VirtualMachine
from vms.services import (
    alert_words,
    belongings,
    capacity_words,
    move_words,
    schedule_words,
    sentences,
    snapshot_words,
    trash,
)
from vms.services.browsers import browser_name
from vms.services.rows import gib as one_digit
from vms.services.snapshot_rules import Reason

register = template.Library()

register.filter("state_word", sentences.state_word)
register.filter("operation_state", sentences.operation_state)
register.filter("standing", sentences.standing)
register.filter("kind_title", sentences.kind_title)
register.filter("kind_done", sentences.kind_done)
register.filter("kind_says", sentences.kind_says)
register.filter("going_on", sentences.going_on)
register.filter("error_sentence", sentences.sentence)
register.filter("audit_word", sentences.audit_word)
register.filter("scope_words", sentences.scope_words)
register.filter("facts", sentences.audit_facts)
register.filter("move_line", move_words.line)
register.filter("no_way_back", move_words.no_way_back)
register.filter("browser", browser_name)
register.filter("alert_title", alert_words.alert_title)
register.filter("alert_means", alert_words.alert_means)
register.filter("alert_sentence", alert_words.alert_sentence)
register.filter("severity_word", alert_words.severity_word)
register.filter("delivery_word", alert_words.delivery_word)
register.filter("rule_words", alert_words.rule_words)
register.filter("processors", capacity_words.processors)
register.filter("rhythm", schedule_words.rhythm)
register.filter("kept_words", schedule_words.kept)
register.filter("why_stopped", schedule_words.why_stopped)
register.filter("why_run", schedule_words.why_run)
register.filter("why_snapshot", schedule_words.why_snapshot)
register.filter("scheduled_state", schedule_words.state_words)
register.filter("by_its_clock", schedule_words.by_its_clock)


@register.filter
def reason_words(reason: Reason) -> str:
    """Why something about snapshots is not possible, or what should be known of it."""
    text = snapshot_words.reason_words(reason.code, reason.params)
    return text[:1].upper() + text[1:]


@register.filter
def log_sentence(line: OperationLog) -> str:
    return sentences.log_line(line.code, line.params)


@register.filter
def happening_sentence(happening: Happening) -> str:
    return sentences.happening(happening.code, happening.params)


@register.filter
def failure(operation: Operation) -> str:
    """Why an operation failed."""
    return sentences.sentence(operation.error_code or "unknown", operation.error_params)


@register.filter
def took(operation: Operation) -> str:
    """How long an ended operation ran."""
    if not operation.ended_at:
        return ""
    return sentences.duration(int((operation.ended_at - (operation.started_at or operation.queued_at)).total_seconds()))


def element(at: datetime, text: str, mode: str, words: str = "") -> SafeString:
    return format_html(
        '<time datetime="{}" title="{}" data-time="{}" data-words="{}">{}</time>',
        # Numbers alone: Django's date_format(), which knows languages, takes five times as long, and a page has many.
        at.isoformat(timespec="seconds"), timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S %Z"), mode, words, text,
    )  # fmt: skip


@register.filter
def ago(at: datetime | None) -> SafeString | str:
    """How long ago in words, kept true by the page, with the exact time in the title."""
    if at is None:
        return ""
    seconds = int((timezone.now() - at).total_seconds())
    words = gettext("{age} ago")
    text = gettext("just now") if seconds < 5 else words.format(age=sentences.duration(seconds))
    return element(at, text, "ago", words)


@register.filter
def age(at: datetime | None) -> SafeString | str:
    """A length of time since then, kept true by the page."""
    if at is None:
        return ""
    return element(at, sentences.duration(int((timezone.now() - at).total_seconds())), "age")


@register.filter
def clock(at: datetime | None) -> SafeString | str:
    """The time of day, with the day before it when that is not today."""
    if at is None:
        return ""
    local = timezone.localtime(at)
    same_day = local.date() == timezone.localdate()
    return element(at, date_format(local, "H:i" if same_day else "Y-m-d H:i"), "clock")


@register.filter
def target_url(operation: Operation) -> str:
    """The page of what an operation is done to; "" where there is none any more."""
    if operation.host and operation.host.removed_at:
        return ""
    kind = operation.target_kind
    thing = getattr(operation, kind, None)
    if thing is None or not getattr(thing, "present", True):
        return ""
    try:
        return reverse(kind, args=[thing.pk])
    except NoReverseMatch:
        return ""


@register.filter
def alert_url(alert: Alert) -> str:
    """The page of what an alert is about; "" where it has none, or none any more."""
    if alert.schedule:
        return reverse("schedule", args=[alert.schedule.pk])
    if alert.vm and alert.vm.deleted_at is None:
        return reverse("vm", args=[alert.vm.pk])
    if alert.sink:
        return reverse("alert-sink", args=[alert.sink.pk])
    if alert.host and alert.host.removed_at is None:
        return reverse("host", args=[alert.host.pk])
    return reverse("pool", args=[alert.pool.pk]) if alert.pool and alert.pool.present else ""


@register.filter
def thing_url(thing: VirtualMachine | StoragePool | Network | Host) -> str:
    """The page of a VM, a pool, a network or a host."""
    nouns = {VirtualMachine: "vm", StoragePool: "pool", Network: "network", Host: "host"}
    return reverse(nouns[type(thing)], args=[thing.pk])


@register.filter
def size(number: int | None) -> str:
    """Bytes as GiB with one digit; less than one as MiB."""
    return gib((number or 0) / 1024)


@register.filter
def gib(kib: int | float | None) -> str:
    """Kibibytes as GiB with one digit; less than one as MiB."""
    if kib and kib < 1 << 20:
        return gettext("{n} MiB").format(n=round(kib / 1024))
    return gettext("{n} GiB").format(n=one_digit(kib or 0))


@register.filter
def mib(number: int | None) -> str:
    """Mebibytes as GiB with one digit; less than one as MiB."""
    return gib((number or 0) * 1024)


@register.filter
def why_it_stays(line: belongings.Line) -> str:
    """Why it stays when its VM is deleted; follows its name."""
    return sentences.stays(line.why, {"by": line.by, "others": line.others})


@register.filter
def trash_why(line: trash.Line) -> str:
    """What stood in the way of the last purge."""
    return sentences.sentence(line.trash.why, line.trash.params)
