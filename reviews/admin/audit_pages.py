"""The audit page: what happened in sentences, narrowed and paged, with the proof folded."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from asgiref.sync import sync_to_async
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.db import OperationalError, close_old_connections, transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from approvals.errors import Refusal
from approvals.trail import actor_for
from audit import reading
from audit.admin import ReadOnlyAdmin
from audit.clock import db_now
from audit.models import AuditEvent
from audit.reading import Narrowing
from audit.services import SYSTEM, Draft, record_alone
from audit.timeline import CHANNELS
from reviews.admin.audit_rows import shown
from reviews.admin.pages import person_of
from reviews.admin.settings_pages import SettingsAdmin
from reviews.models import Ticket
from reviews.services.lookup import as_uuid
from reviews.services.upkeep import audit_review, review_audit

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
                        narrowing, before=as_uuid(request.GET.get("before", ""))
                    )
            except OperationalError:
                errors["period"] = "That takes too long; choose a shorter period."
        keep = urlencode({k: v for k, v in asked.items() if v or k == "period"})
        context = {
            "rows": shown(rows),
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
        context = {"row": shown([event])[0], "alone": True}
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
    pk = as_uuid(name)
    return Ticket.objects.filter(pk=pk).first() if pk else None


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
