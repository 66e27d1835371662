"""Every route of the pages; one a kind for what a VM is asked to do."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from vms.kinds import KINDS
from vms.views import (
    accounts,
    audit,
    bulk,
    console,
    grants,
    health,
    host_changes,
    hosts,
    operations,
    overview,
    power,
    quotas,
    serial,
    tags,
    users,
    vms,
)

verbs = [
    path(f"vms/<int:pk>/{kind.verb}/", power.vm_verb, {"kind": kind}, name=f"vm-{kind.verb}")
    for kind in KINDS.values()
    if kind.target == "vm"
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", overview.overview, name="overview"),
    path("vms/", vms.vm_list, name="vm-list"),
    path("vms/rows", vms.vm_rows, name="vm-rows"),
    path("vms/numbers", vms.vm_numbers, name="vm-numbers"),
    path("vms/bulk/<slug:verb>/", bulk.vm_bulk, name="vm-bulk"),
    path("vms/batches/<uuid:batch>", bulk.vm_batch, name="vm-batch"),
    path("vms/<int:pk>/", vms.vm_overview, name="vm"),
    path("vms/<int:pk>/header", vms.vm_header, name="vm-header"),
    path("vms/<int:pk>/xml/", vms.vm_xml, name="vm-xml"),
    path("vms/<int:pk>/activity/", vms.vm_activity, name="vm-activity"),
    path("vms/<int:pk>/access/", grants.vm_access, name="vm-access"),
    path("vms/<int:pk>/tags/", tags.vm_tags, name="vm-tags"),
    path("vms/<int:pk>/console/", console.vm_console, name="vm-console"),
    path("vms/<int:pk>/console/card", console.vm_console_card, name="vm-console-card"),
    path("vms/<int:pk>/console/viewer.vv", console.vm_viewer, name="vm-viewer"),
    path("vms/<int:pk>/console/ticket/", console.vm_console_ticket, name="vm-console-ticket"),
    path("vms/<int:pk>/console/take-over/", serial.vm_console_take_over, name="vm-console-take-over"),
    path("vms/<int:pk>/serial/", serial.vm_serial, name="vm-serial"),
    path("vms/<int:pk>/serial/card", serial.vm_serial_card, name="vm-serial-card"),
    *verbs,
    path("hosts/", hosts.host_list, name="host-list"),
    path("hosts/add/", host_changes.host_add, name="host-add"),
    path("hosts/<int:pk>/", hosts.host, name="host"),
    path("hosts/<int:pk>/test/", hosts.host_test, name="host-test"),
    path("hosts/<int:pk>/edit/", host_changes.host_edit, name="host-edit"),
    path("hosts/<int:pk>/accept-machine/", host_changes.host_accept_machine, name="host-accept-machine"),
    path("hosts/<int:pk>/accept-key/", host_changes.host_accept_key, name="host-accept-key"),
    path("hosts/<int:pk>/refuse-key/", host_changes.host_refuse_key, name="host-refuse-key"),
    path("hosts/<int:pk>/new-key/", host_changes.host_new_key, name="host-new-key"),
    path("hosts/<int:pk>/leave-alone/", host_changes.host_leave_alone, name="host-leave-alone"),
    path("hosts/<int:pk>/take-up/", host_changes.host_take_up, name="host-take-up"),
    path("hosts/<int:pk>/remove/", host_changes.host_remove, name="host-remove"),
    path("hosts/<int:pk>/get-ready/", hosts.host_get_ready, name="host-get-ready"),
    path("running", operations.running, name="running"),
    path("activity/", operations.activity, name="activity"),
    path("audit/", audit.audit, name="audit"),
    path("audit/export.<slug:form>", audit.audit_export_file, name="audit-export"),
    path("operations/<int:pk>/", operations.operation, name="operation"),
    path("operations/<int:pk>/cancel/", operations.operation_cancel, name="operation-cancel"),
    path("operations/<int:pk>/read/", operations.operation_read, name="operation-read"),
    path("grants/", grants.grant_list, name="grant-list"),
    path("grants/<int:pk>/take-away/", grants.grant_take_away, name="grant-take-away"),
    path("quotas/", quotas.quota_list, name="quota-list"),
    path("users/", users.user_list, name="user-list"),
    path("users/add/", users.user_add, name="user-add"),
    path("users/<int:pk>/", users.user, name="user"),
    path("users/<int:pk>/invite/", users.user_invite, name="user-invite"),
    path("users/<int:pk>/disable/", users.user_disable, name="user-disable"),
    path("users/<int:pk>/enable/", users.user_enable, name="user-enable"),
    path("users/<int:pk>/promote/", users.user_promote, name="user-promote"),
    path("users/<int:pk>/demote/", users.user_demote, name="user-demote"),
    path("users/<int:pk>/sign-out/", users.user_sign_out, name="user-sign-out"),
    path("invitation/", users.invitation, name="invitation"),
    path("accounts/password/keep/", accounts.keep_password, name="password-keep"),
    path("theme/", accounts.set_theme, name="theme"),
    path("api/v1/", include("vms.api.urls")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("internal/session", console.session, name="internal-session"),
]
