"""Open tickets, put changed content to a new round, stop them, undo them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection
from django.db.models import Max

from approvals.answers import check_text
from approvals.errors import (
    AlreadyDecided,
    NotAllowed,
    ReferenceTaken,
    TicketChanged,
    WrongState,
)
from approvals.models import AccessKey, User
from approvals.services import decisions
from audit.clock import db_now
from audit.context import acting
from audit.ids import new_id
from reviews import lifecycle
from reviews.events import Story
from reviews.flags import ALWAYS_ASKING
from reviews.models import Ticket
from reviews.services import conclusions
from reviews.services.asking import Asking, ask, choose_queue, own_work_of
from reviews.services.looks import Look, asked_again, is_drawn, request_for
from reviews.services.lookup import find_checkpoint, find_previous, find_region
from reviews.services.quotas import take_opening
from reviews.services.requests import TicketRequest, request_of
from reviews.services.rounds import OF_A_ROUND, begin_round, hours_told, take_rule
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
        checkpoint = find_checkpoint(request.checkpoint, by_service=by_service)
        region = find_region(request.region, requester)
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
        told = {"checkpoint": checkpoint.slug, "rule": asking.rule, **hours_told(queue)}
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
            previous=look.at if look else find_previous(request.previous, requester),
            second_look=look.why if look else "",
            created_at=now,
            last_event_id=opened.id,
        )
        short_of = begin_round(ticket, request, asking, excluded, now=now, event=opened.id)
        turn = Turn(ticket, ticket.decision, now, story)
        turn.waited = False
        conclusions.plan(turn)
        _store(ticket)
        turn.touched.clear()
        take_rule(turn, asking, short_of)
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
            data={"round": ticket.round + 1, "rule": asking.rule, **hours_told(ticket.queue)},
        )
        if turn.decision.settled_at is not None and ticket.status == Ticket.Status.PENDING:
            decisions.reopen(decision=turn.decision)
        decisions.close(decision=turn.decision, now=now)
        decisions.keep(decision=turn.decision, told_by=told)
        conclusions.free(turn)
        ticket.round += 1
        ticket.version += 1
        if ticket.status == Ticket.Status.PENDING:
            ticket.time_used = timedelta(0)  # nobody waited for the requester: it begins anew
        short_of = begin_round(ticket, request, asking, excluded, now=now, event=told.id)
        turn.decision = ticket.decision
        turn.decision_touched = False
        if ticket.status != Ticket.Status.PENDING:
            lifecycle.check(ticket.status, Ticket.Status.PENDING)
        turn.touched |= OF_A_ROUND
        turn.change(status=Ticket.Status.PENDING)
        conclusions.plan(turn)
        take_rule(turn, asking, short_of)
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
