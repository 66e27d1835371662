"""Every page in every shape that it can take: where it is, how it comes to look so, and who looks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.advised import advised
from tests.browser.broken import broke
from tests.browser.cast import Player
from tests.browser.charted import beside, charted, charted_pool
from tests.browser.fitted import disk_to_move, had_a_disk, new_disk, offered, offers, with_cds
from tests.browser.moved import emptied, moves_wrongly, plan, shows_moves, tells_why, to_hosts
from tests.browser.pages import connected
from tests.browser.planned import READY, RUNNING, WHAT_IF, plans
from tests.browser.stage import Stage

MALLORY = "mallory"
NOBODY = None


def just_so(page: Page) -> None:
    """The page as it comes."""


@dataclass(frozen=True)
class Scene:
    """route: the route that it shows, as the resolver writes it. path: its address, after bringing the world there.

    do: what makes it look so, where loading it is not enough. says: errors that are part of it (each answer from 400
    up is one for Chromium).
    """

    name: str
    route: str
    path: Callable[[Stage], str]
    do: Callable[[Page], None] = just_so
    who: str | None = "admin"
    says: tuple[str, ...] = ()


def at(path: str) -> Callable[[Stage], str]:
    return lambda stage: path


def shows_a_key(page: Page) -> None:
    """A new webhook's."""
    page.get_by_label("Name", exact=True).fill(f"shown-{page.evaluate('Math.random()')}")
    page.get_by_label("Address", exact=True).fill("https://hooks.example.org/")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("heading", name="The key of").wait_for()


def wants_more_memory(page: Page) -> None:
    """The lines of XML too."""
    page.get_by_role("spinbutton", name="Memory", exact=True).fill("4096")
    page.get_by_text("lines of XML change").click()


def goes_down(page: Page) -> None:
    """To what stands below the form."""
    page.get_by_role("heading", name="Move it to another pool").scroll_into_view_if_needed()
    page.keyboard.press("End")


def wants_a_device(field: str, choice: str) -> Callable[[Page], None]:
    """It is told before it is added."""

    def act(page: Page) -> None:
        page.get_by_label(field).select_option(choice)
        expect(page.locator("#you-get")).to_contain_text("is added")

    return act


def puts_an_example_in(page: Page) -> None:
    page.get_by_label("Example to go on from").select_option("numa")
    page.get_by_role("button", name="Put it in").click()
    expect(page.get_by_label("The definition of its next start")).to_have_value(re.compile("<numa>"))
    page.get_by_role("button", name="Write it").wait_for()


def sets_a_password_wrongly(page: Page) -> None:
    form = page.locator("form", has=page.get_by_label("New password"))
    form.get_by_label("User").fill("a:b")
    form.get_by_label("New password").fill("secret-7")
    form.get_by_role("button", name="Set the password").click()
    page.get_by_role("heading", name="SSH keys").scroll_into_view_if_needed()


def draws(page: Page) -> None:
    """The first chart's table too."""
    expect(page.locator(".chart canvas").first).to_be_visible()
    page.get_by_text("As a table").first.click()
    expect(page.locator(".chart table").first).to_be_visible()


def of(player: Callable[[Stage], Player], rest: str = "") -> Callable[[Stage], str]:
    """A page of that VM."""
    return lambda stage: player(stage).path + rest


def happens_on_the_host(stage: Stage) -> str:
    """Something was done on it."""
    failed(stage)
    return "/hosts/1/activity/"


def of_snapshot(then: str) -> Callable[[Stage], str]:
    """The page of a snapshot from which others came, or a question about it."""
    return lambda stage: stage.with_snapshots(f"of/before%20the%20upgrade/{then}")


def runs(stage: Stage) -> Player:
    return stage.runs("stoic")


def dumps(stage: Stage) -> str:
    """Of one that runs, with a pool."""
    stage.volume()
    return f"{stage.runs('stoic').path}dump/"


def off(stage: Stage) -> Player:
    stage.in_peace("idle")
    return stage.is_off("idle")


def paused(stage: Stage) -> Player:
    stage.in_peace("idle")
    return stage.is_paused("idle")


def saved(stage: Stage) -> Player:
    stage.in_peace("idle")
    return stage.is_saved("idle")


def gone(stage: Stage) -> Player:
    return stage.cast["vanished"]


def strange(stage: Stage) -> Player:
    return stage.strange


def waits(stage: Stage) -> Player:
    return stage.waits()


def failed(stage: Stage) -> Player:
    return stage.fails()


