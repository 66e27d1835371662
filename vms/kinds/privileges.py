"""Every privilege and the roles that hold it: the table that rights are made of. Names are stored: none is reused.

An administrator holds all of them. A privilege that equals root on a host is his alone: no role, no grant and no
selector gives it, whatever the rows say (vms.permissions does not even look there).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from vms.kinds.words import mark

LADDER: Final = ("viewer", "operator", "editor", "owner")
CREATOR: Final = "creator"
# OWN_ROLE: in none of the fixed roles; a site's own role may hold it.
Lowest = Literal["viewer", "operator", "editor", "owner", "own role", "administrator"]


@dataclass(frozen=True)
class Privilege:
    """One verb on a noun. lowest: the first of the ladder's roles that holds it, as do those above. root: equals root
    on a host. creator: the role of who only makes new things holds it."""

    name: str
    lowest: Lowest
    means: str
    root: bool = False
    creator: bool = False

    @property
    def noun(self) -> str:
        """What it is asked of: "vm", "host", ..."""
        return self.name.partition(".")[0]


TABLE: Final = (
    Privilege("vm.view", "viewer", mark("see its name, state, tags, numbers and addresses, and what happens to it")),
    Privilege("vm.screen", "operator", mark("watch its screen, read its serial line")),
    Privilege("vm.console", "operator", mark("use its keyboard and pointer, type into its serial line")),
    Privilege("vm.power", "operator", mark("start, shut down, reboot, pause, resume, save and restore it")),
    Privilege("vm.force", "operator", mark("force it off, reset it, send an NMI, let it start with the host")),
    Privilege("vm.agent.view", "operator", mark("see what its guest agent tells")),
    Privilege("vm.agent.freeze", "operator", mark("freeze and thaw its file systems, set its clock right")),
    Privilege("vm.xml.view", "editor", mark("read its definition, without secrets")),
    Privilege("vm.describe", "editor", mark("change title, description and which system it is said to be")),
    Privilege("vm.cpu_memory", "editor", mark("change its processors and memory")),
    Privilege("vm.disk", "editor", mark("change its disks")),
    Privilege("vm.nic", "editor", mark("change its network cards")),
    Privilege("vm.device", "editor", mark("add and change its harmless devices, such as screens and serial lines")),
    Privilege("vm.media", "editor", mark("put media in, and take them out")),
    Privilege("vm.boot", "editor", mark("choose what it starts from: root in the guest")),
    Privilege("vm.snapshot", "editor", mark("make and rename snapshots")),
    Privilege("vm.schedule", "editor", mark("set what happens to it at which time")),
    Privilege("vm.revert", "editor", mark("go back to what was, and discard it")),
    Privilege("vm.label", "owner", mark("change name and tags, as far as this gives nobody a right")),
    Privilege("vm.copy", "owner", mark("clone and export it, take its data away")),
    Privilege("vm.agent.password", "owner", mark("set passwords and keys in its guest")),
    Privilege("vm.delete", "owner", mark("delete it with its disks")),
    Privilege("vm.access", "owner", mark("give others the rights that one has here")),
    Privilege("vm.agent.exec", "own role", mark("run programs in its guest")),
    Privilege("vm.migrate", "own role", mark("move it to another host")),
    Privilege("vm.tune", "administrator", mark("change its shares of the host: pinning, weights, locked memory")),
    Privilege("vm.define", "administrator", mark("write any definition"), root=True),
    Privilege("host.view", "viewer", mark("see the host, its facts and libvirt's own words")),
    Privilege("host.use", "operator", mark("place VMs on the host"), creator=True),
    Privilege("network.use", "operator", mark("connect VMs to the network"), creator=True),
    Privilege("pool.use", "operator", mark("keep disks of one's own in the pool"), creator=True),
    Privilege("image.use", "operator", mark("install from the image"), creator=True),
    Privilege("size.use", "operator", mark("make VMs of the size"), creator=True),
    Privilege("template.use", "operator", mark("make VMs of the template"), creator=True),
    Privilege("pool.upload", "editor", mark("upload into the pool")),
    Privilege("image.fetch", "editor", mark("fetch images from addresses")),
    Privilege("network.lease", "owner", mark("change the network's fixed addresses and names")),
    Privilege("volume.any", "owner", mark("see, copy and delete what others keep in the pool")),
    Privilege("image.publish", "owner", mark("offer an image to others")),
    Privilege("template.publish", "owner", mark("offer a template to others")),
    Privilege("host.maintain", "administrator", mark("get the host ready, and take it out of use for a while")),
    Privilege("quota.admin", "administrator", mark("set quotas")),
    Privilege("size.admin", "administrator", mark("define the sizes of new VMs")),
    Privilege("alert.admin", "administrator", mark("set alerts")),
    Privilege("audit.view", "administrator", mark("read what people did")),
    Privilege("metrics.scrape", "administrator", mark("read all numbers")),
    Privilege("site.health", "administrator", mark("see which part of the dashboard is down")),
    Privilege("host.admin", "administrator", mark("add, change and remove hosts"), root=True),
    Privilege("pool.admin", "administrator", mark("define storage pools"), root=True),
    Privilege("network.admin", "administrator", mark("define networks and filters"), root=True),
    Privilege("secret.admin", "administrator", mark("set libvirt's secrets"), root=True),
    Privilege("device.offer", "administrator", mark("offer a host's devices to VMs"), root=True),
    Privilege("settings.admin", "administrator", mark("set how people sign in and what leaves the house"), root=True),
    Privilege("user.admin", "administrator", mark("make and change users")),
    Privilege("group.admin", "administrator", mark("make groups and change who is in them")),
    Privilege("role.admin", "administrator", mark("make and change roles")),
    Privilege("grant.any", "administrator", mark("give any right to anybody")),
)
PRIVILEGES: Final = {privilege.name: privilege for privilege in TABLE}

# Roles as people read them; administrators are marked at their account and granted nowhere.
ROLES: Final = {
    "viewer": mark("sees that it is there and how it is"),
    "operator": mark("like somebody at its keyboard and power button"),
    "editor": mark("like root in the guest"),
    "owner": mark("has also all its data, deletes it, and shares it"),
    CREATOR: mark("makes new VMs there and owns them, sees none of the others"),
}


def role_privileges(role: str) -> frozenset[str]:
    """What a fixed role holds; nothing that equals root is among it."""
    if role == CREATOR:
        return frozenset(privilege.name for privilege in TABLE if privilege.creator)
    steps = LADDER[: LADDER.index(role) + 1]
    return frozenset(privilege.name for privilege in TABLE if privilege.lowest in steps and not privilege.root)
