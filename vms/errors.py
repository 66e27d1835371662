"""Everything that can go wrong on purpose, drawn as a tree. A leaf has a code and parameters and no sentence:
sentences are made where they are read (vms.services.sentences), so that they can be translated and improved.

VmsError
├── RequestRefused            said before anything was asked of a host
│   ├── NotAllowed            the actor lacks a privilege
│   │   ├── NeedsMore         a definition differs in what the operation was not judged by; params: place
│   │   ├── VolumeProtected   nobody writes to a template's disk, or takes it; params: name
│   │   └── NeedsPerson       a token asks for what people do by a session
│   ├── NotFresh              it needs a sign-in that is not older than some minutes; params: minutes
│   ├── Locked                another operation holds the thing
│   ├── WrongState            the thing is in a state in which this makes no sense
│   ├── NothingToBoot         the VM has no such device, or no medium in it; params: name
│   ├── BootFixed             the definition names a kernel, so that no device comes first; params: name
│   ├── NotKept               its host does not keep the VM when it stops
│   ├── NothingChanges        what is asked for is so already; params: name
│   ├── NotLive               only a new start brings it, or it does not run; params: name, what
│   ├── SeenOtherwise         the definition is another than the one that was looked at; params: name
│   ├── VmProtected           it may be neither deleted nor forced off; params: name
│   ├── NoPool                no host of the dashboard shows the storage that the volume is in; params: name
│   ├── UploadStrange         an upload's request does not fit; params: reason
│   ├── UploadOver            the upload has ended, or another request or somebody ended it
│   ├── TooManyTransfers      as many files are on their way as may be; params: limit
│   ├── NotServed             the volume is not ready, or nothing that is handed out; params: name
│   ├── VolumeUsed            VMs use the volume; params: name, by (those that may be told), others (how many more)
│   ├── VolumeBacks           other volumes are layers over it; params: name, by, others
│   ├── VolumeRuns            a VM that is not off uses it; params: name, by ("" for one that may not be told)
│   ├── VolumeNotReady        it is none that is served: params: name, why
│   ├── VolumeStrayed         its pool tells another format than is remembered; params: name, format, told
│   ├── VolumeFound           a file that nobody here made, which may be a link to any; params: name
│   ├── VolumeSwapped         by its size or its time it is another file than was made; params: name
│   ├── NameTaken             there is a volume of that name; params: name
│   ├── BadDefinition         a definition that cannot be made; params: faults (how many)
│   ├── DefinitionChanged     a VM has another definition by now than the one that was edited; params: name
│   ├── SecretGone            a definition of before had a secret that is kept nowhere; params: name, place
│   ├── LiveFixed             the definition of a run is not written; params: name
│   ├── VmTaken               its host has a VM of this name; params: name
│   ├── RefusedImage          a disk image whose header is none that is served; params: reason
│   ├── RefusedArchive        a packed VM is none that is taken in; params: reason
│   ├── PoolTaken             its host has a pool of this name; params: name
│   ├── PoolInUse             a VM, or another disk, needs something in the pool; params: name, vm
│   ├── PoolShared            other hosts keep the same storage; params: name, host
│   ├── PoolsDiffer           two pools are no one storage; params: name, other, volume
│   ├── PoolAlone             no other pool is the same storage; params: name
│   ├── NetworkTaken          its host has a network of this name; params: name
│   ├── NetworkInUse          a VM is connected to it; params: name, vm
│   ├── NetworkMismatch       a network of a kind that has no such thing; params: mode
│   ├── SubnetTaken           another network of the host has addresses of the same subnet; params: name
│   ├── FilterInUse           a VM or another filter names it; params: name, user
│   ├── SecretInUse           a pool or a VM signs in with it; params: name
│   ├── AlsoDefined           another host has the same VM, whose disks they are too; params: name, host
│   ├── CannotMove            a VM cannot go to a host, by what is known; params: name, host, obstacle
│   ├── MigrationRefused      a VM is not moved to that host; params: name, host, cause
│   ├── SourceChanged         what is cloned is another by now than who asked was told; params: name
│   ├── BelongingsChanged     a VM has other things by now than who deletes it was told; params: name
│   ├── TemplateInUse         VMs need a template, or are being made of it; params: name, by, others
│   ├── TemplateChanged       a template's disk is not what it was when it was read; params: name
│   ├── NoTemplate            a VM that cannot become a template; params: name, reason
│   ├── HostSilent            the watcher hears other hosts, but not this one
│   ├── HostLeftAlone         somebody told the dashboard not to connect to it
│   ├── RunsElsewhere         another host runs a VM of the same UUID
│   ├── BadParameters         the request's parameters are not what the kind asks for
│   ├── BadSeed               what somebody wrote for cloud-init can't be read; params: reason, line (0: unknown), field
│   ├── BadFields             fields of a row that do not fit; errors: {field: code}
│   ├── KeyNotOffered         the fingerprint is not that of the key which the machine showed
│   ├── NotCancellable        the operation is past its point of no return
│   ├── PastReturn            the VM runs on another host already, before all of its memory has come; params: name
│   ├── GivesRights           a tag would give somebody rights that the actor may not give
│   │   └── NameGivesRights   a name would; params: name, called
│   ├── OverQuota             more than is allowed would be charged to somebody; params: resource, limit, used, asked
│   ├── FactorOn, FactorOff   the account's sign-in asks for a code already, or asks for none
│   ├── WrongCode             a code of the second step that opens nothing, or nothing any more
│   ├── TooManyConsoles       a user or the relay holds as many as it may
│   ├── NoConsole             the VM offers no console of that kind
│   └── NoPicture             the VM's screen has no picture now; params: name
├── OperationLost             a worker's operation was superseded or given to somebody else; never stored
├── NotHeard                  the host that the operation was to wait for did not answer in time; params: host
├── UploadExpired             nothing more of a file came in time
├── WorkerDied                a worker ended before the host was asked; nothing was done
├── WorkerLost                a worker ended in the middle, and what became of it cannot be told
├── TicketRefused             a console ticket that opens nothing; params: reason
└── VirtError                 said by a host; details holds libvirt's own text, or ssh's
    ├── HostUnreachable       no connection, or it broke; below it the step that failed
    │   ├── BadHostField      a field of the host's row is nothing that we connect to
    │   ├── NameUnknown       nobody knows the machine's name
    │   ├── PortClosed        the machine is there, and nobody listens on the port
    │   ├── NoRoute           no answer from the machine, or no way to it
    │   ├── HostKeyUnknown    over ssh: nobody has accepted the machine's key yet
    │   ├── HostKeyChanged    over ssh: the machine shows another key than the accepted one
    │   ├── HelperMissing     over ssh: neither virt-ssh-helper nor nc is there
    │   ├── LibvirtStopped    libvirt does not run there
    │   ├── CertificateUntrusted  over tls: the machine's certificate is not of the host's CA
    │   ├── CertificateExpired    over tls: the machine's certificate is past its date, or before it
    │   ├── CertificateName       over tls: the machine's certificate is for other names
    │   ├── NotLibvirt        who answers does not speak libvirt's protocol
    │   ├── HungUp            it closes the connection without a word
    │   └── SameMachine       another host of the dashboard is this machine; params: host
    ├── WrongHost             another machine answered than the one that was added
    ├── AuthRefused           the host does not let us in; below it by which door
    │   ├── KeyRefused        over ssh: the user does not take our key
    │   ├── SocketForbidden   the user may not use libvirt's socket
    │   ├── CertificateRefused    over tls: libvirt does not take our certificate
    │   └── OwnCertificateExpired over tls: our certificate is past its date, or before it
    ├── SecretUnreadable      the key that opens the host's secret is not the one it was sealed to
    ├── NotFound              the host does not know the thing
    ├── InvalidState          the host says that the thing's state forbids it
    ├── Unsupported           this host or its driver cannot do it
    │   └── NoPoolDriver      its libvirt lacks the part for pools of this type; params: type
    ├── TimedOut              no answer within the kind's silence limit
    │   └── AgentSilent       the guest's agent was asked, or was to be, and gave no answer in time
    ├── MovedTooLong          a move took longer than its time, and was to end then; params: seconds
    ├── Aborted               somebody ended the host's work before it was done
    ├── StreamShort           a volume's bytes ended before the last that was said; params: left
    ├── NetworkStopped        a network that the VM needs is stopped; params: network
    ├── ConsoleBusy           somebody outside the dashboard holds the serial line
    ├── BadScreen             what the host gives for a picture of a screen is none
    ├── CdHeld                the guest holds its CD drive shut; params: drive
    ├── DeviceHeld            the guest does not let a device go; params: device
    ├── AgentAbsent           the guest's agent is not connected; it was not asked
    ├── AgentRefused          the guest's agent says no; details: its own words, cut
    ├── ChangedMeanwhile      somebody else has changed what was to be changed; params: place
    ├── BootOrderLeft         the order of devices that was for one start only could not be taken back
    ├── BadDocument           the host refused a definition
    ├── DefinitionStrayed     the host made more of a definition than was asked; params: place. It is undone
    │   └── StrayedLeft       that could not be undone; params: place
    └── HostRefused           any other no
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class VmsError(Exception):
    """The root; code names the leaf in rows and answers, params fill the sentence, details is for experts."""

    code: ClassVar[str] = "error"

    def __init__(self, details: str = "", **params: str | int) -> None:
        super().__init__(details or self.code)
        self.details = details
        self.params: dict[str, str | int] = params


class RequestRefused(VmsError):
    """Refused before anything was asked of a host."""

    code = "refused"


class NotAllowed(RequestRefused):
    """The actor lacks a privilege; params: privilege."""

    code = "not_allowed"


class NeedsMore(NotAllowed):
    """A definition differs from what the host has in a node that the operation may not touch; params: privilege,
    place. Nothing was changed."""

    code = "needs_more"


class NotFresh(RequestRefused):
    """The session's sign-in is too old for this; params: minutes (how old it may be)."""

    code = "not_fresh"


