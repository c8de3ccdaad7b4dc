"""Give tickets to whoever has least to do, and take them from people who cannot decide any more."""

import logging
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet

from approvals import permissions
from approvals.answers import check_text
from approvals.errors import Invalid, NotAllowed, Refusal
from approvals.models import Delegation, User, Vote
from audit.clock import db_now
from reviews.balancing import Candidate, least_loaded
from reviews.models import Assignment, Queue, Skip, Ticket
from reviews.polls import poll_on
from reviews.services.assignments import check_takes, check_until, give, held_on
from reviews.services.figures import reviewer_rates
from reviews.services.pauses import waits
from reviews.services.seats import GIVES, check_open, check_person
from reviews.services.turns import Turn, turn_at

log = logging.getLogger(__name__)

# So many tickets are looked at in one run; the next run goes on behind them.
_AT_ONCE = 25
# And so many times while each of them finds somebody.
_ROUNDS = 8
_NOBODY = "Nobody who may decide this is free: their field, hours, absence or number of tickets."


def assign_to_least_loaded(
    *, ticket_id: UUID, by: User, note: str = "", until: datetime | None = None
) -> Assignment:
    """Give a ticket to the person with the least to do among those who may decide it.

    :raises Refusal: NotAllowed, Invalid where nobody is free, Claimed where another holds it and
        `by` may not take it from them, AlreadyDecided, MachineCannotVote.
    """
    check_person(by)
    check_text(note, at="/note")
    if not by.has_perm(GIVES):
        raise NotAllowed("Only a lead or a manager gives a ticket to somebody else.")
    with turn_at(ticket_id=ticket_id, actor=by) as turn:
        check_open(turn)
        check_until(turn, until)
        person = _least_loaded(turn)
        if person is None:
            raise Invalid.at("/person", _NOBODY, detail=_NOBODY)
        held = held_on(turn)
        if held is not None and (held.person_id, held.until) == (person.pk, until):
            return held
        check_takes(turn, held, holder=person, by=by)
        return give(turn, held, holder=person, by=by, until=until, note=note)


def _candidates(turn: Turn, *, besides: Collection[int]) -> dict[User, Candidate]:
    """Return everybody with a seat on a ticket, whether they may decide it, and how busy they are.

    `besides` are people who are not to get it.
    """
    seated = permissions.everybody_seated(policy_id=turn.decision.policy_id, now=turn.now)
    poll = poll_on(turn.ticket, seated, now=turn.now)
    people = User.objects.in_bulk([one for one in poll.holders if one not in besides])
    away = _away(turn.now).filter(lender__in=people)
    lending = set(away.values_list("lender", flat=True))
    rates = reviewer_rates(list(people), now=turn.now)
    busy = _open_of(people, turn)
    return {
        person: Candidate(
            id=person.pk,
            may_vote=poll.refusal_for(person, choice=None) is None,
            domains=frozenset(str(field) for field in person.domains),
            open=busy.get(person.pk, 0),
            capacity=person.capacity,
            away=person.pk in lending,
            minutes=rates[person.pk].minutes,
            # Who has not answered yet is not taken for somebody who never approves.
            approval_rate=rates[person.pk].approval_rate if rates[person.pk].votes else 1.0,
        )
        for person in people.values()
    }


def _away(now: datetime) -> QuerySet[Delegation]:
    """Return the loans of people who lend all their votes now: they are away."""
    return Delegation.objects.in_force(now).filter(limited=False)


def _open_of(people: Collection[int], turn: Turn) -> dict[int, int]:
    """Return how many tickets these people hold, without the one at hand."""
    held = Assignment.objects.in_force(turn.now).filter(person__in=people)
    counted = (
        held.exclude(ticket=turn.ticket).order_by().values("person").annotate(open=Count("pk"))
    )
    return {row["person"]: row["open"] for row in counted}


def _least_loaded(turn: Turn, *, besides: Collection[int] = ()) -> User | None:
    known = _candidates(turn, besides=besides)
    found = least_loaded(known.values(), domain=turn.ticket.domain)
    return next((person for person, candidate in known.items() if candidate is found), None)


class Rounds:
    """Where a sweep goes on, so that what it can do nothing about does not hold up the rest."""

    def __init__(self) -> None:
        self.after: UUID | None = None

    def next(self, rows: QuerySet[Any]) -> list[UUID]:
        """Return the next ids of these rows, from the beginning again where none are left."""
        ids = rows.order_by("pk").values_list("pk", flat=True)
        found = list(ids.filter(pk__gt=self.after)[:_AT_ONCE]) if self.after else []
        found = found or list(ids[:_AT_ONCE])
        self.after = found[-1] if len(found) == _AT_ONCE else None
        return found


