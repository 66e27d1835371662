"""Host -> last-seen rows. Only the watcher that holds a host's lease uses this room; nobody else writes these rows."""

from vms.inventory.machines import recognise
from vms.inventory.rows import Row, row
from vms.inventory.screens import Shot
from vms.inventory.terms import LeaseLost, Term
from vms.inventory.volumes import known, unread
from vms.inventory.writer import Reading, Writer

__all__ = ["LeaseLost", "Reading", "Row", "Shot", "Term", "Writer", "known", "recognise", "row", "unread"]