class VolumeProtected(NotAllowed):
    """The volume is a template's disk: nobody writes to it or takes it; params: privilege, name."""

    code = "volume_protected"


class NeedsPerson(NotAllowed):
    """What a token may never do, whatever its scopes are; params: privilege, "" where it needs none."""

    code = "needs_person"


class Locked(RequestRefused):
    """Another operation holds the thing; params: operation (id), title, actor, seconds."""

    code = "locked"


class WrongState(RequestRefused):
    """The thing's state forbids it; params: name, state."""

    code = "wrong_state"


class NothingToBoot(RequestRefused):
    """No device of that kind to boot from, or no medium in it; params: name."""

    code = "nothing_to_boot"


class BootFixed(RequestRefused):
    """A kernel of the host's is booted, whatever the order of devices; params: name."""

    code = "boot_fixed"


class NotKept(RequestRefused):
    """The VM vanishes when it stops, and this is of use for its next start only; params: name."""

    code = "not_kept"


class NothingChanges(RequestRefused):
    """What is asked for is so already; params: name."""

    code = "nothing_changes"


class NotLive(RequestRefused):
    """Only a new start brings it, or it does not run; params: name, what."""

    code = "not_live"


class SeenOtherwise(RequestRefused):
    """The definition is another than the one that was looked at; params: name."""

    code = "seen_otherwise"


