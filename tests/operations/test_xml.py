"""Another definition in the place of a VM's own, on a host which exists in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.grants import grant
from tests.operations.conftest import Stage
from vms.errors import BadDefinition, DefinitionChanged, LiveFixed, NotAllowed, SecretGone
from vms.libvirtxml import mask
from vms.models import Document, Operation, User, Version, VirtualMachine
from vms.permissions import Actor
from vms.services import history, xml
from vms.services.history import digest

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
Done = Callable[[Operation], Operation]

QEMU = 'xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0"'
ARGS = f'<qemu:commandline {QEMU}><qemu:arg value="canary"/></qemu:commandline>'


def text_on(stage: Stage) -> str:
    return stage.fake.domains[stage.uuid].next_boot_xml


def define(stage: Stage, text: str) -> str:
    """Somebody does it outside, and the watcher sees it; the public form."""
    stage.fake.domains[stage.uuid] = replace(stage.fake.domains[stage.uuid], next_boot_xml=text)
    public = mask(text)
    Document.objects.filter(placement__current_of=stage.vm).update(next_boot=public, next_boot_sha256=digest(public))
    history.keep(stage.vm.pk, stage.host.pk, public)
    return public


@pytest.fixture
def public(stage: Stage) -> str:
    """A definition with a password and an argument that nobody is shown."""
    stage.vm = VirtualMachine.objects.get(pk=stage.vm.pk)
    text = (
        f"<domain type='qemu'><name>web-01</name><uuid>{stage.uuid}</uuid><memory>2048</memory><vcpu>2</vcpu>"
        "<os><type arch='x86_64' machine='pc'>hvm</type></os><devices><graphics type='vnc' passwd='word'>"
        f"<listen type='address' address='127.0.0.1'/></graphics></devices>{ARGS}</domain>"
    )
    shown = define(stage, text)
    assert "canary" not in shown and "word" not in shown
    return shown


def titled(text: str, title: str = "new") -> str:
    return text.replace("<memory", f"<title>{title}</title><memory", 1)


def test_it_is_written_and_the_secrets_stay(stage: Stage, public: str, done: Done) -> None:
    operation = xml.edit(stage.actor, stage.vm, titled(public), base=digest(public))
    assert "canary" not in str(operation.params) and "domain" not in operation.sealed
    assert done(operation).state == "succeeded", (operation.error_code, operation.details)
    assert "<title>new</title>" in text_on(stage) and "canary" in text_on(stage) and "word" in text_on(stage)
    latest = history.versions(stage.vm)[0]
    assert (latest.number, latest.operation, latest.kind, latest.actor_name) == (
        2, operation, "vm.edit-xml", stage.actor.user.username,
    )  # fmt: skip
    assert "canary" not in latest.xml and not operation.sealed


def test_what_somebody_else_changed_is_not_overwritten(stage: Stage, public: str, done: Done) -> None:
    first = xml.edit(stage.actor, stage.vm, titled(public, "mine"), base=digest(public))
    define(stage, titled(text_on(stage), "theirs"))
    assert (done(first).state, first.error_code) == ("failed", "definition_changed")
    assert "theirs" in text_on(stage) and "mine" not in text_on(stage)
    with pytest.raises(DefinitionChanged):
        xml.edit(stage.actor, stage.vm, titled(public, "mine"), base=digest(public))


def test_the_same_key_asks_once(stage: Stage, public: str, done: Done) -> None:
    first = xml.edit(stage.actor, stage.vm, titled(public), base=digest(public), idempotency_key="k")
    assert done(first).state == "succeeded"
    define(stage, text_on(stage))
    assert xml.edit(stage.actor, stage.vm, titled(public), base=digest(public), idempotency_key="k") == first
    version = Version.objects.get(vm=stage.vm, number=1)
    back = xml.give_back(stage.actor, stage.vm, version, idempotency_key="b")
    assert done(back).state == "succeeded"
    assert xml.give_back(stage.actor, stage.vm, version, idempotency_key="b") == back
    assert Operation.objects.count() == 2


def test_a_secret_is_kept_where_it_was_and_nowhere_else(stage: Stage, public: str) -> None:
    moved = public.replace("<memory", "<description>(secret)</description><memory", 1)
    with pytest.raises(BadDefinition) as told:
        xml.preview(stage.actor, stage.vm, moved)
    assert [fault[1:] for fault in told.value.faults] == [("secret", "description")]


@pytest.mark.parametrize(
    ("was", "now", "code"),
    [
        ("<domain", "<!DOCTYPE domain [<!ENTITY a 'b'>]><domain", "xml"),
        ("<memory>2048", "<memory>&a;", "xml"),
        ("<os>", "<os><type>hvm</type></os><os>", "twice"),
        ("web-01", "web-02", "renamed"),
        ("{uuid}", "11111111-2222-3333-4444-555555555555", "uuid"),
        ("<uuid>{uuid}</uuid>", "", "uuid"),
        ("<memory>2048", "<memory>0", "memory"),
        ("<memory>2048", "<memory>much", "text"),
        ("<vcpu>2", "<vcpu>999999", "text"),
        ("<memory>2048", f"<description>{'x' * (1 << 20)}</description><memory>2048", "xml"),
        ("<domain", "<network", "xml"),
    ],
)
def test_what_is_not_taken_is_told(stage: Stage, public: str, was: str, now: str, code: str) -> None:
    was = was.format(uuid=stage.uuid)
    assert was in public
    with pytest.raises(BadDefinition) as told:
        xml.edit(stage.actor, stage.vm, public.replace(was, now, 1), base=digest(public))
    assert code in [fault[1] for fault in told.value.faults], told.value.faults
    assert not Operation.objects.exists()


def test_a_comment_inside_a_value_is_no_other_value(stage: Stage, public: str) -> None:
    found = xml.preview(stage.actor, stage.vm, public.replace("<memory>2048", "<memory>20<!-- x -->48"))
    assert found.nothing and not found.lines


def test_what_changes_is_shown_before(stage: Stage, public: str) -> None:
    found = xml.preview(stage.actor, stage.vm, public.replace("<memory>2048", "<title>t</title><memory>4096"))
    assert {(need.place, need.privilege) for need in found.needs} == {
        ("title", "vm.describe"), ("memory", "vm.cpu_memory"),
    }  # fmt: skip
    assert found.privileges == ("vm.describe", "vm.cpu_memory")
    assert "4096" in "".join(line.text for line in found.lines if line.how == "+")


def test_the_definition_of_a_run_is_not_written(stage: Stage, public: str) -> None:
    with pytest.raises(LiveFixed):
        xml.edit(stage.actor, stage.vm, public, base=digest(public), document="live")


def test_only_who_may_define_writes_it(stage: Stage, public: str) -> None:
    bob = User.objects.create(username="bob")
    grant(bob, "owner", stage.vm)
    with pytest.raises(NotAllowed):
        xml.edit(Actor(bob), stage.vm, titled(public), base=digest(public))


def test_what_the_host_makes_nothing_of_is_told(stage: Stage, public: str, done: Done) -> None:
    operation = xml.edit(stage.actor, stage.vm, titled(public), base=digest(public))
    stage.fake.deaf.add("modify")
    assert done(operation).state == "succeeded"
    assert "definition_alike" in operation.log.values_list("code", flat=True)


def test_one_returns_to_what_was(stage: Stage, public: str, done: Done) -> None:
    define(stage, titled(text_on(stage)))
    first, latest = Version.objects.filter(vm=stage.vm).order_by("number")
    found = xml.to_return(stage.actor, stage.vm, first)
    assert (found.privileges, found.missing) == (("vm.describe",), ())
    operation = done(xml.give_back(stage.actor, stage.vm, first))
    assert operation.state == "succeeded", (operation.error_code, operation.details)
    assert "title" not in text_on(stage) and "canary" in text_on(stage) and "word" in text_on(stage)
    assert [version.number for version in history.versions(stage.vm)] == [3, 2, 1]
    assert history.versions(stage.vm)[0].xml == first.xml
    with pytest.raises(DefinitionChanged):
        xml.give_back(stage.actor, stage.vm, latest, base="0" * 64)


def test_its_name_stays_what_it_is_now(stage: Stage, public: str, done: Done) -> None:
    define(stage, titled(text_on(stage)).replace("<name>web-01<", "<name>web-02<"))
    first = history.versions(stage.vm)[1]
    assert xml.to_return(stage.actor, stage.vm, first).privileges == ("vm.describe",)
    operation = done(xml.give_back(stage.actor, stage.vm, first))
    assert operation.state == "succeeded", (operation.error_code, operation.details)
    assert "<name>web-02<" in text_on(stage) and "title" not in text_on(stage)


def test_returning_needs_what_an_edit_needs(stage: Stage, public: str, done: Done) -> None:
    bob = User.objects.create(username="bob")
    grant(bob, "editor", stage.vm)
    define(stage, titled(text_on(stage)))
    define(stage, text_on(stage).replace("<vcpu>", "<iothreads>2</iothreads><vcpu>"))
    plain, with_title, _ = Version.objects.filter(vm=stage.vm).order_by("number")
    with pytest.raises(NotAllowed) as told:
        xml.give_back(Actor(bob), stage.vm, with_title)
    assert told.value.params == {"privilege": "vm.tune"}
    assert xml.to_return(Actor(bob), stage.vm, with_title).missing == ("vm.tune",)
    define(stage, with_title.xml)
    assert done(xml.give_back(Actor(bob), stage.vm, plain)).state == "succeeded"


def test_a_right_that_is_gone_by_then_returns_nothing(stage: Stage, public: str, done: Done) -> None:
    bob = User.objects.create(username="bob")
    given = grant(bob, "editor", stage.vm)
    define(stage, titled(text_on(stage)))
    operation = xml.give_back(Actor(bob), stage.vm, history.versions(stage.vm)[1])
    given.delete()
    assert done(operation).state == "refused" and "title" in text_on(stage)


def test_a_version_whose_secret_is_gone_is_not_guessed(stage: Stage, public: str) -> None:
    define(stage, text_on(stage).replace(ARGS, ""))
    with pytest.raises(SecretGone) as told:
        xml.give_back(stage.actor, stage.vm, history.versions(stage.vm)[1])
    assert told.value.params["place"] == "commandline/arg/@value"


def test_passwords_of_screens_go_where_that_is_said(stage: Stage, public: str, done: Done) -> None:
    ended = done(xml.edit(stage.actor, stage.vm, public, base=digest(public), open_screens=True))
    assert ended.state == "succeeded", (ended.error_code, ended.details)
    assert "passwd" not in text_on(stage) and "canary" in text_on(stage)
