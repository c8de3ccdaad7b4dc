"""What leaves: a row first, a message later."""

from typing import Any

from django.conf import settings
from django.db import models

from audit.ids import new_id
from reviews.models.ticket import Ticket


def nothing() -> list[str]:
    return []


class WebhookEndpoint(models.Model):
    """An address that hears of events. Two secrets sign while one is being rotated."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=80)
    url = models.URLField(max_length=500)
    types: Any = models.JSONField(
        default=nothing, blank=True, help_text="Event types to send. Empty: all."
    )
    checkpoint = models.ForeignKey(
        "reviews.Checkpoint", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    secret = models.CharField(max_length=80)
    previous_secret = models.CharField(max_length=80, blank=True)
    previous_secret_until = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_why = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return self.name


class Delivery(models.Model):
    """One message to one target about one event; sent at least once, under a stable id."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        SENT = "sent", "Sent"
        PARKED = "parked", "Parked"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    event_id = models.UUIDField(help_text="The audit event this tells of.")
    type = models.CharField(max_length=60)
    ticket = models.ForeignKey(
        Ticket, null=True, on_delete=models.PROTECT, related_name="deliveries"
    )
    round = models.PositiveIntegerField(default=0)
    channel = models.CharField(max_length=20)
    target = models.CharField(max_length=500, help_text="An endpoint's id, an address or a URL.")
    endpoint = models.ForeignKey(
        WebhookEndpoint,
        null=True,
        on_delete=models.PROTECT,
        related_name="deliveries",
        db_index=False,  # `delivery_of_endpoint` is narrower, and in the order of the log
    )
    body: Any = models.JSONField()
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    unfinished = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="Attempts begun since the last one that came to an end."
    )
    next_attempt_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    last_status = models.PositiveSmallIntegerField(null=True)
    last_error = models.CharField(max_length=400, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["event_id", "channel", "target"], name="delivery_one_per_event_and_target"
            ),
            models.UniqueConstraint(
                fields=["ticket", "round", "channel", "target"],
                condition=models.Q(type="ticket.decided"),
                name="delivery_one_effect_per_round",
            ),
        ]
        indexes = [
            models.Index(
                "next_attempt_at",
                name="delivery_due",
                condition=models.Q(state="waiting"),
            ),
            models.Index(
                fields=["endpoint", "-id"],
                name="delivery_of_endpoint",
                condition=models.Q(endpoint__isnull=False),
            ),
            models.Index(
                fields=["-id"], name="delivery_parked", condition=models.Q(state="parked")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} → {self.channel}"


class FailedAttempt(models.Model):
    """Why one attempt failed. Of an attempt that arrived the delivery's own row tells."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="failures")
    number = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=400)
    milliseconds = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.number}: {self.error}"
