"""Who is told what by mail. One row per fact is written with it; the worker makes one per person.

Who is asked is read when the mails are made, so that the hot path makes no query for it and
nobody is written to who lost the right in between.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.conf import settings

from approvals import permissions
from approvals.models import Decision, Delegation, User
from approvals.services.polls import Poll
from audit.services import Draft
from reviews import outbox
from reviews.models import Assignment, Delivery, Ticket
from reviews.polls import poll_on

NOTICE = "notice"  # the channel of the one row per fact; its target is always `people`
EMAIL = "email"  # the channel of a row per person; its target is the user's id
PEOPLE = "people"
# More people than this are never written to about one fact; which of them, chance decides per
# ticket, so that a large role shares the work.
MOST_PEOPLE = 50

ASKING = frozenset({"ticket.opened", "ticket.resubmitted"})
NEXT_STAGE = "ticket.vote_cast"
REMINDED = "ticket.reminded"
REMINDING = frozenset({"ticket.due_soon", "ticket.breached", REMINDED})
ESCALATED = "ticket.escalated"
ASSIGNED = "ticket.assigned"
ENDING = frozenset({"ticket.decided", "ticket.returned", "ticket.expired"})
FRESH_LINK = "ticket.link_requested"
TEST_MAIL = "ticket.test_mail_sent"
_TO_SOME = frozenset({ESCALATED, ASSIGNED, FRESH_LINK, TEST_MAIL})
# What a rule, a flag or a stub lets pass is no news to the person it was opened for.
_NEWS = frozenset(
    {Decision.By.VOTES, Decision.By.TIMEOUT, Decision.By.BYPASS, Decision.By.OVERRIDE}
)
# What a mail may need of its fact besides the ticket itself.
_KEPT = ("role", "why", "status", "outcome", "by", "round", "person", "person_id", "sample")


@dataclass(frozen=True, slots=True)
class Told:
    """One person and why they are told: asked, next, role, holder, manager or beneficiary."""

    person: User
    why: str
    of: int = 0  # how many people are told of the same


def notice_of(ticket: Ticket, draft: Draft) -> Delivery | None:
    """Return the row from which mails about a fact are made, or None where nobody is told.

    No query is made: this runs under the ticket's lock.
    """
    if not settings.MAIL_NOTICES or not _is_news(ticket, draft):
        return None
    kept = {name: draft.data[name] for name in _KEPT if name in draft.data}
    note = {"note": draft.reason} if draft.type == ASSIGNED else {}
    return outbox.delivery(draft, NOTICE, PEOPLE, body={**kept, **note}, ticket=ticket)


def _is_news(ticket: Ticket, draft: Draft) -> bool:
    decision = ticket.decision
    waits = ticket.status == Ticket.Status.PENDING and decision.settled_at is None
    if draft.type in ENDING:
        # Whoever opened it without a key did so at the desk, as a person.
        concerned = ticket.beneficiary_id is not None or ticket.access_key_id is None
        return concerned and draft.data.get("by", Decision.By.TIMEOUT) in _NEWS
    if draft.type == ASSIGNED and draft.data["by"] == draft.data["person"]:
        return False  # they gave it to themselves
    if draft.type == NEXT_STAGE:
        return waits and len(decision.question["stages"]) > 1
    return waits and (draft.type in ASKING | REMINDING or draft.type in _TO_SOME)


def spread(*, notice: Delivery, now: datetime) -> int:
    """Make a row for everybody a fact is told to; return how many. Repeating it adds nobody."""
    if notice.ticket is None:
        return 0
    told = recipients(
        ticket=notice.ticket, type=notice.type, fact=notice.body, round=notice.round, now=now
    )
    Delivery.objects.bulk_create(
        [
            Delivery(
                event_id=notice.event_id,
                type=notice.type,
                ticket=notice.ticket,
                round=notice.round,
                channel=EMAIL,
                target=str(each.person.pk),
                body={**notice.body, "as": each.why, "of": each.of},
                created_at=notice.created_at,
                next_attempt_at=now,
            )
            for each in told
        ],
        ignore_conflicts=True,
    )
    return len(told)


def recipients(
    *, ticket: Ticket, type: str, fact: Mapping[str, Any], round: int, now: datetime
) -> list[Told]:
    """Return who is told of a fact now, each person once, at most `MOST_PEOPLE`."""
    if type in ENDING:
        return _ended(ticket)
    poll = _poll(ticket, now)
    if ticket.status != Ticket.Status.PENDING or poll.decision.settled_at or ticket.round != round:
        return []
    if type == FRESH_LINK:
        return _reachable((person, "fresh") for person in _people([fact.get("person")]))
    if type == ASSIGNED:
        return _reachable((person, "assigned") for person in _people([fact.get("person_id")]))
    if type == ESCALATED:
        return _escalated(ticket, poll, fact.get("role"))
    if type in REMINDING - {REMINDED}:
        return _reminded(ticket, poll, late=type == "ticket.breached", now=now)
    if type == TEST_MAIL and fact.get("person_id"):
        return _reachable((person, "tester") for person in _people([fact["person_id"]]))
    asked = _asked(ticket, poll)
    if type == TEST_MAIL:
        return _reachable((person, "test") for person in asked)
    if type == NEXT_STAGE:
        known = set(
            Delivery.objects.filter(ticket=ticket, round=round, channel=EMAIL)
            .exclude(type=TEST_MAIL)
            .values_list("target", flat=True)
        )
        asked = [person for person in asked if str(person.pk) not in known]
        return _reachable((person, "next") for person in asked)
    return _reachable((person, "asked") for person in asked)


def _poll(ticket: Ticket, now: datetime) -> Poll:
    """Return the open question with the rights of everybody who holds a seat, or is lent one."""
    everybody = permissions.everybody_seated(
        policy_id=ticket.decision.policy_id, now=now, decision_id=ticket.decision_id
    )
    lent = Delegation.objects.in_force(now).filter(lender__in=everybody)
    return poll_on(ticket, everybody.keys() | set(lent.values_list("delegate", flat=True)), now=now)


def _asked(ticket: Ticket, poll: Poll) -> list[User]:
    """Return the people whose vote would count now and is not cast, in this ticket's own order."""

    def place(person: User) -> bytes:
        return sha256(f"{ticket.pk}:{person.pk}".encode()).digest()

    people = sorted(_people(poll.holders), key=place)
    return [person for person in people if poll.refusal_for(person, choice=None) is None]


