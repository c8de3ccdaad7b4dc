"""Mails that are about no ticket: everybody who must know hears that a bypass began or ended."""

from datetime import datetime

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from approvals.models import Bypass, User
from reviews.channels.email import moot, sending, written
from reviews.channels.outcome import Send, Unbuildable
from reviews.display import moments
from reviews.models import Delivery
from reviews.services.bypass_reviews import passed_under


def prepare_announcement(delivery: Delivery, now: datetime) -> Send:
    """Return the mail to one person; that they were told is never withheld as out of date.

    :raises Unbuildable: when the bypass is not there.
    """
    person = User.objects.filter(pk=int(delivery.target), is_active=True).first()
    if person is None or not person.email:
        return moot("The person has no mail address any more, or is switched off.")
    known = Bypass.objects.select_related("started_by", "ended_by")
    bypass = known.filter(pk=delivery.body["bypass"]).first()
    if bypass is None:
        raise Unbuildable("There is no such bypass.")
    with timezone.override(moments.zone_of(person.time_zone)):
        context = _context(delivery, bypass, person, now)
        thread = f"bypass-{bypass.pk}"
        return sending(written(delivery, person, "mail/bypass", context, thread=thread))


def _context(delivery: Delivery, bypass: Bypass, person: User, now: datetime) -> dict[str, object]:
    started = delivery.type == "bypass.started"
    page = reverse("admin:approvals_bypass_changelist")
    if not started:
        page = reverse("admin:reviews_ticket_change", args=[bypass.review])
    return {
        "now": now,
        "name": "Bypass",
        "zone": person.time_zone,
        "started": started,
        "bypass": bypass,
        "starter": bypass.started_by.label,
        "where": ", ".join(bypass.scope) or "everything",
        "passed": 0 if started else passed_under(bypass).count(),
        "ended": "ended by hand" if bypass.ended_by else "its time is over",
        "button": "Look at it, or end it now" if started else "Look at what passed",
        "url": settings.BASE_URL + page,
    }
