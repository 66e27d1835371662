"""The list of VMs and the pages of one."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet, prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.http.request import split_domain_port
from django.shortcuts import redirect, render
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_safe

from vms.errors import BadParameters
from vms.forms.tags import Tags
from vms.kinds import MAKING, MENU, whole_number
from vms.kinds.clone import SOURCE
from vms.kinds.dump import DUMP
from vms.kinds.hardware import LISTEN_ON_NETWORK
from vms.kinds.migration import MIGRATE
from vms.kinds.power import RESTART
from vms.kinds.seeds import WRITE_SEED
from vms.kinds.templates import TEMPLATE
from vms.models import Document, Host, Operation, Trashed, VirtualMachine
from vms.permissions import (
    get_vm_or_404,
    holds_somewhere,
    is_administrator,
    trashed_vms,
    visible_hosts,
    visible_operations,
    visible_vms,
)
from vms.services import capacity_words, crashes, viewers, wall
from vms.services.abilities import offers
from vms.services.freshness import placed
from vms.services.headers import Header, fits, make_header, may_eject, why_not
from vms.services.lists import SHOWN, STATES, find_vms, these
from vms.services.pending import waits
from vms.services.reaching import exposed
from vms.services.rows import make_rows, present_numbers, use_text
from vms.services.sections import LINE, others, sections, totals_by_host
from vms.services.stream import PARTS, stream
from vms.views import console_keys

PAGE = 50
# Hosts of which the list's sections are on one page, and from how many on a host is typed instead of chosen.
SECTIONS = 20
MOST_CHOICES = 12
MOST_IDS = 500
# The parts of a VM's page that need more than seeing it.
TABS = {
    "console": "vm.screen", "hardware": "vm.xml.view", "xml": "vm.xml.view", "history": "vm.xml.view",
    "pending": "vm.xml.view",
    "access": "vm.access", "agent": "vm.agent.view",
}  # fmt: skip


class FromBothEnds:
    """A query in an order, for a paginator; what is in its second half is looked for from the end."""

    def __init__(self, found: QuerySet[VirtualMachine]) -> None:
        self.found = found
        self.number = found.count()

    def count(self) -> int:
        return self.number

    def __getitem__(self, part: slice) -> list[VirtualMachine]:
        if part.start <= self.number // 2:
            return list(self.found[part])
        return list(self.found.reverse()[max(self.number - part.stop, 0) : self.number - part.start])[::-1]


@login_required
@require_safe
def vm_list(request: HttpRequest) -> HttpResponseBase:
    """A page of fifty; a UUID or address pasted whole goes straight to the one VM that has it."""
    q, state, tag, sort = (request.GET.get(name, "") for name in ("q", "state", "tag", "sort"))
    host = chosen_host(request)
    watches = wall.watches(request.user)
    as_wall = request.GET.get("as") == "wall" and watches
    # Among many that are off those that run are looked for.
    sort = sort or ("state" if as_wall else "name")
    try:
        found = find_vms(request.user, q=q, state=state, host=host.pk if host else None, tag=tag, sort=sort)
    except BadParameters:
        raise Http404 from None
    if vm := pasted(request, q):
        return redirect("vm", vm.pk)
    hosts = list(visible_hosts(request.user).only(*LINE).order_by("name"))
    grouped = request.GET.get("group") == "host" and host is None and len(hosts) > 1 and not as_wall
    totals = totals_by_host(found) if grouped else {}
    listed: Any
    if grouped:
        listed = [one for one in hosts if one.pk in totals]
    else:
        # What is searched is looked through once, for the number and the page; without a search an index has both.
        listed = list(found.values_list("pk", flat=True)) if q else FromBothEnds(found.only(*SHOWN))
    paginator: Paginator[Any] = Paginator(listed, SECTIONS if grouped else PAGE)
    page = paginator.get_page(request.GET.get("page"))
    count = sum(totals.values()) if grouped else paginator.count
    there = list(page.object_list)
    parts = sections(found, sort, there, totals, request.user) if grouped else []
    if grouped and not page.has_next():
        parts += others(found, hosts, totals, request.user)
    vms = these(request.user, there) if q and not grouped else there
    rows = [] if grouped else make_rows(vms, request.user)
    context = {
        "page": page,
        "count": count,
        "more": count > len(rows) + sum(len(part.rows) for part in parts),
        "numbers": paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
        "grouped": grouped,
        "sections": parts,
        "rows": rows,
        "watches": watches,
        "as_wall": as_wall,
        "tiles": wall.make_tiles(vms, rows, request.user) if as_wall else [],
        "as_list": query(request, **{"as": ""}),
        "as_screens": query(request, **{"as": "wall"}),
        "q": q,
        "state": state,
        "tag": tag,
        "untagged": query(request, tag=""),
        "host": host,
        "hosts": hosts,
        "typed_host": len(hosts) > MOST_CHOICES,
        "sort": sort,
        "states": STATES,
        "filtered": bool(q or state or host or tag),
        "has_trash": Trashed.objects.exists() and trashed_vms(request.user).exists(),
        "may_move": len(hosts) > 1 and holds_somewhere(request.user, MIGRATE.privileges[0]),
        "columns": columns(request, sort, many_hosts=len(hosts) > 1),
        "query": query(request),
        "filters": [("q", q), ("state", state), ("host", str(host.pk) if host else ""), ("tag", tag)],
        **row_context(many_hosts=len(hosts) > 1),
    }
    return render(request, "vms/list.html", context)


def chosen_host(request: HttpRequest) -> Host | None:
    """The host of the filter, by its number or its name; 404 for one that the user may not see."""
    asked = request.GET.get("host", "").replace("\0", "")
    if not asked:
        return None
    hosts, number = visible_hosts(request.user), whole_number(asked)
    host = hosts.filter(pk=number).first() if number is not None else None
    host = host or hosts.filter(name=asked).first()
    if host is None:
        raise Http404
    return host


def pasted(request: HttpRequest, q: str) -> VirtualMachine | None:
    """The VM whose UUID or address q is, when it is exactly one and q was entered, not typed on the way."""
    text = q.strip().lower()
    if not text or "HX-Request" in request.headers:
        return None
    vms = visible_vms(request.user)
    try:
        exact = list(vms.filter(placement__uuid=UUID(text))[:2])
    except ValueError:
        if not (text.count(".") == 3 or ":" in text):
            return None
        found = vms.filter(placement__search__contains=text)
        exact = [vm for vm in found[:PAGE] if text in {word.lower() for word in placed(vm).search.split()}]
    return exact[0] if len(exact) == 1 else None


def columns(request: HttpRequest, sort: str, *, many_hosts: bool) -> list[dict[str, str]]:
    """The sortable column heads: name, address of the other order, and the present direction for screen readers."""
    heads = []
    for name in ("name", "state", "host"):
        if name == "host" and not many_hosts:
            continue
        reverse_next = sort == name
        direction = {name: "ascending", f"-{name}": "descending"}.get(sort, "")
        heads.append(
            {"name": name, "direction": direction, "url": query(request, sort=("-" if reverse_next else "") + name)}
        )
    return heads


def query(request: HttpRequest, **changes: str) -> str:
    """The list's address with the filters of now and these changes, back on the first page."""
    fields = {
        name: request.GET.get(name, "") for name in ("q", "state", "host", "tag", "sort", "group", "as")
    } | changes
    kept = request.GET.copy()
    kept.clear()
    kept.update({name: value for name, value in fields.items() if value})
    return f"?{kept.urlencode()}"


