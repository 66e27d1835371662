"""Plans for several hosts: rows alone, of machines that nobody reaches."""

from __future__ import annotations

from collections.abc import Callable

from tests.browser.moved import HEARD, HOSTS
from tests.browser.stage import Stage

PLAN = """
HostPlan.objects.all().delete()
from vms.services.host_plan_wishes import Wish
hosts = list(Host.objects.filter(name__startswith='visitor').order_by('name'))
names = ['cpu', 'memory', 'cpus', 'given', 'disk']
there = VirtualMachine.objects.filter(deleted_at=None, trashed_at=None).order_by('pk')
first, second = ([*there.values_list('pk', flat=True)[:2]] * 2)[:2]
def row(host, before, after, vms, cpus=64, name=None):
    mib = 131072
    def amounts(part):
        return [round(cpus * 1000 * part), round(mib * part), round(cpus * 2.5 * part), round(mib * part * 1.1), 0]
    return {'id': host.pk if host else 0, 'name': host.name if host else '', 'cpus': cpus, 'mib': mib,
            'own': amounts(.02), 'before': amounts(before), 'after': amounts(after),
            'limit': [round(cpus * 800), round(mib * .8), cpus * 4, mib, 0], 'vms': vms, 'emptied': not vms[1]}
rows = [row(hosts[0], .35, .72, [9, 17]), row(hosts[1], .33, .02, [4, 0]), row(hosts[2], .36, .66, [8, 16]),
        row(hosts[3], .38, .02, [12, 0])]
against = {'host': hosts[2].pk, 'code': 'network', 'params': {'network': 'lan'}, 'of_host': {}}
stuck = [{'vm': first, 'name': 'stays-with-a-name-that-is-long-and-longer', 'host': hosts[0].pk, 'code': 'cannot',
          'reasons': [against]},
         {'vm': second, 'name': 'bound', 'host': hosts[2].pk, 'code': 'pinned', 'reasons': []}]
common = {'names': names, 'vms': 33, 'off': 2, 'unmeasured': 1, 'step': 900, 'hours': 168,
          'left_out': [{'host': 1, 'name': 'far-away', 'why': 'silent'}]}
found = {**common, 'hosts': rows, 'used': [4, 2], 'bound': 2, 'survives': False, 'stuck': stuck,
         'bytes': 70 << 30, 'seconds': 840, 'moves': 4, 'pinned': ['bound'],
         'smaller': {'of': 3, 'hosts': 1, 'vms': [
             {'vm': first, 'name': 'warehouse', 'cpus': [8, 2], 'mib': [65536, 8192]},
             {'vm': second, 'name': 'a-name-that-is-so-long-that-it-does-not-fit-into-any-line', 'cpus': [4, 4],
              'mib': [32768, 4096]}]}}
def make(kind, found, **more):
    wish = Wish(kind, hosts=tuple(host.pk for host in hosts), apart=('db',), spare=False)
    return HostPlan.objects.create(kind=kind, hosts=[host.pk for host in hosts], asked=wish.to_json(), found=found,
                                   digest='a' * 64, asked_by=User.objects.get(username='admin'), **more)
def moves(plan, *states):
    for number, state in enumerate(states, 1):
        failed = {'error_code': 'cannot_move', 'error_params': {'name': 'shop', 'host': hosts[2].name,
                  'obstacle': 'network', 'network': 'lan'}} if state == 'failed' else {}
        PlannedMove.objects.create(plan=plan, number=number, wave=1 + number // 3, state=state, source=hosts[1],
            name=['warehouse', 'shop', 'mail', 'a-name-that-is-so-long-that-it-does-not-fit-into-any-line'][number - 1],
            to=hosts[0], bytes=number << 33, seconds=60 * number, pool=number % 2,
            reason={'code': 'empties', 'host': hosts[1].name}, **failed)
ready = make('consolidate', found)
moves(ready, *['planned'] * 4)
# Of another node's worker, so that nobody goes on with it.
operation = Operation.objects.create(kind='host.run-plan', actor_name='admin', target_kind='host', node='elsewhere',
    target_id=hosts[0].pk, target_name=hosts[0].name, host=hosts[0], queue='plan', state='running', params={'plan': 1})
running = make('balance', found, operation=operation, approved_at=timezone.now())
moves(running, 'done', 'failed', 'under_way', 'planned')
what = make('whatif', {**common, 'hosts': [*rows[:2], row(None, 0, .4, [0, 6])],
    'lost': {'host': hosts[1].pk, 'placed': [{'vm': first, 'name': 'warehouse', 'to': hosts[0].pk}],
             'homeless': [{'vm': second, 'name': 'shop', 'code': 'disks'}]},
    'added': {'asked': 10, 'fit': 8, 'on': [[hosts[0].pk, 2], [0, 6]]}})
print('rows', ready.pk, running.pk, what.pk)
"""
READY, RUNNING, WHAT_IF = -3, -2, -1


def plans(which: int | None = None) -> Callable[[Stage], str]:
    """The page of one of them, or their list."""

    def path(stage: Stage) -> str:
        said = stage.dashboard.do(HOSTS.format(heard=HEARD) + PLAN).split()
        return "/plans/" if which is None else f"/plans/{said[which]}/"

    return path
