"""What every round of a ticket begins with: its content, its clock, its question."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings

from approvals.errors import Invalid
from approvals.models import Bypass
from approvals.services import decisions
from reviews import calendars, sla
from reviews.calendars import add_business_time, business_time_between
from reviews.interactions import NAMING
from reviews.models import Queue, Ticket
from reviews.services import conclusions
from reviews.services.asking import Asking
from reviews.services.lanes import put_in_lane
from reviews.services.queues import write_rank
from reviews.services.requests import AS_GIVEN, TicketRequest
from reviews.services.turns import Turn

# The columns a round after the first may change.
OF_A_ROUND = frozenset(
    {
        *("title", "summary", "proposal", "ai", "priority", "risk", "amount", "rule", "round"),
        *("version", "due_at", "due_soon_at", "expires_at", "breached_at", "escalation_steps"),
        *("paused_at", "time_used", "remind_at", "rank_base", "rank_young", "asked", "preset"),
        *("labels", "impact", "financial_impact", "decision", "lane_id"),
        *("domain", "compliance", "novel_pattern", "interaction", "pipeline"),
    }
)


def begin_round(
    ticket: Ticket,
    request: TicketRequest,
    asking: Asking,
    excluded: Mapping[int, str],
    *,
    now: datetime,
    event: UUID,
) -> list[str]:
    """Give a ticket the content of its next round, and put that round's question.

    The caller saves the ticket.

    :param excluded: whose own work it is ({user id: why}).
    :returns: the roles of which too few people can answer the question.
    :raises Invalid: for an end that cannot be, and for people named who are too few.
    """
    _write_content(ticket, request, asking)
    _write_clock(ticket, request, asking, now)
    write_rank(ticket, ticket.queue)
    human = None if ticket.requester.is_machine else ticket.requester
    owner = ticket.access_key.owner if ticket.access_key else None
    ticket.decision, short_of = decisions.open_decision(
        subject=ticket.pk,
        round=ticket.round,
        version=ticket.version,
        policy=asking.policy,
        question=asking.question,
        rule=asking.rule,
        proposal=request.proposal,
        amount=request.amount,
        least_people=asking.least_people,
        excluded=excluded,
        asking=[one for one in (ticket.beneficiary, human, owner) if one is not None],
        within=ticket.people_within(),
        system=_system(asking.bypass),
        now=now,
        last_event=event,
    )
    if short_of and asking.then == "ask":
        _check_named(request, short_of)
    ticket.lane_id = put_in_lane(
        queue_id=ticket.queue_id, policy_id=asking.policy.pk, region_id=ticket.region_id
    )
    return short_of


def take_rule(turn: Turn, asking: Asking, short_of: list[str]) -> None:
    """Let a round end at once where no person is asked; escalate where too few could answer."""
    if asking.then == "ask":
        if short_of:
            roles = ", ".join(short_of)
            conclusions.ask_next(turn, why=f"too few people can answer for {roles}")
        return
    if asking.bypass is not None:
        used = {"bypass": str(asking.bypass.pk), "round": turn.ticket.round}
        turn.story.add("bypass.used", reason=asking.bypass.reason, data=used, by_service=True)
    decisions.settle_by_rule(
        decision=turn.decision,
        effect=asking.then,
        by=asking.by,
        now=turn.now,
        reason=str(asking.rule.get("why", "")),
    )
    conclusions.finish(turn)


def hours_told(queue: Queue) -> dict[str, Any]:
    """Return by whose hours deadlines are computed, and with which data; nothing without hours."""
    if queue.calendar is None:
        return {}
    return {"calendar": {"name": queue.calendar.name, **calendars.versions()}}


def _write_content(ticket: Ticket, request: TicketRequest, asking: Asking) -> None:
    for name in AS_GIVEN:
        setattr(ticket, name, getattr(request, name))
    ticket.summary = request.summary or request.title
    ticket.labels = list(request.labels)
    ticket.asked = {
        "question": request.question,
        "response_schema": request.response_schema,
        "step": request.step,
    }
    ticket.priority, ticket.risk, ticket.rule = asking.priority, asking.risk, asking.rule


def _write_clock(ticket: Ticket, request: TicketRequest, asking: Asking, now: datetime) -> None:
    """Fix the instants a ticket waits for; where its clock stood still, it goes on from there."""
    calendar = ticket.queue.hours
    requested = request.expires_at
    if request.timeout_seconds is not None:
        requested = now + timedelta(seconds=request.timeout_seconds)
    field = "/expires_at" if request.timeout_seconds is None else "/timeout_seconds"
    deadlines = partial(
        sla.deadlines,
        priority=asking.priority,
        timing=asking.question.timing,
        created_at=now,
        calendar=calendar,
        used=ticket.time_used,
    )
    clock = deadlines()
    if requested is not None:
        if requested <= now:
            raise Invalid.at(field, "This lies in the past.")
        if requested > clock.expires_at:
            latest = clock.expires_at.isoformat(timespec="seconds")
            message = f"A requester may only bring the end forward; the latest is {latest}."
            raise Invalid.at(field, message)
        if asking.question.timing.ask == "after" and requested < clock.expires_at:
            message = "This is asked after the act: nobody shortens the time to say no."
            raise Invalid.at(field, message)
    elif ticket.paused_at is not None:
        left = business_time_between(calendar, ticket.paused_at, ticket.expires_at)
        requested = add_business_time(calendar, now, left)
    if requested is not None:
        clock = deadlines(requested_expires_at=requested)
    if ticket.paused_at is None or clock.due_at > now:
        ticket.breached_at = None
    ticket.paused_at = None
    ticket.due_at = clock.due_at
    ticket.due_soon_at = clock.due_soon_at
    ticket.expires_at = clock.expires_at
    ticket.remind_at = clock.remind_at
    ticket.escalation_steps = [[at.isoformat(), role] for at, role in clock.escalations]


def _check_named(request: TicketRequest, roles: list[str]) -> None:
    """Refuse a request that itself asks too few; where a policy does, the ticket escalates.

    :raises Invalid: naming the member that names the people.
    """
    members = [f"/interaction/{name}" for name in NAMING if request.interaction.get(name)]
    if request.question.get("stages"):
        members.append("/question/stages")
    if members:
        message = f"Too few of the people named can answer for {', '.join(roles)}."
        raise Invalid(errors=[{"pointer": members[0], "message": message}])


def _system(bypass: Bypass | None) -> dict[str, Any]:
    """Return the switches, the release and the bypass a decision is made under."""
    return {
        "release": settings.HITL_RELEASE,
        "human_in_the_loop": settings.ENABLE_HUMAN_IN_THE_LOOP,
        "flags": dict(settings.HITL_FLAGS),
        "stubs": settings.USE_STUBS,
        "bypass": str(bypass.pk) if bypass else None,
    }
