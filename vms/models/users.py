from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person. is_staff and is_superuser answer nothing here: vms.permissions asks is_administrator."""

    is_administrator = models.BooleanField(default=False)


class Invitation(models.Model):
    """A link with which somebody sets his password, once: the newest of each user, gone when it was used. Only the
    SHA-256 of its 256 random bits is kept."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="invitation")
    token_hash = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"for {self.user}"


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
