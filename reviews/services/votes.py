"""The one way in for a vote, from whichever door it comes."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from approvals.answers import check_text
from approvals.errors import AlreadyDecided, MachineCannotVote, TicketChanged, VersionRequired
from approvals.models import User, Vote
from approvals.quorum import Tally
from approvals.safeguards import Confirmed
from approvals.services import votes
from approvals.services.polls import Poll
from audit.context import origin
from reviews.models import Ticket
from reviews.services import conclusions
from reviews.services.asking import check_modified, exclude_latecomer
from reviews.services.requests import request_of
from reviews.services.turns import turn_at


@dataclass(frozen=True, slots=True)
class VoteAnswer:
    """What became of a vote: the ticket as it now stands, and whether anything changed."""

    ticket: Ticket
    vote: Vote
    tally: Tally
    replayed: bool
    poll: Poll


def cast_vote(
    *,
    ticket_id: UUID,
    voter: User,
    choice: str,
    version: int | None,
    reason: str = "",
    response: Any = None,
    amendments: Any = None,
    on_behalf_of: str = "",
    confirmed: Confirmed = "",
) -> VoteAnswer:
    """Take one person's vote on the version they saw; a completed quorum settles the ticket.

    :param on_behalf_of: name or id of somebody who lends the voter their vote.
    :param confirmed: how the voter is known; see `approvals.confirmation`.
    :raises Refusal: see `approvals.services.votes.cast_vote`; also VersionRequired,
        TicketChanged, Busy.
    """
    if voter.is_machine:
        raise MachineCannotVote
    if version is None:
        raise VersionRequired
    check_text(reason, at="/reason")
    with turn_at(ticket_id=ticket_id, actor=voter) as turn:
        ticket, decision = turn.ticket, turn.decision
        if version != ticket.version:
            raise TicketChanged(version=ticket.version)
        exclude_latecomer(ticket=ticket, decision=decision, now=turn.now)
        waiting = ticket.status == Ticket.Status.PENDING
        was_settled = decision.settled_at is not None
        answer = votes.cast_vote(
            decision=decision,
            voter=voter,
            choice=choice,
            reason=reason,
            response=response,
            amendments=amendments,
            version=version,
            channel=origin().channel,
            now=turn.now,
            within=turn.ticket.people_within(),
            on_behalf_of=on_behalf_of,
            risk=ticket.risk,
            confirmed=confirmed,
            check_content=lambda content: check_modified(
                checkpoint=ticket.checkpoint,
                request=replace(request_of(ticket), proposal=content),
                region=ticket.region,
                decision=decision,
                risk=ticket.risk,
                now=turn.now,
            ),
        )
        if answer.replayed:
            return VoteAnswer(ticket, answer.vote, answer.tally, replayed=True, poll=answer.poll)
        if not waiting or was_settled:
            raise AlreadyDecided
        vote = answer.vote
        lent = vote.principal_id != vote.voter_id
        turn.story.add(
            "ticket.vote_cast",
            reason=vote.reason,
            data={
                "vote": str(vote.pk),
                "choice": choice,
                "version": version,
                "digest": decision.digest,
                **({"principal": str(vote.principal_id)} if lent else {}),
            },
            personal={
                "response": vote.response,
                "amendments": vote.amendments,
                **({"principal_label": vote.principal.label} if lent else {}),
            },
        )
        if answer.tally.winner is not None:
            turn.decision_touched = True
            if decision.final_at is not None and decision.final_at <= turn.now:
                conclusions.finish(turn)
            else:
                turn.story.add(
                    "ticket.settled",
                    data={"outcome": decision.outcome, "digest": decision.digest},
                )
                conclusions.plan(turn)
        elif not answer.tally.can_settle:
            conclusions.ask_next(turn, why="no answer can reach its quorum any more")
    return VoteAnswer(ticket, answer.vote, answer.tally, replayed=False, poll=answer.poll)


def withdraw_vote(*, ticket_id: UUID, voter: User) -> Ticket:
    """Take one's own vote back: while undecided, or during the hold (`take back`).

    :raises Refusal: WrongState without a vote, AlreadyDecided once final.
    """
    with turn_at(ticket_id=ticket_id, actor=voter) as turn:
        if turn.ticket.status != Ticket.Status.PENDING:
            raise AlreadyDecided("The decision is final; it can only be revoked.")
        was_settled = turn.decision.settled_at is not None
        vote = votes.withdraw_vote(
            decision=turn.decision, voter=voter, now=turn.now, within=turn.ticket.people_within()
        )
        reopened = was_settled and turn.decision.settled_at is None
        turn.decision_touched = reopened
        turn.story.add(
            "ticket.vote_withdrawn",
            data={"vote": str(vote.pk), "choice": vote.choice, "reopened": reopened},
        )
        conclusions.plan(turn)
    return turn.ticket