class VmProtected(RequestRefused):
    """Somebody protects the VM from being deleted and forced off; params: name."""

    code = "vm_protected"


class NoPool(RequestRefused):
    """No host of the dashboard shows the volume's storage; params: name."""

    code = "no_pool"


class UploadStrange(RequestRefused):
    """An upload's request does not fit; params: reason ("offset", "length", "checksum", "first", "headers")."""

    code = "upload_strange"


class UploadOver(RequestRefused):
    """The upload has ended, or its request was ended by another one or by somebody; params: reason."""

    code = "upload_over"


class TooManyTransfers(RequestRefused):
    """As many files are on their way as may be; params: limit."""

    code = "too_many_transfers"


class NotServed(RequestRefused):
    """The volume is not ready, or no file or disk; params: name."""

    code = "not_served"


class VolumeUsed(RequestRefused):
    """VMs use the volume; params: name, by (the names that may be told, "" for none), others (how many more)."""

    code = "volume_used"


class VolumeBacks(RequestRefused):
    """Other volumes are layers over it; params: name, by, others."""

    code = "volume_backs"


class VolumeRuns(RequestRefused):
    """A VM that is not off uses it; params: name, by ("" for one that may not be told)."""

    code = "volume_runs"


class VolumeNotReady(RequestRefused):
    """The volume is none that is served; params: name, why (its state)."""

    code = "volume_not_ready"


