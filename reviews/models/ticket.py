"""One request for a person's judgement."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models

from approvals.models import AccessKey, Decision
from audit.history import CopiedRecords
from audit.ids import new_id
from audit.models import AuditEvent
from reviews.models.checkpoint import Checkpoint, Priority, Risk
from reviews.models.queue import Lane, Queue, Region
from reviews.querysets import TicketQuerySet


def empty() -> dict[str, Any]:
    return {}


def nothing() -> list[Any]:
    return []


class Ticket(models.Model):
    """One request for a person's judgement, through all its rounds."""

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"
        NEEDS_CHANGES = "needs_changes", "Needs changes"
        ANSWERED = "answered", "Answered"
        EXPIRED = "expired", "Expired"
        CANCELLED = "cancelled", "Cancelled"
        REVOKED = "revoked", "Revoked"

    class SecondLook(models.TextChoices):
        """Why people look at what a rule decided: by chance, or because somebody asked."""

        SAMPLE = "sample", "Audit sample"
        REQUEST = "request", "Review asked for"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    ref = models.PositiveBigIntegerField(unique=True, editable=False)
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="tickets")
    queue = models.ForeignKey(Queue, on_delete=models.PROTECT, related_name="tickets")
    region = models.ForeignKey(Region, null=True, on_delete=models.PROTECT, related_name="tickets")
    lane = models.ForeignKey(
        Lane,
        null=True,
        on_delete=models.PROTECT,
        related_name="tickets",
        db_index=False,
        help_text="Its queue, region and the present round's policy, in one.",
    )
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="tickets"
    )
    access_key = models.ForeignKey(
        AccessKey, null=True, on_delete=models.PROTECT, related_name="tickets"
    )
    on_behalf_of = models.CharField(max_length=254, blank=True)
    beneficiary = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="tickets_for_me",
        help_text="The person `on_behalf_of` names, where we know them.",
    )
    reference = models.CharField(max_length=200, blank=True)

    title = models.CharField(max_length=200)
    summary = models.CharField(max_length=500)
    proposal: Any = models.JSONField(default=empty)
    ai: Any = models.JSONField(default=empty)
    priority = models.CharField(max_length=10, choices=Priority, default=Priority.MEDIUM)
    risk = models.CharField(max_length=10, choices=Risk, default=Risk.LOW)
    domain = models.CharField(max_length=80, blank=True)
    impact = models.CharField(max_length=400, blank=True)
    amount = models.DecimalField(max_digits=16, decimal_places=2, null=True)
    financial_impact = models.FloatField(null=True)
    compliance = models.BooleanField(default=False)
    novel_pattern = models.BooleanField(default=False)
    labels: Any = models.JSONField(default=nothing)
    preset = models.CharField(max_length=40, blank=True)
    asked: Any = models.JSONField(default=empty, help_text="The requester's own tightening.")
    interaction: Any = models.JSONField(default=empty)
    pipeline: Any = models.JSONField(default=empty)
    callback_url = models.CharField(max_length=500, blank=True)
    previous = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="next")
    second_look = models.CharField(
        max_length=10,
        choices=SecondLook,
        blank=True,
        help_text="Set where it only looks at what `previous` was decided by a rule.",
    )

    status = models.CharField(max_length=20, choices=Status, default=Status.PENDING)
    version = models.PositiveIntegerField(default=1)
    round = models.PositiveIntegerField(default=1)
    decision = models.OneToOneField(Decision, on_delete=models.PROTECT, related_name="+")
    rule: Any = models.JSONField(null=True)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    revoked_seen_at = models.DateTimeField(
        null=True, help_text="When the requester said that they know of the revocation."
    )

    due_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    due_soon_at = models.DateTimeField(null=True)
    breached_at = models.DateTimeField(null=True)
    paused_at = models.DateTimeField(
        null=True, help_text="Since when its requester has it; no clock but the end's runs."
    )
    time_used = models.DurationField(
        default=timedelta(0),
        help_text="How long the clock had run, in its calendar, before the present round.",
    )
    remind_at = models.DateTimeField(
        null=True, help_text="When who still has to vote is reminded next."
    )
    escalation_steps: Any = models.JSONField(default=nothing, help_text="Still to come.")
    next_deadline_at = models.DateTimeField(null=True)

    rank_base = models.FloatField(default=0)
    rank_young = models.FloatField(default=0)

    last_event = models.ForeignKey(AuditEvent, on_delete=models.DO_NOTHING, related_name="+")

    objects = TicketQuerySet.as_manager()
    history = CopiedRecords(excluded_fields=["lane", "second_look"])

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["access_key", "reference"],
                condition=~models.Q(reference=""),
                name="ticket_one_per_reference",
            ),
            models.UniqueConstraint(
                fields=["previous", "second_look"],
                condition=~models.Q(second_look=""),
                name="ticket_one_second_look",
            ),
            models.CheckConstraint(
                condition=models.Q(closed_at__isnull=True)
                | ~models.Q(status__in=["pending", "needs_changes"]),
                name="ticket_closed_is_not_waiting",
            ),
        ]
        indexes = [
            models.Index(
                "next_deadline_at",
                name="ticket_next_deadline",
                condition=models.Q(next_deadline_at__isnull=False),
            ),
            models.Index(
                "lane",
                models.F("rank_young").desc(),
                "id",
                name="ticket_lane_young",
                condition=models.Q(status="pending"),
            ),
            models.Index(
                "lane",
                models.F("rank_base").desc(),
                "id",
                name="ticket_lane_base",
                condition=models.Q(status="pending"),
            ),
            models.Index(
                "lane",
                "due_at",
                name="ticket_lane_due",
                condition=models.Q(status="pending"),
            ),
            models.Index(
                "lane",
                "created_at",
                name="ticket_lane_since",
                condition=models.Q(status="pending"),
            ),
            # What is counted: by the day it began, and by how and when it ended.
            models.Index("created_at", name="ticket_by_opening"),
            models.Index(
                "status",
                "closed_at",
                name="ticket_by_end",
                condition=models.Q(closed_at__isnull=False),
            ),
            models.Index("requester", models.F("id").desc(), name="ticket_by_requester"),
            models.Index("lane", models.F("id").desc(), name="ticket_by_lane"),
            models.Index(
                "reference", name="ticket_by_reference", condition=~models.Q(reference="")
            ),
        ]
        permissions = [("view_any_ticket", "Can see every ticket")]

    def __str__(self) -> str:
        return f"T-{self.ref} {self.title}"

    @property
    def label(self) -> str:
        """Return the short name people use, for example T-1042."""
        return f"T-{self.ref}"

    @property
    def stream(self) -> str:
        """Return the name of this ticket's audit stream."""
        return f"ticket:{self.pk}"

    def people_within(self) -> list[int] | None:
        """Return the ids of the people of this ticket's region, or None where it has none."""
        if self.region_id is None:
            return None
        people = Region.people.through.objects.filter(region_id=self.region_id)
        return list(people.values_list("user_id", flat=True))
