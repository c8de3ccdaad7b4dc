"""Checkpoints at which an alert waits for somebody to acknowledge it: costly things wait too."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from reviews.models import Checkpoint, Ticket


def acknowledges(options: Iterable[Mapping[str, Any]]) -> bool:
    """Tell whether whatever is answered to a question acknowledges what it says."""
    carried = [(option.get("carries") or {}).get("acknowledged") for option in options]
    return bool(carried) and all(each is True for each in carried)


def paused_among(checkpoints: Iterable[Checkpoint]) -> set[UUID]:
    """Return the ids of those at which an acknowledgement is open; one query, or none."""
    asking = [row.pk for row in checkpoints if acknowledges(row.question.options)]
    if not asking:
        return set()
    # The deadline is there while a ticket waits, and has the index that finds those few.
    waiting = Ticket.objects.filter(
        checkpoint__in=asking,
        status=Ticket.Status.PENDING,
        next_deadline_at__isnull=False,
        decision__settled_at__isnull=True,
    )
    return set(waiting.order_by().values_list("checkpoint", flat=True).distinct())
