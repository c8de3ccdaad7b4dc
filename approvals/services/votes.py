"""Take votes and give them back. The caller holds the lock of the subject."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection
from django.db.models import Q
from prometheus_client import Counter

from approvals.answers import amended, complete_answer, outcome_digest, share_reason
from approvals.errors import (
    AlreadyDecided,
    AlreadyVoted,
    Busy,
    ChannelNotAllowed,
    IdentityNotConfirmed,
    Invalid,
    MachineCannotVote,
    NotEligible,
    NotOnCall,
    OwnWork,
    ReasonRequired,
    Refusal,
    TooManyVotes,
    WrongState,
)
from approvals.models import Decision, User, Vote
from approvals.question import Option, Question
from approvals.quorum import Tally
from approvals.safeguards import Confirmed, must_confirm, takes
from approvals.services.decisions import reopen, settle, won_with
from approvals.services.identity import has_second_factor
from approvals.services.policies import published, safeguards_of
from approvals.services.polls import Poll, read_poll

# Of this process; a monitor adds up what all of them tell.
REFUSED_BY_PACE = Counter(
    "countersign_votes_refused_by_pace", "Votes refused because their voter cast too many an hour"
)
_REFUSALS: dict[str, type[Refusal]] = {
    "machine-cannot-vote": MachineCannotVote,
    "inactive": NotEligible,
    "own-work": OwnWork,
    "not-eligible": NotEligible,
    "not-on-call": NotOnCall,
    "already-voted": AlreadyVoted,
}


def refusal_of(code: str) -> Refusal:
    """Return the refusal that says in words why a poll refuses somebody."""
    return _REFUSALS[code]()


@dataclass(frozen=True, slots=True)
class CastAnswer:
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
    on_behalf_of: str = "",
    risk: str = "low",
    confirmed: Confirmed = "",
) -> CastAnswer:
    """Take one person's vote; settle the decision when it completes a quorum.

    The caller holds the subject's lock and saves the decision afterwards with `keep`.

    :param on_behalf_of: name or id of who lends the vote; empty is the voter's own right, else
        that of the only person who lends one that fits.
    :param risk: how much harm a wrong answer may do; `confirmed` is how the voter is known.
    :param check_content: refuses a proposal as modified that the subject would not accept.
    :raises Refusal: MachineCannotVote, AlreadyDecided, NotEligible, OwnWork, AlreadyVoted,
        ReasonRequired, SchemaMismatch, Invalid, ChannelNotAllowed, IdentityNotConfirmed,
        TooManyVotes.
    """
    if voter.is_machine:
        raise MachineCannotVote
    poll = read_poll(decision=decision, also=[voter.pk], within=within, now=now)
    named = _named(poll, voter, on_behalf_of)
    option = _option(poll.question, choice)
    reason, response = share_reason(option.form, reason, response)
    answer, changed, content = _answer(option, decision, response, amendments)
    outcome = outcome_digest(answer, changed)

    for vote in poll.votes:
        same = (vote.choice, vote.outcome_digest) == (choice, outcome)
        if same and vote.voter_id == voter.pk and named in (None, vote.principal_id):
            return CastAnswer(vote, poll.tally(), replayed=True, poll=poll)
    if decision.settled_at is not None or decision.closed_at is not None:
        raise AlreadyDecided
    principal = _principal(poll, voter, named, choice=choice, outcome=outcome)
    _guard(decision, voter, risk=risk, confirmed=confirmed, channel=channel, now=now)
    if option.reason == "required" and not reason.strip():
        raise ReasonRequired.at("/reason", "Say why.")
    if content is not None:
        check_content(content)

    vote = Vote(
        decision=decision,
        voter=voter,
        principal_id=principal,
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
    if principal == voter.pk:
        vote.principal = voter
    try:
        vote.save(force_insert=True)
    except IntegrityError as problem:
        if "unique" in str(problem).lower():
            raise
        # Somebody's rights changed after they were read, and the database has seen it. The next
        # try reads them again and says why.
        raise Busy from problem
    lenders = {lender: loan.lender for lender, loan in poll.loans(voter.pk).items()}
    poll = replace(poll, votes=[*poll.votes, vote], holders={**lenders, **poll.holders})
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


def _guard(
    decision: Decision,
    voter: User,
    *,
    risk: str,
    confirmed: Confirmed,
    channel: str,
    now: datetime,
) -> None:
    """Refuse a vote through the wrong door, of somebody not surely known, or one too many."""
    safeguards = safeguards_of(published(decision.policy_id))
    if not takes(safeguards, channel):
        doors = list(safeguards.channels or ())
        raise ChannelNotAllowed(
            f"Votes on this question are taken through: {', '.join(doors)}.", allowed=doors
        )
    if must_confirm(safeguards, risk=risk, confirmed=confirmed):
        needs = "code" if has_second_factor(voter) else "password"
        raise IdentityNotConfirmed(
            errors=[{"pointer": f"/{needs}", "message": f"Give your {needs}."}], needs=needs
        )
    _check_pace(voter, now=now)


_HOUR = timedelta(hours=1)
_PACE = """
SELECT cast_at FROM approvals_vote
WHERE voter_id = %s AND cast_at > %s ORDER BY cast_at DESC LIMIT 1 OFFSET %s
"""


def _check_pace(voter: User, *, now: datetime) -> None:
    """Refuse the vote that would be more than one person can weigh in an hour.

    Votes taken back count as well: they were decisions all the same.

    :raises TooManyVotes: with the seconds after which the next one is taken.
    """
    most = settings.HITL_VOTES_PER_HOUR
    if not most:
        return
    stored = connection.ops.adapt_datetimefield_value(now - _HOUR)
    with connection.cursor() as cursor:
        cursor.execute(_PACE, [voter.pk, stored, most - 1])
        row = cursor.fetchone()
    if row is None:
        return
    oldest = row[0] if isinstance(row[0], datetime) else datetime.fromisoformat(row[0])
    if oldest.tzinfo is None:
        oldest = oldest.replace(tzinfo=UTC)
    wait = max(1, int((oldest + _HOUR - now).total_seconds()) + 1)
    REFUSED_BY_PACE.inc()
    raise TooManyVotes(limit=most, retry_after=wait)


def _named(poll: Poll, voter: User, on_behalf_of: str) -> int | None:
    """Return the id of whom a voter names, or None where nobody is named.

    :raises NotEligible: for somebody who lends nothing to the voter now, whether there is such a
        person or not.
    """
    if not on_behalf_of:
        return None
    names = {str(one): one for one in (voter.pk, *poll.loans(voter.pk))}
    # A name goes before an id: somebody may be called by a number.
    names |= {loan.lender.username: one for one, loan in poll.loans(voter.pk).items()}
    names[voter.get_username()] = voter.pk
    if on_behalf_of not in names:
        raise NotEligible("You do not act for this person now.")
    return names[on_behalf_of]


def _principal(poll: Poll, voter: User, named: int | None, *, choice: str, outcome: str) -> int:
    """Return whose vote this is.

    :raises Refusal: why it is nobody's, or Invalid where it could be that of several.
    """
    if named is not None:
        code = poll.refusal_as(voter, principal=named, choice=choice, outcome=outcome)
        if code == AlreadyVoted.code and not any(v.voter_id == voter.pk for v in poll.votes):
            raise AlreadyVoted("This vote is already cast.")
        if code:
            raise refusal_of(code)
        return named
    code = poll.refusal_for(voter, choice=choice, outcome=outcome)
    if code:
        raise refusal_of(code)
    found = poll.principals(voter, choice=choice, outcome=outcome)
    if len(found) > 1:
        names = " or ".join(poll.loans(voter.pk)[lender].lender.username for lender in found)
        message = f"Say for whom you vote: {names}."
        raise Invalid.at("/on_behalf_of", message, detail=message)
    return found[0]


def _option(question: Question, choice: str) -> Option:
    for option in question.options:
        if option.key == choice:
            return option
    keys = ", ".join(option.key for option in question.options)
    raise Invalid.at("/choice", f"Choose one of: {keys}.")


def _answer(
    option: Option, decision: Decision, response: Any, amendments: Any
) -> tuple[dict[str, Any] | None, dict[str, Any] | None, dict[str, Any] | None]:
    """Return (response, amendments, content as modified) as this option takes them."""
    if option.form == "edit-proposal":
        content = amended(json.loads(bytes(decision.content)), amendments)
        return complete_answer(None, dict(option.carries), response), amendments, content
    if amendments is not None:
        raise Invalid.at("/amendments", f"`{option.key}` takes no amendments.")
    form = dict(option.form) if isinstance(option.form, Mapping) else None
    return complete_answer(form, dict(option.carries), response), None, None


def withdraw_vote(
    *, decision: Decision, voter: User, now: datetime, within: Collection[int] | None
) -> Vote:
    """Take one's own vote back: while undecided, or during the hold.

    A lent vote is taken back by who cast it or by whom it belongs to. During the hold this
    reopens the question, unless the other votes settle it just the same.

    :raises Refusal: WrongState without a vote of one's own, AlreadyDecided once final.
    """
    own = Q(voter=voter) | Q(principal=voter)
    vote = decision.votes.filter(own, withdrawn_at__isnull=True).first()
    if vote is None:
        raise WrongState("You have no vote here to take back.")
    if decision.settled_at is not None and (
        decision.by != Decision.By.VOTES or decision.final_at is None or decision.final_at <= now
    ):
        raise AlreadyDecided("The decision is final; it can only be revoked.")
    vote.withdrawn_at = now
    vote.save(update_fields=["withdrawn_at"])
    if decision.settled_at is not None:
        winner = read_poll(decision=decision, within=within, now=now).tally().winner
        if winner is None or not won_with(decision, winner.choice, winner.outcome):
            reopen(decision=decision)
    return vote
