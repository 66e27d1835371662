"""Hosts to which a VM could go, and such to which it could not: rows alone, of machines that nobody reaches."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.stage import Stage

# Whatever the watcher says of them, they have just been heard.
HEARD = """
CREATE TRIGGER IF NOT EXISTS visiting AFTER UPDATE OF error_code ON vms_host WHEN new.name LIKE 'visitor-%'
AND new.error_code != '' BEGIN UPDATE vms_host SET error_code = '', heard_at = strftime('%Y-%m-%d %H:%M:%f', 'now')
WHERE id = new.id; END
"""
HOSTS = """
import time
import uuid
from django.db import IntegrityError, connection
from django.utils import timezone
from vms.models import *
connection.cursor().execute({heard!r})
here = Host.objects.get(pk=1)
Operation.objects.filter(node='elsewhere').delete()
for left in reversed(range(20)):
    try:
        Host.objects.filter(name__startswith='visitor').delete()
        break
    except IntegrityError:  # a watcher has just begun with it
        if not left:
            raise
        time.sleep(0.2)
def visit(name, gib, network, **facts):
    told = {{**here.facts, 'memory_kib': gib << 20, 'cpus': 64, **facts}}
    host = Host.objects.create(name=name, transport='ssh', address='192.0.2.1', port=1, facts=told,
                               hardware=here.hardware, heard_at=timezone.now(), libvirt_uuid=uuid.uuid4())
    Network.objects.create(host=host, uuid=uuid.uuid4(), name=network, active=True, mode='nat')
    StoragePool.objects.create(host=host, uuid=uuid.uuid4(), name='fast', type='dir', path='/srv/fast', active=True,
                               available_bytes=gib << 30)
visit('visitor-small', 64, 'default')
visit('visitor-with-much-room', 512, 'default')
visit('visitor-far-away-and-of-another-make', 16, 'lan', arch='aarch64', qemu_version='5.2.0')
visit('visitor-next-door', 16, 'lan')
"""


def to_hosts(stage: Stage) -> str:
    """The page of a VM that runs and could go to some of them."""
    stage.dashboard.do(HOSTS.format(heard=HEARD))
    return f"{stage.runs('web').path}migrate/"


def moves_wrongly(page: Page) -> None:
    """Refused each time: else every click on its button would ask for a move."""
    page.get_by_text("Options", exact=True).click()
    page.get_by_label("Minutes it may take").fill("-1")
    expect(page.locator("#you-get")).to_contain_text("greater than or equal to 0")


def shows_moves(stage: Stage) -> str:
    """The table of VMs and hosts."""
    stage.dashboard.do(HOSTS.format(heard=HEARD))
    return "/hosts/moves/"


def tells_why(page: Page) -> None:
    """Where one can't go."""
    page.locator(".moves summary").first.click()


UNDER_WAY = """
from vms.models import *
host = Host.objects.get(name='visitor-with-much-room')
Host.objects.filter(pk=host.pk).update(in_maintenance_at=timezone.now())
there, other = Host.objects.get(name='visitor-small'), Host.objects.get(name='visitor-next-door')
# Of another node's worker, so that nobody goes on with it.
operation = Operation.objects.create(kind='host.evacuate', actor_name='admin', target_kind='host', target_id=host.pk,
    target_name=host.name, host=host, node='elsewhere', queue='plan', state='running', params={'evacuation': 1})
plan = Evacuation.objects.create(host=host, way='away', digest='', parallel=2, operation=operation)
def leave(number, name, to, state, **more):
    EvacuatedVm.objects.create(evacuation=plan, number=number, name=name, to=to, state=state,
                               **{'steps': ['move'], 'seconds': 40, **more})
leave(1, 'warehouse', there, 'done')
leave(2, 'shop', other, 'failed', error_code='cannot_move',
      error_params={'name': 'shop', 'host': other.name, 'obstacle': 'network', 'network': 'lan'})
leave(3, 'mail', there, 'under_way', operation=operation)
leave(4, 'a-name-that-is-so-long-that-it-does-not-fit-into-any-line', there, 'planned')
leave(5, 'printer', None, 'planned', steps=['shutdown'])
print('row', host.pk)
"""


def plan(stage: Stage) -> str:
    """The plan by which a host would be emptied that has many VMs."""
    stage.dashboard.do(HOSTS.format(heard=HEARD))
    return "/hosts/1/maintenance/"


def emptied(stage: Stage) -> str:
    """A host that is being emptied."""
    said = stage.dashboard.do(HOSTS.format(heard=HEARD) + UNDER_WAY)
    return f"/hosts/{said.split()[-1]}/maintenance/"