def row_context(*, many_hosts: bool) -> dict[str, object]:
    """What rows and their menu need."""
    return {"many_hosts": many_hosts, "menu": MENU}


@login_required
@require_safe
def vm_rows(request: HttpRequest) -> HttpResponse:
    """The rows of those ids that the user may see, each for the place of the old one; ?as=wall: their tiles."""
    vms = these(request.user, asked_ids(request))
    many = visible_hosts(request.user)[:2].count() > 1
    rows = make_rows(vms, request.user)
    if request.GET.get("as") == "wall":
        return render(
            request, "vms/_tiles.html", {"tiles": wall.make_tiles(vms, rows, request.user), "many_hosts": many}
        )
    return render(request, "vms/_rows.html", {"rows": rows, **row_context(many_hosts=many)})


@login_required
@require_safe
def vm_numbers(request: HttpRequest) -> JsonResponse:
    """{vm id: {cpu, memory, disks, network}} as text for those ids that the user may see."""
    vms = list(visible_vms(request.user).filter(pk__in=asked_ids(request)).only(*SHOWN))
    found = present_numbers(vms)
    return JsonResponse({str(vm.pk): told_now(vm, found[vm.pk]) for vm in vms if vm.pk in found})


def told_now(vm: VirtualMachine, numbers: dict[str, float]) -> dict[str, str]:
    """What it uses now, as text by what its page calls it."""
    use = use_text(vm, numbers)
    return {"cpu": use.cpu, "memory": use.memory, **capacity_words.flows(numbers)}


