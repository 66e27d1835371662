"""Tables and the rules of one row; no I/O beyond it."""

from vms.models.audit import AuditCheckpoint, AuditEvent
from vms.models.console import Console
from vms.models.history import Happening
from vms.models.hosts import Host, Lease
from vms.models.operations import OPEN_STATES, Operation, OperationLock, OperationLog, OperationState, Worker
from vms.models.rights import Grant, Role, RolePrivilege
from vms.models.users import ApiToken, Invitation, User
from vms.models.vms import Document, Placement, State, Tag, VirtualMachine

__all__ = [
    "OPEN_STATES",
    "ApiToken",
    "AuditCheckpoint",
    "AuditEvent",
    "Console",
    "Document",
    "Grant",
    "Happening",
    "Host",
    "Invitation",
    "Lease",
    "Operation",
    "OperationLock",
    "OperationLog",
    "OperationState",
    "Placement",
    "Role",
    "RolePrivilege",
    "State",
    "Tag",
    "User",
    "VirtualMachine",
    "Worker",
]
