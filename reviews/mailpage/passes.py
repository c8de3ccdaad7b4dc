"""The signed cookie a mail page is opened with, once its link was shown at the door.

The link's token stands in one address only, which leads on at once. From there the browser
carries this cookie, good for the address of that one link and for nothing else.
"""

from uuid import UUID

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from approvals.links import LIFETIME
from approvals.models import DecisionLink

NAME = "countersign_link"
_SALT = "countersign.mail-page"


def page_of(link_id: UUID) -> str:
    """Return the address of a link's page, which names no token."""
    return reverse("mail-page", args=[link_id])


def give(response: HttpResponse, link: DecisionLink) -> None:
    """Let the browser open this link's page."""
    response.set_cookie(
        NAME,
        signing.dumps([str(link.pk), link.token_hash[:16]], salt=_SALT),
        max_age=LIFETIME,
        path=page_of(link.pk),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        # Not Strict: the way here begins in a mail program on another site.
        samesite="Lax",
    )


def holds(request: HttpRequest, link: DecisionLink) -> bool:
    """Tell whether the browser was given this link's page, not longer ago than a link lives."""
    try:
        held = signing.loads(request.COOKIES.get(NAME, ""), salt=_SALT, max_age=LIFETIME)
    except signing.BadSignature:
        return False
    return held == [str(link.pk), link.token_hash[:16]]