def overview_with_a_failure(stage: Stage) -> str:
    stage.fails()
    stage.edited()
    return "/"


def overview_while_one_waits(stage: Stage) -> str:
    stage.waits()
    return "/"


def list_of_the_edited(stage: Stage) -> str:
    return f"/vms/?q={stage.edited().name}"


def list_of_the_crowd(stage: Stage) -> str:
    stage.crowd_is_off()
    return "/vms/?q=crowd-0"


def list_of_the_deaf(stage: Stage) -> str:
    return f"/vms/?q={stage.runs('deaf').name}"


def list_of_one(stage: Stage) -> str:
    return f"/vms/?q={stage.runs('stoic').name}"


def only_spice(stage: Stage) -> Player:
    return stage.is_off_and_as_made("spice")


def screenless(stage: Stage) -> Player:
    return stage.is_off_and_as_made("blank")


def terminal_off(stage: Stage) -> Player:
    return stage.is_off("headless-off")


def operation(name: str) -> Callable[[Stage], str]:
    def path(stage: Stage) -> str:
        if name in ("waiting", "failed"):
            {"waiting": stage.waits, "failed": stage.fails}[name]()
        return f"/operations/{stage.operations[name]}/"

    return path


def signs_in_wrongly(page: Page) -> None:
    page.get_by_label("Name").fill("nobody")
    page.get_by_label("Password").fill("nothing")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()


def changes_password_wrongly(page: Page) -> None:
    for field, text in (("oldpassword", "wrong"), ("password1", "short"), ("password2", "other")):
        page.locator(f"[name={field}]").fill(text)
    page.keyboard.press("Enter")
    expect(page.locator(".field-error").first).to_be_visible()


def ticks_two(page: Page) -> None:
    for box in page.locator("tbody [type=checkbox]").all()[:2]:
        box.check()


def ticks_all(page: Page) -> None:
    page.locator("tbody [type=checkbox]").first.wait_for()
    # On a telephone the head of the table, where all are ticked at once, is not shown.
    page.locator("[data-all]").evaluate("(box) => box.click()")
    page.locator("[data-tick-found]").click()
    expect(page.locator("[data-bulk-count]")).to_contain_text("of this list ticked")


def opens_bulk_menu(page: Page) -> None:
    ticks_two(page)
    page.locator("[popovertarget=bulk-menu]").click()
    expect(page.locator("#bulk-menu")).to_be_visible()


def asks_several(page: Page) -> None:
    ticks_two(page)
    page.locator("[data-bulk]").get_by_role("button", name="Shut down").click()
    expect(page.locator("#batch")).to_contain_text("of 1 done")


def opens(name: str) -> Callable[[Page], None]:
    """Opens the menu under the button of that name."""

    def do(page: Page) -> None:
        page.get_by_role("button", name=name).first.click()
        expect(page.locator("[popover]:popover-open")).to_be_visible()

    return do


def opens_row_menu(page: Page) -> None:
    page.locator("[data-row-menu]").first.click()
    expect(page.locator("#row-menu")).to_be_visible()


def unfolds(page: Page) -> None:
    opens("Power of")(page)
    page.locator("#vm-menu summary").first.click()
    expect(page.get_by_role("button", name="Start paused")).to_be_visible()


def asks_force_off(page: Page) -> None:
    page.get_by_role("button", name="Power of").click()
    page.locator("#vm-menu").get_by_role("button", name="Force off").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def has_a_picture(page: Page) -> None:
    connected(page, within=30)


def has_screens(page: Page) -> None:
    """At least one tile shows its picture."""
    expect(page.locator("[data-screen][data-version] img").first).to_be_visible(timeout=20_000)


def has_a_terminal(page: Page) -> None:
    expect(page.locator("[data-serial]")).to_have_attribute("data-link", "connected", timeout=30_000)


def opens_in_terminal(name: str) -> Callable[[Page], None]:
    def do(page: Page) -> None:
        has_a_terminal(page)
        opens(name)(page)

    return do


def opens_in_console(name: str) -> Callable[[Page], None]:
    def do(page: Page) -> None:
        connected(page, within=30)
        opens(name)(page)

    return do


def visitor(rest: str = "", **fields: Any) -> Callable[[Stage], str]:
    """A page of a host that does not answer."""
    return lambda stage: stage.visitor(**fields) + rest


def two_hosts(stage: Stage) -> str:
    stage.visitor(transport="tcp", unencrypted=True)
    return "/hosts/"


def moves_to_another(stage: Stage) -> str:
    stage.visitor(transport="tcp", unencrypted=True)
    return "/hosts/1/move-routes/"


