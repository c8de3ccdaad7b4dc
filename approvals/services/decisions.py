"""Open a question, take its votes, settle it. The caller holds the lock of the subject."""

import json
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from approvals import permissions
from approvals.answers import amended, complete_answer, outcome_digest, share_reason
from approvals.eligibility import Standing, refusal
from approvals.errors import (
    AlreadyConsumed,
    AlreadyDecided,
    AlreadyVoted,
    Invalid,
    MachineCannotVote,
    NotAllowed,
    NotEligible,
    OwnWork,
    ReasonRequired,
    Refusal,
    WrongState,
)
from approvals.models import ApprovalPolicy, Decision, Exclusion, Receipt, User, Vote
from approvals.options import ALLOWING
from approvals.permissions import Holder
from approvals.question import Option, Question, parse_question, render_question, resolve
from approvals.quorum import Cast, Tally, decide
from approvals.walks import Seated
from audit.canonical import canonical_bytes, digest_of, sha256_hex
from audit.prepared import PreparedRead
from audit.services import Draft

_REFUSALS: dict[str, type[Refusal]] = {
    "machine-cannot-vote": MachineCannotVote,
    "inactive": NotEligible,
    "own-work": OwnWork,
    "not-eligible": NotEligible,
    "already-voted": AlreadyVoted,
}
_MUTABLE = (
    *("escalated", "closed_at", "by", "outcome", "effect", "outcome_digest", "reason", "response"),
    *("amendments", "approved_content", "approved_action_digest", "settled_at", "final_at"),
    *("revocable_until", "revoked_at", "revoked_by", "last_event"),
)


@dataclass(frozen=True, slots=True)
class Poll:
    """An open question with its votes and the rights of everybody concerned, as of now."""

    decision: Decision
    question: Question
    votes: Sequence[Vote]
    holders: Mapping[int, Holder]
    within: Collection[int] | None

    @property
    def escalated(self) -> frozenset[str]:
        return frozenset(self.decision.escalated)

    def seats(self, user_id: int) -> frozenset[tuple[int, str]]:
        """Return the seats a person may use here; none outside the circle `within`."""
        holder = self.holders.get(user_id)
        outside = self.within is not None and user_id not in self.within
        return frozenset() if holder is None or outside else holder.seats

    def casts(self) -> list[Cast]:
        """Return the votes as the quorum reads them, each re-checked against today's rights."""
        return [self._cast(vote) for vote in self.votes]

    def _cast(self, vote: Vote) -> Cast:
        holder = self.holders[vote.principal_id]
        valid = (
            holder.is_active
            and holder.is_human
            and holder.excluded_as is None
            and self.holders[vote.voter_id].excluded_as is None
            and vote.digest == self.decision.digest
        )
        return Cast(
            voter=vote.principal_id,
            choice=vote.choice,
            outcome=vote.outcome_digest,
            seats=self.seats(vote.principal_id),
            eligible=valid,
            at=vote.cast_at,
            vote_id=vote.pk,
            names=holder.names,
        )

    def refusal_for(self, user: User, *, choice: str | None, outcome: str = "") -> str | None:
        """Return the code of why this user may not vote (that way), or None."""
        holder = self.holders.get(user.pk)
        standing = Standing(
            user_id=user.pk,
            is_active=user.is_active,
            is_human=not user.is_machine,
            seats=self.seats(user.pk),
            excluded_as=holder.excluded_as if holder else None,
            already_voted=any(user.pk in (v.voter_id, v.principal_id) for v in self.votes),
            names=holder.names if holder else frozenset((user.pk, user.username)),
        )
        return refusal(
            standing,
            self.question,
            self.casts(),
            choice=choice,
            outcome=outcome,
            escalated=self.escalated,
        )

    def tally(self, *, with_remaining: bool = False) -> Tally:
        """Return where the question stands; `with_remaining` reads everybody who may still vote."""
        remaining = None
        if with_remaining:
            voted = {vote.principal_id for vote in self.votes}
            remaining = [
                Seated(holder.seats, holder.names)
                for holder in permissions.everybody_seated(
                    policy_id=self.decision.policy_id, decision_id=self.decision.pk
                ).values()
                if holder.user_id not in voted
                and holder.excluded_as is None
                and (self.within is None or holder.user_id in self.within)
            ]
        return decide(self.question, self.casts(), escalated=self.escalated, remaining=remaining)


