"""Every address that the site has, as its resolver knows them, and a world in which they lead somewhere."""

from __future__ import annotations

import html
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from tests.conftest import make_vm
from tests.grants import grant
from vms.models import (
    Alert,
    AlertSilence,
    AlertSink,
    ApiToken,
    Archive,
    Console,
    Document,
    Grant,
    Host,
    HostPlan,
    Image,
    ImageCopy,
    Invitation,
    Network,
    NetworkFilter,
    Offer,
    Operation,
    Placement,
    Quota,
    Schedule,
    Size,
    Snapshot,
    SnapshotPicture,
    StoragePool,
    Template,
    TemplateVolume,
    Trashed,
    User,
    VirtualMachine,
    Volume,
)
from vms.services import history
from vms.services.host_plan_wishes import Wish

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PLACE = re.compile(r"<(?:\w+:)?(\w+)>")


def walk(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from walk(entry, route)
        elif isinstance(entry, URLPattern):
            yield route


def routes() -> list[str]:
    """Each route once, without the slash in front: "vms/<int:pk>/"."""
    return list(dict.fromkeys(walk(get_resolver())))


@dataclass(frozen=True)
class World:
    """One host, one VM with a screen on the network, one operation that waits for the guest, one grant, one quota, one
    user who was invited, is signed in, has a console open and a token, and is in one group."""

    host: Host
    vm: VirtualMachine
    operation: Operation
    grant: Grant
    quota: Quota
    size: Size
    user: User
    session: UserSession
    console: Console
    token: ApiToken
    group: Group
    pool: StoragePool
    volume: Volume
    network: Network
    image: Image
    copy: Volume
    offer: Offer
    alert: Alert
    silence: AlertSilence
    sink: AlertSink
    plan: HostPlan
    schedule: Schedule

    def is_in(self, state: str) -> None:
        """From now on the VM is, by what the watcher stored."""
        run_id = 1 if state in ("running", "paused") else None
        Placement.objects.filter(vm=self.vm).update(state=state, run_id=run_id)
        self.vm.refresh_from_db()

    def values(self, route: str) -> Mapping[str, str]:
        """What stands in the places of the route: the id of the thing that its first word names."""
        noun = route.removeprefix("api/v1/").partition("/")[0]
        things = {
            "hosts": self.host, "vms": self.vm, "operations": self.operation, "grants": self.grant,
            "quotas": self.quota, "sizes": self.size, "users": self.user, "groups": self.group,
            "sessions": self.session, "consoles": self.console, "tokens": self.token, "pools": self.pool,
            "volumes": self.volume,
            "networks": self.network,
            "images": self.image,
            "offers": self.offer, "alerts": self.alert, "plans": self.plan, "schedules": self.schedule,
        }  # fmt: skip
        thing = things.get(noun, self.vm)
        if route == "volumes/<int:pk>/image/":
            thing = self.copy
        if route.startswith("alerts/silences/"):
            thing = self.silence
        if route.startswith("alerts/sinks/"):
            thing = self.sink
        return {
            "batch": str(self.operation.batch),
            "verb": "pause",
            "form": "csv",
            "kind": "pool_full",
            "silence_id": str(self.silence.pk),
            "sink_id": str(self.sink.pk),
            "device": "rng0",
            "rest": "nowhere",
            "id": f"idle-{self.vm.pk}",
            "advice_id": f"idle-{self.vm.pk}",
            "number": "1",
            "name": "monday",
            "user_id": str(self.user.pk),
            "uuid": str(uuid.UUID(int=7)),
            "mac": "52:54:00:00:00:77",
            "filter_uuid": str(uuid.UUID(int=7)),
            "secret_uuid": str(uuid.UUID(int=7)),
            "target": str(self.host.pk),
            "pk": str(thing.pk),
            "vm_id": str(self.vm.pk),
            f"{noun[:-1]}_id": str(thing.pk),
        }


NET = (
    "<network><name>secret-net</name><forward mode='nat'/><bridge name='virbr9'/>"
    "<ip address='10.78.0.1' prefix='24'/></network>"
)


DEFINED = (
    "<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>64</memory><os><type>hvm</type></os>"
    "<devices><rng model='virtio'/></devices></domain>"
)
PACKED = {
    "name": "secret-vm", "system": "Debian 12", "cpus": 1, "memory_mib": 64, "firmware": "bios",
    "disks": [{"file": "d.vmdk", "format": "vmdk", "size_bytes": 1 << 30}],
    "cards": [], "controllers": [], "left_out": [],
}  # fmt: skip


def make_world(host: Host, alice: User, name: str = "secret-vm", state: str = "running") -> World:
    vm = make_vm(host, name, state=state)
    screen = {"type": "vnc", "listen": "address", "address": "0.0.0.0", "port": 5900}
    # What XML cannot hold no definition has in its name.
    called = html.escape("".join(sign for sign in name if sign.isprintable()))
    text = DEFINED.format(name=called, uuid=Placement.objects.get(vm=vm).uuid)
    Document.objects.filter(placement__vm=vm).update(facts={"graphics": [screen]}, next_boot=text)
    at = timezone.now()
    taken = {"name": "monday", "kind": "internal", "state": "shut_off", "taken_at": at, "next_boot": text}
    Snapshot.objects.create(placement=Placement.objects.get(vm=vm), is_current=True, **taken)
    SnapshotPicture.objects.create(vm=vm, name="monday", taken_at=at, png=b"\x89PNG\r\n")
    history.keep(vm.pk, host.pk, text.replace("<memory", "<title>was</title><memory"))
    history.keep(vm.pk, host.pk, text)
    operation = Operation.objects.create(
        kind="vm.shutdown", actor_user=alice, actor_name="alice", target_kind="vm", target_id=vm.pk, target_name=name,
        vm=vm, host=host, node=host.node, queue="quick", state="waiting", batch=uuid.uuid4(),
    )  # fmt: skip
    user, _ = User.objects.get_or_create(username="invited")
    expires_at = timezone.now() + timedelta(hours=1)
    Invitation.objects.get_or_create(user=user, defaults={"token_hash": "0" * 64, "expires_at": expires_at})
    quota, _ = Quota.objects.get_or_create(user=user, defaults={"vms": 2})
    size, _ = Size.objects.get_or_create(name="of-the-world", defaults={"vcpus": 1, "memory_mib": 64, "disk_gib": 1})
    key = uuid.uuid4().hex
    Session.objects.create(session_key=key, session_data="", expire_date=expires_at)
    session = UserSession.objects.create(user=user, session_key=key, ip="192.0.2.1", user_agent="tests")
    console = Console.objects.create(user=user, session_key=key, vm=vm, opened_at=timezone.now())
    token, _ = ApiToken.objects.get_or_create(
        token_hash="1" * 64, defaults={"user": user, "prefix": "kvmweb_x", "scopes": " all ", "expires_at": expires_at}
    )
    group, _ = Group.objects.get_or_create(name="staff")
    user.groups.add(group)
    pool, _ = StoragePool.objects.get_or_create(
        host=host, uuid=uuid.UUID(int=3), defaults={"name": "secret-pool", "type": "dir", "active": True}
    )
    volume, _ = Volume.objects.get_or_create(
        storage=pool.storage, name="secret-disk", defaults={"format": "raw", "capacity_bytes": 1 << 30}
    )
    volume.vms.add(vm)
    Archive.objects.get_or_create(volume=volume, defaults={"told": PACKED})
    network, _ = Network.objects.get_or_create(
        host=host, uuid=uuid.UUID(int=4), defaults={"name": "secret-net", "mode": "nat", "document": NET}
    )
    NetworkFilter.objects.get_or_create(host=host, uuid=uuid.UUID(int=7), defaults={"name": "secret-filter"})
    offer, _ = Offer.objects.get_or_create(host=host, name="isos", defaults={"kind": "folder", "path": "/srv/isos"})
    alert, _ = Alert.objects.get_or_create(
        kind="vm_stopped", subject=f"vm:{vm.pk}", vm=vm, name=name, severity="critical",
        defaults={"params": {"how": "crashed", "was": "running"}, "begun_at": timezone.now()},
    )  # fmt: skip
    silence, _ = AlertSilence.objects.get_or_create(
        kind="pool_full", until=timezone.now() + timedelta(days=1), made_by="alice"
    )
    schedule, _ = Schedule.objects.get_or_create(
        name="nightly", owner=alice, vm=vm, every="daily", minutes=150, zone="UTC", keep_last=3
    )
    sink, _ = AlertSink.objects.get_or_create(
        name="pager", defaults={"kind": "webhook", "address": "https://pager.example.org/", "least": "warning"}
    )
    given = grant(alice, "viewer", vm)
    image, copy = make_image(host)
    return World(
        host,
        vm,
        operation,
        given,
        quota,
        size,
        user,
        session,
        console,
        token,
        group,
        pool,
        volume,
        network,
        image,
        copy,
        offer,
        alert,
        silence,
        sink,
        make_plan(host, vm),
        schedule,
    )


def make_plan(host: Host, vm: VirtualMachine) -> HostPlan:
    """As a worker leaves one that moves nothing."""
    amounts = {name: [0, 0, 0] for name in ("own", "before", "after", "limit")}
    row = {"id": host.pk, "name": host.name, "cpus": 4, "mib": 4096, "vms": [1, 1], "emptied": False, **amounts}
    stays = {"vm": vm.pk, "name": vm.name, "host": host.pk, "code": "cannot", "reasons": []}
    found = {
        "names": ["cpus", "given", "disk"], "vms": 1, "off": 0, "unmeasured": 0, "step": 900, "hours": 48,
        "left_out": [], "hosts": [row], "used": [1, 1], "bound": 1, "survives": True, "stuck": [stays], "bytes": 0,
        "seconds": 0, "moves": 0,
    }  # fmt: skip
    wish = Wish("consolidate", hosts=(host.pk,))
    return HostPlan.objects.create(
        kind=wish.kind, hosts=[host.pk], vms=[vm.pk], asked=wish.to_json(), found=found, digest="a" * 64
    )


def put_in_trash(vm: VirtualMachine, by: User) -> None:
    """As a worker does at the end of vm.trash."""
    VirtualMachine.objects.filter(pk=vm.pk).update(trashed_at=timezone.now())
    Trashed.objects.create(vm=vm, by=by, by_name=by.username, purge_at=timezone.now() + timedelta(days=7))


def make_template(vm: VirtualMachine, by: User) -> None:
    """As a worker does at the end of vm.template; its disk was read."""
    VirtualMachine.objects.filter(pk=vm.pk).update(templated_at=timezone.now())
    Placement.objects.filter(vm=vm).update(state="shut_off", run_id=None)
    made = Template.objects.create(vm=vm, by=by, by_name=by.username, ready=True)
    for number, volume in enumerate(vm.volumes.order_by("pk")):
        TemplateVolume.objects.create(template=made, volume=volume, number=number, sha256="0" * 64)


def make_image(host: Host) -> tuple[Image, Volume]:
    """One that nobody was offered, and its copy on the host."""
    pool, _ = StoragePool.objects.get_or_create(
        host=host, uuid=uuid.UUID(int=5), defaults={"name": "images", "type": "dir", "active": True}
    )
    volume, _ = Volume.objects.get_or_create(storage=pool.storage, name="secret.img", defaults={"format": "raw"})
    image = Image.objects.filter(copies__volume=volume).first()
    if image is None:
        image = Image.objects.create(name="secret.img", kind="disk", format="raw")
        ImageCopy.objects.create(image=image, volume=volume)
    return image, volume


def address(route: str, values: Mapping[str, str]) -> str:
    """The route with the values in its places; a place without a value raises KeyError."""
    return "/" + PLACE.sub(lambda place: values[place[1]], route)
