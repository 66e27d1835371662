"""Opening within a bounded time: libvirt has no time-out for it, and a stopped daemon never answers."""

from __future__ import annotations

import threading
from typing import Any

import libvirt

from vms.errors import HostUnreachable, HungUp, NotLibvirt, TimedOut, VirtError
from vms.virt import loop
from vms.virt.failures import leaf
from vms.virt.reach import reach
from vms.virt.spec import HostSpec
from vms.virt.wire import Wire

# URIs whose direct opening has not come back: the thread cannot be freed, so there is at most one for each.
hanging: set[str] = set()
hanging_lock = threading.Lock()


def open_wired(spec: HostSpec, timeout: float) -> tuple[Any, Wire | None]:
    """The libvirt handle and the wire under it; what takes longer than timeout seconds is cut."""
    loop.start()
    if spec.in_process:
        return open_handle(spec.uri("")), None
    wire = Wire(reach(spec))
    late = threading.Event()

    def give_up() -> None:
        late.set()
        wire.cut()

    timer = threading.Timer(timeout, give_up)
    timer.start()
    try:
        handle = open_handle(spec.uri(wire.path))
    except VirtError as error:
        hung_up = wire.hung_up
        wire.cut()
        if late.is_set():
            raise TimedOut(f"no answer within {timeout:g} s") from None
        raise wire.far.why() or told(error, spec, hung_up, wire.is_other) from None
    except BaseException:
        wire.cut()
        raise
    finally:
        timer.cancel()
    wire.far.stands()
    return handle, wire


def told(error: VirtError, spec: HostSpec, hung_up: bool, is_other: bool) -> VirtError:
    """What a failed opening means where the way itself has nothing to say."""
    if is_other or isinstance(error, NotLibvirt):
        return NotLibvirt(error.details, address=spec.address or spec.daemon())
    return HungUp(error.details) if hung_up and type(error) is HostUnreachable else error


def open_direct(spec: HostSpec, timeout: float) -> Any:
    """The handle without a wire. TimedOut after timeout seconds, and HostUnreachable while an earlier one hangs."""
    loop.start()
    uri = spec.uri(spec.daemon())
    with hanging_lock:
        if uri in hanging:
            raise HostUnreachable("an earlier opening has not come back")
        hanging.add(uri)
    answer: list[Any] = []
    abandoned = threading.Event()

    def work() -> None:
        try:
            answer.append(open_handle(uri))
        except Exception as error:
            answer.append(error)
        with hanging_lock:
            hanging.discard(uri)
            if abandoned.is_set() and not isinstance(answer[0], Exception):
                answer[0].close()

    thread = threading.Thread(target=work, name="direct opening", daemon=True)
    thread.start()
    thread.join(timeout)
    with hanging_lock:
        if not answer:
            abandoned.set()
            raise TimedOut(f"no answer within {timeout:g} s")
    if isinstance(answer[0], Exception):
        raise answer[0]
    return answer[0]


def open_handle(uri: str) -> Any:
    """libvirt's own opening, without prompts; its errors as ours."""
    try:
        return libvirt.open(uri)
    except libvirt.libvirtError as error:
        raise leaf(error, alive=False) from None
