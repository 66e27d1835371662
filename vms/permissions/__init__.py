"""Who may: the one place that answers, for pages, API, WebSockets, relay and workers. The default is no.

Privileges and roles are those of vms.kinds.privileges. An administrator holds all of them, everybody else what grants
give him at this moment. What one may not see answers like what does not exist. A token can use of this what is in its
scopes.
"""

from __future__ import annotations

from vms.permissions.alerts import get_alert_or_404, may_acknowledge, visible_alerts
from vms.permissions.ask import (
    NOUNS,
    Thing,
    held,
    held_each,
    holders,
    may,
    reaching_thing,
    require,
    require_all,
    standing,
)
from vms.permissions.deeds import require_for
from vms.permissions.fresh import is_fresh, require_fresh
from vms.permissions.hand_on import gives_too_much, may_grant, on_things, on_vm
from vms.permissions.images import get_image_or_404, publishing_pools, readable_copies, visible_images
from vms.permissions.reach import in_force, of_user
from vms.permissions.schedules import get_schedule_or_404, visible_schedules
from vms.permissions.telling import get_operation_or_404, visible_happenings, visible_names, visible_operations
from vms.permissions.templates import get_template_or_404, usable_templates, visible_templates
from vms.permissions.visible import (
    get_host_or_404,
    get_network_or_404,
    get_pool_or_404,
    get_trashed_or_404,
    get_vm_or_404,
    holds_somewhere,
    reached_vms,
    seen_hosts,
    sees_ground,
    trashed_vms,
    visible_hosts,
    visible_networks,
    visible_offers,
    visible_pools,
    visible_vms,
)
from vms.permissions.volumes import get_volume_or_404, require_deed, visible_volumes
from vms.permissions.who import Actor, Who, account, in_scope, is_administrator

__all__ = [
    "NOUNS",
    "Actor",
    "Thing",
    "Who",
    "account",
    "get_alert_or_404",
    "get_host_or_404",
    "get_image_or_404",
    "get_network_or_404",
    "get_operation_or_404",
    "get_pool_or_404",
    "get_schedule_or_404",
    "get_template_or_404",
    "get_trashed_or_404",
    "get_vm_or_404",
    "get_volume_or_404",
    "gives_too_much",
    "held",
    "held_each",
    "holders",
    "holds_somewhere",
    "in_force",
    "in_scope",
    "is_administrator",
    "is_fresh",
    "may",
    "may_acknowledge",
    "may_grant",
    "of_user",
    "on_things",
    "on_vm",
    "publishing_pools",
    "reached_vms",
    "reaching_thing",
    "readable_copies",
    "require",
    "require_all",
    "require_deed",
    "require_for",
    "require_fresh",
    "seen_hosts",
    "sees_ground",
    "standing",
    "trashed_vms",
    "usable_templates",
    "visible_alerts",
    "visible_happenings",
    "visible_hosts",
    "visible_images",
    "visible_names",
    "visible_networks",
    "visible_offers",
    "visible_operations",
    "visible_pools",
    "visible_schedules",
    "visible_templates",
    "visible_vms",
    "visible_volumes",
]
