"""How machines and scripts prove who they are."""

from typing import Any

from django.conf import settings
from django.db import models

from audit.ids import new_id


def no_scopes() -> list[str]:
    return []


def anywhere() -> list[str]:
    return []


class AccessKey(models.Model):
    """A bearer key. Only its hash is stored; the key itself is shown once."""

    class Kind(models.TextChoices):
        SERVICE = "service", "Service key"
        PERSONAL = "personal", "Personal token"

    class Scope(models.TextChoices):
        SUBMIT = "tickets:write", "Open, resubmit and cancel tickets"
        READ = "tickets:read", "Read its own tickets"
        RECEIPT = "receipts:write", "Stamp receipts"
        VOTE = "votes:write", "Claim and vote as the person"
        MANAGE = "manage:write", "Managers' resources as the person"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=10, choices=Kind)
    prefix = models.CharField(max_length=8, unique=True)
    hash = models.CharField(max_length=64)
    previous_hash = models.CharField(
        max_length=64, blank=True, help_text="Of the key before it was renewed."
    )
    previous_until = models.DateTimeField(null=True, blank=True)
    scopes = models.JSONField(default=no_scopes)
    networks: Any = models.JSONField(
        default=anywhere, blank=True, help_text="Addresses it may be used from. Empty: any."
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="access_keys",
        help_text="The machine a service key acts as, or the person a token belongs to.",
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="owned_keys",
        help_text="The person who answers for this key; may not vote on its tickets.",
    )
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Who made it and saw it; may not vote on its tickets either.",
    )
    callback_secret = models.CharField(
        max_length=80, blank=True, help_text="Signs the callbacks of this key's tickets."
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_from = models.GenericIPAddressField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} (hitl_{self.prefix}…)"
