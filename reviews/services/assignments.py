"""Who holds a ticket while working on it. Holding one never blocks another's vote."""

from datetime import timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from approvals.errors import AlreadyDecided, Claimed, MachineCannotVote, WrongState
from approvals.models import User
from audit.clock import db_now
from audit.context import acting
from reviews.models import Assignment, Queue, Ticket
from reviews.representation import iso
from reviews.services.conclusions import conclude
from reviews.services.turns import Turn, take_turn, turn_at, writing

CLAIM_LASTS = timedelta(minutes=10)


def claim_ticket(*, ticket_id: UUID, person: User) -> Assignment:
    """Give oneself a ticket for ten minutes; claiming again extends it.

    :raises Refusal: Claimed (by whom, until when), AlreadyDecided, MachineCannotVote.
    """
    if person.is_machine:
        raise MachineCannotVote("A service key is a machine; only people work a queue.")
    with turn_at(ticket_id=ticket_id, actor=person) as turn:
        if turn.ticket.status != Ticket.Status.PENDING or turn.decision.settled_at is not None:
            raise AlreadyDecided
        return _claim(turn, person)


def release_ticket(*, ticket_id: UUID, person: User) -> Ticket:
    """Give a ticket one holds back to the queue. Releasing one nobody holds changes nothing.

    :raises Refusal: WrongState when somebody else holds it.
    """
    with turn_at(ticket_id=ticket_id, actor=person) as turn:
        held = _held(turn)
        if held is None:
            return turn.ticket
        if held.person_id != person.pk:
            raise WrongState("Somebody else holds this ticket.")
        held.released_at = turn.now
        held.save(update_fields=["released_at"])
        turn.story.add("ticket.released")
    return turn.ticket


def claim_next(*, queue: Queue, person: User) -> Ticket | None:
    """Claim the most urgent ticket of a queue this person may decide; None when there is none.

    Tickets others hold, or are writing to this very moment, are passed over.
    """
    if person.is_machine:
        raise MachineCannotVote("A service key is a machine; only people work a queue.")
    with writing(), acting(person):
        now = db_now()
        standing = Q(until__isnull=True) | Q(until__gt=now)
        held = Assignment.objects.filter(standing, ticket=OuterRef("pk"), released_at__isnull=True)
        own_vote = Q(decision__votes__voter=person, decision__votes__withdrawn_at__isnull=True)
        own_work = Q(decision__exclusions__user=person)
        candidates = (
            Ticket.objects.visible_to(person)
            .waiting()
            .filter(queue=queue)
            .filter(~Exists(held))
            .exclude(pk__in=Ticket.objects.filter(own_vote | own_work).values("pk"))
            .most_urgent_first(now)
        )
        # Look at a screenful; each is locked without waiting, so two people get two tickets.
        for ticket_id in list(candidates.values_list("pk", flat=True)[:50]):
            ticket = (
                Ticket.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
                .filter(pk=ticket_id)
                .first()
            )
            if ticket is None:
                continue
            turn = take_turn(ticket=ticket, now=now, actor=person)
            conclude(turn)
            waiting = ticket.status == Ticket.Status.PENDING and not turn.decision.settled_at
            held_now = _held(turn)
            free = held_now is None or (held_now.until is not None and held_now.until <= now)
            if waiting and free and may_decide(turn, person):
                _claim(turn, person)
                turn.end()
                return ticket
            turn.end()
    return None


def may_decide(turn: Turn, person: User) -> bool:
    """Tell whether this person's vote would be taken on the ticket at all."""
    from approvals.services.polls import read_poll

    poll = read_poll(decision=turn.decision, also=[person.pk], within=turn.ticket.people_within())
    return poll.refusal_for(person, choice=None) is None


def _held(turn: Turn) -> Assignment | None:
    return (
        Assignment.objects.filter(ticket=turn.ticket, released_at__isnull=True)
        .select_related("person")
        .first()
    )


def _claim(turn: Turn, person: User) -> Assignment:
    held = _held(turn)
    if held is not None and held.person_id != person.pk:
        if held.until is None or held.until > turn.now:
            raise Claimed(
                f"{held.person.label} holds this ticket.",
                by=held.person.get_username(),
                until=iso(held.until),
            )
        held.released_at = turn.now
        held.save(update_fields=["released_at"])
        held = None
    until = turn.now + CLAIM_LASTS
    if held is not None:
        held.until = until
        held.save(update_fields=["until"])
        return held
    turn.story.add("ticket.claimed", data={"until": iso(until)})
    return Assignment.objects.create(
        ticket=turn.ticket, person=person, by=person, created_at=turn.now, until=until
    )
