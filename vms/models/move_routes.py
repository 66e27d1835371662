from __future__ import annotations

from django.db import models

from vms.models.hosts import Host


class MoveRoute(models.Model):
    """How VMs go from one host to another, where that is otherwise than usual: managed by the dashboard over its
    connections to both, their memory under TLS between the two QEMUs.

    way: "clear" sends memory readable by whoever is between the hosts, "tunnel" through the connection of their
    libvirts. peer: the source's libvirt speaks with the target's by itself, by peer_transport, as whoever it is let in
    there as: it survives a worker, and has the rights of root on the target. address: by which the source reaches the
    target, "" for what that calls itself.
    """

    class Way(models.TextChoices):
        TLS = "tls", "tls"
        CLEAR = "clear", "clear"
        TUNNEL = "tunnel", "tunnel"

    class PeerTransport(models.TextChoices):
        TLS = "tls", "tls"
        SSH = "ssh", "ssh"
        TCP = "tcp", "tcp"

    source = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="routes_out")
    target = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="routes_in")
    way = models.CharField(max_length=10, choices=Way, default=Way.TLS)
    peer = models.BooleanField(default=False)
    peer_transport = models.CharField(max_length=10, choices=PeerTransport, default=PeerTransport.TLS)
    address = models.CharField(max_length=255, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "target"], name="one_route_per_pair")]

    def __str__(self) -> str:
        return f"{self.source_id} to {self.target_id} by {self.way}"

    @property
    def is_private(self) -> bool:
        """Whether disks may go with it: nobody on the way reads them."""
        return self.way == self.Way.TLS

    @property
    def is_usual(self) -> bool:
        return self.way == self.Way.TLS and not self.peer and not self.address