def list_by_host(stage: Stage) -> str:
    stage.visitor()
    return "/vms/?group=host"


def folds(page: Page) -> None:
    page.locator("[data-fold]").first.click()
    expect(page.locator("[data-fold]").first).to_have_attribute("aria-expanded", "false")


def chooses(label: str) -> Callable[[Page], None]:
    def do(page: Page) -> None:
        page.get_by_role("radio", name=label).check()

    return do


def adds_wrongly(page: Page) -> None:
    page.get_by_label("Address", exact=True).fill("root@kvm2:22")
    page.get_by_role("button", name="Add host").click()
    expect(page.locator(".field-error").first).to_be_visible()


def asks_to_remove(page: Page) -> None:
    page.get_by_role("button", name="More for visitor").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def adds_a_user_wrongly(page: Page) -> None:
    page.get_by_label("Name", exact=True).fill("two words")
    page.get_by_role("button", name="Add user").click()
    expect(page.locator(".field-error").first).to_be_visible()


def adds_a_private_key(page: Page) -> None:
    page.get_by_label("Public key").fill("-----BEGIN OPENSSH PRIVATE KEY-----")
    page.get_by_role("button", name="Add key").click()
    expect(page.locator(".field-error").first).to_contain_text("private key")


def makes_a_link(page: Page) -> None:
    page.get_by_role("button", name="ink").first.click()
    expect(page.locator(".command code")).to_contain_text("/invitation/#")


def follows_a_bad_link(page: Page) -> None:
    for name in ("password1", "password2"):
        page.locator(f"[name={name}]").fill("correct horse battery")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("This link opens nothing")


def makes_a_token_wrongly(page: Page) -> None:
    page.get_by_label("Name", exact=True).fill("backup")
    page.locator("summary").click()
    page.get_by_label("vm.copy").check()
    page.get_by_role("button", name="Make token").click()
    expect(page.locator(".field-error").first).to_be_visible()


def asks_for_tags(page: Page) -> None:
    ticks_two(page)
    wide = page.locator("[data-bulk] .bulk-verbs").get_by_role("button", name="Tag…")
    if not wide.is_visible():
        page.locator("[popovertarget=bulk-menu]").click()
        wide = page.locator("#bulk-menu").get_by_role("button", name="Tag…")
    wide.click()
    expect(page.get_by_role("dialog").get_by_label("Put on")).to_be_visible()


def groups(stage: Stage) -> str:
    stage.staff()
    return "/groups/"


def question_of_the_staff(stage: Stage) -> str:
    return f"{stage.staff()}remove/"


def page_of_a_pool(rest: str = "") -> Callable[[Stage], str]:
    return lambda stage: stage.pool(rest)


def list_of_pools(stage: Stage) -> str:
    stage.pool()
    return "/pools/"


def list_of_images(stage: Stage) -> str:
    stage.image()
    return "/images/"


def question_of_the_discarded(stage: Stage) -> str:
    return f"/vms/{stage.discarded(deleted=False)}/delete/"


def trash(stage: Stage) -> str:
    stage.discarded(deleted=True)
    return "/trash/"


def templates(stage: Stage) -> str:
    stage.original(template=True)
    return "/templates/"


def deletes_without_its_name(page: Page) -> None:
    page.get_by_label("Into the trash").uncheck()
    page.get_by_role("button", name="Delete discarded").click()
    expect(page.locator(".field-error").first).to_be_visible()


def tells_wrongly(page: Page) -> None:
    page.get_by_label("Log in as").fill("anna")
    page.get_by_role("button", name="Make one").click()
    page.get_by_text("More keys, name, address").click()
    page.get_by_label("User data of your own").fill("#cloud-config\npackages: [nginx\n")
    page.get_by_role("button", name="Write the disc").click()
    expect(page.locator(".field-error").filter(has_text="(line 3)")).to_be_visible()


def adds_a_pool_wrongly(page: Page) -> None:
    page.get_by_label("Name", exact=True).fill("two words")
    page.get_by_label("Folder", exact=True).fill("/etc")
    page.get_by_role("button", name="Add and start").click()
    expect(page.locator(".field-error").first).to_be_visible()


def writes(text: str) -> Callable[[Page], None]:
    """Fills the text in and has it looked at."""

    def act(page: Page) -> None:
        page.get_by_label("libvirt's definition of a domain").fill(text)
        page.get_by_role("button", name="Show what is made").click()
        expect(page.locator("#you-get .figures, #you-get .faults")).to_be_visible()

    return act


