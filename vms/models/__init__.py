"""Tables and the rules of one row; no I/O beyond it."""

from vms.models.advice import LeftAlone
from vms.models.agents import AgentReport, Freeze, GuestKeys
from vms.models.alerts import Alert, AlertDelivery, AlertRule, AlertSilence, AlertSink
from vms.models.archives import Archive
from vms.models.audit import AuditCheckpoint, AuditEvent
from vms.models.console import Console
from vms.models.devices import HostDevice, Offer
from vms.models.history import Happening
from vms.models.host_plans import HostPlan, PlannedMove
from vms.models.hosts import Host, Lease
from vms.models.images import Image, ImageCopy
from vms.models.maintenance import EvacuatedVm, Evacuation
from vms.models.move_routes import MoveRoute
from vms.models.networks import Network, NetworkFilter
from vms.models.operations import OPEN_STATES, Operation, OperationLock, OperationLog, OperationState, Worker
from vms.models.pools import Storage, StoragePool, Volume
from vms.models.quotas import RESOURCES, Quota, Reservation
from vms.models.rights import Grant, Role, RolePrivilege
from vms.models.schedules import Schedule, ScheduledSnapshot, ScheduleRun
from vms.models.screens import LastScreen
from vms.models.seeds import Seed
from vms.models.sizes import Size
from vms.models.snapshots import Snapshot, SnapshotPicture
from vms.models.templates import Template, TemplateVolume
from vms.models.trash import Trashed
from vms.models.uploads import Upload
from vms.models.users import ApiToken, Invitation, SshKey, User
from vms.models.versions import Version
from vms.models.vms import Document, Placement, State, Tag, VirtualMachine

__all__ = [
    "OPEN_STATES",
    "RESOURCES",
    "AgentReport",
    "Alert",
    "AlertDelivery",
    "AlertRule",
    "AlertSilence",
    "AlertSink",
    "ApiToken",
    "Archive",
    "AuditCheckpoint",
    "AuditEvent",
    "Console",
    "Document",
    "EvacuatedVm",
    "Evacuation",
    "Freeze",
    "Grant",
    "GuestKeys",
    "Happening",
    "Host",
    "HostDevice",
    "HostPlan",
    "Image",
    "ImageCopy",
    "Invitation",
    "LastScreen",
    "Lease",
    "LeftAlone",
    "MoveRoute",
    "Network",
    "NetworkFilter",
    "Offer",
    "Operation",
    "OperationLock",
    "OperationLog",
    "OperationState",
    "Placement",
    "PlannedMove",
    "Quota",
    "Reservation",
    "Role",
    "RolePrivilege",
    "Schedule",
    "ScheduleRun",
    "ScheduledSnapshot",
    "Seed",
    "Size",
    "Snapshot",
    "SnapshotPicture",
    "SshKey",
    "State",
    "Storage",
    "StoragePool",
    "Tag",
    "Template",
    "TemplateVolume",
    "Trashed",
    "Upload",
    "User",
    "Version",
    "VirtualMachine",
    "Volume",
    "Worker",
]
