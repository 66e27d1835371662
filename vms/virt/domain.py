"""One domain on one host: the verbs and the documents."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any, Final

import libvirt

from vms.errors import (
    BadDocument,
    BadScreen,
    CdHeld,
    ConsoleBusy,
    DeviceHeld,
    HostRefused,
    InvalidState,
    NetworkStopped,
    NotFound,
    Unsupported,
    VirtError,
)
from vms.libvirtxml import (
    BadXML,
    Disk,
    DomainXML,
    Given,
    How,
    Target,
    backup_document,
    backup_targets,
    disk_at,
    mirror_document,
    mirror_of,
    without_password,
)
from vms.libvirtxml.shaping import Edit, is_done
from vms.virt import judging, shaping, snapshots
from vms.virt.agent import Agent
from vms.virt.migration import Move
from vms.virt.optional import listed
from vms.virt.states import words
from vms.virt.streams import BLOCK
from vms.virt.values import DomainInfo, Job, SnapshotInfo

if TYPE_CHECKING:
    from vms.virt.connection import Connection

Guard = Callable[[], AbstractContextManager[None]]

FORGET: Final = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
)
# As long as a finger rests on a key: a guest that polls must see it down.
HOLD_MS: Final = 100
# A guest that knows of hot-plugging lets a device go within seconds.
PATIENCE: Final = 20.0
LOOK: Final = 0.25
# A guest that resets shuts the tray between QEMU's opening it and taking the disc.
EJECTIONS: Final = 3


class Domain:
    """A handle; it is asked each time and remembers nothing."""

    def __init__(self, handle: Any, guard: Guard) -> None:
        self.handle = handle
        self.guard = guard

    def info(self) -> DomainInfo:
        """Everything that is stored of it, read now."""
        with self.guard():
            domain = self.handle
            persistent = bool(domain.isPersistent())
            return describe(
                domain, persistent, bool(domain.autostart()) if persistent else False,
                has_saved_state(domain) if persistent else False,
            )  # fmt: skip

    def state(self) -> tuple[str, int | None]:
        """(state, run id) now."""
        with self.guard():
            # A handle keeps the run id of the moment in which it was looked up.
            now = self.handle.connect().lookupByUUIDString(self.handle.UUIDString())
            state, reason = now.state()
            number = run_id(now)
            return words(state, reason, number is None and has_saved_state(now))[0], number

    def start(self, *, paused: bool = False) -> None:
        """Start it, from its saved state where it has one; paused: its processors wait for resume().

        NetworkStopped names the first of its networks that is not active, when that is so.
        """
        try:
            with self.guard():
                if paused:
                    self.handle.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
                else:
                    self.handle.create()
        except VirtError as refused:
            with self.guard():
                network = stopped_network(self.handle)
            if network is None:
                raise
            raise NetworkStopped(refused.details, network=network) from refused

    def shutdown(self) -> None:
        """Ask the guest to shut down; it may not."""
        with self.guard():
            self.handle.shutdown()

    def reboot(self) -> None:
        """Ask the guest to reboot; it may not."""
        with self.guard():
            self.handle.reboot()

    def reset(self) -> None:
        """Press the reset button."""
        with self.guard():
            self.handle.reset()

    def force_off(self) -> None:
        """Pull the plug."""
        with self.guard():
            self.handle.destroy()

    def pause(self) -> None:
        """Stop its processors; its memory stays."""
        with self.guard():
            self.handle.suspend()

    def resume(self) -> None:
        """Let it run on, from a pause or from the guest's own sleep."""
        with self.guard():
            if self.handle.state()[0] == libvirt.VIR_DOMAIN_PMSUSPENDED:
                self.handle.pMWakeup()
            else:
                self.handle.resume()

    def save(self) -> None:
        """Write its memory to the host's disk and stop it; the next start goes on from there."""
        with self.guard():
            self.handle.managedSave()

    def discard_saved(self) -> None:
        """Take its saved state away."""
        with self.guard():
            self.handle.managedSaveRemove()

    def dump(self, path: str) -> None:
        """Write all its memory into the file of that path, as an ELF core; it stands still until that is done, job()
        tells how far it is, and abort_job() is refused. Where it fails the host takes the file away."""
        with self.guard():
            self.handle.coreDumpWithFormat(
                path, libvirt.VIR_DOMAIN_CORE_DUMP_FORMAT_RAW, libvirt.VIR_DUMP_MEMORY_ONLY
            )  # fmt: skip

    def job(self) -> Job | None:
        """What the host is doing with it now that takes long, None while that is nothing."""
        with self.guard():
            if not self.handle.isActive():
                return None
            told = self.handle.jobStats()
        if told["type"] in (libvirt.VIR_DOMAIN_JOB_NONE, libvirt.VIR_DOMAIN_JOB_COMPLETED):
            return None
        if is_move(told):
            return move_job(told)
        sort = "disk" if is_backup(told) else "memory" if is_dump(told) else "data"
        return Job(told.get(f"{sort}_processed", 0), told.get(f"{sort}_remaining", 0))

    def abort_job(self) -> None:
        """Ask for the end of what job() tells; it runs on as before."""
        with self.guard():
            self.handle.abortJob()

    def move(self, there: Connection, how: Move) -> None:
        """Let it be on the other host, and no more here; job() tells meanwhile how far it is. In a thread alone with
        both connections. Where a managed move raises, nobody knows by that alone where it runs."""
        with there.guard(), self.guard():
            if how.peer:
                self.handle.migrateToURI3(how.peer, how.params, how.flags | libvirt.VIR_MIGRATE_PEER2PEER)
            else:
                self.handle.migrate3(there.handle, how.params, how.flags)

    def begin_postcopy(self) -> None:
        """Let what moves run on the other host from now on; what is missing of its memory comes when it is needed. From
        here on there is no way back."""
        with self.guard():
            self.handle.migrateStartPostCopy(0)

    def moved(self) -> Job | None:
        """How it came here, told by the host to which it did; None where that is not told."""
        with self.guard():
            told = self.handle.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
        return move_job(told) if told["type"] == libvirt.VIR_DOMAIN_JOB_COMPLETED and is_move(told) else None

    def movable(self) -> tuple[str, str]:
        """The documents of this run and of the next start as libvirt takes them on another host, with their secrets;
        the first is "" while it is off."""
        flags = libvirt.VIR_DOMAIN_XML_MIGRATABLE | libvirt.VIR_DOMAIN_XML_SECURE
        with self.guard():
            live = self.handle.XMLDesc(flags) if run_id(self.handle) is not None else ""
            return live, self.handle.XMLDesc(flags | libvirt.VIR_DOMAIN_XML_INACTIVE)

    def disk_size(self, target: str) -> int:
        """The bytes that the guest sees of the disk that this run's definition calls so."""
        with self.guard():
            return int(self.handle.blockInfo(target)[0])

    def begin_copies(self, targets: Mapping[str, Target]) -> None:
        """Begin to write what these disks of this run hold in this moment, all of them in the same one, without what
        lies below being a part of it any more; job() tells how far it is. Nothing of the VM changes."""
        with self.guard():
            # What an earlier job left to be asked for is forgotten.
            self.handle.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
            self.handle.backupBegin(backup_document(targets), None, libvirt.VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL)

    def copying(self) -> set[str]:
        """The paths that begin_copies() is writing to; none where it is not."""
        try:
            with self.guard():
                return backup_targets(self.handle.backupGetXMLDesc())
        except (BadXML, InvalidState, Unsupported, NotFound):
            return set()

    def require_copied(self) -> None:
        """Nothing where what begin_copies() began came to its end, once job() tells of nothing more; else HostRefused
        with why, InvalidState where it is off by now."""
        with self.guard():
            told = self.handle.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
        if not is_backup(told) or told["type"] != libvirt.VIR_DOMAIN_JOB_COMPLETED:
            raise HostRefused(str(told.get("errmsg", "")))

    def begin_mirror(self, target: str, to: Target) -> None:
        """Begin to copy the disk of this run to a volume that is there, and to write there too what the guest writes.
        A job of this run alone: it ends with that, and the disk stays where it is."""
        flags = libvirt.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT | libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
        with self.guard():
            self.handle.blockCopy(target, mirror_document(to), {}, flags)

    def mirror_job(self, target: str) -> Job | None:
        """How far that is; None where there is no such job."""
        with self.guard():
            told = self.handle.blockJobInfo(target, 0)
        return Job(done=told["cur"], left=told["end"] - told["cur"]) if told else None

    def mirrors(self, target: str) -> str:
        """The path that the disk is copied to, "" where it is not."""
        return mirror_of(self.live()[0], target)[0]

    def is_mirrored(self, target: str) -> bool:
        """Whether both are the same, so that the run can go over."""
        return mirror_of(self.live()[0], target)[1]

    def end_mirror(self, target: str, *, go_over: bool) -> None:
        """End it: the run has the copy from now on, or what it had."""
        with self.guard():
            self.handle.blockJobAbort(target, libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT if go_over else 0)

    def inject_nmi(self) -> None:
        """Send its processors a non-maskable interrupt."""
        with self.guard():
            self.handle.injectNMI()

    def send_keys(self, numbers: list[int]) -> None:
        """Hold the keys of these Linux numbers together for a moment."""
        with self.guard():
            self.handle.sendKey(libvirt.VIR_KEYCODE_SET_LINUX, HOLD_MS, numbers, len(numbers), 0)

    def agent(self) -> Agent:
        """The agent of its guest, which may be there or not."""
        return Agent(self.handle, self.guard)

    def starts_with_host(self) -> bool:
        with self.guard():
            return bool(self.handle.autostart())

    def start_with_host(self, enabled: bool) -> None:
        """Whether its host starts it when the host itself starts."""
        with self.guard():
            self.handle.setAutostart(int(enabled))

    def open_graphics(self, index: int) -> socket.socket:
        """A socket that speaks the protocol of the index-th screen of the live document, past its password.

        Only over a direct connection: a descriptor does not survive the wire.
        """
        with self.guard():
            return socket.socket(fileno=self.handle.openGraphicsFD(index, libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH))

    def screenshot(self, most: int) -> bytes:
        """Its first screen as the host draws it, PNG or PPM by the driver's and QEMU's version.

        Raises BadScreen where that is more bytes than these.
        """
        with self.guard():
            stream = self.handle.connect().newStream(0)
            try:
                self.handle.screenshot(stream, 0)
                pieces, size = [], 0
                while data := stream.recv(BLOCK):
                    size += len(data)
                    if size > most:
                        raise BadScreen(f"more than {most} bytes")
                    pieces.append(data)
                stream.finish()
            except BaseException:
                with suppress(libvirt.libvirtError):
                    stream.abort()
                raise
        return b"".join(pieces)

    def live(self) -> tuple[DomainXML, int]:
        """The document of this run, with its secrets, and the run id; InvalidState when it does not run."""
        with self.guard():
            number = run_id(self.handle)
            text = self.handle.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE) if number is not None else ""
        if number is None:
            raise InvalidState("it does not run")
        try:
            return DomainXML.parse(text), number
        except BadXML as error:
            raise BadDocument(str(error)) from None

    def update_live(self, device: str, *, allowed: frozenset[str]) -> None:
        """Let this run have the device as the element says, which differs in what can be changed while it runs.

        Raises NeedsMore where that needs a privilege that is not among those allowed.
        """
        with self.guard():
            judging.update(self.handle, device, allowed)

    def eject_live(self, drive: Disk, *, allowed: frozenset[str]) -> None:
        """Leave the drive of this run empty. Raises CdHeld where the guest does not open it, and NeedsMore as above."""
        drive.eject()
        with self.guard():
            for again in reversed(range(EJECTIONS)):
                try:
                    judging.update(self.handle, drive.text, allowed)
                    return
                except libvirt.libvirtError as error:
                    # In this call, said where the tray did not open in time.
                    if error.get_error_code() == libvirt.VIR_ERR_OPERATION_FAILED:
                        raise CdHeld(str(error.get_error_message()), drive=drive.target or "") from None
                    if not again or "is not open" not in str(error.get_error_message()):
                        raise

    def grow_disk(self, places: Collection[tuple[How, str]], size: int) -> bool:
        """Let the disk of this run that is at one of the places become so many bytes, which the guest is told; False
        where none is: what lies below a disk does not grow."""
        document, _ = self.live()
        target = disk_at(document, places)
        if target is None:
            return False
        with self.guard():
            self.handle.blockResize(target, size, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
        return True

    def next_boot(self) -> DomainXML:
        """The document of the next start, with its secrets."""
        with self.guard():
            return definition(self.handle, libvirt.VIR_DOMAIN_XML_SECURE)

    def open_console(self, device: str, *, force: bool) -> Any:
        """libvirt's stream of the serial device of that name, whose recv() does not wait; one holds it at a time, and
        force throws him out.

        Raises ConsoleBusy while somebody holds it.
        """
        with self.guard():
            stream = self.handle.connect().newStream(libvirt.VIR_STREAM_NONBLOCK)
            try:
                self.handle.openConsole(device, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE if force else 0)
            except libvirt.libvirtError as error:
                # In this call, said of nothing else than a line that is held.
                if error.get_error_code() == libvirt.VIR_ERR_OPERATION_FAILED:
                    raise ConsoleBusy(str(error.get_error_message())) from None
                raise
            return stream

    def take_snapshot(self, document: str, *, disks_only: bool, quiesce: bool) -> None:
        """Keep this moment (libvirtxml.snapshot_document). disks_only: without the state of the run. quiesce: the
        guest's agent holds its file systems still meanwhile."""
        with self.guard():
            snapshots.take(self.handle, document, disks_only=disks_only, quiesce=quiesce)

    def revert(self, name: str, *, allowed: frozenset[str], given: Given = judging.NOTHING) -> None:
        """Go back to that snapshot; this run ends. Raises NeedsMore where what it brings needs a privilege that is not
        among those allowed. given: its own volumes, which may be at another place of its chains."""
        with self.guard():
            snapshots.revert(self.handle, name, allowed=allowed, given=given)

    def drop_snapshot(self, name: str) -> None:
        """Let that snapshot go; layers are merged into what they lie over."""
        with self.guard():
            snapshots.drop(self.handle, name)

    def describe_snapshot(self, name: str, *, to: str, description: str) -> None:
        """Call that snapshot so, and describe it so."""
        with self.guard():
            snapshots.describe(self.handle, name, to=to, description=description)

    def snapshots(self) -> tuple[SnapshotInfo, ...]:
        """Those that its host keeps of it now."""
        with self.guard():
            return snapshots.of(self.handle)

    def snapshot_names(self) -> list[str]:
        with self.guard():
            return snapshots.names(self.handle)

    def current_snapshot(self) -> str:
        """The name of the one that it came from last, "" for none."""
        with self.guard():
            return snapshots.current(self.handle)

    def is_busy(self) -> bool:
        """Whether its host is at work on its run, whoever asked for that."""
        with self.guard():
            return snapshots.is_busy(self.handle)

    def begin_flatten(self, target: str) -> None:
        """Begin to write what lies under the disk of this run into it; mirror_job() tells how far it is."""
        with self.guard():
            self.handle.blockPull(target, 0, 0)

    def rename(self, name: str) -> None:
        """Call it so; the host refuses while it is not off, has a saved state, snapshots or checkpoints, or where the
        name is another's."""
        with self.guard():
            self.handle.rename(name, 0)

    def forget(self, *, keep_nvram: bool = False) -> None:
        """Let the host forget it, once it is off: with its saved state, what is known of its snapshots and checkpoints,
        its TPM's state and its firmware's variables. Its disks stay."""
        with self.guard():
            nvram = libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM if keep_nvram else libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
            try:
                self.handle.undefineFlags(FORGET | nvram | libvirt.VIR_DOMAIN_UNDEFINE_TPM)
            except libvirt.libvirtError as error:
                # libvirt before 8.9 knows no flag for a TPM's state, and takes it away by itself; other drivers know
                # none of them.
                if error.get_error_code() not in (libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_NO_SUPPORT):
                    raise
                try:
                    self.handle.undefineFlags(FORGET | nvram)
                except libvirt.libvirtError as other:
                    if other.get_error_code() not in (libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_NO_SUPPORT):
                        raise
                    self.handle.undefine()

    def reshape_live(self, edits: Sequence[Edit], *, allowed: frozenset[str], given: Given = judging.NOTHING) -> None:
        """Let this run be as the edits say, which were made for its document. Raises ChangedMeanwhile, NeedsMore,
        CdHeld, and DeviceHeld where the guest does not let a device go."""
        with self.guard():
            shaping.reshape(self.handle, edits, allowed, given)
        for edit in edits:
            if edit["do"] == "remove":
                self.await_gone(edit)

    def await_gone(self, edit: Edit) -> None:
        """Until the guest has let the device go. Raises DeviceHeld."""
        until = time.monotonic() + PATIENCE
        while not is_done(self.live()[0], edit):
            if time.monotonic() > until:
                raise DeviceHeld(device=str(edit["part"]))
            time.sleep(LOOK)

    def reshape(
        self, edits: Sequence[Edit], *, allowed: frozenset[str], given: Given = judging.NOTHING
    ) -> None:  # fmt: skip
        """Let its next start be as the edits say. Raises ChangedMeanwhile, and what modify() raises."""
        self.modify(lambda document: shaping.edited(document, edits), allowed=allowed, given=given)

    def networks(self) -> list[str]:
        """The names of the networks that its next start needs."""
        with self.guard():
            return definition(self.handle, 0).networks

    def modify(
        self, edit: Callable[[DomainXML], object], *, allowed: frozenset[str], given: Given = judging.NOTHING
    ) -> bool:
        """Read the next-boot definition with its secrets, edit it in place, define it validated.

        Whether the edit changed anything; an unchanged one is not defined again. NeedsMore where the change needs a
        privilege that is not among those allowed, DefinitionStrayed where the host made more of it. given: what of the
        host it may use. InvalidState for a domain that is not kept after it stops: defining it would keep it.
        """
        with self.guard():
            if not self.handle.isPersistent():
                raise InvalidState(f"{self.handle.name()} is transient")
            document = definition(self.handle, libvirt.VIR_DOMAIN_XML_SECURE)
            before = document.text
            edit(document)
            if document.text == before:
                return False
            judging.define(self.handle.connect(), before, document.text, allowed, given)
            return True


def is_backup(told: Mapping[str, Any]) -> bool:
    return bool(told.get("operation") == libvirt.VIR_DOMAIN_JOB_OPERATION_BACKUP)


def is_dump(told: Mapping[str, Any]) -> bool:
    return bool(told.get("operation") == libvirt.VIR_DOMAIN_JOB_OPERATION_DUMP)


def is_move(told: Mapping[str, Any]) -> bool:
    return told.get("operation") in (
        libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN, libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT,
    )  # fmt: skip


def move_job(told: Mapping[str, Any]) -> Job:
    """A move's memory and disks together."""
    return Job(
        done=told.get("data_processed", 0),
        left=told.get("data_remaining", 0),
        speed=told.get("memory_bps", 0) + told.get("disk_bps", 0),
        dirty=told.get("memory_dirty_rate", 0) * told.get("memory_page_size", 4096),
        passes=told.get("memory_iteration", 0),
        downtime_ms=told.get("downtime"),
        seconds=told.get("time_elapsed", 0) // 1000,
    )


def has_saved_state(handle: Any) -> bool:
    """Whether its memory is kept on the host; False where the driver keeps none."""
    try:
        return bool(handle.hasManagedSaveImage())
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
        return False


def definition(handle: Any, flags: int) -> DomainXML:
    """The next-boot document."""
    try:
        return DomainXML.parse(handle.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | flags))
    except BadXML as error:
        raise BadDocument(str(error)) from None


