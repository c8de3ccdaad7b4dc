"""One mail in an hour about what a quota kept from a person in the hour before."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from approvals.models import User
from reviews.channels.email import Letter, moot, sending, written
from reviews.channels.outcome import Outcome, Send
from reviews.display import moments
from reviews.models import Delivery
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
    rows = withheld.withheld_from(person, hourly=delivery, now=now)
    known = rows.select_related("checkpoint", "queue", "decision", "requester")
    tickets, refused = [], 0
    for ticket in known[:_LOOKED_AT]:
        letter = Letter(delivery, ticket, person, now)
        if letter.refused:
            refused += 1
            continue
        # Without the desk a link of their own is the only way in.
        way = {} if person.is_staff else letter.way_in()
        url = way["url"] if "link_until" in way else ""
        tickets.append((ticket, url))
        if len(tickets) == MOST:
            break
    count = rows.count() - refused
    return {
        "now": now,
        "name": "Held back",
        "zone": person.time_zone,
        "tickets": tickets,
        "count": count,
        "more": count - len(tickets),
        "most": delivery.body["most"],
        "button": "Open the queue" if person.is_staff else "",
        "url": settings.BASE_URL + reverse("admin:reviews_ticket_changelist"),
    }
