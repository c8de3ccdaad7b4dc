"""Open a question, settle it, undo it. The caller holds the lock of the subject."""

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q

from approvals import permissions
from approvals.answers import amended
from approvals.errors import (
    AlreadyConsumed,
    NotAllowed,
    WrongState,
)
from approvals.models import (
    Appointment,
    ApprovalPolicy,
    Decision,
    Exclusion,
    Receipt,
    User,
    Vote,
)
from approvals.options import ALLOWING
from approvals.question import Question, render_question, resolve
from approvals.services.policies import published_question
from approvals.services.polls import question_of
from approvals.stages import Need
from audit.batches import update_rows
from audit.canonical import canonical_bytes, digest_of, sha256_hex
from audit.services import Draft

_MUTABLE = (
    *("escalated", "closed_at", "by", "outcome", "effect", "outcome_digest", "reason", "response"),
    *("amendments", "approved_content", "approved_action_digest", "settled_at", "final_at"),
    *("revocable_until", "revoked_at", "revoked_by", "last_event"),
)


class Opened(NamedTuple):
    """A question just asked, and the roles of which too few people can answer it."""

    decision: Decision
    short_of: list[str]


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
    asking: Sequence[User] = (),
    within: Collection[int] | None,
    system: dict[str, Any],
    now: datetime,
    last_event: UUID,
) -> Opened:
    """Freeze a question about one version of a subject and store it with those it excludes.

    :param asking: for whom it is asked, the closest first; where a role is filled by their
        manager, that person is appointed now.
    """
    everybody, roles = permissions.seats_at_opening(policy_id=policy.pk, now=now)
    manager = _manager_of(asking, excluded=excluded, within=within) if roles else None

    def people_for(stage: int, asked: Need) -> int:
        if asked.role in roles:
            named = manager and {manager.pk, manager.username}
            return int(bool(named and (not asked.people or named & set(asked.people))))
        return len(
            {
                holder.person
                for user_id, holder in everybody.items()
                if (stage, asked.role) in holder.seats
                and (not asked.people or not holder.names.isdisjoint(asked.people))
                and user_id not in excluded
                and (within is None or user_id in within)
            }
        )

    def numbered(each: Question) -> Question:
        return resolve(
            each, eligible=lambda n, m: people_for(n, each.stages[n].needs[m]), amount=amount
        )

    resolved = numbered(question)
    own = published_question(policy.pk)
    if question.stages != own.stages:
        # A share of the people a requester names is not one of those the policy asks.
        resolved = _by_no_fewer(numbered(replace(own, options=question.options)), resolved)
    asked = _by_at_least(least_people, resolved)
    frozen = render_question(asked)
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
    if manager is not None:
        Appointment.objects.bulk_create(
            Appointment(decision=decision, role_id=role, user=manager) for role in roles.values()
        )
    short_of = [
        need.role
        for place, stage in enumerate(asked.stages)
        for need in stage.needs
        if people_for(place, need) < int(need.count)
    ]
    return Opened(decision, list(dict.fromkeys(short_of)))


def _manager_of(
    asking: Sequence[User], *, excluded: Mapping[int, str], within: Collection[int] | None
) -> User | None:
    """Return the nearest manager above who may decide: nobody decides on their own work."""
    above = next((one.manager_id for one in asking if one.manager_id), None)
    seen: set[int] = set()
    while above is not None and above not in seen:
        seen.add(above)
        manager = User.objects.get(pk=above)
        fits = manager.is_active and not manager.is_machine and above not in excluded
        if fits and (within is None or above in within):
            return manager
        above = manager.manager_id
    return None


def _by_no_fewer(own: Question, question: Question) -> Question:
    """Return a resolved question whose needs ask no fewer people than the policy's own."""
    stages = []
    for stage, before in zip(question.stages, own.stages, strict=True):
        needs = zip(stage.needs, before.needs, strict=True)
        more = tuple(replace(n, count=max(int(n.count), int(least.count))) for n, least in needs)
        stages.append(replace(stage, needs=more))
    return replace(question, stages=tuple(stages))


def _by_at_least(people: int, question: Question) -> Question:
    """Return a resolved question that takes this many different people; a vote fills one need."""
    asked = sum(int(need.count) for stage in question.stages for need in stage.needs)
    if asked >= people:
        return question
    *before, stage = question.stages
    first, *others = stage.needs
    need = replace(first, count=int(first.count) + people - asked)
    return replace(question, stages=(*before, replace(stage, needs=(need, *others))))


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
    # A refinement that has used up its rounds closes with what it has: somebody's, not silence's.
    spent = effect == "return" and deciding and 1 < question.repeat.rounds <= decision.round
    decision.by = by
    decision.outcome = outcome
    decision.effect = _closing(question) if spent else effect
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


def _closing(question: Question) -> str:
    """Return what "not yet" becomes when nothing may come back: no yes to what others approve."""
    effects = {option.effect for option in question.options}
    return "answer" if "answer" in effects and "allow" not in effects else "deny"


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
    """Write the outcome silence gives; return its effect, `deny` where none is named.

    Where somebody has answered otherwise it is no silence, and what it would have allowed is not.
    """
    question = question_of(decision)
    silence, reason = question.timing.silence or "", ""
    effects = {option.key: option.effect for option in question.options}
    if question.timing.ask == "before" and effects.get(silence) in ALLOWING:
        cast = decision.votes.filter(withdrawn_at=None).values_list("choice", flat=True)
        if any(effects[choice] not in ALLOWING for choice in cast):
            silence, reason = "", "Somebody answered against it, so silence allows nothing."
    effect = effects.get(silence, "deny")
    settle(
        decision=decision,
        by=Decision.By.TIMEOUT,
        outcome=silence,
        effect=effect,
        now=now,
        reason=reason,
    )
    return effect


def won_with(decision: Decision, choice: str, outcome: str) -> bool:
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
        won_with(decision, vote.choice, vote.outcome_digest)
        for vote in decision.votes.filter(Q(voter=by) | Q(principal=by), withdrawn_at__isnull=True)
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


def keep_all(told: Sequence[tuple[Decision, Draft]]) -> None:
    """Store what changed in many decisions, each together with the event that tells of it."""
    for decision, draft in told:
        decision.last_event_id = draft.id
    update_rows([decision for decision, _ in told], _MUTABLE)