class VolumeStrayed(RequestRefused):
    """Its pool tells another format than is remembered, as a guest can let it; params: name, format, told."""

    code = "volume_strayed"


class VolumeFound(RequestRefused):
    """Nobody here made the file and no administrator has vouched for it: it may be a link; params: name."""

    code = "volume_found"


class VolumeSwapped(RequestRefused):
    """By its size or its time it is another file than the one that was made or vouched for; params: name."""

    code = "volume_swapped"


class NameTaken(RequestRefused):
    """There is a volume of that name; params: name."""

    code = "name_taken"


class VmTaken(RequestRefused):
    """The host has a VM of this name; params: name."""

    code = "vm_taken"


class RefusedImage(RequestRefused):
    """A disk image names other files, contradicts itself or is of an unknown kind; params: reason (a code)."""

    code = "refused_image"


class RefusedArchive(RequestRefused):
    """An archive with a VM in it, or a disk in one, is none that is taken in; params: reason (a code)."""

    code = "refused_archive"


class PoolTaken(RequestRefused):
    """The host has a pool of this name; params: name."""

    code = "pool_taken"


class PoolInUse(RequestRefused):
    """Something in the pool is needed, so it is not wiped; params: name, vm."""

    code = "pool_in_use"


class PoolShared(RequestRefused):
    """Other hosts keep the same storage, so it is not wiped from this one; params: name, host."""

    code = "pool_shared"


class PoolsDiffer(RequestRefused):
    """They do not list the same, or know it as another's, so they are no one storage; params: name, other, volume."""

    code = "pools_differ"


class PoolAlone(RequestRefused):
    """No other pool is the same storage, so it cannot be separated; params: name."""

    code = "pool_alone"


class NetworkTaken(RequestRefused):
    """The host has a network of this name; params: name."""

    code = "network_taken"


class NetworkInUse(RequestRefused):
    """A VM's definition names it; params: name, vm."""

    code = "network_in_use"


class NetworkMismatch(RequestRefused):
    """A network of a kind that has no such thing; params: mode."""

    code = "network_mismatch"


class SubnetTaken(RequestRefused):
    """Another network of the host has addresses of the same subnet; params: name."""

    code = "subnet_taken"


class FilterInUse(RequestRefused):
    """A VM's card or another filter names it; params: name, user."""

    code = "filter_in_use"


class SecretInUse(RequestRefused):
    """A pool or a VM signs in with it; params: name."""

    code = "secret_in_use"


class AlsoDefined(RequestRefused):
    """Another host has the same VM, whose disks they are too; params: name, host."""

    code = "also_defined"


class MoveRefused(RequestRefused):
    """A disk is not moved to another pool; params: name, cause (vms.services.sentences)."""

    code = "move_refused"


class SnapshotRefused(RequestRefused):
    """Something with a VM's snapshots cannot be; params: name of the VM, because (a code of
    vms.services.snapshot_words) with what its words name."""

    code = "snapshot_refused"


class SnapshotUnreadable(RequestRefused):
    """What a disk was when a snapshot was taken cannot be read out of its files; params: name of the snapshot, disk,
    unreadable (a code of why)."""

    code = "snapshot_unreadable"


class FolderOpen(RequestRefused):
    """Others than the host's root may write in a pool's folder, so that a file there may be a link; params: name."""

    code = "folder_open"


class CannotMove(RequestRefused):
    """A VM cannot go to a host, by what is known of both; params: name, host, obstacle (a reason's code, with its
    params: vms.services.placement_words)."""

    code = "cannot_move"


class MigrationRefused(RequestRefused):
    """A VM is not moved to that host; params: name, host, cause (vms.services.sentences)."""

    code = "migration_refused"


class SourceChanged(RequestRefused):
    """What is cloned was started, stopped, grown or changed since it was asked for; params: name."""

    code = "source_changed"