def asked_ids(request: HttpRequest) -> list[int]:
    """The numbers in ?ids=1,2; 404 for anything else."""
    asked = [whole_number(word) for word in request.GET.get("ids", "").split(",") if word]
    numbers = [number for number in asked if number is not None]
    if len(asked) > MOST_IDS or len(numbers) < len(asked):
        raise Http404
    return numbers


def tab_context(
    request: HttpRequest, vm: VirtualMachine, name: str, head: Header | None = None
) -> dict[str, Any]:  # fmt: skip
    """What the head and the tabs of a VM's page need; the console page uses it too. head: where it was made already."""
    head = head or make_header(vm, request.user)
    return {
        "vm": vm,
        "placement": placed(vm),
        "head": head,
        "tab": name,
        "may_xml": "vm.xml.view" in head.rights,
        "may_access": "vm.access" in head.rights,
        "may_agent": "vm.agent.view" in head.rights and placed(vm).host.driver == Host.Driver.QEMU,
        "may_write_xml": "vm.define" in head.rights and placed(vm).persistent and placed(vm).present,
        "may_console": "vm.console" in head.rights and offers(placed(vm).host.driver, "vm.send-key"),
        "may_drive": "vm.console" in head.rights,
        "may_device": "vm.device" in head.rights,
        "may_force": "vm.force" in head.rights,
        "may_clone": SOURCE in head.rights and placed(vm).persistent and placed(vm).host.driver == Host.Driver.QEMU,
        "may_eject": may_eject(placed(vm), head.rights),
        "may_template": may_template(vm, head),
        "may_dump": may_dump(vm, head),
        "may_move": fits(head.rights, MIGRATE.name) and placed(vm).host.driver == Host.Driver.QEMU,
        "may_add_host": is_administrator(request.user, "host.admin"),
        "no_move": why_not(MIGRATE, placed(vm), head.host_word),
        "combinations": console_keys.COMBINATIONS,
        "many_hosts": visible_hosts(request.user)[:2].count() > 1,
    }


def may_template(vm: VirtualMachine, head: Header) -> bool:
    """Whether it can be asked for that the VM becomes a template."""
    there = placed(vm)
    fits = there.present and there.persistent and there.state in TEMPLATE.states and vm.templated_at is None
    return fits and head.rights >= set(TEMPLATE.privileges)


def may_dump(vm: VirtualMachine, head: Header) -> bool:
    """Whether its memory can be dumped, as far as its state and the reader's rights say."""
    there = placed(vm)
    runs = there.present and there.state in DUMP.states and offers(there.host.driver, DUMP.name)
    return runs and head.rights >= set(DUMP.privileges)


def this_machine(request: HttpRequest, vm: VirtualMachine) -> str:
    """What a desk calls the machine on which the dashboard runs."""
    name, _ = split_domain_port(request.get_host())
    here = name in ("localhost", "127.0.0.1", "[::1]")
    return placed(vm).host.node if here else name.strip("[]")


def viewer_file(request: HttpRequest, vm: VirtualMachine, rights: frozenset[str]) -> str | None:
    """What virt-viewer opens the screen with, for who may use it and see its host, whose address it names."""
    if not rights >= {"vm.console", "host.view"}:
        return None
    return viewers.file(placed(vm), this_machine(request, vm))


