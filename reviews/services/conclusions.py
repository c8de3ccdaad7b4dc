"""What time and settled answers make of tickets: final, expired, escalated, overdue."""

import logging
from datetime import datetime
from typing import TYPE_CHECKING

from approvals.models import Decision
from approvals.services import decisions
from approvals.services.polls import asks_after
from reviews import lifecycle, sla, stubs
from reviews.calendars import business_time_between
from reviews.models import Assignment, Ticket

if TYPE_CHECKING:
    from reviews.services.turns import Turn

log = logging.getLogger(__name__)

_WAITING = {Ticket.Status.PENDING, Ticket.Status.NEEDS_CHANGES}


def conclude(turn: "Turn") -> None:
    """Bring one locked ticket to where it stands at this instant. Repeating it changes nothing."""
    ticket, decision, now = turn.ticket, turn.decision, turn.now
    if ticket.status not in _WAITING or ticket.next_deadline_at is None:
        return
    if ticket.next_deadline_at > now:
        return
    if ticket.status == Ticket.Status.PENDING and decision.settled_at is not None:
        if decision.final_at is not None and decision.final_at <= now:
            finish(turn)
    elif ticket.expires_at <= now:
        expire(turn)
    elif ticket.status == Ticket.Status.PENDING and _stub_passes(turn):
        pass_by_stub(turn)
    elif ticket.status == Ticket.Status.PENDING:
        _remind(turn)
    plan(turn)


def pass_by_stub(turn: "Turn") -> None:
    """Let a ticket pass that no person answered, because the service runs in stub mode."""
    decisions.settle_by_rule(
        decision=turn.decision,
        effect="allow",
        by=Decision.By.STUB,
        now=turn.now,
        reason=stubs.SENTENCE,
    )
    log.warning("stub: %s passes, no person was asked", turn.ticket.label)
    finish(turn)


def _stub_passes_at(turn: "Turn") -> datetime | None:
    decision = turn.decision
    if decision.settled_at is not None or not decision.system.get("stubs"):
        return None
    slug = turn.ticket.checkpoint.slug
    return stubs.passes_at(slug=slug, system=decision.system, opened_at=decision.opened_at)


def _stub_passes(turn: "Turn") -> bool:
    at = _stub_passes_at(turn)
    return at is not None and at <= turn.now


def finish(turn: "Turn") -> None:
    """Make a settled answer final: the status changes, the caller is told, the holder is free."""
    ticket, decision = turn.ticket, turn.decision
    by_silence = decision.by == Decision.By.TIMEOUT
    effect = decision.effect
    status: str = lifecycle.timeout_status(effect) if by_silence else lifecycle.status_for(effect)
    lifecycle.check(ticket.status, status)
    returned = status == Ticket.Status.NEEDS_CHANGES
    turn.change(status=status, closed_at=None if returned else turn.now)
    if returned:
        _pause(turn)
    told = "ticket.decided"
    if returned:
        told = "ticket.returned"
    elif status == Ticket.Status.EXPIRED:
        told = "ticket.expired"
    turn.story.add(
        told,
        reason=decision.reason,
        data={
            "status": status,
            "outcome": decision.outcome,
            "by": decision.by,
            "round": ticket.round,
            "digest": decision.digest,
            "action_digest": decision.executed_digest,
            # As it stood when this was asked: switches, stubs, bypass, release.
            "system": decision.system,
        },
        by_service=decision.by != Decision.By.VOTES,
    )
    if status == Ticket.Status.REJECTED and asks_after(decision):
        turn.story.add(
            "ticket.overridden",
            reason=decision.reason,
            data={"outcome": decision.outcome, "digest": decision.digest},
            personal={"response": decision.response},
        )
    turn.decision_touched = True
    free(turn)
    plan(turn)


def _pause(turn: "Turn") -> None:
    """Let the clock stand still while the requester has it; only the end of all comes all the same.

    How long it ran is kept, so that the next round goes on from there.
    """
    ticket = turn.ticket
    ran = business_time_between(ticket.queue.hours, turn.decision.opened_at, turn.now)
    turn.change(paused_at=turn.now, time_used=ticket.time_used + ran)


