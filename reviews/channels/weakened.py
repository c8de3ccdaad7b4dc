"""Mails to managers: one of them made something that asks less than before."""

from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import timezone

from approvals.models import User
from reviews.channels.email import domain, moot, sending
from reviews.channels.outcome import Send
from reviews.display import moments
from reviews.models import Delivery

_FOLDER = "mail/weakened"


def prepare_weakened(delivery: Delivery, now: datetime) -> Send:
    """Return the mail to one manager."""
    person = User.objects.filter(pk=int(delivery.target), is_active=True).first()
    if person is None or not person.email:
        return moot("The person has no mail address any more, or is switched off.")
    url = settings.BASE_URL + delivery.body["page"]
    context = {**delivery.body, "now": now, "at": delivery.created_at, "url": url}
    with timezone.override(moments.zone_of(person.time_zone)):
        context["zone"] = person.time_zone
        subject = " ".join(render_to_string(f"{_FOLDER}/subject.txt", context).split())
        text = render_to_string(f"{_FOLDER}/body.txt", context).strip() + "\n"
        page = render_to_string(f"{_FOLDER}/body.html", context)
    message = EmailMultiAlternatives(
        subject=subject,
        body=text,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[person.email],
        headers={
            "Message-ID": f"<{delivery.pk}@{domain()}>",
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
        },
    )
    message.attach_alternative(page, "text/html")
    return sending(message)