class BelongingsChanged(RequestRefused):
    """A VM has other things by now than who deletes it was told; params: name."""

    code = "belongings_changed"


class TemplateInUse(RequestRefused):
    """VMs or volumes lie over the template's disks, or are being made of it; params: name, by, others."""

    code = "template_in_use"


class TemplateChanged(RequestRefused):
    """A volume of a template is not what it was when its digest was taken; params: name (the volume's)."""

    code = "template_changed"


class NoTemplate(RequestRefused):
    """The VM cannot become a template; params: name, reason."""

    code = "no_template"


class InMaintenance(RequestRefused):
    """The host takes no VMs now; params: host."""

    code = "in_maintenance"


class PlanChanged(RequestRefused):
    """By now another plan would be made than the one that was approved; params: host."""

    code = "plan_changed"


class NotEmptied(VmsError):
    """Not all of a plan was done; params: failed, of (how many)."""

    code = "not_all_moved"


class NoHostToPlan(VmsError):
    """None of the hosts of a plan takes part in it."""

    code = "no_host_to_plan"


class NotMeasured(VmsError):
    """A host was measured for too short a time to plan by that; params: host, hours, least."""

    code = "not_measured"


class PlanNotSo(RequestRefused):
    """A plan is in a state in which that cannot be done; params: state."""

    code = "plan_not_so"


class OtherPlan(RequestRefused):
    """The plan that was approved is not this one, by its digest."""

    code = "other_plan"


class NotShrunk(RequestRefused):
    """A plan counts on VMs that are still larger; params: name, of one, and n."""

    code = "not_shrunk"


class MovesLeft(VmsError):
    """Not all moves of a plan could be made, and what was to come was not begun; params: failed, left, of."""

    code = "moves_left"


class HostSilent(RequestRefused):
    """The watcher does not hear the host; params: host, since."""

    code = "host_silent"


class HostLeftAlone(RequestRefused):
    """The host is left alone on purpose; params: host."""

    code = "host_left_alone"


class RunsElsewhere(RequestRefused):
    """A VM of the same UUID runs on another host; params: name, host."""

    code = "runs_elsewhere"


class BadParameters(RequestRefused):
    """Parameters that the kind does not take; params: field."""

    code = "bad_parameters"


class BadSeed(RequestRefused):
    code = "bad_seed"

    def __init__(self, *, reason: str, field: str, line: int = 0) -> None:
        super().__init__(reason=reason, field=field, line=str(line))


class BadFields(RequestRefused):
    """Fields that do not fit; errors says by a code what is wrong with each; params: fields (their names), and name
    where it is one of several things that they do not fit to."""

    code = "bad_fields"

    def __init__(self, errors: dict[str, str] | None = None, name: str = "") -> None:
        self.errors = errors or {}
        super().__init__(fields=", ".join(sorted(self.errors)))
        if name:
            self.params["name"] = name


class DefinitionChanged(RequestRefused):
    """A VM has another definition by now than the one that was edited; params: name. Nothing was changed."""

    code = "definition_changed"


class SecretGone(RequestRefused):
    """A definition of before had a secret at a place where the VM has none now, and it is kept nowhere; params: name,
    place."""

    code = "secret_gone"


class LiveFixed(RequestRefused):
    """The definition of a run is read, not written; params: name."""

    code = "live_fixed"


class BadDefinition(RequestRefused):
    """A definition that cannot be made; faults: (line, code, what is said of it); params: faults (how many)."""

    code = "bad_definition"

    def __init__(self, faults: Sequence[tuple[int, str, str]] = ()) -> None:
        self.faults = faults
        super().__init__(faults=len(faults))


class KeyNotOffered(RequestRefused):
    """Not the key that the machine showed; params: fingerprint (of that one, "" where it has shown none)."""

    code = "key_not_offered"


class PastReturn(RequestRefused):
    """It runs on another host already, before all of its memory has come; params: name."""

    code = "past_return"


class NotCancellable(RequestRefused):
    """The operation can no longer be stopped; params: title."""

    code = "not_cancellable"


class GivesRights(RequestRefused):
    """It would give somebody rights on the VM that the actor may not give; params: name, tag."""

    code = "gives_rights"


