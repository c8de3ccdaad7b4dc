"""Leave a ticket for later: `next` offers it last to who skipped it, and others see no change."""

from uuid import UUID

from approvals.models import User
from reviews.models import Skip, Ticket
from reviews.services.seats import check_asked, check_open, check_person
from reviews.services.turns import turn_at


def skip_ticket(*, ticket_id: UUID, person: User) -> Ticket:
    """Pass over a ticket one is asked about; a claim of one's own on it ends.

    :raises Refusal: MachineCannotVote, NotVisible, Busy, AlreadyDecided, and why they may not vote.
    """
    check_person(person)
    with turn_at(ticket_id=ticket_id, actor=person) as turn:
        check_open(turn)
        check_asked(turn, person)
        for held in turn.ticket.assignments.filter(released_at__isnull=True, person=person):
            held.release(turn.now)
        Skip.objects.update_or_create(ticket=turn.ticket, person=person, defaults={"at": turn.now})
        turn.story.add("ticket.skipped")
    return turn.ticket
