"""The world in which every page has something to show: VMs in each state, operations that failed, wait and ended."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import libvirt

from tests.archives.packing import envelope, item, ova, vmdk
from tests.browser.cast import Cast, Player
from tests.lab.machine import eventually
from tests.lab.sending import upload
from vms.libvirtxml import DomainXML

LONG_NAME = "a-name-without-a-place-to-break-" * 6 + "<b>&amp;\u202eltr 🧪"
CROWD = 52  # more than one page of the list
OVER = ("succeeded", "failed", "cancelled", "superseded", "refused", "unknown")
OPEN = """
select id from vms_operation
where target_kind = ? and target_name like ? and state in ('queued', 'running', 'waiting', 'cancelling')
"""
FAILURES = """
select 1 from vms_operation where target_name = ? and read_at is null and state in ('failed', 'refused', 'unknown')
"""
READ = "from vms.models import Operation; from django.utils import timezone; "
UNREAD = """
select id from vms_operation as failed where id = ? and read_at is null and not exists (
  select 1 from vms_operation where vm_id = failed.vm_id and id > failed.id and state = 'succeeded')
"""


DISK = (
    "<disk type='volume' device='disk'><driver name='qemu' type='qcow2'/><source pool='kept' volume='web.qcow2'/>"
    "<target dev='vda' bus='virtio'/></disk>"
)


CHANNEL = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></channel>"
REPORTED: dict[str, Any] = {
    "host_name": "a-host-name-that-a-guest-" + "made-long-" * 12,
    "system": "Debian GNU/Linux 12 (bookworm)",
    "version": "12 (bookworm)",
    "kernel": "6.1.0-26-cloud-amd64",
    "machine": "x86_64",
    "time_zone": "CET",
    "ahead_seconds": -95,
    "cards": [
        {
            "name": "eth0", "mac": "52:54:00:00:00:07",
            "addresses": ["192.0.2.7/24", "2001:db8:1234:5678:5054:ff:fe00:7/64", "fe80::5054:ff:fe00:7/64"],
        }
    ],
    "file_systems": [
        {"mounted_at": "/", "type": "ext4", "disks": ["vda"], "total_bytes": 20 << 30, "used_bytes": 17 << 30},
        {"mounted_at": "/srv/" + "deep/" * 30, "type": "xfs", "disks": ["vdb", "vdc"], "total_bytes": 1 << 42,
         "used_bytes": 1 << 40},
        {"mounted_at": "/proc", "type": "proc", "disks": [], "total_bytes": None, "used_bytes": None},
    ],
    "users": [{"name": "anna", "domain": "", "since": 1_790_000_000}],
    "left_out": 3,
}  # fmt: skip
KEPT_KEYS = [
    {"type": "ssh-ed25519", "fingerprint": "SHA256:2dm4K7d5nRr0vfUj3Gk7m1kqGZ2yWcJ9p1xT8sYxkQw", "comment": "anna@desk"}
]


@cache
def packed() -> bytes:
    """An OVA as VMware exports it, with an empty disk and what no VM here has."""
    root = envelope(
        item(3, VirtualQuantity="2"), item(4, AllocationUnits="byte * 2^20", VirtualQuantity="2048"),
        item(6, ResourceSubType="lsilogic"), item(10, ResourceSubType="E1000", Connection="VM Network"), item(14),
        item(35), item(17, HostResource="ovf:/disk/d1"),
        files=None, capacity="40", capacityAllocationUnits="byte * 2^20",
    )  # fmt: skip
    with TemporaryDirectory() as folder:
        return ova(root, ("web-disk1.vmdk", vmdk(Path(folder), bytes(40 << 20))))


class Stage:
    """set() once; the methods after it bring back what a test has changed."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        self.dashboard = cast.dashboard
        self.operations: dict[str, int] = {}
        self.documents = {name: cast[name].guest.domain.XMLDesc() for name in ("spice", "blank")}

    def set(self) -> None:
        guests = self.cast.guests
        self.cast.engage("stoic", obeys=False, shell=True, run=True)
        self.cast.engage("headless-off", graphics=None, shell=True)
        for number in range(CROWD):
            last = guests.make(f"crowd-{number:02}")
        self.strange = self.cast.engage(LONG_NAME)
        described = self.strange.guest.domain
        described.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, "What <i>it</i> is for, in one line", None, None)
        described.setMetadata(libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, "Two lines\nof words " * 9, None, None)
        self.cast.engage("netless", network="default")
        self.cast.engage("vanished")
        guests.host.virsh("undefine", "vanished")
        self.dashboard.vm(last.uuid)
        self.fails()
        self.runs("deaf")
        self.operations["succeeded"] = self.dashboard.ask(self.cast["deaf"].pk, "reset")
        self.dashboard.await_operation(self.operations["succeeded"])
        self.waits()
        self.operations["superseded"] = self.operations["waiting"]
        self.waits()

    def pool(self, rest: str = "", name: str = "kept") -> str:
        """The page of a storage pool of the host."""
        found = [pool["id"] for pool in self.dashboard.get(f"/pools?q={name}")["items"]]
        if found and not self.dashboard.get(f"/pools/{found[0]}")["active"]:
            asked = self.dashboard.post(f"/pools/{found[0]}/start").body["operation"]["id"]
            self.dashboard.await_operation(asked)
        if not found:
            wish = {"spec": {"type": "dir", "name": name, "path": f"/var/lib/libvirt/images/{name}"}}
            asked = self.dashboard.post("/hosts/1/pools", wish).body["operation"]["id"]
            self.dashboard.await_operation(asked)
            found = eventually(
                lambda: [pool["id"] for pool in self.dashboard.get(f"/pools?q={name}")["items"]], "the pool has a row"
            )
        return f"/pools/{found[0]}/{rest}"

    def volume(self, rest: str = "", name: str = "spare.qcow2", form: str = "qcow2") -> str:
        """The page of a volume of that pool, which nothing uses."""
        volumes = self.pool("volumes")
        found = self.dashboard.get(f"{volumes}?q={name}")["items"]
        if not found:
            wish = {"name": name, "size_bytes": 1 << 30, "format": form}
            self.dashboard.await_operation(self.dashboard.post(volumes, wish).body["operation"]["id"])
            found = self.dashboard.get(f"{volumes}?q={name}")["items"]
        return f"/volumes/{found[0]['id']}/{rest}"

    def archive(self, *, read: bool = True) -> str:
        """The page on which a VM comes out of an archive of that pool; read: somebody had it read."""
        pool, name = self.pool("volumes"), "web.ova" if read else "unread.ova"
        found = self.dashboard.get(f"{pool}?q={name}")["items"]
        if not found:
            sending = upload(self.dashboard, int(pool.split("/")[2]), name, len(packed()), "ova")
            assert sending.patch(0, packed()).status == 204
            self.dashboard.await_operation(sending.operation)
            found = self.dashboard.get(f"{pool}?q={name}")["items"]
        if not read:
            pk = found[0]["id"]
            self.end_all("volume", name)
            self.dashboard.do(f"from vms.models import Archive; Archive.objects.filter(volume={pk}).delete()")
        return f"/volumes/{found[0]['id']}/import/"

    def with_disk(self) -> str:
        """The page of a VM that is off and has a disk beside that volume."""
        volumes = self.volume() and self.pool("volumes")
        if not any(guest.name == "copied" for guest in self.cast.guests.made):
            wish = {"name": "web.qcow2", "size_bytes": 1 << 30, "format": "qcow2"}
            self.dashboard.await_operation(self.dashboard.post(volumes, wish).body["operation"]["id"])
            guest = self.cast.guests.make("copied", graphics=None)
            guest.domain.attachDeviceFlags(DISK, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
            # libvirt tells of a definition that is given to it, not of a disk that is.
            guest.domain.connect().defineXML(guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
            self.copied = self.dashboard.vm(guest.uuid)
            asked = f"/vms/{self.copied}/clone"
            eventually(
                lambda: [one["volume"] for one in self.dashboard.get(asked)] not in ([], [None]), "its disk is known"
            )
            self.copied_as_made = guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        self.in_peace("copied")
        connection = self.cast.guests.host.connect()
        if connection.lookupByName("copied").XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) != self.copied_as_made:
            connection.defineXML(self.copied_as_made)
            self.await_device(self.copied, "vda", "kept/web.qcow2")
        connection.close()
        return f"/vms/{self.copied}/"

    def with_snapshots(self, then: str = "") -> str:
        """The page of the snapshots of a VM that is off: two of one line, and where it is now after going back to the
        first; then: of one of them, or of a question."""
        if not any(guest.name == "remembered" for guest in self.cast.guests.made):
            volumes = self.volume() and self.pool("volumes")
            name = "remembered.qcow2"
            wish = {"name": name, "size_bytes": 1 << 30, "format": "qcow2"}
            self.dashboard.await_operation(self.dashboard.post(volumes, wish).body["operation"]["id"])
            guest = self.cast.guests.make("remembered", graphics=None)
            guest.domain.attachDeviceFlags(DISK.replace("web.qcow2", name), libvirt.VIR_DOMAIN_AFFECT_CONFIG)
            guest.domain.connect().defineXML(guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
            self.remembered = self.dashboard.vm(guest.uuid)
            asked = f"/vms/{self.remembered}/snapshots"
            eventually(lambda: self.dashboard.get(f"{asked}/possible")["plain"]["possible"], "its disk is known")
            for name, told in (("before the upgrade", "What it was before the upgrade " * 6), ("upgraded", "")):
                self.ended(self.dashboard.post(asked, {"name": name, "description": told}))
            self.ended(self.dashboard.post(f"{asked}/before%20the%20upgrade/revert", {}))
            self.ended(self.dashboard.post(asked, {"name": "without-it"}))
            eventually(lambda: self.dashboard.get(asked)["current"] == "without-it", "they are known")
        return f"/vms/{self.remembered}/snapshots/{then}"

    def ended(self, answer: Any) -> None:
        assert answer.status == 202, answer.body
        self.dashboard.await_operation(answer.body["operation"]["id"])

    def await_device(self, vm: int, key: str, source: str) -> None:
        """The dashboard knows that this is behind that device of the VM, "" for nothing."""

        def there() -> bool:
            found = self.dashboard.get(f"/vms/{vm}/devices")["items"]
            return any(one["key"] == key and one["about"].get("source", "") == source for one in found)

        eventually(there, f"{source or 'nothing'} is in {key}")

    def edited(self) -> Player:
        """It runs otherwise than its next start's definition says, and obeys nobody."""
        if "edited" not in self.cast.players:
            self.cast.engage("edited", obeys=False)
        player = self.runs("edited")
        domain = player.guest.domain
        document = DomainXML.parse(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))
        document.title, document.memory_kib, document.current_memory_kib = "Edited", 262144, 262144
        domain.connect().defineXML(document.text)
        pending = f"/vms/{player.pk}/pending"
        eventually(lambda: len(self.dashboard.get(pending)["changes"]) == 2, "its changes wait")
        return player

    def forgotten(self) -> int:
        """The number of a VM that was deleted for good."""
        if not any(guest.name == "forgotten" for guest in self.cast.guests.made):
            self.gone_for_good = self.dashboard.vm(self.cast.guests.make("forgotten", graphics=None).uuid)
            wish = {"trash": False, "confirm": "forgotten"}
            asked = self.dashboard.post(f"/vms/{self.gone_for_good}/delete", wish).body["operation"]["id"]
            self.dashboard.await_operation(asked)
        return self.gone_for_good

    def discarded(self, *, deleted: bool) -> int:
        """The number of a VM that nobody else needs, which is in the trash or (not deleted) can go there."""
        if not any(guest.name == "discarded" for guest in self.cast.guests.made):
            self.discard = self.dashboard.vm(self.cast.guests.make("discarded", graphics=None).uuid)
        self.end_all("vm", "discarded")
        there = any(item["id"] == self.discard for item in self.dashboard.get("/trash")["items"])
        if there != deleted:
            path = f"/vms/{self.discard}/delete" if deleted else f"/trash/{self.discard}/restore"
            asked = self.dashboard.post(path, {} if deleted else None).body["operation"]["id"]
            self.dashboard.await_operation(asked)
        return self.discard

    def original(self, *, template: bool) -> int:
        """The number of a VM with a disk of its own, which is a template or (not template) can become one."""
        pool = int(self.pool().split("/")[2])
        self.end_all("vm", "golden")
        there = [one["id"] for one in self.dashboard.get("/templates")["items"] if one["name"] == "golden"]
        if template == bool(there) and there:
            return int(there[0])
        if there:
            asked = self.dashboard.post(f"/templates/{there[0]}/make-vm").body["operation"]["id"]
            self.dashboard.await_operation(asked)
            return int(there[0])
        found = [one["id"] for one in self.dashboard.get("/vms?q=golden")["items"] if one["name"] == "golden"]
        if not found:
            disks = [{"pool": pool, "size_mib": 8}]
            wish = {"name": "golden", "cpus": 1, "memory_mib": 64, "disks": disks, "networks": [], "start": False}
            asked = self.dashboard.post("/vms", wish).body["operation"]["id"]
            found = [self.dashboard.await_operation(asked)["target"]["id"]]
        vm = int(found[0])
        eventually(lambda: self.dashboard.get(f"/vms/{vm}/belongings")["goes"], "its disk is known", within=60)
        if template:
            self.dashboard.await_operation(self.dashboard.post(f"/vms/{vm}/template").body["operation"]["id"])
        return vm

    def image(self) -> str:
        """The page of an image, of which that volume is taken for a copy."""
        pk = self.volume().split("/")[2]
        made = f"from vms.models import *\nvolume = Volume.objects.get(pk={pk})\n"
        fields = "{'kind': 'disk', 'format': 'qcow2', 'sha256': '0' * 64}"
        made += f"image, _ = Image.objects.update_or_create(name='Debian 13', defaults={fields})\n"
        made += "as_new = {'image': image, 'published': False}\n"
        self.dashboard.do(made + "ImageCopy.objects.update_or_create(volume=volume, defaults=as_new)")
        [[image]] = self.dashboard.query("select id from vms_image where name = 'Debian 13'")
        return f"/images/{image}/"

    def secrets(self, rest: str = "") -> str:
        """The page of the host's secrets, of which there is one."""
        wish = {"usage": "ceph", "name": "client.admin", "value": "not shown anywhere"}
        self.dashboard.await_operation(self.dashboard.post("/hosts/1/secrets", wish).body["operation"]["id"])
        [kept] = eventually(lambda: self.dashboard.get("/hosts/1/secrets"), "the secret is told")
        return "/hosts/1/secrets/" + rest.format(uuid=kept["uuid"])

    def settle(self, name: str) -> Player:
        """Nothing is asked of it any more."""
        self.end_all("vm", name)
        return self.cast[name]

    def in_peace(self, name: str) -> None:
        """Whatever was asked of it before is over, and has been read where it failed."""
        self.end_all("vm", name)
        if self.dashboard.query(FAILURES, name):
            self.dashboard.do(f"{READ}Operation.objects.filter(target_name={name!r}).update(read_at=timezone.now())")

    def end_all(self, kind: str, names: str) -> None:
        """No operation on these is open: those that run end, those that wait are cancelled."""
        for [pk] in self.dashboard.query(OPEN, kind, names):
            if self.dashboard.await_operation(pk, "waiting", *OVER)["state"] == "waiting":
                self.dashboard.post(f"/operations/{pk}/cancel")
                self.dashboard.await_operation(pk, *OVER)

    def runs(self, name: str) -> Player:
        """It runs, by whatever way; its programs need not be up."""
        player = self.settle(name)
        if player.guest.is_off():
            player.guest.domain.create()
        elif not player.guest.is_running():
            player.guest.domain.resume()
        self.dashboard.await_state(player.pk, "running")
        return player

    def is_paused(self, name: str) -> Player:
        player = self.settle(name)
        if player.guest.is_off():
            player.guest.domain.create()
        if player.guest.is_running():
            player.guest.domain.suspend()
        self.dashboard.await_state(player.pk, "paused")
        return player

    def is_saved(self, name: str) -> Player:
        player = self.settle(name)
        if not player.guest.domain.hasManagedSaveImage():
            self.is_paused(name)
            player.guest.domain.managedSave()
        self.dashboard.await_state(player.pk, "saved")
        return player

    def is_off(self, name: str) -> Player:
        self.settle(name)
        self.cast.is_off(name)
        return self.cast[name]

    def is_off_and_as_made(self, name: str) -> Player:
        """It is off and has the screens with which it was made."""
        player = self.is_off(name)
        made = self.documents[name]
        if player.guest.domain.XMLDesc() != made:
            self.cast.guests.host.connect().defineXML(made)
            kinds = [kind for kind in ("vnc", "spice") if f"<graphics type='{kind}'" in made]
            eventually(lambda: self.dashboard.get(f"/vms/{player.pk}")["graphics"] == kinds, f"{name} has {kinds}")
        return player

    def crowd_is_off(self) -> None:
        """None of the many VMs runs."""
        self.end_all("vm", "crowd-%")
        for domain in self.cast.guests.host.connect().listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
            if domain.name().startswith("crowd-"):
                domain.destroy()
        alive = "select count(*) from vms_placement where name like 'crowd-%' and state <> 'shut_off'"
        eventually(lambda: self.dashboard.query(alive) == [(0,)], "the crowd is off")

    def waits(self) -> Player:
        """An operation on deaf waits for it, and nobody has read that yet."""
        player = self.runs("deaf")
        asked = self.dashboard.ask(player.pk, "shutdown")
        self.dashboard.await_operation(asked, "waiting")
        self.operations["waiting"] = asked
        return player

    def fails(self) -> Player:
        """netless failed to start because its network is stopped, and nobody has read that yet."""
        player = self.is_off("netless")
        self.network_is_stopped()
        if not self.dashboard.query(UNREAD, self.operations.get("failed")):
            self.operations["failed"] = self.dashboard.ask(player.pk, "start")
            self.dashboard.await_operation(self.operations["failed"], "failed")
        return player

    def network_is_stopped(self) -> None:
        network = self.cast.guests.host.connect().networkLookupByName("default")
        if network.isActive():
            network.destroy()
        network.setAutostart(0)

    def host_is_bare(self) -> str:
        """The host as libvirt's package leaves it; the address of its page."""
        self.end_all("host", "%")
        self.network_is_stopped()
        for pool in self.cast.guests.host.connect().listAllStoragePools():
            if pool.isActive():
                pool.destroy()
            pool.undefine()
        eventually(self.seems_bare, "the dashboard sees the host's network stopped and no pool")
        return "/hosts/1/"

    def visitor(self, left_alone: bool = False, **fields: Any) -> str:
        """A second host that never answers; the address of its page. It leaves when the test ends."""
        wish = {"name": "visitor", "transport": "ssh", "host": "127.0.0.1", "port": 1, **fields}
        as_made = {**wish, "unencrypted": False, "left_alone": left_alone, "host_key": None}
        for host in self.dashboard.get("/hosts")["items"]:
            if as_made.items() <= {**host, "unencrypted": False, "host_key": host["host_key"] or None}.items():
                return f"/hosts/{host['id']}/"
        self.visitors_leave()
        answer = self.dashboard.post("/hosts", wish)
        assert answer.status == 201, answer
        pk = answer.body["id"]
        if left_alone:
            self.dashboard.request("PATCH", f"/api/v1/hosts/{pk}", {"left_alone": True})
        return f"/hosts/{pk}/"

    def guest(self) -> str:
        """An account that is on, administers nothing and was not invited; the address of its page."""
        made = "from vms.models import *\nguest, _ = User.objects.get_or_create(username='guest')\n"
        as_made = "is_active=True, is_administrator=False"
        rest = f"User.objects.filter(pk=guest.pk).update({as_made}); Invitation.objects.filter(user=guest).delete()"
        self.dashboard.do(made + rest)
        [[pk]] = self.dashboard.query("select id from vms_user where username = 'guest'")
        return f"/users/{pk}/"

    def reporter(self) -> str:
        """A VM that runs and whose guest has told of itself, frozen, with a key of somebody; the address of that."""
        if "reporter" not in self.cast.players:
            self.cast.engage("reporter", obeys=False, cds=2)
        player = self.runs("reporter")
        self.in_peace("reporter")
        made = (
            "from vms.models import *\nfrom django.utils import timezone\nfrom datetime import timedelta\n"
            f"placement = Placement.objects.select_related('document').get(current_of={player.pk})\n"
            "document, now = placement.document, timezone.now()\n"
            f"channel, facts, keys = {CHANNEL!r}, {REPORTED!r}, {KEPT_KEYS!r}\n"
            "if 'guest_agent' not in document.live:\n"
            "    document.live = document.live.replace('</devices>', channel + '</devices>')\n"
            "    document.save(update_fields=['live'])\n"
            "as_told = {'run_id': placement.run_id, 'asked_at': now, 'told_at': now, 'facts': facts}\n"
            "AgentReport.objects.update_or_create(placement=placement, defaults=as_told)\n"
            "as_frozen = {'run_id': placement.run_id, 'asked_at': now, 'frozen_at': now, 'seconds': 600}\n"
            "as_frozen |= {'thaw_at': now + timedelta(seconds=600)}\n"
            f"Freeze.objects.update_or_create(vm_id={player.pk}, defaults=as_frozen)\n"
            "as_read = {'read_at': now, 'keys': keys}\n"
            f"GuestKeys.objects.update_or_create(vm_id={player.pk}, user='anna', defaults=as_read)"
        )
        self.dashboard.do(made)
        return player.path + "agent/"

    def token_of_mallory(self) -> str:
        """Mallory has one token; the address of the page of her tokens."""
        made = "from vms.models import *\nmallory = User.objects.get(username='mallory')\n"
        fields = "'user': mallory, 'name': 'backup', 'prefix': 'kvmweb_m', 'scopes': ' operator vm.copy '"
        until = "'expires_at': '2199-01-01T00:00:00Z', 'revoked_at': None"
        rest = f"ApiToken.objects.update_or_create(token_hash='m', defaults={{{fields}, {until}}})"
        self.dashboard.do(made + rest)
        return "/account/tokens/"

    def two_more_browsers(self) -> str:
        """The administrator is signed in at two more places; the address of the page that lists them."""
        made = (
            "from allauth.usersessions.models import UserSession\nfrom django.contrib.sessions.models import Session\n"
        )
        made += "from django.conf import settings\nfrom django.contrib import auth\nfrom vms.models import *\n"
        made += "from django.contrib.sessions.backends.db import SessionStore\n"
        made += "admin = User.objects.get(username='admin')\n"
        made += "data = {auth.SESSION_KEY: str(admin.pk), auth.HASH_SESSION_KEY: admin.get_session_auth_hash(),\n"
        made += " auth.BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0]}\n"
        made += "lives = {'session_data': SessionStore().encode(data), 'expire_date': '2199-01-01T00:00:00Z'}\n"
        made += "for key in ('elsewhere-1', 'elsewhere-2'):\n"
        made += " Session.objects.update_or_create(session_key=key, defaults=lives)\n"
        made += " told = {'user': admin, 'ip': '192.0.2.7', 'user_agent': key}\n"
        made += " UserSession.objects.update_or_create(session_key=key, defaults=told)\n\n"
        self.dashboard.do(made)
        return "/accounts/sessions/"

    def alerts(self) -> str:
        """Alerts of VMs that are off: one that waits, one that is silenced, one that somebody is at, and one that is
        over; their page's address."""
        vms = {name: self.cast[name].pk for name in ("blank", "spice")} | {"strange": self.strange.pk}
        made = (
            "from vms.models import *; from django.utils import timezone; from datetime import timedelta\n"
            "now = timezone.now()\n"
            f"for name, pk, how, ended in (('strange', {vms['strange']}, 'crashed', None),"
            f" ('blank', {vms['blank']}, 'destroyed', None), ('spice', {vms['spice']}, 'gone', None),"
            f" ('spice', {vms['spice']}, 'crashed', now)):\n"
            " vm = VirtualMachine.objects.get(pk=pk)\n"
            " fields = {'name': vm.name, 'severity': 'critical', 'params': {'how': how, 'was': 'running'},\n"
            "  'begun_at': now - timedelta(minutes=4), 'ended_at': ended,\n"
            "  'acknowledged_at': now if name == 'spice' else None,\n"
            "  'acknowledged_by': 'admin' if name == 'spice' else ''}\n"
            " is_over = ended is not None\n"
            " Alert.objects.update_or_create(kind='vm_stopped', subject=f'vm:{pk}', vm=vm,"
            " ended_at__isnull=not is_over, defaults=fields)\n"
            "quiet = {'until': now + timedelta(days=400), 'made_by': 'admin', 'reason': 'Rebuilt ' * 20}\n"
            f"AlertSilence.objects.update_or_create(kind='vm_stopped', thing='vm:{vms['blank']}', name='blank',"
            " defaults=quiet)\n"
        )
        self.dashboard.do(made)
        return "/alerts/"

    def alert(self) -> str:
        """The question before the one that waits is silenced; its address."""
        self.alerts()
        [[pk]] = self.dashboard.query(
            "select id from vms_alert where vm_id = ? and ended_at is null", self.strange.pk
        )  # fmt: skip
        return f"/alerts/{pk}/silence/"

    def sink(self) -> str:
        """What arrived at a webhook that is not used now, and what did not; the address of its page."""
        self.alerts()
        found = {sink["name"]: sink["id"] for sink in self.dashboard.get("/alert-sinks")["items"]}
        wish = {"name": "pager", "kind": "webhook", "address": "https://hooks.example.org/" + "T0/" * 60}
        pk = found.get("pager") or self.dashboard.post("/alert-sinks", wish).body["id"]
        made = (
            "from vms.models import *; from django.utils import timezone\n"
            "now = timezone.now(); alert = Alert.objects.filter(ended_at=None).order_by('pk')[0]\n"
            f"sink = AlertSink.objects.get(pk={pk})\n"
            "AlertSink.objects.filter(pk=sink.pk).update(enabled=False, failing_since=None, sent_at=now)\n"
            "AlertDelivery.objects.filter(sink=sink).delete()\n"
            "for what, told in (('begun', {'sent_at': now}), ('ended', {'error_code': 'answer_5'}), ('test', {})):\n"
            " AlertDelivery.objects.create(sink=sink, alert=None if what == 'test' else alert, what=what,"
            " queued_at=now, **told)\n"
        )
        self.dashboard.do(made)
        return f"/alerts/sinks/{pk}/"

    def schedules(self) -> dict[str, int]:
        """{name: number} of three: one of a VM whose last run was good and the one before was not, one of a tag that
        stopped, one that is off."""
        there = {each["name"]: each["id"] for each in self.dashboard.get("/schedules")["items"]}
        wish = {"every": "daily", "minutes": 150, "zone": "Europe/Berlin", "keep": {"last": 3, "daily": 7, "weekly": 4}}
        blank, spice = self.cast["blank"].pk, self.cast["spice"].pk
        several: dict[str, dict[str, Any]] = {
            "nightly": {"vm": blank}, "before each Monday's release": {"vm": spice, "every": "weekly", "day": 0},
            "hourly-for-the-day": {"vm": blank, "every": "hourly", "minutes": 15, "keep": {"hourly": 24}},
        }  # fmt: skip
        for name, values in several.items():
            if name not in there:
                there[name] = self.dashboard.post("/schedules", {**wish, "name": name, **values}).body["id"]
        made = (
            "from vms.models import *; from django.utils import timezone; from datetime import timedelta\n"
            f"now = timezone.now(); schedule = Schedule.objects.get(pk={there['nightly']}); later = timedelta(days=9)\n"
            "Schedule.objects.update(next_run_at=now + later)\n"
            f"Schedule.objects.filter(pk={there['hourly-for-the-day']}).update(enabled=False, next_run_at=None)\n"
            "Schedule.objects.filter(name__startswith='before').update(stopped_code='schedule_rights',"
            " next_run_at=None)\n"
            "ScheduleRun.objects.filter(schedule=schedule).delete(); schedule.snapshots.all().delete()\n"
            "for days, code, state, missed in ((2, '', 'gone', 0), (1, 'host_silent', 'failed', 0),"
            " (0, '', 'taken', 2)):\n"
            " at = now - timedelta(days=days, minutes=5)\n"
            " run = ScheduleRun.objects.create(schedule=schedule, due_at=at, begun_at=at, ended_at=at, missed=missed,"
            " error_code=code, error_params={'vm': 'blank', 'host': ''} if code else {})\n"
            " ScheduledSnapshot.objects.create(run=run, schedule=schedule, vm=schedule.vm, vm_name='blank',"
            " name=f'nightly-2026112{6 - days}-0230', state=state, taken_at=at, error_code=code,"
            " error_params={'host': ''} if code else {})\n"
        )
        self.dashboard.do(made)
        return there

    def schedule(self) -> str:
        """The page of one with runs."""
        return f"/schedules/{self.schedules()['nightly']}/"

    def size(self) -> str:
        """The question before a size is removed; its address."""
        found = {size["name"]: size["id"] for size in self.dashboard.get("/sizes")["items"]}
        wish = {"name": "staged", "vcpus": 1, "memory_mib": 512, "disk_gib": 4}
        pk = found.get("staged") or self.dashboard.post("/sizes", wish).body["id"]
        return f"/sizes/{pk}/remove/"

    def network(self) -> str:
        """A private network that runs, with a fixed address and a change that waits; the address of its page."""
        connection = self.cast.guests.host.connect()
        if not self.staged():
            for network in connection.listAllNetworks():
                if network.name() == "staged":
                    if network.isActive():
                        network.destroy()
                    network.undefine()
            text = (
                "<network><name>staged</name><forward mode='nat'/>{}<ip address='10.99.0.1' prefix='24'><dhcp>"
                "<range start='10.99.0.2' end='10.99.0.9'/><host mac='52:54:00:00:00:99' name='five' ip='10.99.0.5'/>"
                "</dhcp></ip></network>"
            )
            connection.networkDefineXML(text.format("")).create()
            kept = connection.networkLookupByName("staged").UUIDString()
            connection.networkDefineXML(
                text.replace("<name>", f"<uuid>{kept}</uuid><name>").format("<domain name='lab.example'/>")
            )
        connection.close()
        pk = eventually(self.staged, "the dashboard sees the network and that it is to be restarted")
        return f"/networks/{pk}/"

    def staged(self) -> int | None:
        """The number of that network, once all of it is known."""
        found = [each for each in self.dashboard.get("/networks")["items"] if each["name"] == "staged"]
        return next((int(each["id"]) for each in found if each["active"] and each["restart"]), None)

    def filters(self) -> str:
        """The address of the host's network filters."""
        return f"/hosts/{self.dashboard.get('/hosts')['items'][0]['id']}/filters/"

    def define(self) -> str:
        """The address at which a VM is defined from XML; there is none of the name that the scenes write."""
        self.end_all("host", "%")
        for domain in self.cast.guests.host.connect().listAllDomains():
            if domain.name() == "written":
                domain.undefine()
        there = "select 1 from vms_placement where name = 'written' and present"
        eventually(lambda: not self.dashboard.query(there), "what was written is gone")
        return self.filters().replace("filters", "define")

    def staff(self) -> str:
        """A group with the guest in it, to which one grant is given; the address of its page."""
        found = [group for group in self.dashboard.get("/groups")["items"] if group["name"] == "staff"]
        if [(group["members"], group["grants"]) for group in found] != [(1, 1)]:
            made = "from django.contrib.auth.models import Group\nfrom vms.models import *\n"
            made += "Group.objects.filter(name__in=['staff', 'crew']).delete()\n"
            made += "guest, _ = User.objects.get_or_create(username='guest')\n"
            made += "staff = Group.objects.create(name='staff'); staff.user_set.set([guest])\n"
            made += "Grant.objects.create(group=staff, role=Role.objects.get(name='operator'), tag='staged')\n"
            self.dashboard.do(made)
        [[pk]] = self.dashboard.query("select id from auth_group where name = 'staff'")
        return f"/groups/{pk}/"

    def grant_of_the_staff(self) -> str:
        """The address of the question whether to take it away."""
        self.staff()
        [[pk]] = self.dashboard.query("select id from vms_grant where tag = 'staged'")
        return f"/grants/{pk}/take-away/"

    def visitor_shows_its_key(self) -> str:
        """The same, as it is when somebody is to compare its key."""
        path = self.visitor()
        line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBbMx3Q4N1s7pVhQ0cJ0Xr0m8q6a1aQyH4kq8o2kI3mA"
        self.dashboard.do(
            f"from vms.models import Host\nHost.objects.filter(name='visitor').update(offered_key='{line}')",
        )
        return path

    def visitors_leave(self) -> None:
        if self.dashboard.query("select 1 from vms_operation where node = 'elsewhere'"):
            self.dashboard.do("from vms.models import Operation; Operation.objects.filter(node='elsewhere').delete()")
        self.end_all("host", "visitor%")
        for host in self.dashboard.get("/hosts")["items"]:
            if host["name"].startswith("visitor"):
                assert self.dashboard.request("DELETE", f"/api/v1/hosts/{host['id']}").status == 204

    def seems_bare(self) -> bool:
        [[facts]] = self.dashboard.query("select facts from vms_host where id = 1")
        told = json.loads(facts)
        return not told["pools"] and not any(network["active"] for network in told["networks"])
