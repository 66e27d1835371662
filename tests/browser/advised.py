"""A week behind two VMs that run: what advice is made of; one piece of it is left alone."""

from __future__ import annotations

from tests.browser.stage import Stage

# One idles, one is too small; with a host that was sampled all the time.
WEEK = """
import time
from datetime import timedelta
from django.utils import timezone
from vms import metrics
from vms.metrics.database import columns, cursor, table
from vms.models import LeftAlone, Version
tier = metrics.TIERS[-1]
end = int(time.time()) // tier.step * tier.step
def week(family, thing, **values):
    names = columns(family, tier)
    told = [round(values[n] * family[n].scale) if n in values else None for n in family.names]
    places = ", ".join(["%s"] * (len(names) + 2))
    changed = ", ".join(f"{{name}} = excluded.{{name}}" for name in names)
    rows = [(thing, end - tier.step * (i + 1), tier.step // 5, *told, *told) for i in range(56)]
    with cursor() as found:
        found.executemany(
            f"INSERT INTO {{table(family, tier)}} (thing, t, {{', '.join(names)}}) VALUES ({{places}}) "
            f"ON CONFLICT (thing, t) DO UPDATE SET {{changed}}", rows,
        )
long_ago = timezone.now() - timedelta(days=30)
Version.objects.filter(vm__in=({small}, {idle})).update(at=long_ago)
week(metrics.VM, {idle}, cpu=0.4, disk_read=0, disk_write=800, net_in=90, net_out=20)
week(metrics.VM, {small}, cpu=93, net_in=2e6, net_out=1e6, memory=1.2e8, swap_in=2e5, swap_out=1e5, steal=1)
week(metrics.HOST, 1, cpu=20, memory=2e9)
LeftAlone.objects.all().delete()
LeftAlone.objects.create(kind="memory", vm_id={small}, by_name="admin")
"""


def advised(stage: Stage) -> str:
    """The page, with something on it."""
    # It stays on when it is asked to shut down.
    small, idle = stage.runs("stoic"), stage.runs("deaf")
    stage.dashboard.do(WEEK.format(small=small.pk, idle=idle.pk))
    return "/advice/"
