"""One mail in an hour about what a quota kept from a person in the hour before."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from approvals.models import User
from reviews.channels.email import Letter, moot, sending, written
from reviews.channels.outcome import Outcome, Send
from reviews.display import moments
from reviews.models import Delivery, Ticket
from reviews.services import notices, withheld

# So many tickets are named; the others are counted.
MOST = 10
# Somebody may see more than they are asked about by now; so many are looked at to find those.
_LOOKED_AT = 3 * MOST


def prepare_withheld(delivery: Delivery, now: datetime) -> Send:
    """Make a row for everybody who may be asked, or of such a row the mail to one person."""
    if delivery.target == notices.PEOPLE:
        if withheld.spread_withheld(hourly=delivery, now=now):
            return lambda _client: Outcome("sent")
        return moot("Nothing of it waits any more.")
    person = User.objects.filter(pk=int(delivery.target), is_active=True).first()
    if person is None or not person.email:
        return moot("The person has no mail address any more, or is switched off.")
    with timezone.override(moments.zone_of(person.time_zone)):
        context = _context(delivery, person, now)
        if not context["tickets"]:
            return moot("Nothing of it waits for this person any more.")
        return sending(written(delivery, person, "mail/withheld", context))


def _context(delivery: Delivery, person: User, now: datetime) -> dict[str, Any]:
    ids = withheld.withheld_from(person, hourly=delivery, now=now)
    named: list[tuple[Ticket, str]] = []
    refused = 0
    for start in range(0, min(len(ids), _LOOKED_AT), MOST):
        for letter in _letters(ids[start : start + MOST], delivery, person, now):
            if letter.refused:
                refused += 1
            elif len(named) < MOST:
                # Without the desk a link of their own is the only way in.
                way = {} if person.is_staff else letter.way_in()
                named.append((letter.ticket, way["url"] if "link_until" in way else ""))
        if len(named) == MOST:
            break
    count = len(ids) - refused
    return {
        "now": now,
        "name": "Held back",
        "zone": person.time_zone,
        "tickets": named,
        "count": count,
        "more": count - len(named),
        "most": delivery.body["most"],
        "button": "Open the queue" if person.is_staff else "",
        "url": settings.BASE_URL + reverse("admin:reviews_ticket_changelist"),
    }


def _letters(
    ids: Sequence[UUID], delivery: Delivery, person: User, now: datetime
) -> Iterator[Letter]:
    known = Ticket.objects.select_related("checkpoint", "decision").in_bulk(ids)
    return (Letter(delivery, known[one], person, now) for one in ids)