def writes_a_title(page: Page) -> None:
    """Another one, as it is typed."""
    field = page.get_by_label("The definition of its next start")
    field.fill(field.input_value().replace("<title>", "<title>Once more "))
    page.get_by_role("button", name="Write it").wait_for()


def writes_what_does_not_fit(page: Page) -> None:
    field = page.get_by_label("The definition of its next start")
    field.fill(field.input_value().replace("<title>", "<odd/><title>").replace("<on_crash>", "<on_crash>not "))
    page.locator("#you-get .faults").wait_for()


def unfolds_all(page: Page) -> None:
    for fold in page.locator("details.fold > summary").all():
        fold.click()


WRITTEN = """\
<domain type="qemu">
  <name>written</name>
  <uuid>11111111-2222-3333-4444-555555555555</uuid>
  <memory unit="MiB">256</memory>
  <vcpu>2</vcpu>
  <os>
    <type arch="x86_64" machine="q35">hvm</type>
  </os>
  <devices>
    <disk type="block" device="disk">
      <source dev="/dev/mapper/somewhere-with-a-name-that-is-long"/>
      <target dev="vda" bus="virtio"/>
    </disk>
    <interface type="network">
      <mac address="52:54:00:aa:bb:cc"/>
      <source network="default"/>
    </interface>
  </devices>
</domain>"""


def changes_a_filter(page: Page) -> None:
    page.get_by_role("button", name="Show what changes").click()
    expect(page.locator("pre.change")).to_be_visible()


GROUP = "groups/<int:pk>/"
HOST = "hosts/<int:pk>/"
POOL = "pools/<int:pk>/"
NETWORK = "networks/<int:pk>/"
TOKENS = "account/tokens/"
USER = "users/<int:pk>/"
VM = "vms/<int:pk>/"
VOLUME = "volumes/<int:pk>/"
OPERATION = "operations/<int:pk>/"
SCHEDULE = "schedules/<int:pk>/"
SNAPSHOTS = "vms/<int:pk>/snapshots/"


def opens_what_adds(page: Page) -> None:
    page.get_by_text("Where:").click()
    page.get_by_role("button", name="Add a storage pool").click()
    expect(page.get_by_role("dialog").get_by_label("Folder")).to_be_visible()


