"""The audit page: what happened in sentences, narrowed and paged, with the proof folded."""

import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.db import OperationalError, close_old_connections, transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from approvals.errors import Refusal
from approvals.models import AccessKey, ApprovalPolicy, User
from approvals.trail import actor_for
from audit import reading
from audit.admin import ReadOnlyAdmin
from audit.clock import db_now
from audit.differences import Difference
from audit.models import AuditEvent
from audit.reading import Narrowing
from audit.services import SYSTEM, Draft, record_alone
from audit.timeline import CHANNELS, what, who
from reviews.admin.pages import person_of
from reviews.admin.settings_pages import SettingsAdmin
from reviews.models import Checkpoint, Ticket
from reviews.services.upkeep import AUDIT_STREAM, audit_review, review_audit

_REF = re.compile(r"[Tt]-(\d{1,12})")
PERIODS = {"1": "Today", "7": "7 days", "30": "30 days", "365": "A year", "": "All of it"}
USUAL_PERIOD = "30"
ACTIONS = {
    "ticket": "Tickets: everything",
    "ticket.opened": "Tickets opened",
    "ticket.vote_cast": "Votes",
    "ticket.decided": "Decisions",
    "ticket.revoked": "Revocations",
    "ticket.overridden": "Replaced decisions",
    "ticket.escalated": "Escalations",
    "policy": "Who decides",
    "checkpoint": "Checkpoints",
    "role": "Roles",
    "queue": "Queues",
    "calendar": "Calendars",
    "region": "Regions",
    "key": "Keys",
    "webhook": "Webhooks",
    "bypass": "Bypasses",
    "identity": "Who somebody is",
    "audit": "Exports and reviews of the audit",
}
_ASIDE = {"changes", "weakens", "question"}  # members a row shows in a form of their own


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin, SettingsAdmin):
    """What happened, the latest first. Nobody changes it, a superuser no more than others."""

    plural, singular = "Audit", "event"
    besides = {"verify/": "verify", "review/": "review", "export/": "export"}

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show a page of the trail."""
        asked = asked_for(request.GET)
        narrowing, errors = narrowing_of(asked)
        rows: list[AuditEvent] = []
        onward = None
        if not errors:
            try:
                with transaction.atomic():
                    rows, onward = reading.page_of(
                        narrowing, before=_uuid(request.GET.get("before"))
                    )
            except OperationalError:
                errors["period"] = "That takes too long; choose a shorter period."
        keep = urlencode({k: v for k, v in asked.items() if v or k == "period"})
        context = {
            "rows": _shown(rows),
            "asked": asked,
            "errors": errors,
            "banners": list(errors.values()),
            "onward": f"?{keep}&before={onward}" if onward else "",
            "further": bool(request.GET.get("before")),
            "query": keep,
            "actions": ACTIONS,
            "channels": {k: v or "by itself" for k, v in CHANNELS.items()},
            "periods": PERIODS,
            "standing": reading.standing(),
            "reviewed_at": audit_review(),
        }
        return self.page(request, "audit.html", context)

    def thing_page(self, request: HttpRequest, event: AuditEvent) -> HttpResponse:
        """Show one event alone, with its proof open."""
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        context = {"row": _shown([event])[0], "alone": True}
        title = f"{event.stream} #{event.seq}"
        return self.page(request, "audit_event.html", context, title=title)

    @method_decorator(require_POST)
    def verify_view(self, request: HttpRequest) -> HttpResponse:
        """Read the trail again and say what was found. No row is changed."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = reading.verify_now()
        if found.problems:
            messages.error(request, f"The trail does not hold: {found.problems[0]}")
        else:
            part = "all of it" if found.whole else "its newest part"
            messages.success(request, f"The trail holds: {found.events} events, {part}.")
        return self.see()

    @method_decorator(require_POST)
    def review_view(self, request: HttpRequest) -> HttpResponse:
        """Record that this person looked through the trail."""
        try:
            review_audit(by=person_of(request))
        except Refusal as refusal:
            raise PermissionDenied(refusal.detail) from refusal
        messages.success(request, "Noted: you reviewed the audit today.")
        return self.see()

    @method_decorator(require_POST)
    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Send what the filters find as a file; that somebody took it is an event itself."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = asked_for(request.POST)
        narrowing, errors = narrowing_of(asked)
        if errors:
            messages.error(request, next(iter(errors.values())))
            return self.see()
        form = "jsonl" if request.POST.get("form") == "jsonl" else "csv"
        now = db_now()
        facts = {"form": form, "narrowed": {k: v for k, v in asked.items() if v}}
        record_alone(
            SYSTEM, Draft("audit.exported", now, actor_for(person_of(request)), data=facts)
        )
        # What happens while it is being read is not part of it.
        narrowing = replace(narrowing, until=min(narrowing.until or now, now))
        parts = _parts(narrowing, form)
        kind = "application/jsonl" if form == "jsonl" else "text/csv"
        return StreamingHttpResponse(
            _later(parts) if isinstance(request, ASGIRequest) else parts,
            content_type=f"{kind}; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="audit-{now:%Y-%m-%d}.{form}"',
                "Cache-Control": "no-store",
            },
        )


