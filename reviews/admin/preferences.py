"""One person's own settings of the desk, and the views of the queue they keep."""

from zoneinfo import available_timezones

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from approvals.errors import Invalid, Refusal
from approvals.models import User
from audit.clock import shown_now
from reviews.admin.narrowing import sound_query
from reviews.admin.pages import UNKNOWN_ACT, SeeOther, desk_page, person_of
from reviews.services import preferences
from reviews.services.preferences import DENSITIES, density_of, views_of


@require_http_methods(["GET", "HEAD", "POST"])
def preferences_page(request: HttpRequest) -> HttpResponse:
    """Show this person's settings, or keep what was changed."""
    user = person_of(request)
    banner = ""
    if request.method == "POST":
        sent = request.POST
        try:
            preferences.keep_preferences(
                person=user,
                density=sent.get("density", density_of(user)),
                shortcuts="shortcuts" in sent,
                advance="advance" in sent,
                time_zone=sent.get("time_zone", user.time_zone),
            )
            return SeeOther(reverse("admin:reviews_ticket_preferences") + "?kept")
        except Refusal as refusal:
            banner = " ".join([refusal.detail, *(e["message"] for e in refusal.errors)])
    context = {
        "title": "Preferences",
        "now": shown_now(),
        "banner": banner,
        "kept_now": "kept" in request.GET,
        "density": density_of(user),
        "densities": DENSITIES.items(),
        "shortcuts": user.preferences.get("shortcuts", True),
        "advance": user.preferences.get("advance", False),
        "zones": ["UTC", *sorted(zone for zone in available_timezones() if "/" in zone)],
        "zone": user.time_zone,
        "views": views_of(user),
    }
    return desk_page(request, "preferences.html", context, status=422 if banner else 200)


@require_POST
def density(request: HttpRequest) -> HttpResponse:
    """Change how high the rows are, and look at the same list again."""
    user = person_of(request)
    try:
        preferences.keep_preferences(person=user, density=request.POST.get("density", ""))
    except Refusal:
        pass  # a made-up density changes nothing
    return _queue(request.POST.get("query", ""))


@require_POST
def views(request: HttpRequest) -> HttpResponse:
    """Keep, rename or delete a view of the queue."""
    user, sent = person_of(request), request.POST
    try:
        return _viewed(user, sent.get("act", ""), sent.get("name", ""), request)
    except Refusal as refusal:
        context = {"title": "Views", "now": shown_now(), "why": " ".join(refusal.told)}
        return desk_page(request, "refused.html", context, status=refusal.status)


def _viewed(user: User, act: str, name: str, request: HttpRequest) -> HttpResponse:
    query = sound_query(request.POST.get("query", ""))
    if act == "add":
        preferences.add_view(person=user, name=name, query=query)
        return _queue(query)
    if act == "rename":
        preferences.rename_view(person=user, name=name, to=request.POST.get("to", ""))
    elif act == "delete":
        preferences.delete_view(person=user, name=name)
    else:
        raise Invalid(UNKNOWN_ACT)
    return SeeOther(reverse("admin:reviews_ticket_preferences") + "#views")


def _queue(query: str) -> HttpResponse:
    address = reverse("admin:reviews_ticket_changelist")
    kept = sound_query(query)
    return SeeOther(f"{address}?{kept}" if kept else address)
