"""Open tickets, put changed content to a new round, stop them, undo them."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection
from django.db.models import CharField, Exists, Max

from approvals.answers import check_text
from approvals.errors import (
    AlreadyDecided,
    Invalid,
    NotAllowed,
    NotVisible,
    ReferenceTaken,
    RegionNotYours,
    TicketChanged,
    WrongState,
)
from approvals.models import AccessKey, Bypass, User
from approvals.services import decisions
from approvals.services.policies import published
from audit.clock import db_now
from audit.context import acting
from audit.ids import new_id
from audit.prepared import PreparedRead
from reviews import calendars, lifecycle, sla
from reviews.calendars import add_business_time, business_time_between
from reviews.events import Story
from reviews.flags import ALWAYS_ASKING
from reviews.interactions import NAMING
from reviews.models import Checkpoint, Queue, Region, Ticket
from reviews.services import conclusions
from reviews.services.asking import Asking, ask, choose_queue, own_work_of
from reviews.services.lanes import put_in_lane
from reviews.services.looks import Look, asked_again, is_drawn, request_for
from reviews.services.queues import write_rank
from reviews.services.quotas import take_opening
from reviews.services.requests import TicketRequest, request_of
from reviews.services.turns import Turn, turn_at, writing


def open_ticket(
    *,
    requester: User,
    key: AccessKey | None,
    request: TicketRequest,
    ticket_id: UUID | None = None,
    by_service: bool = False,
    look: Look | None = None,
) -> Ticket:
    """Open a ticket: the rules say pass, refuse or ask; the question is frozen; all is told.

    One transaction; the caller may already be inside one.

    :param by_service: the service opens it itself, as the work of the requester.
    :param look: what people look at again; then no rule is asked, and a person always is.
    :raises Refusal: Invalid, SchemaMismatch, ReferenceTaken, RegionNotYours, TooManyOpenings.
    """
    if key is not None and not by_service and look is None:
        take_opening(key)
    if look is None:
        checkpoint = _checkpoint(request.checkpoint, by_service=by_service)
        region = _region(request.region, requester)
    else:
        checkpoint, region = look.at.checkpoint, look.at.region
    request = request if request.title else replace(request, title=checkpoint.title)
    actor = None if by_service else requester
    with writing(), acting(actor):
        if (
            request.reference
            and Ticket.objects.filter(
                access_key=key, requester=requester, reference=request.reference
            ).exists()
        ):
            raise ReferenceTaken
        now = db_now()
        if look is None:
            asking = ask(checkpoint=checkpoint, request=request, region=region, now=now)
        else:
            asking = asked_again(look, checkpoint=checkpoint, request=request)
        queue = choose_queue(checkpoint=checkpoint, region=region)
        excluded, beneficiary = own_work_of(
            requester=requester, key=key, on_behalf_of=request.on_behalf_of, now=now
        )
        story = Story(now=now, actor=actor)
        told = {"checkpoint": checkpoint.slug, "rule": asking.rule, **_hours_told(queue)}
        opened = story.add("ticket.opened", data=told)
        ticket = Ticket(
            id=ticket_id or new_id(),
            ref=_next_ref(),
            checkpoint=checkpoint,
            queue=queue,
            region=region,
            requester=requester,
            access_key=key,
            beneficiary=beneficiary,
            previous=look.at if look else _previous(request.previous, requester),
            second_look=look.why if look else "",
            created_at=now,
            last_event_id=opened.id,
        )
        _write_content(ticket, request, asking)
        _write_clock(ticket, request, asking, now)
        write_rank(ticket, queue)
        put = _put(ticket, request, asking, excluded, now=now, event=opened.id)
        ticket.decision = put.decision
        ticket.lane_id = _lane(ticket, asking)
        turn = Turn(ticket, ticket.decision, now, story)
        turn.waited = False
        conclusions.plan(turn)
        _store(ticket)
        turn.touched.clear()
        _pass_or_refuse(turn, asking, put.short_of)
        turn.end()
        _sample(ticket, asking)
    return ticket


def _sample(ticket: Ticket, asking: Asking) -> None:
    """Put a share of what a rule lets pass to people, after the fact, in the same transaction."""
    if is_drawn(ticket.pk, asking.sample):
        look = Look(ticket, Ticket.SecondLook.SAMPLE)
        open_ticket(
            requester=ticket.requester,
            key=ticket.access_key,
            request=request_for(look),
            by_service=True,
            look=look,
        )


def resubmit_ticket(
    *,
    ticket_id: UUID,
    requester: User,
    proposal: dict[str, Any],
    changes: dict[str, Any] | None = None,
    version: int | None = None,
) -> Ticket:
    """Put changed content to a new round. Earlier votes do not count for it; the rules run anew.

    :raises Refusal: NotAllowed for somebody whose ticket it is not, AlreadyDecided once final,
        TicketChanged, Invalid, SchemaMismatch.
    """
    with turn_at(ticket_id=ticket_id, actor=requester) as turn:
        _check_theirs(turn.ticket, requester)
        ticket, now = turn.ticket, turn.now
        _refuse_own(ticket)
        if ticket.status not in (Ticket.Status.PENDING, Ticket.Status.NEEDS_CHANGES):
            raise AlreadyDecided
        if version is not None and version != ticket.version:
            raise TicketChanged(version=ticket.version)
        request = replace(request_of(ticket), proposal=proposal, **(changes or {}))
        asking = ask(checkpoint=ticket.checkpoint, request=request, region=ticket.region, now=now)
        excluded, _ = own_work_of(
            requester=ticket.requester,
            key=ticket.access_key,
            on_behalf_of=ticket.on_behalf_of,
            editors=() if requester.is_machine else (requester,),
            now=now,
        )
        excluded = {**dict(turn.decision.exclusions.values_list("user_id", "why")), **excluded}
        told = turn.story.add(
            "ticket.resubmitted",
            data={"round": ticket.round + 1, "rule": asking.rule, **_hours_told(ticket.queue)},
        )
        if turn.decision.settled_at is not None and ticket.status == Ticket.Status.PENDING:
            decisions.reopen(decision=turn.decision)
        decisions.close(decision=turn.decision, now=now)
        decisions.keep(decision=turn.decision, told_by=told)
        conclusions.free(turn)
        ticket.round += 1
        ticket.version += 1
        _write_content(ticket, request, asking)
        if ticket.status == Ticket.Status.PENDING:
            ticket.time_used = timedelta(0)  # nobody waited for the requester: it begins anew
        _write_clock(ticket, request, asking, now)
        write_rank(ticket, ticket.queue)
        put = _put(ticket, request, asking, excluded, now=now, event=told.id)
        turn.decision = put.decision
        turn.decision_touched = False
        if ticket.status != Ticket.Status.PENDING:
            lifecycle.check(ticket.status, Ticket.Status.PENDING)
        turn.change(**{name: getattr(ticket, name) for name in _CONTENT})
        turn.change(
            status=Ticket.Status.PENDING, decision=turn.decision, lane_id=_lane(ticket, asking)
        )
        conclusions.plan(turn)
        _pass_or_refuse(turn, asking, put.short_of)
        _sample(ticket, asking)
    return turn.ticket


def cancel_ticket(*, ticket_id: UUID, by: User, reason: str) -> Ticket:
    """Stop a ticket nobody needs an answer to any more. Cancelling twice changes nothing.

    :raises Refusal: NotAllowed for somebody whose ticket it is not, AlreadyDecided once final.
    """
    check_text(reason, at="/reason")
    with turn_at(ticket_id=ticket_id, actor=by) as turn:
        ticket = turn.ticket
        if by.pk != ticket.beneficiary_id:
            _check_theirs(ticket, by)
        _refuse_own(ticket)
        if ticket.status == Ticket.Status.CANCELLED:
            return ticket
        if ticket.status not in (Ticket.Status.PENDING, Ticket.Status.NEEDS_CHANGES):
            raise AlreadyDecided
        lifecycle.check(ticket.status, Ticket.Status.CANCELLED)
        if ticket.status == Ticket.Status.PENDING and turn.decision.settled_at is not None:
            decisions.reopen(decision=turn.decision)
        decisions.close(decision=turn.decision, now=turn.now)
        turn.decision_touched = True
        turn.change(status=Ticket.Status.CANCELLED, closed_at=turn.now)
        turn.story.add("ticket.cancelled", reason=reason, data={"status": "cancelled"})
        conclusions.free(turn)
        conclusions.plan(turn)
    return ticket


def revoke_ticket(*, ticket_id: UUID, by: User, reason: str) -> Ticket:
    """Undo a final decision inside its revocation window, unless it was already executed.

    :raises Refusal: WrongState, AlreadyConsumed, NotAllowed, MachineCannotVote.
    """
    check_text(reason, at="/reason")
    with turn_at(ticket_id=ticket_id, actor=by) as turn:
        ticket = turn.ticket
        if ticket.status not in lifecycle.REVOCABLE:
            raise WrongState(f"A ticket that is {ticket.status} cannot be revoked.")
        decisions.revoke(decision=turn.decision, by=by, now=turn.now)
        turn.decision_touched = True
        turn.change(status=Ticket.Status.REVOKED)
        turn.story.add(
            "ticket.revoked",
            reason=reason,
            data={"status": "revoked", "digest": turn.decision.digest},
        )
    return ticket


def see_revocation(*, ticket_id: UUID, by: User) -> Ticket:
    """Note that who asked knows of the revocation. Saying it again changes nothing.

    :raises Refusal: NotAllowed for somebody else, WrongState where nothing was revoked.
    """
    with turn_at(ticket_id=ticket_id, actor=by) as turn:
        _check_theirs(turn.ticket, by)
        if turn.ticket.status != Ticket.Status.REVOKED:
            raise WrongState(f"A ticket that is {turn.ticket.status} was not revoked.")
        if turn.ticket.revoked_seen_at is None:
            turn.change(revoked_seen_at=turn.now)
            turn.story.add("ticket.revocation_seen")
    return turn.ticket


_CONTENT = (
    *("title", "summary", "proposal", "ai", "priority", "risk", "amount", "rule", "round"),
    *("version", "due_at", "due_soon_at", "expires_at", "breached_at", "escalation_steps"),
    *("paused_at", "time_used", "remind_at", "rank_base", "rank_young", "asked", "preset"),
    *("labels", "impact", "financial_impact"),
    *("domain", "compliance", "novel_pattern", "interaction", "pipeline"),
)


def _check_theirs(ticket: Ticket, by: User) -> None:
    """Refuse everybody but who opened the ticket, and who answers for the key that did.

    :raises NotAllowed: for anybody else.
    """
    if by.pk == ticket.requester_id:
        return
    if ticket.access_key is None or by.pk != ticket.access_key.owner_id:
        raise NotAllowed("Only who opened the ticket can do this.")


def _refuse_own(ticket: Ticket) -> None:
    if ticket.checkpoint.slug in ALWAYS_ASKING or ticket.second_look:
        raise NotAllowed("This was opened by the service itself; it waits until it is answered.")


# Read with the checkpoint, so that a ticket costs no further query while there is no bypass.
_SOME_BYPASS = Exists(Bypass.objects.filter(ended_at__isnull=True))
_checkpoint_called = PreparedRead(
    lambda slug: Checkpoint.objects.annotate(bypass_running=_SOME_BYPASS).filter(slug=slug),
    field=CharField(),
    probe="no such checkpoint",
)


def _checkpoint(slug: str, *, by_service: bool) -> Checkpoint:
    # Nobody but the service opens what only it may open; and there, no switch keeps it from it.
    own = slug in ALWAYS_ASKING
    found = next(iter(_checkpoint_called(slug)), None) if own == by_service else None
    if found is not None and not (own or found.active):
        found = None
    if found is None:
        message = f"There is no checkpoint `{slug}`; GET /api/v1/checkpoints lists them."
        raise Invalid(errors=[{"pointer": "/checkpoint", "message": message}])
    found.question = published(found.question_id)
    return found


def _region(name: str, requester: User) -> Region | None:
    if not name:
        return None
    region = Region.objects.filter(slug__iexact=name).first() or (
        Region.objects.filter(name__iexact=name).first()
    )
    if region is None:
        message = f"There is no region `{name}`."
        raise Invalid(errors=[{"pointer": "/region", "message": message}])
    if not requester.is_machine and not region.people.filter(pk=requester.pk).exists():
        raise RegionNotYours
    return region


def _previous(identifier: str, requester: User) -> Ticket | None:
    if not identifier:
        return None
    from reviews.services.lookup import find_ticket

    try:
        return find_ticket(identifier, user=requester)
    except NotVisible:
        message = f"There is no ticket `{identifier}` of yours."
        raise Invalid(errors=[{"pointer": "/previous", "message": message}]) from None


def _write_content(ticket: Ticket, request: TicketRequest, asking: Asking) -> None:
    ticket.title = request.title
    ticket.summary = request.summary or request.title
    ticket.proposal = request.proposal
    ticket.reference = request.reference
    ticket.on_behalf_of = request.on_behalf_of
    ticket.ai = request.ai
    ticket.priority = asking.priority
    ticket.risk = asking.risk
    ticket.domain = request.domain
    ticket.impact = request.impact
    ticket.amount = request.amount
    ticket.financial_impact = request.financial_impact
    ticket.compliance = request.compliance
    ticket.novel_pattern = request.novel_pattern
    ticket.labels = list(request.labels)
    ticket.preset = request.preset
    ticket.asked = {
        "question": request.question,
        "response_schema": request.response_schema,
        "step": request.step,
    }
    ticket.interaction = request.interaction
    ticket.pipeline = request.pipeline
    ticket.callback_url = request.callback_url
    ticket.rule = asking.rule


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
            raise Invalid(errors=[{"pointer": field, "message": "This lies in the past."}])
        if requested > clock.expires_at:
            latest = clock.expires_at.isoformat(timespec="seconds")
            message = f"A requester may only bring the end forward; the latest is {latest}."
            raise Invalid(errors=[{"pointer": field, "message": message}])
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


def _hours_told(queue: Queue) -> dict[str, Any]:
    """Return by whose hours deadlines are computed, and with which data; nothing without hours."""
    if queue.calendar is None:
        return {}
    return {"calendar": {"name": queue.calendar.name, **calendars.versions()}}


def _put(
    ticket: Ticket,
    request: TicketRequest,
    asking: Asking,
    excluded: dict[int, str],
    *,
    now: datetime,
    event: UUID,
) -> decisions.Opened:
    human = None if ticket.requester.is_machine else ticket.requester
    owner = ticket.access_key.owner if ticket.access_key else None
    put = decisions.open_decision(
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
        system=system_now(asking.bypass),
        now=now,
        last_event=event,
    )
    if put.short_of and asking.then == "ask":
        _check_named(request, put.short_of)
    return put


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


def _lane(ticket: Ticket, asking: Asking) -> UUID:
    return put_in_lane(
        queue_id=ticket.queue_id, policy_id=asking.policy.pk, region_id=ticket.region_id
    )


def system_now(bypass: Bypass | None) -> dict[str, Any]:
    """Return the switches, the release and the bypass a decision is made under."""
    return {
        "release": settings.HITL_RELEASE,
        "human_in_the_loop": settings.ENABLE_HUMAN_IN_THE_LOOP,
        "flags": dict(settings.HITL_FLAGS),
        "stubs": settings.USE_STUBS,
        "bypass": str(bypass.pk) if bypass else None,
    }


def _pass_or_refuse(turn: Turn, asking: Asking, short_of: list[str]) -> None:
    if asking.then == "ask":
        if short_of:
            conclusions.escalate_unanswerable(turn, short_of)
        return
    if asking.bypass is not None:
        used = {"bypass": str(asking.bypass.pk), "round": turn.ticket.round}
        turn.story.add("bypass.used", reason=asking.bypass.reason, data=used, by_service=True)
    decisions.settle_by_rule(
        decision=turn.decision,
        effect=asking.then,
        by=asking.by,
        now=turn.now,
        reason=str((asking.rule or {}).get("why", "")),
    )
    conclusions.finish(turn)


def _store(ticket: Ticket) -> None:
    """Insert a new ticket; of two with the same reference at once the later is refused."""
    try:
        ticket.save(force_insert=True)
    except IntegrityError as problem:
        if "reference" in str(problem):
            raise ReferenceTaken from problem
        raise


def _next_ref() -> int:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT nextval('reviews_ticket_ref_seq')")
            return int(cursor.fetchone()[0])
    # Under SQLite's single write lock, which this transaction already holds.
    return (Ticket.objects.aggregate(last=Max("ref"))["last"] or 1000) + 1