class NameGivesRights(GivesRights):
    """The name would give somebody rights on the VM that the actor may not give; params: name, called (the new one)."""

    code = "name_gives_rights"


class OverQuota(RequestRefused):
    """More than allowed would be charged to a user or a group; params: whom, resource, limit, used, asked."""

    code = "over_quota"


class LastAdministrator(RequestRefused):
    """Nobody could administer any more; params: name."""

    code = "last_administrator"


class SwitchedOff(RequestRefused):
    """The account is switched off; params: name."""

    code = "switched_off"


class InvitationRefused(RequestRefused):
    """A link that was used, is too old, or was never given out."""

    code = "invitation_refused"


class FactorOn(RequestRefused):
    """The account's sign-in asks for a code already."""

    code = "factor_on"


class FactorOff(RequestRefused):
    """The account's sign-in asks for no code."""

    code = "factor_off"


class WrongCode(RequestRefused):
    """A code that opens nothing, or nothing any more."""

    code = "wrong_code"


class TooManyConsoles(RequestRefused):
    """No further console; params: limit."""

    code = "too_many_consoles"


class NoConsole(RequestRefused):
    """The VM offers no such console now; params: name, kind."""

    code = "no_console"


class NoPicture(RequestRefused):
    """The VM's screen has no picture now; params: name."""

    code = "no_picture"


class OperationLost(VmsError):
    """The operation is no longer this worker's."""

    code = "operation_lost"


class NotHeard(VmsError):
    """The operation was to wait for its host, and that was silent for too long; params: host."""

    code = "not_heard"


class UploadExpired(VmsError):
    """Nothing more of a file came in time; params: name."""

    code = "upload_expired"


class WorkerDied(VmsError):
    """The worker ended and nothing had been done."""

    code = "worker_died"


class WorkerLost(VmsError):
    """The worker ended in the middle."""

    code = "worker_lost"


class OutboundRefused(VmsError):
    """The address is not asked, or does not answer. Without details: whoever gave it must not learn what is inside."""

    code = "outbound_refused"


class OutboundBroken(VmsError):
    """The server went away in the middle, or took too long."""

    code = "outbound_broken"


class ServerRefused(VmsError):
    """The server answers with an error; params: status."""

    code = "server_refused"


class ImageRefused(VmsError):
    """No image that can be kept; params: reason ("length", "packed", "no_disk", "changed", "checksum", "gone",
    "format")."""

    code = "image_refused"


class ChecksumDiffers(VmsError):
    """Not what its checksum says; params: expected, found."""

    code = "checksum_differs"


class TicketRefused(VmsError):
    """A console ticket that opens nothing; params: reason."""

    code = "ticket_refused"


class VirtError(VmsError):
    """A host's no; details holds libvirt's own text."""

    code = "virt"


class HostUnreachable(VirtError):
    """No connection to the host, or it broke."""

    code = "host_unreachable"


class BadHostField(HostUnreachable):
    """What a host's field says is nothing that we connect to; params: field."""

    code = "bad_host_field"


class NameUnknown(HostUnreachable):
    """The name has no address; params: address."""

    code = "name_unknown"


class PortClosed(HostUnreachable):
    """The machine refuses connections to the port; params: address, port."""

    code = "port_closed"


class NoRoute(HostUnreachable):
    """The machine gives no answer, or there is no way to it; params: address, port."""

    code = "no_route"


class HostKeyUnknown(HostUnreachable):
    """Nobody has accepted the machine's key; params: kind, fingerprint ("" until it was asked for)."""

    code = "host_key_unknown"


class HostKeyChanged(HostUnreachable):
    """The machine shows another key; params: accepted, fingerprint, kind ("" for what it did not tell)."""

    code = "host_key_changed"


class HelperMissing(HostUnreachable):
    """There is no program on the machine that passes our bytes to libvirt."""

    code = "helper_missing"


class LibvirtStopped(HostUnreachable):
    """Nobody listens on libvirt's socket."""

    code = "libvirt_stopped"


class CertificateUntrusted(HostUnreachable):
    """The machine's certificate was not made by the host's CA."""

    code = "certificate_untrusted"


