"""The page of the emergency bypass: start it, see what passes, end it, and what became of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from approvals.confirmation import asks_for
from approvals.errors import Invalid, Refusal
from approvals.models import Bypass, User
from approvals.services.bypasses import RIGHT, running
from audit.admin import ReadOnlyAdmin
from audit.clock import db_now
from reviews.admin.pages import UNKNOWN_ACT, SeeOther, desk_page, person_of
from reviews.flags import ALWAYS_ASKING
from reviews.models import Checkpoint, Ticket
from reviews.services.bypass_reviews import passed_under
from reviews.services.bypasses import end_bypass, people_told, start_bypass
from reviews.services.lookup import as_uuid
from reviews.templatetags.bypass import may_look

LENGTHS = (("15m", "15 min"), ("30m", "30 min"), ("1h", "1 hour"), ("2h", "2 hours"),
           ("4h", "4 hours"))  # fmt: skip
_MOST_PAST = 20


@dataclass(frozen=True, slots=True)
class Item:
    """One bypass as the page shows it."""

    bypass: Bypass
    scope: str
    passed: int
    may_end: bool = False
    review: Ticket | None = None

    @property
    def over_at(self) -> datetime:
        return self.bypass.ended_at or self.bypass.ends_at

    @property
    def outcome(self) -> str:
        return self.review.decision.outcome if self.review else ""

    @property
    def word(self) -> str:
        """Return the answer of the review in the words it was given in."""
        options = self.review.decision.question["options"] if self.review else []
        labels = {option["key"]: option["label"] for option in options}
        return str(labels.get(self.outcome, "Reviewed"))


@admin.register(Bypass)
class BypassAdmin(ReadOnlyAdmin):
    """One page; who may look at it holds the right to see bypasses or to start one."""

    def has_view_permission(self, request: HttpRequest, obj: Bypass | None = None) -> bool:
        return may_look(request.user)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the page, or do what was pressed on it."""
        user = person_of(request)
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return self._shown(request, user)
        try:
            _do(request, user)
        except Refusal as refusal:
            banner = " ".join(refusal.told)
            return self._shown(request, user, banner=banner, status=refusal.status)
        return SeeOther(reverse("admin:approvals_bypass_changelist"))

    def change_view(self, request: HttpRequest, *_args: Any, **_kwargs: Any) -> HttpResponse:
        """Lead to the page they all stand on."""
        return HttpResponseRedirect(reverse("admin:approvals_bypass_changelist"))

    history_view = change_view

    @staticmethod
    def _shown(
        request: HttpRequest, user: User, *, banner: str = "", status: int = 200
    ) -> HttpResponse:
        context = _context(user) | {"banner": banner, "typed": _typed(request)}
        return desk_page(request, "bypass.html", context, status=status)


def _do(request: HttpRequest, user: User) -> None:
    sent = request.POST
    act, bypass_id = sent.get("act", ""), as_uuid(sent.get("bypass", ""))
    if act == "start":
        start_bypass(
            by=user,
            password=sent.get("password", ""),
            code=sent.get("confirm_code", ""),
            reason=sent.get("reason", "").replace("\r\n", "\n"),
            duration=sent.get("duration", "")[:40],
            checkpoints=sent.getlist("checkpoints")[:100],
            incident=sent.get("incident", ""),
        )
    elif act == "end" and bypass_id is not None:
        end_bypass(bypass_id=bypass_id, by=user)
    else:
        raise Invalid(UNKNOWN_ACT)


def _typed(request: HttpRequest) -> dict[str, Any]:
    """Return what was typed, so that a refusal loses nothing but the password."""
    sent = request.POST
    kept: dict[str, Any] = {name: sent.get(name, "") for name in ("reason", "incident")}
    return kept | {
        "duration": sent.get("duration", "30m"),
        "checkpoints": sent.getlist("checkpoints"),
    }


def _context(user: User) -> dict[str, Any]:
    now = db_now()
    may_start = user.has_perm(RIGHT)
    titles = dict(Checkpoint.objects.values_list("slug", "title"))

    def scope_of(bypass: Bypass) -> str:
        return ", ".join(titles.get(slug, slug) for slug in bypass.scope) or "Everything"

    active = list(running(now))
    gone = Bypass.objects.select_related("started_by", "ended_by")
    gone = gone.exclude(pk__in=[each.pk for each in active])
    past = list(gone[:_MOST_PAST])
    mine = Bypass.objects.filter(
        started_by__identity=user.identity, reviewed_at__isnull=True
    ).first()
    wanted = [each.review for each in [*past, mine] if each is not None and each.review]
    reviews = Ticket.objects.select_related("decision").in_bulk(wanted)
    checkpoints = Checkpoint.objects.filter(active=True).exclude(slug__in=ALWAYS_ASKING)
    return {
        "title": "Bypass",
        "now": now,
        "active": [
            Item(each, scope_of(each), passed_under(each).count(),
                 may_end=may_start or each.started_by_id == user.pk)
            for each in active
        ],
        "past": [_past(each, scope_of(each), reviews) for each in past],
        "mine": mine,
        "review": reviews.get(mine.review) if mine and mine.review else None,
        "may_start": may_start,
        "lengths": LENGTHS,
        "checkpoints": checkpoints.order_by("title"),
        "told": people_told() if settings.MAIL_NOTICES else [],
        "no_mail": not settings.MAIL_NOTICES,
        "asks_for": asks_for(user),
    }  # fmt: skip


def _past(bypass: Bypass, scope: str, reviews: dict[UUID, Ticket]) -> Item:
    review = reviews.get(bypass.review) if bypass.review else None
    passed = review.proposal.get("passed", 0) if review else 0
    return Item(bypass, scope, passed, review=review)
