"""Who hears in one mail, in the next hour, of what a quota kept from them in this one.

A notice that is withheld is marked with its hour. One row per hour waits until the hour is over;
it makes a row for each person who may be asked, and what their mail lists is read as it leaves.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from approvals import permissions
from approvals.models import Appointment, Delegation, User
from audit.clock import shown_now
from audit.ids import least_id_at
from reviews.models import Delivery, Lane, Ticket
from reviews.querysets import TicketQuerySet
from reviews.services.notices import NOTICE, PEOPLE
from reviews.services.offers import free_for

# The channel of the row per hour, whose target is `people`, and of the mails, whose target is the
# user's id.
WITHHELD_MAIL = "withheld"
WITHHELD = "notices.withheld"
_HOURS = UUID("6f1c0a52-6a0e-5d3e-9d0b-2f5d0e4c7a11")
# Somebody may be withholding the last of an hour while it ends.
_GRACE = timedelta(minutes=2)
# So long a notice may have waited for the worker before it was withheld.
_LONGEST_WAIT = timedelta(days=7)


def withhold(*, notice: Delivery, now: datetime) -> datetime:
    """Tell of a notice in the next hour, together with what else is withheld in this; return when.

    Repeating it changes nothing.
    """
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    told_of = uuid5(_HOURS, hour.isoformat())
    due = hour + timedelta(hours=1) + _GRACE
    said = {"hour": hour.isoformat(), "most": settings.HITL_NOTICES_PER_HOUR}
    with transaction.atomic():
        Delivery.objects.bulk_create(
            [_row(told_of, PEOPLE, said, made=now, due=due)],
            ignore_conflicts=True,
        )
        body = {**notice.body, "withheld": str(told_of)}
        Delivery.objects.filter(pk=notice.pk).update(body=body)
    return due


def spread_withheld(*, hourly: Delivery, now: datetime) -> int:
    """Make a row for everybody who may be asked of what was withheld; return how many.

    Which tickets these were is kept on the hour's row. Repeating it adds nobody.
    """
    marked = Delivery.objects.filter(
        pk__gte=least_id_at(hourly.created_at - _LONGEST_WAIT),
        channel=NOTICE,
        body__withheld=str(hourly.event_id),
    )
    waiting = Ticket.objects.waiting().filter(pk__in=marked.values("ticket"))
    ids = list(waiting.order_by("pk").values_list("pk", flat=True))
    people = _may_be_asked(waiting, now)
    said = {name: hourly.body[name] for name in ("hour", "most")}
    with transaction.atomic():
        body = {**said, "tickets": [str(one) for one in ids]}
        Delivery.objects.filter(pk=hourly.pk).update(body=body)
        Delivery.objects.bulk_create(
            [_row(hourly.event_id, str(one.pk), said, made=now, due=now) for one in people],
            ignore_conflicts=True,
        )
    return len(people)


def withheld_from(person: User, *, hourly: Delivery, now: datetime) -> list[UUID]:
    """Return the ids of the tickets of that hour which still wait for a person, the oldest first.

    As the queue offers them: nothing of their own work, nothing voted on, nothing others hold.
    """
    of_hour = Delivery.objects.get(event_id=hourly.event_id, channel=WITHHELD_MAIL, target=PEOPLE)
    asked = Q(lane__in=Lane.objects.asked_of(person)) | Q(
        decision__in=permissions.decisions_appointing(person, now=shown_now())
    )
    known = free_for(person, now=now, held_too=True).filter(pk__in=of_hour.body.get("tickets", []))
    return list(known.waiting().filter(asked).order_by("pk").values_list("pk", flat=True))


def _row(
    told_of: UUID, target: str, body: dict[str, Any], *, made: datetime, due: datetime
) -> Delivery:
    return Delivery(
        event_id=told_of,
        type=WITHHELD,
        channel=WITHHELD_MAIL,
        target=target,
        body=body,
        created_at=made,
        next_attempt_at=due,
    )


def _may_be_asked(tickets: TicketQuerySet, now: datetime) -> list[User]:
    """Return everybody with an address who holds a seat on one of these policies, or is lent one.

    Two accounts of one person count once.
    """
    seated: set[int] = set()
    for policy in tickets.order_by().values_list("decision__policy", flat=True).distinct():
        seated |= permissions.everybody_seated(policy_id=policy, now=now).keys()
    appointed = Appointment.objects.filter(decision__in=tickets.order_by().values("decision"))
    seated |= set(appointed.values_list("user", flat=True))
    lent = Delegation.objects.in_force(now).filter(lender__in=seated)
    seated |= set(lent.values_list("delegate", flat=True))
    people = User.objects.filter(pk__in=seated, kind=User.Kind.HUMAN, is_active=True)
    found: dict[str, User] = {}
    for person in people.exclude(email="").order_by("pk"):
        found.setdefault(person.identity, person)
    return list(found.values())