SCENES = (
    Scene("login", "accounts/login/", at("/accounts/login/"), who=NOBODY),
    Scene("login-wrong", "accounts/login/", at("/accounts/login/"), signs_in_wrongly, who=NOBODY),
    Scene("inactive", "accounts/inactive/", at("/accounts/inactive/"), who=NOBODY),
    Scene("logout", "accounts/logout/", at("/accounts/logout/")),
    Scene("confirm", "accounts/reauthenticate/", at("/accounts/reauthenticate/?next=/hosts/add/")),
    Scene("password", "accounts/password/change/", at("/accounts/password/change/")),
    Scene("password-wrong", "accounts/password/change/", at("/accounts/password/change/"), changes_password_wrongly),
    Scene("sessions", "accounts/sessions/", Stage.two_more_browsers),
    Scene("account", "account/", at("/account/")),
    Scene("two-step", "account/two-step/", at("/account/two-step/")),
    Scene("two-step-set-up", "account/two-step/set-up/", at("/account/two-step/set-up/")),
    Scene("ssh-keys", "account/ssh-keys/", at("/account/ssh-keys/")),
    Scene("overview", "", overview_with_a_failure),
    Scene("overview-theme-menu", "", at("/"), opens("Light or dark")),
    Scene("overview-user-menu", "", at("/"), opens("Account: admin")),
    Scene("overview-running", "", overview_while_one_waits, opens("running")),
    Scene("overview-mallory", "", at("/"), who=MALLORY),
    Scene("list", "vms/", at("/vms/")),
    Scene("list-waits", "vms/", list_of_the_edited),
    Scene("list-page-2", "vms/", at("/vms/?page=2&sort=-name")),
    Scene("list-menu", "vms/", list_of_one, opens_row_menu),
    Scene("list-ticked", "vms/", list_of_the_crowd, ticks_two),
    Scene("list-all-ticked", "vms/", at("/vms/"), ticks_all),
    Scene("list-ticked-menu", "vms/", list_of_the_crowd, opens_bulk_menu),
    Scene("list-tags", "vms/", list_of_the_crowd, asks_for_tags),
    Scene("list-batch", "vms/", list_of_the_deaf, asks_several),
    Scene("list-by-host", "vms/", list_by_host),
    Scene("list-folded", "vms/", list_by_host, folds),
    Scene("list-filtered", "vms/", at("/vms/?state=gone")),
    Scene("list-wall", "vms/", at("/vms/?as=wall"), has_screens),
    Scene("list-none", "vms/", at("/vms/?q=nothing+is+called+so")),
    Scene("list-mallory", "vms/", at("/vms/"), who=MALLORY),
    Scene("vm-runs", VM, of(runs), has_screens),
    Scene("vm-broke", VM, broke),
    Scene("vm-menu", VM, of(runs), opens("Power of")),
    Scene("vm-menu-unfolded", VM, of(off), unfolds),
    Scene("vm-question", VM, of(runs), asks_force_off),
    Scene("vm-off", VM, of(off)),
    Scene("vm-paused", VM, of(paused)),
    Scene("vm-saved", VM, of(saved)),
    Scene("vm-saved-menu", VM, of(saved), opens("Power of")),
    Scene("vm-gone", VM, of(gone)),
    Scene("vm-strange", VM, of(strange)),
    Scene("vm-waits", VM, of(waits)),
    Scene("vm-failed", VM, of(failed)),
    Scene("nmi", "vms/<int:pk>/nmi/", of(runs, "nmi/")),
    Scene("discard-saved", "vms/<int:pk>/discard-saved/", of(saved, "discard-saved/")),
    Scene("reset", "vms/<int:pk>/reset/", of(runs, "reset/")),
    Scene("force-off", "vms/<int:pk>/force-off/", of(runs, "force-off/")),
    Scene("guest", VM + "agent/", Stage.reporter),
    Scene("guest-asks", VM + "agent/", Stage.reporter, sets_a_password_wrongly, says=("400",)),
    Scene("guest-none", VM + "agent/", of(off, "agent/")),
    Scene("hardware", VM + "hardware/", of(runs, "hardware/")),
    Scene("hardware-memory", VM + "hardware/", of(off, "hardware/?part=memory"), wants_more_memory),
    Scene("hardware-screen", VM + "hardware/", of(off, "hardware/?part=graphics0")),
    Scene("hardware-add", VM + "hardware/", of(off, "hardware/?part=add")),
    Scene("hardware-disk", VM + "hardware/", disk_to_move, goes_down),
    Scene("hardware-detached", VM + "hardware/", had_a_disk),
    Scene("hardware-add-disk", VM + "hardware/", new_disk, wants_a_device("Bus", "scsi")),
    Scene("hardware-add-device", VM + "hardware/", offered("hostdev"), wants_a_device("Where it is not", "mandatory")),
    Scene("hardware-add-folder", VM + "hardware/", offered("folder"), wants_a_device("Offered by", "docs")),
    Scene("hardware-remove", VM + "hardware/", of(off, "hardware/?part=graphics0&ask=remove")),
    Scene("xml", VM + "xml/", of(runs, "xml/")),
    Scene("xml-off", VM + "xml/", of(off, "xml/")),
    Scene("xml-edit", VM + "xml/edit/", of(Stage.edited, "xml/edit/"), writes_a_title),
    Scene("xml-edit-faults", VM + "xml/edit/", of(Stage.edited, "xml/edit/"), writes_what_does_not_fit),
    Scene("xml-edit-example", VM + "xml/edit/", of(Stage.edited, "xml/edit/"), puts_an_example_in),
    Scene("pending", VM + "pending/", of(Stage.edited, "pending/"), unfolds_all),
    Scene("vm-waits", VM, of(Stage.edited)),
    Scene("history", VM + "history/", of(Stage.edited, "history/")),
    Scene("version", VM + "history/<int:number>/", of(Stage.edited, "history/1/?to=2"), unfolds_all),
    Scene("gone", "trash/gone/", lambda stage: "/trash/gone/" if stage.forgotten() else ""),
    Scene("gone-history", "trash/gone/<int:pk>/", lambda stage: f"/trash/gone/{stage.forgotten()}/"),
    Scene("gone-version", "trash/gone/<int:pk>/<int:number>/", lambda stage: f"/trash/gone/{stage.forgotten()}/1/"),
    Scene("vm-access", VM + "access/", of(runs, "access/?user=admin&verb=vm.power")),
    Scene("vm-metrics", VM + "metrics/", lambda stage: f"/vms/{charted(stage)}/metrics/", draws),
    Scene("vm-compare", "vms/compare/", beside, draws),
    Scene("vm-activity", VM + "activity/", of(failed, "activity/")),
    Scene("console", VM + "console/", of(runs, "console/"), has_a_picture),
    Scene("console-keys", VM + "console/", of(runs, "console/"), opens_in_console("Keys")),
    Scene("console-type", VM + "console/", of(runs, "console/"), opens_in_console("Type text")),
    Scene("console-cds", VM + "console/", with_cds, opens_in_console("CD")),
    Scene("console-own", VM + "console/", of(runs, "console/?own"), has_a_picture),
    Scene("console-off", VM + "console/", of(off, "console/")),
    Scene("console-spice", VM + "console/", of(only_spice, "console/")),
    Scene("console-blank", VM + "console/", of(screenless, "console/")),
    Scene("serial", VM + "serial/", of(runs, "serial/"), has_a_terminal),
    Scene("serial-own", VM + "serial/", of(runs, "serial/?own"), has_a_terminal),
    Scene("serial-type", VM + "serial/", of(runs, "serial/"), opens_in_terminal("Type text")),
    Scene("serial-find", VM + "serial/", of(runs, "serial/"), opens_in_terminal("Find")),
    Scene("serial-off", VM + "serial/", of(terminal_off, "serial/")),
    Scene("serial-none", VM + "serial/", of(screenless, "serial/")),
    Scene("console-gone", VM + "console/", of(gone, "console/")),
    Scene("capacity", "capacity/", lambda stage: f"/capacity/?of={charted(stage)}&{stage.volume()}"),
    Scene("advice", "advice/", advised),
    Scene("advice-mallory", "advice/", at("/advice/"), who=MALLORY),
    Scene("capacity-mallory", "capacity/", at("/capacity/?by=disk&over=day"), who=MALLORY),
    Scene("hosts", "hosts/", at("/hosts/")),
    Scene("hosts-mallory", "hosts/", at("/hosts/"), who=MALLORY),
    Scene("host", HOST, Stage.host_is_bare),
    Scene("hosts-two", "hosts/", two_hosts),
    Scene("host-add", "hosts/add/", at("/hosts/add/")),
    Scene("host-add-tls", "hosts/add/", at("/hosts/add/"), chooses("TLS")),
    Scene("host-add-tcp", "hosts/add/", at("/hosts/add/"), chooses("TCP, not encrypted")),
    Scene("host-add-wrong", "hosts/add/", at("/hosts/add/"), adds_wrongly),
    Scene("host-steps", HOST, visitor()),
    Scene("host-key", HOST, Stage.visitor_shows_its_key),
    Scene("host-silent", HOST, visitor(transport="tcp", unencrypted=True)),
    Scene("host-alone", HOST, visitor(left_alone=True)),
    Scene("host-menu", HOST, visitor(), opens("More for visitor")),
    Scene("host-question", HOST, visitor(), asks_to_remove),
    Scene("host-remove", HOST + "remove/", visitor("remove/")),
    Scene("host-new-key", HOST + "new-key/", visitor("new-key/")),
    Scene("host-edit", HOST + "edit/", visitor("edit/")),
    Scene("host-move-routes", HOST + "move-routes/", moves_to_another),
    Scene("host-secrets", HOST + "secrets/", Stage.secrets),
    Scene(
        "host-secret-delete",
        HOST + "secrets/<uuid:uuid>/delete/",
        lambda stage: stage.secrets("{uuid}/delete/"),
    ),
    Scene("host-activity", HOST + "activity/", happens_on_the_host),
    Scene("host-metrics", HOST + "metrics/", lambda stage: f"/hosts/1/metrics/?of={charted(stage)}", draws),
    Scene("host-maintenance", HOST + "maintenance/", plan),
    Scene("host-emptied", HOST + "maintenance/", emptied),
    Scene("plans", "plans/", plans()),
    Scene("plans-what-if", "plans/", at("/plans/?kind=whatif")),
    Scene("plan", "plans/<int:pk>/", plans(READY)),
    Scene("plan-running", "plans/<int:pk>/", plans(RUNNING)),
    Scene("plan-what-if", "plans/<int:pk>/", plans(WHAT_IF)),
    Scene("host-check", HOST + "check/", at("/hosts/1/check/")),
    Scene("host-devices", HOST + "devices/", at("/hosts/1/devices/")),
    Scene("offers", "offers/", offers),
    Scene("pools", "pools/", list_of_pools),
    Scene("pool", POOL, page_of_a_pool()),
    Scene("pool-metrics", POOL + "metrics/", lambda stage: charted_pool(stage, stage.pool()), draws),
    Scene("pool-menu", POOL, page_of_a_pool(), opens("More for kept")),
    Scene("pool-stop", POOL + "stop/", page_of_a_pool("stop/")),
    Scene("pool-delete", POOL + "delete/", page_of_a_pool("delete/")),
    Scene("pool-join", POOL + "join/", page_of_a_pool("join/")),
    Scene("pool-separate", POOL + "separate/", page_of_a_pool("separate/")),
    Scene("pool-trust", POOL + "trust/", page_of_a_pool("trust/")),
    Scene("pool-add-wrong", "pools/add/", at("/pools/add/?host=1"), adds_a_pool_wrongly),
    Scene("dump", VM + "dump/", dumps),
    Scene("dump-nowhere", VM + "dump/", of(runs, "dump/")),
    # With a name every click on its buttons would make a VM.
    Scene("vm-new", "vms/new/", lambda stage: stage.pool() and "/vms/new/?name="),
    Scene("vm-new-adding", "vms/new/", lambda stage: stage.pool() and "/vms/new/?name=", opens_what_adds),
    Scene("vm-import", "vms/import/", lambda stage: stage.archive() and "/vms/import/"),
    # Without a name, as above.
    Scene("volume-import", VOLUME + "import/", lambda stage: stage.archive() + "?name="),
    Scene("volume-import-unread", VOLUME + "import/", lambda stage: stage.archive(read=False)),
    Scene("volumes", POOL + "volumes/", lambda stage: stage.volume() and stage.pool("volumes/")),
    Scene("volume-add", POOL + "volumes/add/", page_of_a_pool("volumes/add/")),
    Scene("volume", VOLUME, Stage.volume),
    Scene("volume-vouch", VOLUME + "vouch/", lambda stage: stage.volume("vouch/")),
    Scene("volume-wipe", VOLUME + "wipe/", lambda stage: stage.volume("wipe/")),
    Scene("volume-delete", VOLUME + "delete/", lambda stage: stage.volume("delete/")),
    Scene("delete", VM + "delete/", question_of_the_discarded),
    Scene("delete-wrong", VM + "delete/", question_of_the_discarded, deletes_without_its_name),
    Scene("rename", VM + "rename/", of(off, "rename/")),
    # With a name every click on its buttons would make a VM.
    Scene("snapshots", SNAPSHOTS, Stage.with_snapshots),
    Scene("snapshots-none", SNAPSHOTS, of(off, "snapshots/")),
    # With a name every click on its buttons would take one.
    Scene("snapshot-take", SNAPSHOTS + "take/", lambda stage: stage.with_snapshots("take/?name=")),
    Scene("snapshot", SNAPSHOTS + "of/<str:name>/", of_snapshot("")),
    Scene("snapshot-revert", SNAPSHOTS + "of/<str:name>/revert/", of_snapshot("revert/")),
    Scene("snapshot-delete", SNAPSHOTS + "of/<str:name>/delete/", of_snapshot("delete/")),
    Scene("snapshot-rename", SNAPSHOTS + "of/<str:name>/rename/", of_snapshot("rename/")),
    Scene("flatten", SNAPSHOTS + "flatten/", lambda stage: stage.with_snapshots("flatten/")),
    Scene("clone", VM + "clone/", lambda stage: f"{stage.with_disk()}clone/?name="),
    Scene("migrate", VM + "migrate/", to_hosts, moves_wrongly, says=("400",)),
    Scene("moves", "hosts/moves/", shows_moves, tells_why),
    Scene("migrate-nowhere", VM + "migrate/", of(runs, "migrate/")),
    # Refused each time: else every click on its button would write a disc.
    Scene("cloud-init", VM + "cloud-init/", of(off, "cloud-init/"), tells_wrongly, says=("400",)),
    Scene("template-question", VM + "template/", lambda stage: f"/vms/{stage.original(template=False)}/template/"),
    Scene("templates", "templates/", templates),
    Scene("template", "templates/<int:pk>/", lambda stage: f"/templates/{stage.original(template=True)}/"),
    Scene("trash", "trash/", trash),
    Scene(
        "trash-delete",
        "trash/<int:pk>/delete/",
        lambda stage: f"/trash/{stage.discarded(deleted=True)}/delete/",
    ),
    Scene("invitation", "invitation/", at("/invitation/"), who=NOBODY),
    Scene("invitation-refused", "invitation/", at("/invitation/#guess"), follows_a_bad_link, who=NOBODY),
    Scene("users", "users/", at("/users/")),
    Scene("user-add", "users/add/", at("/users/add/")),
    Scene("user", USER, Stage.guest),
    Scene("user-link", USER, Stage.guest, makes_a_link),
    Scene("who-is-in", "sessions/", at("/sessions/")),
    Scene("tokens", TOKENS, Stage.token_of_mallory, who=MALLORY),
    Scene("images", "images/", list_of_images),
    Scene("image", "images/<int:pk>/", Stage.image),
    Scene("upload", POOL + "upload/", page_of_a_pool("upload/")),
    Scene("groups", "groups/", groups),
    Scene("group-add", "groups/add/", at("/groups/add/")),
    Scene("group", GROUP, Stage.staff),
    Scene("group-remove", GROUP + "remove/", question_of_the_staff),
    Scene("grants", "grants/", at("/grants/")),
    Scene("quotas", "quotas/", at("/quotas/")),
    Scene("sizes", "sizes/", at("/sizes/")),
    Scene("size-remove", "sizes/<int:pk>/remove/", Stage.size),
    Scene("grant-question", "grants/<int:pk>/take-away/", Stage.grant_of_the_staff),
    Scene("networks", "networks/", at("/networks/")),
    Scene("network-add", "networks/add/", at("/networks/add/")),
    Scene("network", NETWORK, Stage.network),
    Scene("network-edit", NETWORK + "edit/", lambda stage: f"{stage.network()}edit/"),
    Scene("network-stop", NETWORK + "stop/", lambda stage: f"{stage.network()}stop/"),
    Scene("network-restart", NETWORK + "restart/", lambda stage: f"{stage.network()}restart/"),
    Scene("network-delete", NETWORK + "delete/", lambda stage: f"{stage.network()}delete/"),
    Scene("host-define", HOST + "define/", Stage.define),
    Scene("host-define-shown", HOST + "define/", Stage.define, writes(WRITTEN)),
    Scene(
        "host-define-faults",
        HOST + "define/",
        Stage.define,
        writes(WRITTEN.replace('bus="virtio"', 'bus="none"').replace("256", "much")),
        says=("400",),
    ),
    Scene("host-filters", HOST + "filters/", Stage.filters),
    Scene("host-filters-change", HOST + "filters/", Stage.filters, changes_a_filter),
    Scene("activity", "activity/", at("/activity/")),
    Scene("activity-mallory", "activity/", at("/activity/"), who=MALLORY),
    Scene("schedules", "schedules/", lambda stage: "/schedules/" if stage.schedules() else ""),
    Scene("schedules-mallory", "schedules/", at("/schedules/"), who=MALLORY),
    Scene("schedule", SCHEDULE, Stage.schedule),
    Scene("schedule-new", "schedules/new/", lambda stage: f"/schedules/new/?vm={stage.cast['blank'].pk}"),
    Scene("schedule-edit", SCHEDULE + "edit/", lambda stage: f"{stage.schedule()}edit/"),
    Scene("schedule-remove", SCHEDULE + "remove/", lambda stage: f"{stage.schedule()}remove/"),
    Scene("alerts", "alerts/", Stage.alerts),
    Scene("alerts-needed", "", lambda stage: stage.alerts() and "/"),
    Scene("alerts-mallory", "alerts/", at("/alerts/"), who=MALLORY),
    Scene("alert-silence", "alerts/<int:pk>/silence/", Stage.alert),
    Scene("alert-rules", "alerts/rules/", at("/alerts/rules/?change=pool_full")),
    Scene("alert-sinks", "alerts/sinks/", lambda stage: stage.sink() and "/alerts/sinks/"),
    Scene("alert-sink", "alerts/sinks/<int:pk>/", Stage.sink),
    Scene("alert-sink-key", "alerts/sinks/", at("/alerts/sinks/"), shows_a_key),
    Scene("alert-sink-remove", "alerts/sinks/<int:pk>/remove/", lambda stage: f"{stage.sink()}remove/"),
    Scene("audit", "audit/", at("/audit/")),
    Scene("audit-wrong", "audit/", at("/audit/?q=nothing+is+called+so&to=never")),
    Scene("audit-mallory", "audit/", at("/audit/"), who=MALLORY, says=("403",)),
    Scene("operation-succeeded", OPERATION, operation("succeeded")),
    Scene("operation-waiting", OPERATION, operation("waiting")),
    Scene("operation-superseded", OPERATION, operation("superseded")),
    Scene("operation-failed", OPERATION, operation("failed")),
    Scene("nothing-here", "", at("/nothing/is/here/"), says=("404",)),
)
