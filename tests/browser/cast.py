"""The VMs that the browser tests share, and where the dashboard shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import libvirt

from tests.lab.guests import Guests, LabGuest
from tests.lab.stack import Dashboard


@dataclass(frozen=True)
class Player:
    """A guest and the number that the dashboard gave it."""

    guest: LabGuest
    pk: int

    @property
    def name(self) -> str:
        return self.guest.name

    @property
    def path(self) -> str:
        return f"/vms/{self.pk}/"

    @property
    def console(self) -> str:
        return f"/vms/{self.pk}/console/"


class Cast:
    """Engages players; those of a session stay until its end."""

    def __init__(self, guests: Guests, dashboard: Dashboard) -> None:
        self.guests = guests
        self.dashboard = dashboard
        self.players: dict[str, Player] = {}

    def __getitem__(self, name: str) -> Player:
        return self.players[name]

    def engage(self, name: str, *, run: bool = False, **wishes: Any) -> Player:
        """Define it, start it where wished, and return when the dashboard shows it; its boot is not waited for."""
        guest = self.guests.make(name, **wishes)
        if run:
            guest.domain.create()
        pk = self.dashboard.vm(guest.uuid)
        self.dashboard.await_state(pk, "running" if run else "shut_off")
        self.players[name] = Player(guest, pk)
        return self.players[name]

    def is_on(self, name: str) -> None:
        """It runs and its own programs count, whatever it did before."""
        player = self[name]
        if player.guest.is_off():
            player.guest.domain.create()
        elif not player.guest.is_running():
            player.guest.domain.resume()
        player.guest.wait_for_count()
        self.dashboard.await_state(player.pk, "running")

    def is_off(self, name: str) -> None:
        """It does not run, whatever it did before."""
        player = self[name]
        if not player.guest.is_off():
            player.guest.domain.destroy()
        if player.guest.domain.hasManagedSaveImage():
            player.guest.domain.managedSaveRemove()
            # No event tells of that; one tells of a definition, and whoever hears it reads all of the VM.
            as_it_is = player.guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
            player.guest.domain.connect().defineXML(as_it_is)
        self.dashboard.await_state(player.pk, "shut_off")
