"""An alert in words: the thing, the reason, the way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as mark

from vms.kinds.alerts import ALERTS, SEVERITIES
from vms.models import Alert, AlertRule
from vms.services.rows import gib
from vms.services.sentences import STATES, duration, sentence

# By kind, and by what its parameters say where a kind has several; the name of the thing comes before it.
SENTENCES: Final = {
    "host_silent": mark("does not answer. {why}"),
    "vm_stopped:crashed": mark("crashed: its QEMU ended by itself. Start it again; its host's log says more."),
    "vm_stopped:panicked": mark("crashed: its guest panicked. Look at its screen, then reset it or force it off."),
    "vm_stopped:destroyed": mark("was forced off outside the dashboard while it was {was}."),
    "vm_stopped:failed": mark(
        "stopped because its host could not go on with it. Start it again; its host's log says more."
    ),
    "vm_stopped:daemon": mark("was ended by its host's libvirt. Start it again; its host's log says more."),
    "vm_stopped:gone": mark("is off and was {was}, and its host does not say why; perhaps the host itself went down."),
    "pool_full": mark("is {used} % full; {free} are left. Delete what nobody needs, or give it more room."),
    "guest_disk_full": mark(
        "{place} in the guest is {used} % full; {free} are left. Make room there, or let its disk grow."
    ),
    "watcher_behind": mark(
        "What is shown of hosts is old: the watcher does not keep up, or does not run. Its log says why."
    ),
    "certificate_ends:client": mark("its certificate for the dashboard ends on {until}. Enter a new one at the host."),
    "certificate_ends:authority": mark(
        "the certificate of its authority ends on {until}. Enter a new one at the host."
    ),
    "certificate_ends:own": mark(
        "The dashboard's own certificate ends on {until}. Put a new one in its place; where the dashboard generates "
        "its own, start it anew."
    ),
    "sink_failing": mark("gets no alerts. {why}"),
    "schedule_failed:failed": mark("its last run did not do all that it should. {why}"),
    "schedule_failed:stopped": mark("it stopped. {why}"),
}  # fmt: skip
# Why something did not arrive; of what a server answers, no more than of which class it is.
DELIVERIES: Final = {
    "outbound_refused": mark("It does not answer, or may not be asked: its name must lead to the internet."),
    "outbound_broken": mark("It took too long, or went away."),
    "answer_1": mark("Its server answers nothing sensible."),
    "answer_3": mark("Its server leads elsewhere, which is not followed. Enter the address where it is now."),
    "answer_4": mark("Its server refuses it. Look at the address and the key."),
    "answer_5": mark("Its server failed."),
    "mail": mark("The mail server did not take it."),
    "mail_unset": mark("The site has no mail server: set KVMWEB_SMTP_URL."),
    "owner": mark("Who added it administers no more. Save it once, in your name."),
    "secret_unreadable": mark("Its key cannot be opened. Enter its address again."),
}
# What decides between several.
WHICH: Final = ("how", "which")
BEGUN: Final = {"begun": mark("begun"), "ended": mark("over"), "test": mark("test")}


def alert_title(kind: str) -> str:
    return gettext(ALERTS[kind].title) if kind in ALERTS else kind


def alert_means(kind: str) -> str:
    return gettext(ALERTS[kind].means) if kind in ALERTS else ""


def severity_word(severity: str) -> str:
    return gettext(SEVERITIES.get(severity, severity))


def rule_words(rule: AlertRule) -> str:
    """What holds, in a few words: "from 85 % on, after 1 min, warning"."""
    kind, parts = ALERTS[rule.kind], []
    if kind.threshold is not None:
        words = {"%": gettext("from {n} % on"), "d": gettext("{n} days before")}[kind.unit]
        parts.append(words.format(n=rule.threshold))
    if rule.seconds:
        parts.append(gettext("after {time}").format(time=duration(rule.seconds)))
    return ", ".join([*parts, severity_word(rule.severity)])


def alert_sentence(alert: Alert) -> str:
    """What is so, without the name of the thing."""
    return told(alert.kind, alert.params)


def told(kind: str, params: Mapping[str, Any]) -> str:
    which = next((f"{kind}:{params[name]}" for name in WHICH if f"{kind}:{params.get(name)}" in SENTENCES), kind)
    words = {"why": "", **params}
    if "free" in params:
        words["free"] = f"{gib(params['free'] / 1024)} GiB"
    if "was" in params:
        words["was"] = gettext(STATES.get(str(params["was"]), str(params["was"])))
    if "error" in params:
        words["why"] = why(kind, params)
    if which not in SENTENCES:
        return kind
    return gettext(SENTENCES[which]).format_map(words)


def why(kind: str, params: Mapping[str, Any]) -> str:
    code = str(params["error"])
    if kind == "sink_failing":
        return delivery_word(code)
    said = sentence(code, params)
    return gettext("{name}: {said}").format(name=params["vm"], said=said) if "vm" in params else said


def whole_sentence(alert: Alert) -> str:
    """The same with the name before it."""
    said = alert_sentence(alert)
    return gettext("{name}: {said}").format(name=alert.name, said=said) if alert.name else said


def delivery_word(code: str) -> str:
    """Why something did not arrive."""
    return gettext(DELIVERIES[code]) if code in DELIVERIES else code


def test_mail(link: str) -> tuple[str, str]:
    """Subject and body of a mail that only tries whether it arrives."""
    text = gettext("This is a test: alerts of the dashboard arrive here.")
    return f"[kvmweb] {gettext('test')}", "\n".join([text, *(["", link] if link else []), ""])


def subject_line(alert: Alert, what: str) -> str:
    """For mail: one line, whatever the thing is called."""
    line = f"[kvmweb] {alert_title(alert.kind)}"
    line += f": {alert.name}" if alert.name else ""
    line += f" ({gettext(BEGUN[what])})" if what != "begun" else ""
    return "".join(sign if sign.isprintable() else " " for sign in line)


def body(alert: Alert, what: str, link: str) -> str:
    """For mail. link: the address of the alerts' page, "" where the dashboard has none."""
    lines = [whole_sentence(alert), ""]
    lines.append(gettext("Since: {at}").format(at=moment(alert.begun_at)))
    if what == "ended" and alert.ended_at:
        lines.append(gettext("Over: {at}").format(at=moment(alert.ended_at)))
    lines.append(gettext("Severity: {severity}").format(severity=severity_word(alert.severity)))
    return "\n".join([*lines, *(["", link] if link else []), ""])


def moment(at: Any) -> str:
    return date_format(at, "Y-m-d H:i:s T")
