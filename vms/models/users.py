from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person. is_staff and is_superuser answer nothing here: vms.permissions asks is_administrator.

    time_zone is the name of that in which he is told times, "" for his browser's.
    """

    is_administrator = models.BooleanField(default=False)
    time_zone = models.CharField(max_length=64, blank=True)


class Invitation(models.Model):
    """A link with which somebody sets his password, once: the newest of each user, gone when it was used. Only the
    SHA-256 of its 256 random bits is kept."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="invitation")
    token_hash = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"for {self.user}"


class SshKey(models.Model):
    """A public key of somebody's, for VMs that he makes: type and base64, without options and comment."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="ssh_keys")
    name = models.CharField(max_length=100)
    key = models.TextField()
    fingerprint = models.CharField(max_length=50)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "fingerprint"], name="one_key_once")]

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"


class ApiToken(models.Model):
    """A bearer token; only the SHA-256 of its 256 random bits is kept, and its prefix to tell it apart.

    scopes: what it may be used for (vms.kinds.scopes), each name between spaces, so that SQL finds one on both
    databases. None at all: nothing.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100, blank=True)
    prefix = models.CharField(max_length=16)
    token_hash = models.CharField(max_length=64, unique=True)
    scopes = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    last_address = models.CharField(max_length=45, blank=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.prefix}… of {self.user}"

    @property
    def scope_names(self) -> list[str]:
        return self.scopes.split()