def _escalated(ticket: Ticket, poll: Poll, role: str | None) -> list[Told]:
    asked = _asked(ticket, poll)
    if role is not None:
        asked = [p for p in asked if any(name == role for _, name in poll.seats(p.pk))]
        return _reachable((person, "role") for person in asked)
    # No role is left to ask: those above the people who were asked can still change who may vote.
    return _reachable((person, "stuck") for person in _managers_of(asked or _people(poll.holders)))


def _reminded(ticket: Ticket, poll: Poll, *, late: bool, now: datetime) -> list[Told]:
    """Return the holder, or everybody asked where nobody holds it; their managers once it is late.

    A reminder that reaches nobody would be no reminder.
    """
    held = Assignment.objects.filter(ticket=ticket, released_at__isnull=True)
    holders = [a.person for a in held.select_related("person") if a.stands_at(now)]
    people = holders or _asked(ticket, poll)
    why = "holder" if holders else "asked"
    told = [(person, why) for person in people[:MOST_PEOPLE]]
    managers = [(person, "manager") for person in _managers_of(people)] if late else []
    return _reachable([*managers, *told] if len(told) == MOST_PEOPLE else [*told, *managers])


def _ended(ticket: Ticket) -> list[Told]:
    concerned = [(ticket.beneficiary, "beneficiary"), (ticket.requester, "requester")]
    return _reachable((person, why) for person, why in concerned if person is not None)


def _managers_of(people: Iterable[User]) -> list[User]:
    return _people({person.manager_id for person in people})


def _people(ids: Iterable[Any]) -> list[User]:
    wanted = [one for one in ids if isinstance(one, int)]
    return list(User.objects.filter(pk__in=wanted, kind=User.Kind.HUMAN).order_by("pk"))


def _reachable(told: Iterable[tuple[User, str]]) -> list[Told]:
    """Return those with an account in use and an address; two accounts of one person count once."""
    found: dict[str, tuple[User, str]] = {}
    of = 0
    for person, why in told:
        if person.is_active and not person.is_machine and person.email:
            of += person.identity not in found
            if len(found) < MOST_PEOPLE:
                found.setdefault(person.identity, (person, why))
    return [Told(person, why, of) for person, why in found.values()]