def expire(turn: "Turn") -> None:
    """End a ticket nobody answered in time with what silence means for it."""
    if turn.ticket.status == Ticket.Status.NEEDS_CHANGES:
        lifecycle.check(turn.ticket.status, Ticket.Status.EXPIRED)
        turn.change(status=Ticket.Status.EXPIRED, closed_at=turn.now)
        turn.story.add("ticket.expired", data={"status": "expired"}, by_service=True)
        return
    people_had = turn.ticket.expires_at - turn.decision.opened_at
    decisions.settle_by_silence(decision=turn.decision, now=turn.now)
    if turn.decision.effect == "return":
        # Else what silence gives back would end the moment it is given back.
        turn.change(expires_at=turn.now + people_had)
    finish(turn)


def ask_next(turn: "Turn", *, why: str, reason: str = "") -> None:
    """Escalate to the next role of the ticket's ladder, where one is left.

    :param reason: what a person gave as theirs; without one it is the service that escalates.
    """
    steps = list(turn.ticket.escalation_steps)
    role = steps.pop(0)[1] if steps else None
    turn.change(escalation_steps=steps)
    _escalate(turn, why=why, role=role, reason=reason)
    plan(turn)


def _escalate(turn: "Turn", *, why: str, role: str | None, reason: str = "") -> None:
    """Widen who is asked by one role. It never decides anything."""
    if role is not None and role not in turn.decision.escalated:
        turn.decision.escalated = [*turn.decision.escalated, role]
        turn.decision_touched = True
    asked = [need["role"] for stage in turn.decision.question["stages"] for need in stage["needs"]]
    asked = list(dict.fromkeys([*asked, *turn.decision.escalated]))
    data = {"role": role, "why": why, "asked": asked}
    turn.story.add("ticket.escalated", reason=reason, data=data, by_service=not reason)


def _remind(turn: "Turn") -> None:
    ticket, now = turn.ticket, turn.now
    steps = list(ticket.escalation_steps)
    while steps and datetime.fromisoformat(steps[0][0]) <= now:
        _escalate(turn, why="nobody has decided", role=steps.pop(0)[1])
        turn.change(escalation_steps=steps)
    told = ""
    if ticket.remind_at is not None and ticket.remind_at <= now:
        told = "ticket.reminded"
    if ticket.due_soon_at is not None and ticket.due_soon_at <= now:
        turn.change(due_soon_at=None)
        told = "ticket.due_soon" if now < ticket.due_at else told
    if ticket.breached_at is None and ticket.due_at <= now:
        turn.change(breached_at=now)
        told = "ticket.breached"
    if told:  # the gravest of them: one mail a day is enough
        turn.story.add(told, by_service=True)
        calendar = ticket.queue.hours
        again = sla.reminder(now, expires_at=ticket.expires_at, calendar=calendar)
        turn.change(remind_at=again)


def plan(turn: "Turn") -> None:
    """Write down when this ticket must be looked at next."""
    ticket, decision = turn.ticket, turn.decision
    if ticket.status == Ticket.Status.NEEDS_CHANGES:
        deadline = lifecycle.next_deadline(expires_at=ticket.expires_at)
    elif ticket.status == Ticket.Status.PENDING:
        steps = ticket.escalation_steps
        deadline = lifecycle.next_deadline(
            final_at=decision.final_at,
            expires_at=ticket.expires_at,
            escalate_at=datetime.fromisoformat(steps[0][0]) if steps else None,
            due_at=None if ticket.breached_at else ticket.due_at,
            due_soon_at=ticket.due_soon_at,
            remind_at=ticket.remind_at,
        )
    else:
        deadline = None
    at = deadline[1] if deadline else None
    if at is not None and ticket.status == Ticket.Status.PENDING:
        at = min(at, _stub_passes_at(turn) or at)
    if at != ticket.next_deadline_at:
        turn.change(next_deadline_at=at)


def free(turn: "Turn") -> None:
    """End whatever assignment stands on the ticket."""
    if not turn.held:
        return
    if turn.together:  # many end theirs in one statement
        turn.freed = True
        return
    for assignment in Assignment.objects.filter(ticket=turn.ticket, released_at__isnull=True):
        assignment.release(turn.now)
