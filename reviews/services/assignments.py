"""Who holds a ticket while working on it. Holding one never blocks another's vote."""

from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from approvals.answers import check_text
from approvals.errors import (
    Claimed,
    Invalid,
    NotAllowed,
    WrongState,
)
from approvals.models import User
from audit.clock import db_now
from audit.context import acting
from reviews.models import Assignment, Queue, Ticket
from reviews.representation import iso
from reviews.services.conclusions import conclude
from reviews.services.offers import offered
from reviews.services.pauses import waits
from reviews.services.seats import GIVES, TAKES, check_asked, check_open, check_person, poll_of
from reviews.services.turns import Turn, take_turn, turn_at, writing

CLAIM_LASTS = timedelta(minutes=10)
# How many `next` tries before it says that nothing is there for somebody.
_LOOKED_AT = 200
# Why somebody else's vote would be refused, about them.
_WHY_NOT = {
    "own-work": "it is their own work.",
    "already-voted": "they have voted already.",
    "inactive": "their account is switched off.",
    "": "they are not among the people asked.",
}


def claim_ticket(*, ticket_id: UUID, person: User) -> Assignment:
    """Give oneself a ticket for ten minutes; claiming again extends it.

    :raises Refusal: Claimed (by whom, until when), AlreadyDecided, MachineCannotVote.
    """
    check_person(person)
    with turn_at(ticket_id=ticket_id, actor=person) as turn:
        check_open(turn)
        return _claim(turn, person)


def release_ticket(*, ticket_id: UUID, person: User) -> Ticket:
    """Give a ticket one holds back to the queue. Releasing one nobody holds changes nothing.

    :raises Refusal: WrongState when somebody else holds it.
    """
    with turn_at(ticket_id=ticket_id, actor=person) as turn:
        held = held_on(turn)
        if held is None:
            return turn.ticket
        if held.person_id != person.pk:
            raise WrongState("Somebody else holds this ticket.")
        held.release(turn.now)
        turn.story.add("ticket.released")
    return turn.ticket


def assign_ticket(
    *, ticket_id: UUID, person: str, by: User, until: datetime | None = None, note: str = ""
) -> Assignment:
    """Give a ticket to somebody who may decide it; they are told by mail.

    To oneself everybody may who is asked, for ten minutes unless `until` says otherwise. To others
    only who gives work; then it stands until `until`, or until it is decided.

    :param person: a user name or the digits of an id.
    :raises Refusal: NotAllowed, Invalid for somebody who cannot decide this ticket, Claimed where
        another holds it and `by` may not take it from them, AlreadyDecided, MachineCannotVote.
    """
    check_person(by)
    check_text(note, at="/note")
    oneself = person in (by.get_username(), str(by.pk))
    if not oneself and not by.has_perm(GIVES):
        raise NotAllowed("Only a lead or a manager gives a ticket to somebody else.")
    with turn_at(ticket_id=ticket_id, actor=by) as turn:
        check_open(turn)
        check_until(turn, until)
        if oneself:
            check_asked(turn, by)
            holder = by
        else:
            holder = _able(turn, person)
        held = held_on(turn)
        check_takes(turn, held, holder=holder, by=by)
        if oneself and until is None:
            until = turn.now + CLAIM_LASTS
        return give(turn, held, holder=holder, by=by, until=until, note=note)


def check_until(turn: Turn, until: datetime | None) -> None:
    """Refuse an end that has come already.

    :raises Invalid: for it.
    """
    if until is not None and until <= turn.now:
        raise Invalid.at("/until", "This lies in the past.")


def check_takes(turn: Turn, held: Assignment | None, *, holder: User, by: User) -> None:
    """Refuse to take a ticket from somebody else, but for who gave it to them or takes work.

    :raises Claimed: naming who holds it.
    """
    if held is None or held.person_id == holder.pk or not held.stands_at(turn.now):
        return
    if held.by_id != by.pk and not by.has_perm(TAKES):
        raise claimed_by(held)


def give(
    turn: Turn,
    held: Assignment | None,
    *,
    holder: User,
    by: User | None,
    until: datetime | None = None,
    note: str = "",
) -> Assignment:
    """Write down that somebody holds the ticket from now on, instead of who held it.

    :param by: nobody, where the service gives it.
    """
    if held is not None:
        held.release(turn.now)
    turn.story.add(
        "ticket.assigned",
        reason=note,
        data={
            "person": holder.get_username(),
            "person_id": holder.pk,
            "until": iso(until),
            "by": by.get_username() if by else None,
        },
        by_service=by is None,
    )
    return Assignment.objects.create(
        ticket=turn.ticket, person=holder, by=by, created_at=turn.now, until=until
    )


def _able(turn: Turn, name: str) -> User:
    """Return the person of this name if they may decide the ticket; unknown ones read alike."""
    people = User.objects.filter(kind=User.Kind.HUMAN)
    found = people.filter(username=name).first() if "\x00" not in name else None
    if found is None and name.isascii() and name.isdigit() and len(name) < 10:
        found = people.filter(pk=int(name)).first()
    message = "Nobody here has this name."
    if found is not None:
        code = poll_of(turn, found).refusal_for(found, choice=None)
        if code is None:
            return found
        message = f"{found.label} cannot decide this: {_WHY_NOT.get(code, _WHY_NOT[''])}"
    raise Invalid.at("/person", message, detail=message)


def claim_next(*, queue: Queue, person: User) -> Ticket | None:
    """Claim the most urgent ticket of a queue this person may decide; None when there is none.

    Tickets others hold, or are writing to this very moment, are passed over.
    """
    check_person(person)
    with writing(), acting(person):
        now = db_now()
        # Each is locked without waiting, so two people get two tickets.
        for ticket_id in islice(offered(person, now=now, queues=[queue.pk]), _LOOKED_AT):
            ticket = (
                Ticket.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
                .filter(pk=ticket_id)
                .first()
            )
            if ticket is None:
                continue
            turn = take_turn(ticket=ticket, now=now, actor=person)
            conclude(turn)
            held = held_on(turn)
            free = held is None or not held.stands_at(now)
            found = free and waits(ticket, turn.decision) and may_decide(turn, person)
            if found:
                _claim(turn, person)
            turn.end()
            if found:
                return ticket
    return None


def may_decide(turn: Turn, person: User) -> bool:
    """Tell whether this person's vote would be taken on the ticket at all."""
    return poll_of(turn, person).refusal_for(person, choice=None) is None


def held_on(turn: Turn) -> Assignment | None:
    """Return the assignment on a ticket that was not given back, even if it has run out."""
    return (
        Assignment.objects.filter(ticket=turn.ticket, released_at__isnull=True)
        .select_related("person")
        .first()
    )


def claimed_by(held: Assignment) -> Claimed:
    """Return the refusal that says who holds a ticket and until when."""
    until = iso(held.until)
    name = held.person.get_username()
    return Claimed(f"{held.person.label} holds this ticket.", by=name, until=until)


def _claim(turn: Turn, person: User) -> Assignment:
    held = held_on(turn)
    if held is not None and held.person_id != person.pk:
        if held.stands_at(turn.now):
            raise claimed_by(held)
        held.release(turn.now)
        held = None
    until = turn.now + CLAIM_LASTS
    if held is not None:
        if held.until is None or held.until > until:
            return held  # given to them for longer than a claim lasts
        held.until = until
        held.save(update_fields=["until"])
        return held
    turn.story.add("ticket.claimed", data={"until": iso(until)})
    return Assignment.objects.create(
        ticket=turn.ticket, person=person, by=person, created_at=turn.now, until=until
    )