class CertificateExpired(HostUnreachable):
    """The machine's certificate is not valid at this time."""

    code = "certificate_expired"


class CertificateName(HostUnreachable):
    """The machine's certificate does not name the address; params: address."""

    code = "certificate_name"


class NotLibvirt(HostUnreachable):
    """What answers is no libvirt, or no ssh, or no TLS; params: address."""

    code = "not_libvirt"


class HungUp(HostUnreachable):
    """It took the connection and closed it without a word."""

    code = "hung_up"


class SameMachine(HostUnreachable):
    """The machine is another host of the dashboard already; params: host (its name)."""

    code = "same_machine"


class WrongHost(VirtError):
    """Another machine answered; params: expected, found (host UUIDs)."""

    code = "wrong_host"


class AuthRefused(VirtError):
    """The host does not let us in."""

    code = "auth_refused"


class KeyRefused(AuthRefused):
    """The user on the machine does not take our key; params: user, address."""

    code = "key_refused"


class SocketForbidden(AuthRefused):
    """The user may not use libvirt's socket; params: user ("" for the dashboard's own)."""

    code = "socket_forbidden"


class CertificateRefused(AuthRefused):
    """libvirt does not take our certificate."""

    code = "certificate_refused"


class OwnCertificateExpired(AuthRefused):
    """Our certificate is not valid at this time."""

    code = "own_certificate_expired"


class SecretUnreadable(VirtError):
    """The sealed secret does not open; details: the key's file."""

    code = "secret_unreadable"


class NotFound(VirtError):
    """The host does not know the thing."""

    code = "not_found"


class InvalidState(VirtError):
    """The host says that the thing's state forbids it."""

    code = "invalid_state"


class Unsupported(VirtError):
    """This host or its driver cannot do it."""

    code = "unsupported"


class NoPoolDriver(Unsupported):
    """The host's libvirt lacks the part for pools of this type; params: type."""

    code = "no_pool_driver"


class TimedOut(VirtError):
    """No answer within the kind's silence limit."""

    code = "timed_out"


class AgentSilent(TimedOut):
    """The guest's agent gave no answer in time."""

    code = "agent_silent"


class Aborted(VirtError):
    """The host's work on it was ended before it was done."""

    code = "aborted"


class MovedTooLong(VirtError):
    """A move to another host took longer than its time, and was to end then; params: seconds."""

    code = "moved_too_long"


class StreamShort(VirtError):
    """A volume's bytes ended before the last that was said; params: left (bytes)."""

    code = "stream_short"


class NetworkStopped(VirtError):
    """A network that the VM needs is stopped; params: network."""

    code = "network_stopped"


class ConsoleBusy(VirtError):
    """Somebody outside the dashboard holds the serial line; one holds it at a time."""

    code = "console_busy"


class BadScreen(VirtError):
    """What the host gave for a picture of a screen is none that is taken."""

    code = "bad_screen"


class CdHeld(VirtError):
    """The guest holds its CD drive shut, as it does while it uses what is in it; params: drive."""

    code = "cd_held"


class DeviceHeld(VirtError):
    """The guest does not let a device of its run go; its next start is without it; params: device."""

    code = "device_held"


class AgentAbsent(VirtError):
    """The guest's agent is not connected, so that nothing was asked of it."""

    code = "agent_absent"


class AgentRefused(VirtError):
    """The guest's agent says no; details: its own words, cut and without control characters."""

    code = "agent_refused"


class ChangedMeanwhile(VirtError):
    """The definition is another by now where it was to be changed; nothing was; params: place."""

    code = "changed_meanwhile"


class BootOrderLeft(VirtError):
    """The order of devices of one start still stands in the definition."""

    code = "boot_order_left"


class BadDocument(VirtError):
    """The host refused a definition."""

    code = "bad_document"


class DefinitionStrayed(VirtError):
    """The host's answer to a definition differs in a privileged node that nobody asked for; the former definition
    is back; params: place."""

    code = "definition_strayed"


class StrayedLeft(DefinitionStrayed):
    """The same, and the former definition could not be put back; params: place."""

    code = "strayed_left"


class HostRefused(VirtError):
    """Any other no of a host."""

    code = "host_refused"
