"""Roles: their people, what asks them, what they see, and when they are on call."""

from collections import Counter
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from approvals.errors import Refusal
from approvals.models import AccessKey, RoleProfile, User
from approvals.services.policies import latest_version
from approvals.services.roles import make_role, set_people, set_profile, set_rights, take_votes
from audit.clock import db_now
from reviews.admin.pages import SeeOther, person_of
from reviews.admin.role_facts import (
    DAYS,
    all_rights,
    asked_by,
    effect_of_taking,
    replaced_by,
    rights_by_thing,
    spoken_hours,
    warnings_of,
)
from reviews.admin.settings_pages import SettingsAdmin, typed
from reviews.services.upkeep import review_role, role_reviews

_MOST_SHIFTS = 7

admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(SettingsAdmin):
    """One page for each role."""

    plural, singular = "Roles", "role"
    besides = {"<int:pk>/take/<slug:slug>/": "take"}

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show every role: how many people, what asks them, and their hours."""
        active = Q(user__is_active=True, user__kind=User.Kind.HUMAN)
        roles = Group.objects.annotate(people=Count("user", filter=active, distinct=True))
        asked = asked_by()
        rows = [
            {
                "role": role,
                "profile": getattr(role, "profile", None),
                "hours": spoken_hours(getattr(role, "profile", None)),
                "asked": asked.get(role.name, []),
            }
            for role in roles.select_related("profile").order_by("name")
        ]
        context = {"rows": rows, "may_add": self.has_add_permission(request)}
        return self.page(request, "roles.html", context)

    def new_page(self, request: HttpRequest) -> HttpResponse:
        """Make a role."""
        context: dict[str, Any] = {"name": "", "description": "", "error": ""}
        if request.method == "POST":
            context |= {n: typed(request.POST.get(n, "")).strip() for n in ("name", "description")}
            try:
                role = make_role(
                    name=context["name"],
                    description=context["description"],
                    by=person_of(request),
                    now=db_now(),
                )
            except Refusal as refusal:
                context["error"] = refusal.detail
            else:
                return self.see(role)
        return self.page(request, "role_new.html", context, title="New role")

    def thing_page(self, request: HttpRequest, role: Group) -> HttpResponse:
        """Show a role, or do what was pressed on its page."""
        if request.method != "POST":
            return self._page(request, role)
        if request.POST.get("act") == "reviewed":
            review_role(role=role, by=person_of(request))
            messages.success(request, f"Noted: you reviewed {role.name} today.")
            return self.see(role)
        if not self.has_change_permission(request, role):
            raise PermissionDenied
        act = request.POST.get("act", "")
        if act == "shift":
            return self._page(request, role, shifts=[*_sent_shifts(request), _NO_SHIFT])
        try:
            done = self._act(request, role, act)
        except Refusal as refusal:
            shifts = _sent_shifts(request) if act == "profile" else None
            return self._page(request, role, banners=refusal.told, shifts=shifts)
        messages.success(request, done)
        return self.see(role)

    def _act(self, request: HttpRequest, role: Group, act: str) -> str:
        user, now = person_of(request), db_now()
        people = {person.pk: person for person in role.user_set.all()}
        number = request.POST.get("person", "")
        known = User.objects.filter(kind=User.Kind.HUMAN)
        person = known.filter(pk=number).first() if number.isascii() and number.isdigit() else None
        if act == "add" and person is not None:
            set_people(role=role, people=[*people.values(), person], by=user, now=now)
            return f"{person.label} is in {role.name}. Open questions feel it at once."
        if act == "remove" and person is not None:
            rest = [other for pk, other in people.items() if pk != person.pk]
            set_people(role=role, people=rest, by=user, now=now)
            return f"{person.label} is no longer in {role.name}. Their open votes do not count."
        if act == "profile":
            kind = request.POST.get("kind", "")
            set_profile(
                role=role,
                kind=kind if kind in RoleProfile.Kind.values else RoleProfile.Kind.MEMBERS,
                description=typed(request.POST.get("description", "")).strip()[:200],
                hours=_hours_of(_sent_shifts(request)),
                time_zone=request.POST.get("time_zone", "").strip() or "UTC",
                by=user,
                now=now,
            )
            return "Saved."
        if act == "rights" and user.is_superuser:
            chosen = [pk for pk in request.POST.getlist("rights") if pk.isdigit()]
            set_rights(role=role, rights=all_rights().filter(pk__in=chosen), by=user, now=now)
            return "Saved."
        return "Nothing was chosen."

    def _page(
        self,
        request: HttpRequest,
        role: Group,
        *,
        banners: list[str] | None = None,
        shifts: list[dict[str, Any]] | None = None,
    ) -> HttpResponse:
        user = person_of(request)
        profile = RoleProfile.objects.filter(role=role).first() or RoleProfile(role=role)
        people = list(
            role.user_set.filter(kind=User.Kind.HUMAN)
            .prefetch_related("regions")
            .order_by("first_name", "username")
        )
        keys = AccessKey.objects.filter(revoked_at=None, kind=AccessKey.Kind.SERVICE)
        keepers = set(keys.values_list("owner_id", flat=True))
        regions = Counter(region.name for person in people for region in person.regions.all())
        outside = User.objects.filter(kind=User.Kind.HUMAN, is_active=True)
        may = self.has_change_permission(request, role)
        context = {
            "role": role,
            "profile": profile,
            "kinds": RoleProfile.Kind.choices,
            "people": [(person, person.pk in keepers) for person in people],
            "outside": outside.exclude(pk__in=[p.pk for p in people]).order_by("username")
            if may
            else [],
            "asked": asked_by().get(role.name, []),
            "queues": role.queues.all(),
            "regions": sorted(regions.items()),
            "nowhere": sum(not person.regions.all() for person in people),
            "replaces": replaced_by(role),
            "warnings": warnings_of(profile, people, keepers),
            "banners": banners or [],
            "shifts": shifts if shifts is not None else _typed_shifts(profile.hours),
            "days": list(enumerate(DAYS)),
            "hours": spoken_hours(profile),
            "may": may,
            "reviewed_at": role_reviews([role.pk]).get(role.pk),
            "rights": rights_by_thing(role) if user.is_superuser else [],
        }
        return self.page(request, "role.html", context, title=role.name)

    def take_view(self, request: HttpRequest, pk: int, slug: str) -> HttpResponse:
        """Say what taking a role's vote away would do, and do it when that is confirmed."""
        role = self.seen(request, pk)
        policy = latest_version(slug)
        if policy is None:
            raise Http404("There is no such policy.")
        if not self.has_change_permission(request, role):
            raise PermissionDenied
        if request.method == "POST":
            take_votes(role=role, policy_slug=slug, by=person_of(request), now=db_now())
            messages.success(request, f"{role.name} no longer votes on {policy.name}.")
            return self.see(role)
        context = {"role": role, "policy": policy, "effect": effect_of_taking(role, slug)}
        title = f"Take {role.name}’s vote on {policy.name} away"
        above = [(role.name, self.address("change", role.pk))]
        return self.page(request, "role_take.html", context, title=title, above=above)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Lead to the audit: what happened to a role stands there."""
        role = self.seen(request, object_id)
        trail = reverse("admin:audit_auditevent_changelist")
        return SeeOther(f"{trail}?stream=role:{role.pk}")

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Refuse to hand out what one does not have: by a role's rights, or by joining it."""
        if not super().has_change_permission(request, obj):
            return False
        if obj is None or request.user.is_superuser:
            return True
        pairs = obj.permissions.values_list("content_type__app_label", "codename")
        held = {f"{app}.{codename}" for app, codename in pairs}
        return held <= set(request.user.get_all_permissions())

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Keep roles: policies and open questions name them. One without people asks nobody."""
        return False


_NO_SHIFT = {"days": {0, 1, 2, 3, 4}, "from": "", "to": ""}


def _typed_shifts(hours: Any) -> list[dict[str, Any]]:
    return [{"days": set(row["days"]), "from": row["from"], "to": row["to"]} for row in hours]


def _sent_shifts(request: HttpRequest) -> list[dict[str, Any]]:
    rows = []
    for place in range(_MOST_SHIFTS):
        if f"h{place}-from" not in request.POST:
            break
        days = {int(d) for d in request.POST.getlist(f"h{place}-days") if d in set("0123456")}
        begins = request.POST.get(f"h{place}-from", "").strip()
        ends = request.POST.get(f"h{place}-to", "").strip()
        rows.append({"days": days, "from": begins, "to": ends})
    return rows


def _hours_of(shifts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the shifts that say something, as they are stored."""
    return [
        {"days": sorted(shift["days"]), "from": shift["from"], "to": shift["to"]}
        for shift in shifts
        if shift["from"] or shift["to"]
    ]
