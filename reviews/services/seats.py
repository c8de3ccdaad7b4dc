"""Who is concerned with a ticket beyond looking at it; read under its lock."""

from datetime import datetime

from approvals import permissions
from approvals.errors import AlreadyDecided, MachineCannotVote, NotAllowed
from approvals.models import User
from approvals.services.polls import Poll
from approvals.services.votes import refusal_of
from reviews.models import Ticket
from reviews.polls import poll_on
from reviews.services.pauses import waits
from reviews.services.turns import Turn

# Who gives work to others holds this right; who may also take it from them holds the second.
GIVES, TAKES = "reviews.add_assignment", "reviews.change_assignment"


def check_person(by: User, doing: str = "work a queue") -> None:
    """Refuse a machine what only people do.

    :raises MachineCannotVote: for one.
    """
    if by.is_machine:
        raise MachineCannotVote(f"A service key is a machine; only people {doing}.")


def check_open(turn: Turn) -> None:
    """Refuse what is only for a ticket that waits for people.

    :raises AlreadyDecided: once its question is settled or closed.
    """
    if not waits(turn.ticket, turn.decision):
        raise AlreadyDecided


def check_asked(turn: Turn, person: User) -> None:
    """Refuse somebody whose vote would not be taken.

    :raises Refusal: as their vote would be.
    """
    code = poll_of(turn, person).refusal_for(person, choice=None)
    if code:
        raise refusal_of(code)


def check_works_on(turn: Turn, person: User) -> None:
    """Refuse somebody who neither holds a seat here nor gives work to others.

    :raises NotAllowed: for anybody else, and for their own work.
    """
    if not works_on(poll_of(turn, person), person):
        raise NotAllowed("This is for the people asked, and for who gives them work.")


def works_on(poll: Poll, person: User) -> bool:
    """Tell whether somebody holds a seat here, voted or not, or gives work to others."""
    holder = poll.holders.get(person.pk)
    if person.is_machine or not person.is_active or (holder and holder.excluded_as):
        return False
    lent = any(poll.seats_of(loan.lender) for loan in poll.loans(person.pk).values())
    return bool(poll.seats(person.pk)) or lent or person.has_perm(GIVES)


def people_asked(ticket: Ticket, *, now: datetime) -> list[User]:
    """Return everybody whose vote on a ticket would be taken now, by their names."""
    seated = permissions.everybody_seated(policy_id=ticket.decision.policy_id, now=now)
    poll = poll_on(ticket, seated, now=now)
    people = User.objects.filter(pk__in=poll.holders, is_active=True)
    return [
        person
        for person in people.order_by("first_name", "last_name", "pk")
        if poll.refusal_for(person, choice=None) is None
    ]


def poll_of(turn: Turn, person: User) -> Poll:
    """Return the question as it stands, with this person's rights."""
    return poll_on(turn.ticket, [person.pk], now=turn.now)
