"""What a link from a mail lets its person do: vote once, or ask for a fresh link."""

from typing import Any

from approvals.errors import (
    DeskNeeded,
    LinkOfAnother,
    NotEligible,
    SignInNeeded,
    WrongState,
)
from approvals.models import DecisionLink, User
from approvals.rows import the_one
from approvals.safeguards import Confirmed
from approvals.services.links import use_link
from audit.clock import db_now
from reviews.models import Ticket
from reviews.models.checkpoint import Risk
from reviews.services.pauses import waits
from reviews.services.seats import poll_of
from reviews.services.turns import turn_at, writing
from reviews.services.votes import VoteAnswer, cast_vote


def vote_by_link(
    *,
    link: DecisionLink,
    signed_in: User | None,
    choice: str,
    reason: str = "",
    response: Any = None,
    amendments: Any = None,
    on_behalf_of: str = "",
    confirmed: Confirmed = "",
) -> VoteAnswer:
    """Cast the vote of a link's person on the round the link is for, and spend the link with it.

    Both happen or neither: a vote that is refused leaves the link as it was.

    :param signed_in: who is signed in where the vote came from; above low risk it takes the person.
    :raises Refusal: LinkUsed, LinkExpired, LinkOfAnother, SignInNeeded, DeskNeeded, TicketChanged
        when a newer round took over, and whatever `cast_vote` refuses.
    """
    decision = link.decision
    ticket = the_one(Ticket.objects.filter(pk=decision.subject))
    # Risk belongs to the version, and the version is compared under the lock.
    _check_presence(ticket.risk, person=link.person, signed_in=signed_in)
    with writing():
        use_link(link_id=link.pk, now=db_now())
        return cast_vote(
            ticket_id=decision.subject,
            voter=link.person,
            choice=choice,
            version=decision.version,
            reason=reason,
            response=response,
            amendments=amendments,
            on_behalf_of=on_behalf_of,
            confirmed=confirmed,
        )


def _check_presence(risk: str, *, person: User, signed_in: User | None) -> None:
    if signed_in is not None and signed_in.pk != person.pk:
        raise LinkOfAnother
    if risk == Risk.HIGH:
        raise DeskNeeded
    if risk != Risk.LOW and signed_in is None:
        raise SignInNeeded


def request_fresh_link(*, link: DecisionLink) -> None:
    """Let a fresh link to the present round be sent to a link's own person, and to nobody else.

    :raises Refusal: NotVisible, Busy, WrongState when nothing is asked any more, NotEligible.
    """
    with turn_at(ticket_id=link.decision.subject, actor=link.person) as turn:
        if not waits(turn.ticket, turn.decision):
            raise WrongState("Nothing is asked here any more.")
        if poll_of(turn, link.person).refusal_for(link.person, choice=None):
            raise NotEligible
        turn.story.add(
            "ticket.link_requested", data={"person": link.person_id, "round": turn.ticket.round}
        )