_waiting, _holding = Rounds(), Rounds()


def assign_waiting(*, rounds: Rounds = _waiting) -> int:
    """Give what waits in queues that assign by themselves; return how many found somebody."""
    queues = list(Queue.objects.filter(assigning=True).values_list("pk", flat=True))
    if not queues:
        return 0
    held = Assignment.objects.in_force(db_now()).filter(ticket=OuterRef("pk"))
    free = Ticket.objects.waiting().filter(~Exists(held), queue__in=queues)
    given = 0
    for _ in range(_ROUNDS):
        done = _each(rounds.next(free), _assign_waiting)
        given += done
        if done < _AT_ONCE:
            break
    return given


def _assign_waiting(ticket_id: UUID) -> bool:
    with turn_at(ticket_id=ticket_id, actor=None) as turn:
        held = held_on(turn)
        if not waits(turn.ticket, turn.decision) or (held and held.stands_at(turn.now)):
            return False
        return _pass_to_next(turn, held)


def _pass_to_next(turn: Turn, held: Assignment | None) -> bool:
    """Give a ticket to the next person the service has not given it to yet; tell whether any is."""
    had = turn.ticket.assignments.filter(by__isnull=True).values_list("person", flat=True)
    skipped = Skip.objects.filter(ticket=turn.ticket).values_list("person", flat=True)
    person = _least_loaded(turn, besides={*had, *skipped})
    if person is not None:
        give(turn, held, holder=person, by=None)
    return person is not None


def rebalance(*, rounds: Rounds = _holding) -> int:
    """Take tickets from people who have left, or may not decide them any more; return how many.

    Who was switched off, is away or has voted is found at once; every other reason (a role, a
    region, the hours) by looking at all that is held, a part in every run.
    """
    now = db_now()
    held = Assignment.objects.in_force(now).order_by("pk")
    lent = _away(now).filter(lender=OuterRef("person"))
    voted = Vote.objects.filter(
        decision=OuterRef("ticket__decision"), voter=OuterRef("person"), withdrawn_at__isnull=True
    )
    gone = held.filter(
        Q(person__is_active=False) | (Q(Exists(lent)) & ~Q(by=F("person"))) | Q(Exists(voted))
    )

    looked_at = [*gone.values_list("pk", flat=True)[:_AT_ONCE], *rounds.next(held)]
    # Nobody's ticket is locked only to find that all is well; under the lock it is asked again.
    tickets = [
        one.ticket_id
        for one in held.filter(pk__in=looked_at).select_related("person", "ticket__decision")
        if _why_gone(one, one.ticket, now=now)
    ]
    return _each(tickets, _take_from_who_left)


def _take_from_who_left(ticket_id: UUID) -> bool:
    with turn_at(ticket_id=ticket_id, actor=None) as turn:
        held = held_on(turn)
        if held is None or not waits(turn.ticket, turn.decision):
            return False
        why = _why_gone(held, turn.ticket, now=turn.now)
        if not why:
            return False
        held.release(turn.now)
        turn.story.add(
            "ticket.released",
            data={"person": held.person.get_username(), "why": why},
            by_service=True,
        )
        if turn.ticket.queue.assigning:
            _pass_to_next(turn, None)
        return True


def _why_gone(held: Assignment, ticket: Ticket, *, now: datetime) -> str:
    """Return why somebody cannot go on with a ticket, or nothing where they can."""
    person = held.person
    given = held.by_id != held.person_id
    lent = _away(now).filter(lender=person)
    # Who took it while away is evidently there.
    if given and person.is_active and lent.exists():
        return "they are away"
    code = poll_on(ticket, [person.pk], now=now).refusal_for(person, choice=None)
    return _WHY_GONE.get(code, _WHY_GONE["not-eligible"]) if code else ""


_WHY_GONE = {
    "inactive": "their account is switched off",
    "not-eligible": "they may not decide it any more",
    "not-on-call": "their hours are over",
    "own-work": "it is their own work",
    "already-voted": "they have voted",
}


def _each(ids: Iterable[UUID], do: Callable[[UUID], bool]) -> int:
    """Do it to each ticket in a transaction of its own; one that fails holds up no other."""
    done = 0
    for ticket_id in ids:
        try:
            done += do(ticket_id)
        except Refusal:
            continue  # somebody is writing to it; the next run looks again
        except Exception:
            log.exception("ticket %s cannot be given to anybody", ticket_id)
    return done
