"""What may be done with a ticket, and by whom: buttons, answers and mails all ask here."""

from datetime import datetime

from approvals import permissions
from approvals.errors import (
    AlreadyDecided,
    AlreadyVoted,
    MachineCannotVote,
    NotEligible,
    NotOnCall,
    OwnWork,
)
from approvals.models import Decision, Receipt, User
from approvals.options import ALLOWING
from approvals.services.polls import Poll
from audit.clock import shown_now
from audit.prepared import PreparedRead
from reviews import lifecycle
from reviews.display import views
from reviews.models import Ticket
from reviews.polls import poll_on
from reviews.services.looks import concerns, permits_nothing_new, without_people
from reviews.services.seats import GIVES, works_on

_receipt_of = PreparedRead(lambda key: Receipt.objects.filter(decision_id=key))
_WAITING = {Ticket.Status.PENDING, Ticket.Status.NEEDS_CHANGES}
# Why somebody may not vote → the sentence a person reads.
SENTENCES: dict[str, str] = {
    "inactive": "This account is switched off.",
    **{
        refusal.code: refusal.sentence
        for refusal in (
            *(AlreadyDecided, AlreadyVoted, MachineCannotVote),
            *(NotEligible, NotOnCall, OwnWork),
        )
    },
}


def poll_before(ticket: Ticket, user: User, *, now: datetime) -> Poll:
    """Return the votes on a ticket with what this user may add, as they stand before them."""
    return poll_on(ticket, [user.pk], now=now)


def available_actions(poll: Poll, ticket: Ticket, user: User) -> tuple[list[str], str | None]:
    """Return what this user may do now, and the code of why not to vote (None: they may).

    `poll` is as `poll_before` reads it. A person who may do something may still be refused a
    moment later: the services look again, under the lock.
    """
    can: list[str] = []
    why_not = _refusal(poll, ticket, user)
    if why_not is None:
        can.append("vote")
    if _may_withdraw(poll, ticket, user):
        can.append("withdraw")
    if not user.is_machine:
        if why_not is None:
            can += ["claim", "skip"]
        can += _with_others(poll, ticket, user, asked=why_not is None)
        if ticket.status in _WAITING and _holds(ticket, user):
            can.append("release")
        can.append("comment")
    can += _of_requester(ticket, user)
    if ticket.status in lifecycle.REVOCABLE:
        consumed = bool(_receipt_of(poll.decision.pk))
        if _is_consumable(poll.decision, ticket, user) and not consumed:
            can.append("consume")
        if not consumed and _may_revoke(poll, user):
            can.append("revoke")
    if without_people(ticket, poll.decision) and concerns(ticket, user):
        can.append("request-review")
    return can, why_not


def _holds(ticket: Ticket, user: User) -> bool:
    return ticket.assignments.filter(released_at__isnull=True, person=user).exists()


def _of_requester(ticket: Ticket, user: User) -> list[str]:
    """Return what may be done by who opened a ticket, or whom it concerns; a look is nobody's."""
    if ticket.status not in _WAITING or ticket.second_look:
        return []
    can = ["resubmit"] if ticket.requester_id == user.pk else []
    return can + ["cancel"] * (user.pk in (ticket.requester_id, ticket.beneficiary_id))


def acting_for(poll: Poll, user: User) -> list[tuple[User, datetime]]:
    """Return who lends this user the vote they have here, and until when.

    Nobody, where the user has a right of their own; whoever may vote at all is told of it first.
    """
    lenders = [one for one in poll.principals(user, choice=None) if one != user.pk]
    people = User.objects.in_bulk(lenders) if lenders else {}
    return [(people[one], poll.loans(user.pk)[one].until) for one in lenders]


def _with_others(poll: Poll, ticket: Ticket, user: User, *, asked: bool) -> list[str]:
    """Return what may be done about who works on an open ticket, and what they are shown."""
    open_now = ticket.status == Ticket.Status.PENDING and poll.decision.settled_at is None
    if not open_now or not (asked or works_on(poll, user)):
        return []
    can = ["assign"] if asked or user.has_perm(GIVES) else []
    if ticket.escalation_steps:
        can.append("escalate")
    if views.sample_mails(ticket.proposal, ticket.checkpoint.view):
        can.append("test-mail")
    return can


def _refusal(poll: Poll, ticket: Ticket, user: User) -> str | None:
    if user.is_machine:
        return MachineCannotVote.code
    open_now = ticket.status == Ticket.Status.PENDING and poll.decision.settled_at is None
    return poll.refusal_for(user, choice=None) if open_now else AlreadyDecided.code


def _may_withdraw(poll: Poll, ticket: Ticket, user: User) -> bool:
    """While undecided, or during the hold; a pending ticket that is settled is held."""
    own = any(user.pk in (vote.voter_id, vote.principal_id) for vote in poll.votes)
    by_votes = poll.decision.settled_at is None or poll.decision.by == Decision.By.VOTES
    return own and by_votes and ticket.status == Ticket.Status.PENDING


def _is_consumable(decision: Decision, ticket: Ticket, user: User) -> bool:
    permits = decision.effect in ALLOWING and not permits_nothing_new(ticket)
    return ticket.requester_id == user.pk and permits


def _may_revoke(poll: Poll, user: User) -> bool:
    until = poll.decision.revocable_until
    # What is shown may go by this machine's clock; the service asks the database's again.
    if user.is_machine or until is None or shown_now() > until:
        return False
    voted = any(user.pk in (vote.voter_id, vote.principal_id) for vote in poll.votes)
    return voted or permissions.may_override(user=user, policy=poll.decision.policy)
