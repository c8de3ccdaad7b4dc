"""Read the trail page by page: narrowed, newest first, and as a file to take away."""

import csv
import io
import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.db.models import Q, QuerySet, Sum

from audit.chain import instant
from audit.clock import db_now
from audit.ids import least_id_at
from audit.keys import signing_key
from audit.models import AuditEvent, ChainHead, Seal
from audit.timeline import what, who
from audit.verification import verify, verify_newest

log = logging.getLogger(__name__)

PAGE = 50
BATCH = 500
# At most this much of the trail is read again while somebody waits for the page.
MOST_VERIFIED = 20_000
_CHECKED = "audit-checked"
COLUMNS = ("at", "actor_kind", "actor", "channel", "type", "what", "reason", "stream", "seq",
           "data", "hash")  # fmt: skip
# A cell that begins like this is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Which events: empty members narrow nothing."""

    who: str = ""
    action: str = ""
    stream: str = ""
    channel: str = ""
    bypass: bool = False
    weakening: bool = False
    since: datetime | None = None
    until: datetime | None = None


def events(narrowing: Narrowing) -> QuerySet[AuditEvent]:
    """Return the events that fit, newest first."""
    found = AuditEvent.objects.order_by("-id")
    if narrowing.stream:
        found = found.filter(stream=narrowing.stream)
    if narrowing.who:
        found = found.filter(
            Q(actor_label__icontains=narrowing.who) | Q(actor_id=narrowing.who[:64])
        )
    if narrowing.action:
        kind, dot, _ = narrowing.action.partition(".")
        found = found.filter(type=narrowing.action) if dot else found.filter(
            type__startswith=f"{kind}."
        )  # fmt: skip
    if narrowing.channel:
        found = found.filter(channel=narrowing.channel)
    if narrowing.bypass:
        found = found.filter(type__startswith="bypass.")
    if narrowing.weakening:
        found = found.filter(
            type__in=("policy.published", "checkpoint.changed"), data__has_key="weakens"
        )
    # Ids are ordered by time, so one index serves the period and the order.
    if narrowing.since:
        found = found.filter(pk__gte=least_id_at(narrowing.since))
    if narrowing.until:
        found = found.filter(pk__lt=least_id_at(narrowing.until))
    return found


def page_of(
    narrowing: Narrowing, *, before: UUID | None = None
) -> tuple[list[AuditEvent], UUID | None]:
    """Return one page, and the id to ask the next one with; None where there is none."""
    found = events(narrowing)
    if before is not None:
        found = found.filter(pk__lt=before)
    rows = list(found[: PAGE + 1])
    return rows[:PAGE], rows[PAGE - 1].pk if len(rows) > PAGE else None


def batches(narrowing: Narrowing) -> Iterator[list[AuditEvent]]:
    """Yield everything that fits in batches; each is a query of its own, none holds a cursor."""
    before = None
    while True:
        found = events(narrowing)
        if before is not None:
            found = found.filter(pk__lt=before)
        batch = list(found[:BATCH])
        if batch:
            yield batch
        if len(batch) < BATCH:
            return
        before = batch[-1].pk


def as_lines(rows: Iterable[AuditEvent]) -> str:
    """Return events as JSON lines."""
    return "".join(
        json.dumps(dict(zip(COLUMNS, _cells(event), strict=True)), ensure_ascii=False) + "\n"
        for event in rows
    )


def as_csv(rows: Iterable[AuditEvent], *, head: bool = False) -> str:
    """Return events as CSV in which no cell is a formula."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    if head:
        writer.writerow(COLUMNS)
    for event in rows:
        cells = _cells(event)
        cells[9] = json.dumps(cells[9], ensure_ascii=False)
        writer.writerow([_inert(cell) for cell in cells])
    return out.getvalue()


def _cells(event: AuditEvent) -> list[Any]:
    return [
        instant(event.at), event.actor_kind, who(event), event.channel, event.type,
        what(event.type, event.data), event.reason, event.stream, event.seq, event.data,
        event.hash,
    ]  # fmt: skip


def _inert(cell: Any) -> str:
    text = str(cell)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the trail is sealed and was verified; `checked_at` None: not lately."""

    seal: int
    sealed_at: datetime | None
    checked_at: datetime | None = None
    events: int = 0
    whole: bool = False
    problems: tuple[str, ...] = ()


def standing() -> Standing:
    """Return how far the trail is sealed, and what the last look at it found."""
    try:
        checked = cache.get(_CHECKED) or {}
    except Exception:  # the cache's client has many kinds; the page is not worth a failure
        checked = {}
    return Standing(*_last_seal(), **checked)


def verify_now() -> Standing:
    """Read the trail again, all of it or its newest part, and return what was found."""
    keys = [signing_key().public_jwk()]
    count = ChainHead.objects.aggregate(events=Sum("seq"))["events"] or 0
    whole = count <= MOST_VERIFIED
    report = verify(jwks=keys) if whole else verify_newest(jwks=keys, most_events=MOST_VERIFIED)
    checked: dict[str, Any] = {
        "checked_at": db_now(),
        "events": report.events,
        "whole": whole,
        "problems": tuple(f"{f.where}: {f.sentence}" for f in report.findings[:20]),
    }
    try:
        cache.set(_CHECKED, checked, timeout=int(timedelta(days=30).total_seconds()))
    except Exception as problem:  # as above
        log.debug("what was found is not remembered: %s", problem)
    return Standing(*_last_seal(), **checked)


def _last_seal() -> tuple[int, datetime | None]:
    last = Seal.objects.order_by("-number").values_list("number", "at").first()
    return last or (0, None)
