"""Start, stop and what lies between."""

from __future__ import annotations

from typing import Final

from vms import live
from vms.errors import InvalidState, Unsupported, WrongState
from vms.kinds import keys
from vms.kinds import power as kinds
from vms.models import Happening, Operation, Placement
from vms.operations.jobs import followed
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work, domain
from vms.services import layers, twins
from vms.virt import Connection

RUNNING: Final = frozenset({"running", "shutting_down"})
OFF: Final = frozenset({"shut_off", "crashed", "saved"})


def facts(connection: Connection, operation: Operation) -> Facts:
    """The VM's state and run on the host, and the last that happened to it."""
    state, run_id = domain(connection, operation).state()
    last = Happening.objects.filter(vm=operation.vm).values_list("pk", flat=True).first()
    return {"state": state, "run_id": run_id, "happening": last or 0}


def start(work: Work) -> None:
    refuse_start(work.operation)
    work.domain().start()


def start_paused(work: Work) -> None:
    refuse_start(work.operation)
    work.domain().start(paused=True)


def restore(work: Work) -> None:
    """A start without a saved state would be a fresh boot, which is not what was asked for."""
    refuse_start(work.operation)
    vm = work.domain()
    state, _ = vm.state()
    if state != "saved":
        raise WrongState(name=work.operation.target_name, state=state)
    vm.start()


def start_with_networks(work: Work) -> None:
    refuse_start(work.operation)
    vm = work.domain()
    for network in vm.networks():
        if work.connection.start_network(network):
            work.log("network_started", network=network)
    work.may_go_on()
    vm.start()


def refuse_start(operation: Operation) -> None:
    """RunsElsewhere; VolumeBacks where a layer lies over a disk to which it would write."""
    refuse_second_run(operation)
    if operation.vm:
        layers.refuse_writing(operation.actor_user, operation.vm)


def refuse_second_run(operation: Operation) -> None:
    """RunsElsewhere where another host runs a VM of this UUID; those that are heard are read once more before."""
    placement = operation.vm.placement if operation.vm else None
    if placement is None:
        return
    for other in twins.elsewhere(placement).filter(host__error_code=""):
        live.look(other.host_id, f"vm:{other.vm_id}")
    twins.refuse_second_run(placement, operation.actor_user)


def runs_anew(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if now["run_id"] is not None and now["run_id"] != before["run_id"] else Verdict.UNDONE


def resume(work: Work) -> None:
    work.domain().resume()


def runs(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if now["state"] in RUNNING else Verdict.UNDONE


def pause(work: Work) -> None:
    work.domain().pause()


def is_paused(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if now["state"] == "paused" else Verdict.UNDONE


def save(work: Work) -> None:
    with followed(work):
        work.domain().save()


def save_facts(connection: Connection, operation: Operation) -> Facts:
    """The facts, and whether the host is at long work on the VM."""
    return {**facts(connection, operation), "busy": is_busy(connection, operation)}


def is_busy(connection: Connection, operation: Operation) -> bool:
    try:
        return domain(connection, operation).job() is not None
    except (InvalidState, Unsupported):  # it has stopped in this moment, or its driver never works long
        return False


def is_saved(before: Facts, now: Facts) -> Verdict:
    """A save goes on to its end without whoever asked for it."""
    if now["state"] == "saved":
        return Verdict.DONE
    if now["run_id"] != before["run_id"]:
        return Verdict.UNKNOWN
    return Verdict.GOING if now["busy"] else Verdict.UNDONE


def discard_saved(work: Work) -> None:
    work.domain().discard_saved()


def has_none_saved(before: Facts, now: Facts) -> Verdict:
    """A VM that runs by now may have gone on from what was to be discarded."""
    if now["run_id"] is not None:
        return Verdict.UNKNOWN
    return Verdict.UNDONE if now["state"] == "saved" else Verdict.DONE


def nmi(work: Work) -> None:
    work.domain().inject_nmi()


def send_key(work: Work) -> None:
    work.domain().send_keys(keys.numbers(work.operation.params["keys"]))


def autostart(work: Work) -> None:
    if work.operation.params["enabled"] and work.operation.vm:
        layers.refuse_writing(work.operation.actor_user, work.operation.vm)
    work.domain().start_with_host(work.operation.params["enabled"])


def autostart_facts(connection: Connection, operation: Operation) -> Facts:
    return {"enabled": domain(connection, operation).starts_with_host(), "wanted": operation.params["enabled"]}


def starts_as_wanted(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if now["enabled"] == now["wanted"] else Verdict.UNDONE


def force_off(work: Work) -> None:
    work.domain().force_off()


def run_ended(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if now["run_id"] != before["run_id"] or now["state"] in OFF else Verdict.UNDONE


def reset(work: Work) -> None:
    work.domain().reset()


def cannot_be_told(before: Facts, now: Facts) -> Verdict:
    """A machine after a reset looks like one before it."""
    return Verdict.UNKNOWN


def shutdown(work: Work) -> None:
    work.domain().shutdown()


def off_or_unknown(before: Facts, now: Facts) -> Verdict:
    """The guest may still be deciding, or may never have been asked."""
    return Verdict.DONE if run_ended(before, now) is Verdict.DONE else Verdict.UNKNOWN


def has_shut_down(operation: Operation) -> Verdict | None:
    placement = current(operation)
    if placement is None or placement.run_id != operation.before.get("run_id") or placement.state in OFF:
        return Verdict.DONE
    return None


def reboot(work: Work) -> None:
    work.domain().reboot()


def has_rebooted(operation: Operation) -> Verdict | None:
    placement = current(operation)
    since = Happening.objects.filter(vm=operation.vm, pk__gt=operation.before.get("happening", 0))
    if since.filter(code="rebooted").exists():
        return Verdict.DONE
    if placement is None or placement.state in OFF:
        return Verdict.UNDONE
    return Verdict.DONE if placement.run_id != operation.before.get("run_id") else None


def current(operation: Operation) -> Placement | None:
    """Where the VM is, as the watcher saw it last; None for one that is gone."""
    return Placement.objects.filter(current_of=operation.vm, present=True).first() if operation.vm else None


WAYS: Final = {
    kinds.START.name: Way(start, facts, runs_anew),
    kinds.START_PAUSED.name: Way(start_paused, facts, runs_anew),
    kinds.RESTORE.name: Way(restore, facts, runs_anew),
    kinds.SAVE.name: Way(save, save_facts, is_saved),
    kinds.DISCARD_SAVED.name: Way(discard_saved, facts, has_none_saved),
    kinds.NMI.name: Way(nmi, facts, cannot_be_told),
    kinds.SEND_KEY.name: Way(send_key, facts, cannot_be_told),
    kinds.AUTOSTART.name: Way(autostart, autostart_facts, starts_as_wanted),
    kinds.START_WITH_NETWORKS.name: Way(start_with_networks, facts, runs_anew),
    kinds.RESUME.name: Way(resume, facts, runs),
    kinds.PAUSE.name: Way(pause, facts, is_paused),
    kinds.REBOOT.name: Way(reboot, facts, cannot_be_told, has_rebooted),
    kinds.SHUTDOWN.name: Way(shutdown, facts, off_or_unknown, has_shut_down),
    kinds.RESET.name: Way(reset, facts, cannot_be_told),
    kinds.FORCE_OFF.name: Way(force_off, facts, run_ended),
}
