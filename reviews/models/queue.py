"""Where tickets wait, and who sees them."""

from typing import Any
from uuid import UUID, uuid5

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models

from approvals.models import ApprovalPolicy
from audit.ids import new_id
from reviews import calendars
from reviews.models.calendar import Calendar
from reviews.querysets import LaneQuerySet


def usual_weights() -> dict[str, float]:
    return {"impact": 0.4, "age": 0.3, "confidence": 0.2, "compliance": 0.1}


class Region(models.Model):
    """A part of the world or the organisation, with its people."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=80, unique=True)
    people = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="regions")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Queue(models.Model):
    """Where tickets wait: the roles that see it and the order it is worked in."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=80)
    roles = models.ManyToManyField(Group, blank=True, related_name="queues")
    region = models.ForeignKey(Region, null=True, blank=True, on_delete=models.PROTECT)
    calendar = models.ForeignKey(
        Calendar, null=True, blank=True, on_delete=models.PROTECT, related_name="queues"
    )
    weights: Any = models.JSONField(default=usual_weights)
    impact_scale = models.DecimalField(
        max_digits=16,
        decimal_places=2,
        default=10000,
        help_text="The amount that counts as full financial impact.",
    )
    assigning = models.BooleanField(
        default=False,
        help_text="Each new ticket is given to whoever may decide it and has least to do.",
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def hours(self) -> calendars.Calendar | None:
        """Return the opening hours its clocks run in, or None where they always run."""
        return None if self.calendar is None else self.calendar.hours


class QueueChoice(models.Model):
    """One line of the table that chooses a queue at opening; an empty column matches all."""

    position = models.PositiveSmallIntegerField(unique=True)
    checkpoint = models.ForeignKey(
        "reviews.Checkpoint", null=True, blank=True, on_delete=models.CASCADE
    )
    region = models.ForeignKey(Region, null=True, blank=True, on_delete=models.CASCADE)
    queue = models.ForeignKey(Queue, on_delete=models.CASCADE, related_name="choices")

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return f"{self.checkpoint or 'any'} / {self.region or 'any'} → {self.queue}"


class Lane(models.Model):
    """The tickets of one queue, one policy and one region.

    Whoever sees one of them sees all, and two lists order them; so lists of what somebody may see
    are put together from whole lanes. A lane is there from its first ticket on.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    queue = models.ForeignKey(Queue, on_delete=models.CASCADE, related_name="+")
    policy = models.ForeignKey(ApprovalPolicy, on_delete=models.PROTECT, related_name="+")
    region = models.ForeignKey(Region, null=True, on_delete=models.CASCADE, related_name="+")

    objects = LaneQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.queue} / {self.policy} / {self.region or 'any'}"

    @staticmethod
    def id_of(*, queue_id: UUID, policy_id: UUID, region_id: UUID | None) -> UUID:
        """Return the id this lane has, wherever it is made."""
        return uuid5(queue_id, f"{policy_id} {region_id}")
