"""What an operation left of a definition, for the VM's history: whose read-back it is wrote it."""

from __future__ import annotations

import logging

from vms.errors import VmsError
from vms.kinds import KINDS
from vms.libvirtxml import BadXML, mask
from vms.models import Operation
from vms.operations.work import domain
from vms.services import history
from vms.virt import Connection

logger = logging.getLogger(__name__)


def note(connection: Connection, operation: Operation) -> None:
    """Keep the definition as this operation leaves it; nothing for kinds that change none, and nothing fails by it: the
    watcher sees it too, and takes it for somebody's outside."""
    if operation.vm is None or not KINDS[operation.kind].defines:
        return
    try:
        text = mask(domain(connection, operation).info().next_boot_xml)
    except (VmsError, BadXML) as error:
        logger.info("operation %s: its definition was not read back: %s", operation.pk, error)
        return
    history.keep(operation.vm.pk, operation.host_id, text, operation)