@login_required
@require_safe
def vm_overview(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The VM at a glance; of one that could not be made, what became of it; of a template, its own page."""
    try:
        vm = get_vm_or_404(request.user, pk)
    except Http404:
        return redirect("operation", unmade_or_404(request, pk).pk)
    if vm.templated_at is not None:
        return redirect("template", vm.pk)
    return overview_page(request, vm)


def unmade_or_404(request: HttpRequest, pk: int) -> Operation:
    """The operation that was to make the VM of that number, which is not there."""
    operation = visible_operations(request.user).filter(kind__in=MAKING, target_id=pk, vm=None).first()
    if operation is None:
        raise Http404
    return operation


def overview_page(request: HttpRequest, vm: VirtualMachine, tags: Tags | None = None) -> HttpResponse:
    """The same; tags: the form as it was sent, where it was refused."""
    prefetch_related_objects([vm], "tags")
    head = make_header(vm, request.user)
    context = tab_context(request, vm, "overview", head)
    may_watch = wall.PRIVILEGE in head.rights
    numbers = present_numbers([vm]).get(vm.pk)
    document = Document.objects.filter(placement=placed(vm)).only(
        "facts", "next_boot", "pending", "began", "settings"
    ).first()  # fmt: skip
    return render(
        request,
        "vms/overview.html",
        {
            **context,
            "use": told_now(vm, numbers) if numbers else {},
            # A template would write it as people do.
            "memory_bytes": str(placed(vm).memory_kib * 1024),
            "screen": may_watch and wall.is_shown(vm),
            "may_watch": may_watch,
            "trouble": crashes.trouble(vm),
            "facts": document.facts if document else {},
            "exposed": exposed(placed(vm), document),
            "waits": waits(placed(vm), document) if context["may_xml"] else [],
            "may_restart": fits(head.rights, RESTART.name) and not why_not(RESTART, placed(vm), head.host_word),
            "viewer_file": bool(viewer_file(request, vm, head.rights)),
            "may_listen": head.rights >= set(LISTEN_ON_NETWORK.privileges),
            "tags": tags or Tags(initial={"tags": ", ".join(sorted(tag.name for tag in vm.tags.all()))}),
            "may_label": "vm.label" in head.rights,
            "may_seed": head.rights >= set(WRITE_SEED.privileges),
            "entries": stream(request.user, vm=vm, most=6),
        },
    )


@login_required
@require_safe
def vm_header(request: HttpRequest, pk: int) -> HttpResponse:
    """The head alone, for a page that is open; refused to who may no longer see what stands below it."""
    tab = request.GET.get("tab", "overview")
    vm = get_vm_or_404(request.user, pk, to=TABS.get(tab, "vm.view"))
    return render(request, "vms/_header.html", tab_context(request, vm, tab))


@login_required
@require_safe
def vm_xml(request: HttpRequest, pk: int) -> HttpResponse:
    """The definitions as libvirt has them, without secrets."""
    vm = get_vm_or_404(request.user, pk, to="vm.xml.view")
    document = Document.objects.filter(placement=placed(vm)).first() or Document()
    texts = {"live": document.live, "next": document.next_boot}
    shown = request.GET.get("which", "")
    shown = shown if texts.get(shown) else next((name for name, text in texts.items() if text), "")
    context = {"texts": texts, "which": shown, "text": texts.get(shown, ""), "differ": differ(document)}
    return render(request, "vms/xml.html", {**tab_context(request, vm, "xml"), **context})


def differ(document: Document) -> bool:
    """Whether there are two definitions to choose from."""
    return bool(document.live and document.next_boot)


@login_required
@require_safe
def vm_activity(request: HttpRequest, pk: int) -> HttpResponse:
    """The VM's operations and what happened to it, in one stream; ?only= a part of it."""
    vm = get_vm_or_404(request.user, pk)
    part = chosen_part(request)
    entries = stream(request.user, vm=vm, only=part["only"], before=parse_before(request))
    context = {**tab_context(request, vm, "activity"), "entries": entries, "most": PAGE, **part}
    return render(request, "vms/activity.html", context)


def chosen_part(request: HttpRequest) -> dict[str, Any]:
    """only: the part of a stream that ?only= names, as stream() takes it; parts: all there are."""
    asked = request.GET.get("only", "")
    return {"only": [asked] if asked in PARTS else [], "part": asked if asked in PARTS else "", "parts": PARTS}


def parse_before(request: HttpRequest) -> datetime | None:
    """The time in ?before=, None for none or for what is no time."""
    try:
        at = parse_datetime(request.GET.get("before", ""))
    except ValueError:
        return None
    return at if at and at.tzinfo else None
