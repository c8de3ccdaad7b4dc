"""Write down what became of attempts to deliver: many at a time, and never before they ended."""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F

from audit.clock import db_now
from reviews.channels import Outcome
from reviews.models import Delivery, FailedAttempt
from reviews.services.endpoints import switch_off

log = logging.getLogger(__name__)

# How long after the failure of one attempt the next is made; the first is made at once.
RETRY_AFTER = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
MOST_ATTEMPTS = len(RETRY_AFTER)
# After one attempt used up all its time, that target's other rows step aside for so long.
STEP_ASIDE = timedelta(seconds=30)

Told = tuple[Delivery, Outcome]


def note(told: Sequence[Told]) -> None:
    """Store outcomes in one transaction. Where that fails the leases end, and they are repeated."""
    try:
        with transaction.atomic():
            _write_all(told, db_now())
    except Exception:
        if len(told) > 1:  # whatever is wrong with one of them, the others are noted
            for one in told:
                note([one])
            return
        # The database may be away; the row keeps its lease.
        log.warning("the outcome of delivery %s was not stored", told[0][0].pk, exc_info=True)


def _write_all(told: Sequence[Told], now: datetime) -> None:
    alike: dict[Outcome, list[UUID]] = {}
    for delivery, outcome in told:
        if outcome.fate in ("sent", "moot"):
            same = Outcome(outcome.fate, outcome.status, outcome.error)
            alike.setdefault(same, []).append(delivery.pk)
    for outcome, ids in alike.items():
        # Even when the lease ran out meanwhile: it did arrive. What was moot was never sent.
        Delivery.objects.filter(pk__in=sorted(ids)).update(
            state=Delivery.State.SENT,
            sent_at=now if outcome.fate == "sent" else None,
            next_attempt_at=None,
            unfinished=0,
            last_status=outcome.status,
            last_error=outcome.error[:400],
        )
    failed = [one for one in told if one[1].fate not in ("sent", "moot")]
    for delivery, outcome in failed:
        _write(delivery, outcome, now)
    FailedAttempt.objects.bulk_create(
        FailedAttempt(
            delivery=delivery,
            number=delivery.attempts,
            at=now,
            status=outcome.status,
            error=outcome.error[:400],
            milliseconds=outcome.milliseconds,
        )
        for delivery, outcome in failed
    )


def _write(delivery: Delivery, outcome: Outcome, now: datetime) -> None:
    """Store one failure: it waits for the table's next attempt, or is parked."""
    row, error = Delivery.objects.filter(pk=delivery.pk), outcome.error[:400]
    if outcome.fate == "gone" and delivery.endpoint is not None:
        # The endpoint's lock comes before its rows', as everywhere.
        switch_off(endpoint_id=delivery.endpoint.pk, why=outcome.error, by=None, now=now)
        row.update(last_status=outcome.status, last_error=error, unfinished=0)
        return
    # Only while the lease is ours; else another attempt has the word.
    ours = row.filter(state=Delivery.State.WAITING, attempts=delivery.attempts)
    told = {"last_status": outcome.status, "last_error": error, "unfinished": 0}
    if outcome.fate == "retry" and delivery.attempts < MOST_ATTEMPTS:
        ours.update(next_attempt_at=now + RETRY_AFTER[delivery.attempts], **told)
    else:
        ours.update(state=Delivery.State.PARKED, next_attempt_at=None, **told)
        log.warning("delivery %s is parked: %s", delivery.pk, error)
    if outcome.slow:
        _step_aside(delivery, now)


def _step_aside(delivery: Delivery, now: datetime) -> None:
    waiting = Delivery.objects.filter(
        channel=delivery.channel,
        target=delivery.target,
        state=Delivery.State.WAITING,
        next_attempt_at__lte=now,
    )
    ids = list(waiting.select_for_update(skip_locked=True).values_list("pk", flat=True))
    Delivery.objects.filter(pk__in=ids).update(next_attempt_at=now + STEP_ASIDE)


def park(ids: Iterable[UUID], error: str) -> None:
    """Send these no more, in the caller's transaction."""
    Delivery.objects.filter(pk__in=list(ids)).update(
        state=Delivery.State.PARKED, next_attempt_at=None, last_error=error
    )


def give_back(rows: Iterable[Delivery], *, after: timedelta) -> None:
    """Let rows that were claimed and not begun wait again; no attempt was made of them."""
    claimed: dict[int, list[UUID]] = {}
    for row in rows:
        claimed.setdefault(row.attempts, []).append(row.pk)
    for attempts, ids in claimed.items():
        ours = Delivery.objects.filter(
            pk__in=sorted(ids), state=Delivery.State.WAITING, attempts=attempts
        )
        ours.update(
            attempts=F("attempts") - 1,
            unfinished=F("unfinished") - 1,
            next_attempt_at=db_now() + after,
        )
