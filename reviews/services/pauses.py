"""Checkpoints at which an alert waits for somebody to acknowledge it: costly things wait too."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import QuerySet

from approvals.models import Decision
from reviews.models import Checkpoint, Ticket

if TYPE_CHECKING:
    from reviews.services.turns import Turn

PAUSED, RESUMED = "checkpoint.paused", "checkpoint.resumed"


def acknowledges(options: Iterable[Mapping[str, Any]]) -> bool:
    """Tell whether whatever is answered to a question acknowledges what it says."""
    carried = [(option.get("carries") or {}).get("acknowledged") for option in options]
    return bool(carried) and all(each is True for each in carried)


def paused_among(checkpoints: Iterable[Checkpoint]) -> set[UUID]:
    """Return the ids of those at which an acknowledgement is open; one query, or none."""
    asking = [row.pk for row in checkpoints if acknowledges(row.question.options)]
    if not asking:
        return set()
    waiting = _waiting_at(asking)
    return set(waiting.order_by().values_list("checkpoint", flat=True).distinct())


def _waiting_at(checkpoints: Sequence[UUID]) -> QuerySet[Ticket]:
    # The deadline is there while a ticket waits, and has the index that finds those few.
    return Ticket.objects.filter(
        checkpoint__in=checkpoints,
        status=Ticket.Status.PENDING,
        next_deadline_at__isnull=False,
        decision__settled_at__isnull=True,
    )


def waits(ticket: Ticket, decision: Decision) -> bool:
    """Tell whether nobody answered this ticket yet."""
    return ticket.status == Ticket.Status.PENDING and decision.settled_at is None


def add_pauses(turns: Sequence["Turn"]) -> None:
    """Add to the turns' stories that a checkpoint's pause begins or ends with what they did.

    Only where an alert began or ceased to wait is anything read; the checkpoint is locked then, so
    that of two at once one tells it.
    """
    changed: dict[UUID, Turn] = {}
    for turn in turns:
        if turn.waited != waits(turn.ticket, turn.decision) and acknowledges(
            turn.decision.question["options"]
        ):
            changed[turn.ticket.checkpoint_id] = turn
    # In one order, or two sweeps would wait for each other.
    for pk, turn in sorted(changed.items(), key=lambda one: one[0]):
        found = Checkpoint.objects.select_related("question").select_for_update(
            of=("self",), no_key=True
        )
        checkpoint = found.get(pk=pk)
        here = {one.ticket.pk: waits(one.ticket, one.decision) for one in turns}
        others = _waiting_at([pk]).exclude(pk__in=here).exists()
        if others or not acknowledges(checkpoint.question.options):
            continue
        told = PAUSED if any(here.values()) else RESUMED
        turn.story.add(told, data={"checkpoint": checkpoint.slug}, by_service=True)
