"""The banner that stands on every page while a bypass or the stub mode is active."""

from typing import Any

from django import template
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from approvals.models import User
from approvals.services.bypasses import running
from audit.clock import shown_now
from reviews.display import moments

register = template.Library()


@register.inclusion_tag("desk/_bypass.html", takes_context=True)
def bypass_banner(context: template.Context) -> dict[str, Any]:
    """Say which bypasses are active, until when, by whom and why, and whether stubs answer."""
    request = context.get("request")
    user = getattr(request, "user", None)
    person = user if isinstance(user, User) else context.get("person")
    zone = person.time_zone if isinstance(person, User) else "UTC"
    now = shown_now()
    with timezone.override(moments.zone_of(zone)):
        active = [(each, moments.clock(each.ends_at, now=now)) for each in running(now)]
    desk = isinstance(user, User) and user.is_active and user.is_staff
    link = reverse("admin:approvals_bypass_changelist") if desk and may_look(user) else ""
    return {"active": active, "link": link, "now": now, "stubs": settings.USE_STUBS}


@register.inclusion_tag("desk/_bypass.html")
def stub_banner() -> dict[str, Any]:
    """Say that stubs answer, and nothing of bypasses: for who is not signed in."""
    return {"stubs": settings.USE_STUBS}


def may_look(user: Any) -> bool:
    """Tell whether somebody may open the page about bypasses."""
    return any(user.has_perm(f"approvals.{right}") for right in ("view_bypass", "start_bypass"))