def asked_for(sent: Any) -> dict[str, str]:
    """Return what the filter bar says, each member a text."""
    names = ("who", "action", "ticket", "stream", "channel", "bypass", "weakening")
    asked = {name: str(sent.get(name, "")).replace("\x00", "").strip()[:100] for name in names}
    asked["period"] = sent.get("period", "" if asked["stream"] or asked["ticket"] else USUAL_PERIOD)
    for name in ("since", "until"):
        asked[name] = str(sent.get(name, "")).strip()[:10]
    return asked


def narrowing_of(asked: dict[str, str]) -> tuple[Narrowing, dict[str, str]]:
    """Return which events are meant, and what cannot be read: {member: sentence}."""
    errors: dict[str, str] = {}
    stream = asked["stream"]
    if asked["ticket"]:
        ticket = _ticket(asked["ticket"])
        if ticket is None:
            errors["ticket"] = f"There is no ticket {asked['ticket']}."
        else:
            stream = ticket.stream
    since, until = (_day(asked[name], name, errors) for name in ("since", "until"))
    if since is None and asked["period"] in PERIODS and asked["period"]:
        days = int(asked["period"]) - 1
        today = timezone.localtime(db_now()).replace(hour=0, minute=0, second=0, microsecond=0)
        since = today - timedelta(days=days)
    found = Narrowing(
        who=asked["who"],
        action=asked["action"] if asked["action"] in ACTIONS else "",
        stream=stream,
        channel=asked["channel"] if asked["channel"] in CHANNELS else "",
        bypass=bool(asked["bypass"]),
        weakening=bool(asked["weakening"]),
        since=since,
        until=until + timedelta(days=1) if until else None,
    )
    return found, errors


def _day(text: str, name: str, errors: dict[str, str]) -> datetime | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
        if not 1970 < day.year < 2200:
            raise ValueError
    except ValueError:
        errors[name] = "Write a day like 2026-11-21."
        return None
    return datetime.combine(day, time(), tzinfo=timezone.get_current_timezone())


def _ticket(name: str) -> Ticket | None:
    ref = _REF.fullmatch(name)
    if ref:
        return Ticket.objects.filter(ref=int(ref[1])).first()
    pk = _uuid(name)
    return Ticket.objects.filter(pk=pk).first() if pk else None


def _uuid(text: Any) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None


def _parts(narrowing: Narrowing, form: str) -> Iterator[str]:
    if form == "csv":
        yield reading.as_csv((), head=True)
    for batch in reading.batches(narrowing):
        yield reading.as_csv(batch) if form == "csv" else reading.as_lines(batch)


async def _later(parts: Iterator[str]) -> AsyncIterator[str]:
    """Yield the parts, each made in a thread, so that the event loop never waits for a query."""

    def following() -> str | None:
        try:
            return next(parts, None)
        finally:
            close_old_connections()

    while (part := await sync_to_async(following)()) is not None:
        yield part


