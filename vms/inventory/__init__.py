"""Host -> last-seen rows. Only the watcher that holds a host's lease uses this room; nobody else writes these rows."""

from vms.inventory.rows import Row, row
from vms.inventory.writer import Reading, Term, Writer

__all__ = ["Reading", "Row", "Term", "Writer", "row"]
