"""Out of the office: who votes for somebody meanwhile, until when, and how to end it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from approvals.errors import Invalid, NotVisible, Refusal
from approvals.models import Delegation, User
from approvals.services.delegations import (
    ARRANGE,
    LONGEST,
    LONGEST_REASON,
    delegations_of,
    delegations_seen_by,
    end_delegation,
    possible_delegates,
    start_delegation,
)
from audit.admin import ReadOnlyAdmin
from audit.clock import shown_now
from reviews.admin.pages import UNKNOWN_ACT, SeeOther, desk_page, person_of

# As a browser's field for a day and a time writes it.
_TYPED = "%Y-%m-%dT%H:%M"
_USUAL = timedelta(days=7)
_MOST_PAST = 20
_FIELDS = {"/delegate": "delegate", "/roles": "roles", "/starts_at": "starts", "/ends_at": "ends",
           "/reason": "reason"}  # fmt: skip


@dataclass(slots=True)
class Form:
    """What somebody typed, and what is wrong with it, by field."""

    delegate: str = ""
    roles: list[str] = field(default_factory=list)
    starts: str = ""
    ends: str = ""
    reason: str = ""
    errors: dict[str, str] = field(default_factory=dict)


@admin.register(Delegation)
class DelegationAdmin(ReadOnlyAdmin):
    """Everybody's loans for who may see them, and each person's own page."""

    list_display = ("lender", "delegate", "lent", "starts_at", "ends_at", "ended_at", "made_by")
    list_filter = ("limited",)
    search_fields = ("lender__username", "delegate__username", "reason")
    fields = ("lender", "delegate", "lent", "reason", "starts_at", "ends_at", "ended_at",
              "made_by", "made_at")  # fmt: skip

    @admin.display(description="roles")
    def lent(self, loan: Delegation) -> str:
        if not loan.limited:
            return "all"
        return ", ".join(sorted(role.name for role in loan.roles.all())) or "none any more"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("roles")

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(away_page)
        return [path("away/", page, name="approvals_delegation_away"), *super().get_urls()]


def away_page(request: HttpRequest) -> HttpResponse:
    """Show a person's loans and the form for one; or start or end one, as was pressed."""
    user = person_of(request)
    lender = _lender(request, user)
    if request.method == "POST":
        return _act(request, user, lender)
    now = timezone.localtime(shown_now())
    end = (now + _USUAL).replace(hour=18, minute=0)
    return _page(request, user, lender, Form(ends=end.strftime(_TYPED)))


def _lender(request: HttpRequest, user: User) -> User:
    """Return whose votes the page is about: one's own, or whom a manager names."""
    named = request.GET.get("for", "")
    if not named or "\x00" in named or not user.has_perm(ARRANGE):
        return user
    people = User.objects.filter(kind=User.Kind.HUMAN, is_active=True)
    return people.filter(username=named).first() or user


def _act(request: HttpRequest, user: User, lender: User) -> HttpResponse:
    sent = request.POST
    form = Form(
        delegate=sent.get("delegate", ""),
        roles=sent.getlist("roles"),
        starts=sent.get("starts", ""),
        ends=sent.get("ends", ""),
        reason=sent.get("reason", ""),
    )
    try:
        if sent.get("act") == "end":
            end_delegation(delegation_id=_loan(sent.get("loan", ""), user).pk, by=user)
        elif sent.get("act") == "lend":
            start_delegation(
                lender=lender,
                delegate=_chosen(form.delegate, lender),
                roles=_roles(form.roles, lender),
                starts_at=_instant(form.starts, "/starts_at") if form.starts else None,
                ends_at=_instant(form.ends, "/ends_at"),
                reason=form.reason,
                by=user,
            )
        else:
            raise Invalid(UNKNOWN_ACT)
    except Refusal as refusal:
        return _refused(request, user, lender, form, refusal)
    return SeeOther(f"{request.get_full_path()}#loans")


def _refused(
    request: HttpRequest, user: User, lender: User, form: Form, refusal: Refusal
) -> HttpResponse:
    """Show the page with all that was typed, and what is wrong beside its field."""
    for error in refusal.errors:
        name = _FIELDS.get(error.get("pointer", ""))
        if name:
            form.errors[name] = error.get("message", "")
    banner = "" if form.errors else refusal.detail
    return _page(request, user, lender, form, banner=banner, status=refusal.status)


def _loan(named: str, user: User) -> Delegation:
    try:
        found = delegations_seen_by(user).filter(pk=UUID(named)).first()
    except ValueError:
        found = None
    if found is None:
        raise NotVisible
    return found


def _chosen(named: str, lender: User) -> User:
    found = next((one for one in possible_delegates(lender) if one.username == named), None)
    if found is None:
        raise Invalid.at("/delegate", "Choose one of the people who share a role with you.")
    return found


def _roles(names: list[str], lender: User) -> list[Group]:
    """Return the roles that were ticked; all of them is a loan of whatever the lender has."""
    held = list(lender.groups.order_by("name"))
    chosen = [role for role in held if role.name in names]
    if len(chosen) < len(set(names)) or not chosen:
        raise Invalid.at("/roles", "Tick at least one of the roles below.")
    return [] if len(chosen) == len(held) else chosen


def _instant(typed: str, pointer: str) -> datetime:
    """Return what was typed as an instant, read in the zone of who typed it."""
    try:
        return timezone.make_aware(datetime.strptime(typed, _TYPED))  # noqa: DTZ007  aware in a moment
    except (ValueError, OverflowError):
        raise Invalid.at(pointer, "Choose a day and a time.") from None


def _page(
    request: HttpRequest,
    user: User,
    lender: User,
    form: Form,
    *,
    banner: str = "",
    status: int = 200,
) -> HttpResponse:
    now = shown_now()
    of_lender = delegations_seen_by(user).filter(lender=lender).order_by("-starts_at")
    held = list(delegations_seen_by(user).filter(delegate=lender).order_by("-starts_at"))
    given = list(of_lender[:_MOST_PAST])
    arranging = user.has_perm(ARRANGE)
    others = User.objects.filter(kind=User.Kind.HUMAN, is_active=True, groups__isnull=False)
    roles = list(lender.groups.order_by("name").values_list("name", flat=True))
    context = {
        "title": "Away",
        "now": now,
        "lender": lender,
        "own": lender == user,
        "zone": user.time_zone,
        "form": form,
        "banner": banner,
        "people": list(possible_delegates(lender)),
        "roles": [(role, role in form.roles or not form.roles) for role in roles],
        "loans": [(loan, loan.state_at(now)) for loan in given],
        "held": [loan for loan in held if loan.state_at(now) != "over"],
        "longest": LONGEST.days,
        "longest_reason": LONGEST_REASON,
        "others": list(others.exclude(pk=user.pk).distinct().order_by("username"))
        if arranging
        else [],
        "everybody": reverse("admin:approvals_delegation_changelist") if arranging else "",
    }
    return desk_page(request, "away.html", context, status=status)


def away_now(user: User, *, now: datetime) -> list[tuple[str, Delegation]]:
    """Return the loans in force a person gives (`given`) or holds (`held`), in one query."""
    loans = delegations_of(user).in_force(now).order_by("ends_at")
    return [("given" if loan.lender_id == user.pk else "held", loan) for loan in loans]
