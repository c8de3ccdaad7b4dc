"""Where one can go from here: the same words in the desk's bar and in the settings' sidebar."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from reviews.templatetags.bypass import may_look


@dataclass(frozen=True, slots=True)
class Entry:
    """One place to go."""

    title: str
    link: str
    symbol: str
    here: bool = False


# Each group with its places: word, model or name of the address, symbol.
_GROUPS: dict[str, list[tuple[str, str, str]]] = {
    "Work": [("Queue", "reviews.ticket", "inbox"), ("Figures", "dashboard", "bar_chart")],
    "Decisions": [
        ("Checkpoints", "reviews.checkpoint", "rule"),
        ("Who decides", "approvals.approvalpolicy", "gavel"),
    ],
    "People": [
        ("Roles", "auth.group", "groups"),
        ("People", "approvals.user", "person"),
        ("Delegations", "approvals.delegation", "sync_alt"),
        ("Regions", "reviews.region", "public"),
        ("Queues", "reviews.queue", "stacks"),
        ("Choice of queue", "reviews.queuechoice", "alt_route"),
        ("Calendars", "reviews.calendar", "calendar_month"),
    ],
    "Machines": [
        ("Access keys", "approvals.accesskey", "key"),
        ("Webhooks", "reviews.webhookendpoint", "webhook"),
        ("Deliveries", "reviews.delivery", "outgoing_mail"),
    ],
    "Emergency": [("Bypass", "approvals.bypass", "emergency_home")],
    "Proof": [
        ("Audit", "audit.auditevent", "history"),
        ("Chain heads", "audit.chainhead", "link"),
        ("Seals", "audit.seal", "verified"),
    ],
}


def _link(model: str) -> str:
    if "." not in model:
        return reverse(model)
    return reverse(f"admin:{model.replace('.', '_')}_changelist")


def _may(request: HttpRequest, model: str) -> bool:
    if model in ("reviews.ticket", "dashboard"):
        return True
    if model == "approvals.bypass":
        return may_look(request.user)
    app, name = model.split(".")
    return bool(request.user.has_perm(f"{app}.view_{name}"))


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return what unfold's sidebar shows to this person."""
    groups: list[dict[str, Any]] = []
    for title, items in _GROUPS.items():
        shown = [
            {"title": item, "icon": symbol, "link": _link(model)}
            for item, model, symbol in items
            if _may(request, model)
        ]
        if shown:
            groups.append({"title": title, "separator": bool(groups), "items": shown})
    return groups


def entries(request: HttpRequest) -> list[Entry]:
    """Return what the desk's bar shows: the queue, and one way into each group of settings."""
    requests = reverse("admin:reviews_ticket_requests")
    mine = Entry("My requests", requests, "outbox", here=request.path == requests)
    if not request.user.is_staff:
        return [mine]
    bypass = _link("approvals.bypass")
    own = (
        *("admin:reviews_ticket_preferences", "admin:reviews_ticket_tokens"),
        *("admin:approvals_delegation_away", "mfa_index"),
    )
    figures = _link("dashboard")
    elsewhere = (requests, figures, bypass, *(reverse(name) for name in own))
    here = request.path not in elsewhere
    shown = [Entry("Queue", _link("reviews.ticket"), "inbox", here=here), mine]
    shown.append(Entry("Figures", figures, "bar_chart", here=request.path == figures))
    for items in list(_GROUPS.values())[1:]:
        shown += [
            Entry(item, _link(model), symbol, here=request.path == bypass == _link(model))
            for item, model, symbol in items
            if _may(request, model)
        ][:1]
    return shown
