"""Find what a person or program names, within what it may see."""

import re
from uuid import UUID

from approvals.errors import NotVisible
from approvals.models import User
from approvals.services.policies import published
from audit.prepared import PreparedRead
from reviews.models import Checkpoint, Queue, Ticket

_REF = re.compile(r"[Tt]-(\d{1,18})")


_checkpoint = PreparedRead(lambda key: Checkpoint.objects.filter(pk=key))
_queue = PreparedRead(lambda key: Queue.objects.filter(pk=key))


def as_uuid(identifier: str) -> UUID | None:
    """Return the id a caller named, or None where it is a ref or a reference."""
    try:
        return UUID(identifier)
    except ValueError:
        return None


def read_surroundings(ticket: Ticket) -> None:
    """Read what a ticket's answer tells beside the ticket itself."""
    (ticket.checkpoint,) = _checkpoint(ticket.checkpoint_id)
    (ticket.queue,) = _queue(ticket.queue_id)
    ticket.decision.policy = published(ticket.decision.policy_id)


def find_ticket(identifier: str, *, user: User) -> Ticket:
    """Return the ticket with this id, ref (`T-1042`) or reference, if the user may see it.

    :raises NotVisible: also for a ticket that exists but is not theirs to see.
    """
    visible = Ticket.objects.visible_to(user).select_related(
        "decision__policy", "checkpoint", "queue", "region"
    )
    match = _REF.fullmatch(identifier)
    if match:
        found = visible.filter(ref=int(match[1])).first()
        if found:
            return found
    ticket_id = as_uuid(identifier)
    found = visible.filter(pk=ticket_id).first() if ticket_id else None
    if found is None and identifier and "\x00" not in identifier:
        called = visible.filter(reference=identifier).order_by("-id")
        # Their own first. Of others' nobody may choose what somebody takes it for: every key names
        # its tickets as it likes, also like another's, or like a ref.
        found = called.filter(requester=user).first()
        others = [] if found or match else list(called[:2])
        if len(others) > 1:
            raise NotVisible("Several tickets bear this reference; name one by its ref, T-….")
        found = found or next(iter(others), None)
    if found is None:
        raise NotVisible
    return found
