"""One person's own tokens: for the command line and for scripts that act in their name."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from approvals.confirmation import asks_for
from approvals.errors import Invalid, Refusal
from approvals.models import AccessKey, User
from approvals.services.identity import confirm_identity
from approvals.services.keys import create_key, revoke_key
from audit.clock import db_now, shown_now
from reviews.admin.keys import state_of
from reviews.admin.pages import SeeOther, desk_page, person_of

LONGEST_DAYS = 365
USUAL_DAYS = 90


@require_http_methods(["GET", "HEAD", "POST"])
def tokens_page(request: HttpRequest) -> HttpResponse:
    """Show this person's tokens; make one, which is shown once, or revoke one."""
    user, sent = person_of(request), request.POST
    banner, status = "", 200
    made: tuple[AccessKey, str] | None = None
    if request.method == "POST":
        try:
            if sent.get("act") == "revoke":
                _revoke(user, sent.get("token", ""))
                return SeeOther(reverse("admin:reviews_ticket_tokens") + "?revoked")
            made = _make(user, request)
        except Refusal as refusal:
            banner, status = " ".join(refusal.told), refusal.status
    context: dict[str, Any] = {
        "title": "Your tokens",
        "now": shown_now(),
        "banner": banner,
        "revoked_now": "revoked" in request.GET,
        "made": made,
        "sample": None if made is None else _sample(made[1]),
        "rows": [(key, state_of(key)) for key in _tokens_of(user)],
        "asks_for": asks_for(user),
        "name": "" if made else sent.get("name", ""),
        "days": sent.get("days", USUAL_DAYS),
        "longest_days": LONGEST_DAYS,
    }
    return desk_page(request, "tokens.html", context, status=status)


def _tokens_of(user: User) -> list[AccessKey]:
    tokens = AccessKey.objects.filter(kind=AccessKey.Kind.PERSONAL, owner=user, revoked_at=None)
    return list(tokens.order_by("-id")[:100])


def _make(user: User, request: HttpRequest) -> tuple[AccessKey, str]:
    """Make a token. Whoever holds it votes in this person's name, so it is surely this person.

    :raises Refusal: Invalid, IdentityNotConfirmed, TooManyTries.
    """
    sent = request.POST
    name, days = sent.get("name", "").strip(), sent.get("days", "")
    if not 0 < len(name) <= 80:
        raise Invalid.at("/name", "Say what uses it, in 1 to 80 letters.")
    if not (days.isascii() and days.isdigit() and 1 <= int(days[:9]) <= LONGEST_DAYS):
        raise Invalid.at("/days", f"A token is good for 1 to {LONGEST_DAYS} days.")
    confirm_identity(
        user=user, password=sent.get("password", ""), code=sent.get("confirm_code", "")
    )
    now = db_now()
    return create_key(
        name=name,
        kind=AccessKey.Kind.PERSONAL,
        owner=user,
        expires_at=now + timedelta(days=int(days)),
        now=now,
        by=user,
    )


def _revoke(user: User, token: str) -> None:
    for key in _tokens_of(user):
        if str(key.pk) == token:
            revoke_key(key=key, by=user, now=db_now())


def _sample(token: str) -> str:
    return f"export HITL_URL={settings.BASE_URL} HITL_TOKEN={token}\nhitl queue"
