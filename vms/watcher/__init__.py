"""The watcher process: one connection a host, events -> read again -> store -> announce."""

from vms.watcher.process import Watcher

__all__ = ["Watcher"]