def stopped_network(handle: Any) -> str | None:
    """The first of its networks that exists and is not active."""
    connection = handle.connect()
    for name in definition(handle, 0).networks:
        try:
            if not connection.networkLookupByName(name).isActive():
                return name
        except libvirt.libvirtError:
            continue
    return None


def run_id(handle: Any) -> int | None:
    """libvirt's number for this run."""
    number = handle.ID()
    return number if number >= 0 else None


def describe(
    handle: Any,
    persistent: bool,
    autostart: bool,
    saved: bool,
    told: tuple[int, int] | None = None,
    *,
    kept: bool = True,
) -> DomainInfo:
    """The value; what lists told already is handed in, told is the state with its reason, kept whether there may be
    snapshots or checkpoints."""
    code, why = told or handle.state()
    state, reason = words(code, why, saved)
    number = run_id(handle)
    live = handle.XMLDesc(0) if number is not None else ""
    return DomainInfo(
        uuid=handle.UUIDString(),
        name=handle.name(),
        state=state,
        state_reason=reason,
        persistent=persistent,
        autostart=autostart,
        has_managed_save=saved,
        run_id=number,
        live_xml=live,
        next_boot_xml=handle.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) if persistent else "",
        open_screens=open_screens(handle, live),
        snapshots=snapshots.of(handle) if kept else (),
        checkpoints=tuple(sorted(one.getName() for one in listed(lambda: handle.listAllCheckpoints(0))))
        if kept
        else (),
    )


def open_screens(handle: Any, live: str) -> tuple[str, ...]:
    """Which screens take anybody; asked with secrets only where a screen listens on an address, and not kept. None
    where the host does not show its secrets."""
    if "<listen type='address'" not in live and "<listen type='network'" not in live:
        return ()
    try:
        return without_password(DomainXML.parse(handle.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)))
    except (BadXML, libvirt.libvirtError):
        return ()
