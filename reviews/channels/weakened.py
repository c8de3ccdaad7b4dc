"""Mails to managers: one of them made something that asks less than before."""

from datetime import datetime

from django.conf import settings
from django.utils import timezone

from approvals.models import User
from reviews.channels.email import moot, sending, written
from reviews.channels.outcome import Send
from reviews.display import moments
from reviews.models import Delivery


def prepare_weakened(delivery: Delivery, now: datetime) -> Send:
    """Return the mail to one manager."""
    person = User.objects.filter(pk=int(delivery.target), is_active=True).first()
    if person is None or not person.email:
        return moot("The person has no mail address any more, or is switched off.")
    url = settings.BASE_URL + delivery.body["page"]
    context = {
        **delivery.body,
        "now": now,
        "at": delivery.created_at,
        "name": "Asks less than before",
        "button": "Look at it",
        "url": url,
    }
    with timezone.override(moments.zone_of(person.time_zone)):
        context["zone"] = person.time_zone
        return sending(written(delivery, person, "mail/weakened", context))