@dataclass(frozen=True, slots=True)
class CastAnswer:
    """What became of a vote. `replayed` says it had been cast before, and nothing changed."""

    vote: Vote
    tally: Tally
    replayed: bool


@lru_cache(maxsize=1024)
def _parsed(rendered: str) -> Question:
    return parse_question(json.loads(rendered))


def question_of(decision: Decision) -> Question:
    """Return the frozen question of a decision."""
    # Most decisions ask one of a few questions; the text is only the key they are found by.
    return _parsed(json.dumps(decision.question, sort_keys=True))


def asks_after(decision: Decision) -> bool:
    """Tell whether people are asked after the act, which stands until they override it."""
    return question_of(decision).timing.ask == "after"


def open_decision(
    *,
    subject: UUID,
    round: int,
    version: int,
    policy: ApprovalPolicy,
    question: Question,
    rule: dict[str, Any] | None,
    proposal: dict[str, Any],
    amount: Any,
    least_people: int = 1,
    excluded: Mapping[int, str],
    within: Collection[int] | None,
    system: dict[str, Any],
    now: datetime,
    last_event: UUID,
) -> Decision:
    """Freeze a question about one version of a subject and store it with those it excludes."""
    everybody: dict[int, Holder] = {}

    def eligible(stage: int, need: int) -> int:
        if not everybody:
            everybody.update(permissions.everybody_seated(policy_id=policy.pk))
        asked = question.stages[stage].needs[need]
        return sum(
            (stage, asked.role) in holder.seats
            and (not asked.people or not holder.names.isdisjoint(asked.people))
            and user_id not in excluded
            and (within is None or user_id in within)
            for user_id, holder in everybody.items()
        )

    resolved = resolve(question, eligible=eligible, amount=amount)
    frozen = render_question(_by_at_least(least_people, resolved))
    content = canonical_bytes(proposal)
    action_digest = sha256_hex(content)
    decision = Decision(
        subject=subject,
        round=round,
        version=version,
        policy=policy,
        question=frozen,
        rule=rule,
        content=content,
        action_digest=action_digest,
        digest=digest_of(
            {
                "ticket": str(subject),
                "action_digest": action_digest,
                "question": frozen,
                "rule": rule,
                "round": round,
            }
        ),
        nonce=secrets.token_hex(16),
        system=system,
        opened_at=now,
        last_event_id=last_event,
    )
    decision.save(force_insert=True)
    Exclusion.objects.bulk_create(
        Exclusion(decision=decision, user_id=user_id, why=why) for user_id, why in excluded.items()
    )
    return decision


def _by_at_least(people: int, question: Question) -> Question:
    """Return a resolved question that takes this many different people; a vote fills one need."""
    asked = sum(int(need.count) for stage in question.stages for need in stage.needs)
    if asked >= people:
        return question
    *before, stage = question.stages
    first, *others = stage.needs
    need = replace(first, count=int(first.count) + people - asked)
    return replace(question, stages=(*before, replace(stage, needs=(need, *others))))


_votes_on = PreparedRead(
    lambda key: Vote.objects.filter(decision_id=key, withdrawn_at__isnull=True)
)


def read_poll(
    *, decision: Decision, also: Collection[int] = (), within: Collection[int] | None = None
) -> Poll:
    """Read a decision's votes, exclusions and the present rights of voters and `also`."""
    votes = _votes_on(decision.pk)
    people = {person for vote in votes for person in (vote.principal_id, vote.voter_id)}
    return Poll(
        decision=decision,
        question=question_of(decision),
        votes=votes,
        holders=permissions.holders(
            policy_id=decision.policy_id, user_ids=people.union(also), decision_id=decision.pk
        ),
        within=within,
    )


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
            return CastAnswer(vote, poll.tally(), replayed=True)
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
        return CastAnswer(vote, poll.tally(with_remaining=True), replayed=False)
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
    return CastAnswer(vote, tally, replayed=False)


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


