"""Ask one more role because a person says so. An escalation widens who is asked; never decides."""

from uuid import UUID

from approvals.answers import check_text
from approvals.errors import ReasonRequired, WrongState
from approvals.models import User
from reviews.models import Ticket
from reviews.services import conclusions
from reviews.services.seats import check_open, check_person, check_works_on
from reviews.services.turns import turn_at


def escalate_ticket(*, ticket_id: UUID, by: User, reason: str) -> Ticket:
    """Ask the next role a ticket's question names for escalation, before its time has come.

    :raises Refusal: ReasonRequired, SchemaMismatch, MachineCannotVote, NotVisible, Busy,
        AlreadyDecided, NotAllowed, WrongState when every role it names is asked already.
    """
    check_person(by, "escalate")
    check_text(reason, at="/reason")
    if not reason.strip():
        raise ReasonRequired.at("/reason", "Say why.")
    with turn_at(ticket_id=ticket_id, actor=by) as turn:
        check_open(turn)
        check_works_on(turn, by)
        if not turn.ticket.escalation_steps:
            raise WrongState("Nobody else is left to ask: every role this may go to is asked.")
        conclusions.ask_next(turn, why="a person asked for it", reason=reason)
    return turn.ticket