def _shown(events: Sequence[AuditEvent]) -> list[dict[str, Any]]:
    """Return events as the page shows them, what they are about named and linked."""
    places = _places({event.stream for event in events})
    people = _people(events)
    return [
        {
            "event": event,
            "who": who(event),
            "shape": {"human": "human", "machine": "machine"}.get(event.actor_kind, "service"),
            "what": _what(event, people),
            "place": places.get(event.stream, (event.stream, "")),
            "channel": CHANNELS.get(event.channel, event.channel),
            "changes": _changes(event.data),
            "weakens": event.data.get("weakens", []),
            "data": _rest(event.data),
        }
        for event in events
    ]


def _what(event: AuditEvent, people: dict[int, str]) -> str:
    if event.type == "role.changed":
        said = []
        for word, verb in (("joined", "added"), ("left", "removed")):
            names = [people.get(pk, f"somebody ({pk})") for pk in event.data.get(word, [])]
            said += [f"{verb} {', '.join(names)}"] if names else []
        if "no_longer_votes_on" in event.data:
            said.append(f"took its vote on {event.data['no_longer_votes_on']} away")
        return "; ".join(said) or ("made it" if event.data.get("made") else "changed it")
    return what(event.type, event.data)


def _people(events: Sequence[AuditEvent]) -> dict[int, str]:
    wanted = {
        pk
        for event in events
        if event.type == "role.changed"
        for word in ("joined", "left")
        for pk in event.data.get(word, [])
    }
    return {user.pk: user.label for user in User.objects.filter(pk__in=wanted)} if wanted else {}


def _changes(data: dict[str, Any]) -> list[Difference]:
    rows = data.get("changes")
    if not isinstance(rows, list):
        return []
    return [
        Difference(str(row.get("field")), str(row.get("before", "")), str(row.get("after", "")))
        for row in rows
        if isinstance(row, dict)
    ]


def _rest(data: dict[str, Any]) -> str:
    rest = {name: value for name, value in data.items() if name not in _ASIDE}
    if "changes" not in data and "question" in data:
        rest["question"] = data["question"]
    return json.dumps(rest, indent=1, ensure_ascii=False) if rest else ""


def _places(streams: set[str]) -> dict[str, tuple[str, str]]:
    """Return what each stream is about: (words, address)."""
    kinds: dict[str, list[str]] = {}
    for stream in streams:
        kind, _, name = stream.partition(":")
        kinds.setdefault(kind, []).append(name)
    found: dict[str, tuple[str, str]] = {"system": ("the service", ""), AUDIT_STREAM: ("", "")}
    tickets = Ticket.objects.filter(pk__in=_uuids(kinds.get("ticket", [])))
    for ticket in tickets.only("id", "ref", "title"):
        page = reverse("admin:reviews_ticket_change", args=[ticket.pk])
        found[f"ticket:{ticket.pk}"] = (f"{ticket.label} {ticket.title}", page)
    policies = ApprovalPolicy.objects.filter(slug__in=kinds.get("policy", []))
    for policy in policies.order_by("version"):
        page = reverse("admin:approvals_approvalpolicy_change", args=[policy.pk])
        found[f"policy:{policy.slug}"] = (policy.name, page)
    for checkpoint in Checkpoint.objects.filter(slug__in=kinds.get("checkpoint", [])):
        page = reverse("admin:reviews_checkpoint_change", args=[checkpoint.pk])
        found[f"checkpoint:{checkpoint.slug}"] = (checkpoint.title, page)
    for key in AccessKey.objects.filter(pk__in=_uuids(kinds.get("key", []))):
        page = reverse("admin:approvals_accesskey_change", args=[key.pk])
        found[f"key:{key.pk}"] = (f"key {key.name}", page)
    numbers = [name for name in kinds.get("role", []) if name.isdigit()]
    for role in Group.objects.filter(pk__in=numbers):
        page = reverse("admin:auth_group_change", args=[role.pk])
        found[f"role:{role.pk}"] = (f"role {role.name}", page)
    for stream in streams:
        if stream.startswith(("queue:", "queuechoice:", "region:", "calendar:")):
            found[stream] = ("", "")  # the sentence names it
    return found


def _uuids(names: list[str]) -> list[UUID]:
    return [pk for pk in map(_uuid, names) if pk is not None]