def settle(
    *,
    decision: Decision,
    by: str,
    outcome: str,
    effect: str,
    now: datetime,
    hold: timedelta = timedelta(0),
    deciding: Vote | None = None,
    reason: str = "",
) -> None:
    """Write the outcome into the decision; it becomes final when its hold is over."""
    question = question_of(decision)
    # A refinement that has used up its rounds closes with what it has.
    spent = effect == "return" and 1 < question.repeat.rounds <= decision.round
    decision.by = by
    decision.outcome = outcome
    decision.effect = "answer" if spent else effect
    decision.settled_at = now
    decision.final_at = now + hold
    decision.revocable_until = decision.final_at + question.timing.revocable
    decision.reason = reason
    if deciding is not None:
        decision.reason = deciding.reason
        decision.response = deciding.response
        decision.amendments = deciding.amendments
        decision.outcome_digest = deciding.outcome_digest
        if deciding.amendments is not None:
            content = amended(json.loads(bytes(decision.content)), deciding.amendments)
            decision.approved_content = canonical_bytes(content)
            decision.approved_action_digest = sha256_hex(decision.approved_content)
    if spent:
        decision.response = {**(decision.response or {}), "max_iterations_reached": True}


def settle_by_rule(*, decision: Decision, effect: str, by: str, now: datetime, reason: str) -> None:
    """Write the outcome a rule, a flag or a stub gives: the first option of that effect."""
    keys = [option.key for option in question_of(decision).options if option.effect == effect]
    settle(
        decision=decision,
        by=by,
        outcome=keys[0] if keys else "",
        effect=effect,
        now=now,
        reason=reason,
    )


def settle_by_silence(*, decision: Decision, now: datetime) -> str:
    """Write the outcome silence gives; return its effect, `deny` where none is named."""
    question = question_of(decision)
    silence = question.timing.silence
    effect = next((o.effect for o in question.options if o.key == silence), "deny")
    settle(decision=decision, by=Decision.By.TIMEOUT, outcome=silence or "", effect=effect, now=now)
    return effect


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
        if winner is None or not _won(decision, winner.choice, winner.outcome):
            reopen(decision=decision)
    return vote


def _won(decision: Decision, choice: str, outcome: str) -> bool:
    """Tell whether a choice (and, where the caller may go on, its exact outcome) is the winner."""
    exact = decision.effect in ALLOWING
    return choice == decision.outcome and (not exact or outcome == decision.outcome_digest)


def reopen(*, decision: Decision) -> None:
    """Clear the outcome of a decision that is not final yet."""
    for name in ("by", "outcome", "effect", "outcome_digest", "reason", "approved_action_digest"):
        setattr(decision, name, "")
    for name in ("response", "amendments", "approved_content"):
        setattr(decision, name, None)
    decision.settled_at = decision.final_at = decision.revocable_until = None


def revoke(*, decision: Decision, by: User, now: datetime) -> None:
    """Undo a final decision inside its window, unless its receipt was consumed.

    :raises Refusal: WrongState outside the window, AlreadyConsumed, NotAllowed.
    """
    if decision.final_at is None or decision.revocable_until is None or decision.revoked_at:
        raise WrongState("There is no final decision to revoke.")
    if now >= decision.revocable_until:
        raise WrongState("The time in which this decision could be revoked is over.")
    if Receipt.objects.filter(decision=decision).exists():
        raise AlreadyConsumed
    counted = by.is_active and any(
        _won(decision, vote.choice, vote.outcome_digest)
        for vote in decision.votes.filter(voter=by, withdrawn_at__isnull=True)
    )
    if not counted and not permissions.may_override(user=by, policy=decision.policy):
        raise NotAllowed("Only somebody whose vote counted, or who may override, can revoke.")
    decision.revoked_at = now
    decision.revoked_by = by


def close(*, decision: Decision, now: datetime) -> None:
    """End a round: its votes count no more, and no further vote is taken."""
    decision.closed_at = now


def keep(*, decision: Decision, told_by: Draft) -> None:
    """Store what changed in a decision, together with the event that tells of it."""
    decision.last_event_id = told_by.id
    decision.save(update_fields=_MUTABLE)
