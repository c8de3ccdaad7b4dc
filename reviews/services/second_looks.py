"""Send what no person decided to a person, because somebody asked for it."""

from uuid import UUID

from approvals.answers import check_text
from approvals.errors import NotAllowed, WrongState
from approvals.models import User
from reviews.models import Ticket
from reviews.services.looks import Look, concerns, request_for, without_people
from reviews.services.tickets import open_ticket
from reviews.services.turns import turn_at


def request_review(*, ticket_id: UUID, by: User, reason: str = "") -> tuple[Ticket, bool]:
    """Ask people about what was decided without any; return their ticket, and whether it is new.

    What was decided stays as it is; the answer of the people is the new ticket's. Asking again
    gives the same one.

    :raises Refusal: NotAllowed for somebody it does not concern, WrongState where people decided
        it or nothing is decided yet.
    """
    check_text(reason, at="/reason")
    with turn_at(ticket_id=ticket_id, actor=by) as turn:
        ticket = turn.ticket
        if not concerns(ticket, by):
            raise NotAllowed("This is for who it concerns, who opened it, and who gives out work.")
        asked = ticket.next.filter(second_look=Ticket.SecondLook.REQUEST).first()
        if asked is not None:
            return asked, False
        if not without_people(ticket, turn.decision):
            raise WrongState("Only what was decided without a person can be put to one.")
        look = Look(ticket, Ticket.SecondLook.REQUEST, by.label)
        asked = open_ticket(
            requester=ticket.requester,
            key=ticket.access_key,
            request=request_for(look),
            by_service=True,
            look=look,
        )
        turn.story.add("ticket.review_requested", reason=reason, data={"review": asked.label})
    return asked, True
