"""Take votes and give them back. The caller holds the lock of the subject."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from approvals.answers import amended, complete_answer, outcome_digest, share_reason
from approvals.errors import (
    AlreadyDecided,
    AlreadyVoted,
    Invalid,
    MachineCannotVote,
    NotEligible,
    OwnWork,
    ReasonRequired,
    Refusal,
    WrongState,
)
from approvals.models import Decision, User, Vote
from approvals.question import Option, Question
from approvals.quorum import Tally
from approvals.services.decisions import reopen, settle, won_with
from approvals.services.polls import Poll, read_poll

_REFUSALS: dict[str, type[Refusal]] = {
    "machine-cannot-vote": MachineCannotVote,
    "inactive": NotEligible,
    "own-work": OwnWork,
    "not-eligible": NotEligible,
    "already-voted": AlreadyVoted,
}


@dataclass(frozen=True, slots=True)
class CastAnswer:
def refusal_of(code: str) -> Refusal:
    """Return the refusal that says in words why a poll refuses somebody."""
    return _REFUSALS[code]()


    """What became of a vote. `replayed` says it had been cast before, and nothing changed.

    `poll` is how the question stands with it.
    """

    vote: Vote
    tally: Tally
    replayed: bool
    poll: Poll


def cast_vote(
    *,
    decision: Decision,
    voter: User,
    choice: str,
    reason: str,
    response: Any,
    amendments: Any,
    version: int,
    channel: str,
    now: datetime,
    within: Collection[int] | None,
    check_content: Callable[[dict[str, Any]], None],
) -> CastAnswer:
    """Take one person's vote; settle the decision when it completes a quorum.

    The caller holds the subject's lock and saves the decision afterwards with `keep`.

    :param check_content: refuses a proposal as modified that the subject would not accept.
    :raises Refusal: MachineCannotVote, AlreadyDecided, NotEligible, OwnWork, AlreadyVoted,
        ReasonRequired, SchemaMismatch, Invalid.
    """
    if voter.is_machine:
        raise MachineCannotVote
    poll = read_poll(decision=decision, also=[voter.pk], within=within)
    option = _option(poll.question, choice)
    reason, response = share_reason(option.form, reason, response)
    answer, changed, content = _answer(option, decision, response, amendments)
    outcome = outcome_digest(answer, changed)

    for vote in poll.votes:
        if vote.voter_id == voter.pk and (vote.choice, vote.outcome_digest) == (choice, outcome):
            return CastAnswer(vote, poll.tally(), replayed=True, poll=poll)
    if decision.settled_at is not None or decision.closed_at is not None:
        raise AlreadyDecided
    code = poll.refusal_for(voter, choice=choice, outcome=outcome)
    if code:
        raise _REFUSALS[code]
    if option.reason == "required" and not reason.strip():
        raise ReasonRequired(errors=[{"pointer": "/reason", "message": "Say why."}])
    if content is not None:
        check_content(content)

    vote = Vote(
        decision=decision,
        voter=voter,
        principal=voter,
        voter_kind=voter.kind,
        choice=choice,
        outcome_digest=outcome,
        reason=reason,
        response=answer,
        amendments=changed,
        version=version,
        digest=decision.digest,
        channel=channel,
        cast_at=now,
    )
    vote.save(force_insert=True)
    poll = Poll(decision, poll.question, [*poll.votes, vote], poll.holders, poll.within)
    tally = poll.tally()
    if tally.winner is None:
        return CastAnswer(vote, poll.tally(with_remaining=True), replayed=False, poll=poll)
    deciding = next(v for v in poll.votes if v.pk == tally.winner.deciding_vote_id)
    settle(
        decision=decision,
        by=Decision.By.VOTES,
        outcome=tally.winner.choice,
        effect=tally.winner.effect,
        now=now,
        deciding=deciding,
        hold=poll.question.timing.hold,
    )
    return CastAnswer(vote, tally, replayed=False, poll=poll)


def _option(question: Question, choice: str) -> Option:
    for option in question.options:
        if option.key == choice:
            return option
    keys = ", ".join(option.key for option in question.options)
    raise Invalid(
        errors=[{"pointer": "/choice", "message": f"Choose one of: {keys}."}],
    )


def _answer(
    option: Option, decision: Decision, response: Any, amendments: Any
) -> tuple[dict[str, Any] | None, dict[str, Any] | None, dict[str, Any] | None]:
    """Return (response, amendments, content as modified) as this option takes them."""
    if option.form == "edit-proposal":
        content = amended(json.loads(bytes(decision.content)), amendments)
        return complete_answer(None, dict(option.carries), response), amendments, content
    if amendments is not None:
        raise Invalid(
            errors=[{"pointer": "/amendments", "message": f"`{option.key}` takes no amendments."}]
        )
    form = dict(option.form) if isinstance(option.form, Mapping) else None
    return complete_answer(form, dict(option.carries), response), None, None


def withdraw_vote(
    *, decision: Decision, voter: User, now: datetime, within: Collection[int] | None
) -> Vote:
    """Take one's own vote back: while undecided, or during the hold.

    During the hold this reopens the question, unless the other votes settle it just the same.

    :raises Refusal: WrongState without a vote of one's own, AlreadyDecided once final.
    """
    vote = decision.votes.filter(voter=voter, withdrawn_at__isnull=True).first()
    if vote is None:
        raise WrongState("You have no vote here to take back.")
    if decision.settled_at is not None and (
        decision.by != Decision.By.VOTES or decision.final_at is None or decision.final_at <= now
    ):
        raise AlreadyDecided("The decision is final; it can only be revoked.")
    vote.withdrawn_at = now
    vote.save(update_fields=["withdrawn_at"])
    if decision.settled_at is not None:
        winner = read_poll(decision=decision, within=within).tally().winner
        if winner is None or not won_with(decision, winner.choice, winner.outcome):
            reopen(decision=decision)
    return vote
