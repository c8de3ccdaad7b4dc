"""What a queue's settings mean for the tickets that already wait in it."""

from uuid import UUID

from reviews.models import Queue, Ticket
from reviews.ranking import Weights, constants
from reviews.services.turns import writing

# So many tickets are locked at a time; a vote on one of them waits for a fraction of a second.
_BATCH = 500


def write_rank(ticket: Ticket, queue: Queue) -> None:
    """Set what orders a ticket in a queue; the caller saves it."""
    ticket.rank_base, ticket.rank_young = constants(
        impact=ticket.financial_impact,
        amount=ticket.amount,
        impact_scale=queue.impact_scale,
        confidence=ticket.ai.get("confidence"),
        compliance=ticket.compliance,
        created_at=ticket.created_at,
        weights=Weights(**queue.weights),
    )


def reorder_queue(*, queue_id: UUID) -> int:
    """Rewrite the order of a queue's waiting tickets by its present weights and impact scale.

    A batch is a transaction of its own, so call this once the settings are committed. Doing it
    twice changes nothing. Returns how many tickets were looked at.

    :raises Busy: when somebody else holds a ticket too long; what is done stays done.
    """
    last: UUID | None = None
    count = 0
    while True:
        with writing():
            queue = Queue.objects.get(pk=queue_id)
            waiting = Ticket.objects.filter(queue=queue, status=Ticket.Status.PENDING)
            if last is not None:
                waiting = waiting.filter(pk__gt=last)
            batch = list(waiting.locked().order_by("pk")[:_BATCH])
            for ticket in batch:
                write_rank(ticket, queue)
            Ticket.objects.bulk_update(batch, ["rank_base", "rank_young"])
        if not batch:
            return count
        last = batch[-1].pk
        count += len(batch)
