"""Send what waits to leave: at least once, under a stable id, and never inside a transaction.

A run claims due rows by moving their next attempt ahead (a lease), sends them, and notes what
became of each. A run that dies leaves rows whose lease ends by itself; another picks them up.
"""

import logging
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, Window
from django.db.models.functions import RowNumber

from approvals.errors import NotVisible, WrongState
from approvals.models import User
from audit.clock import db_now
from audit.services import SYSTEM, Draft, record
from reviews.channels import Outcome, Send, Unbuildable, prepare
from reviews.events import actor_for
from reviews.models import Delivery
from reviews.outbound import Client
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

# The lease must outlast a batch in which every attempt takes all its time (10 s, in two waves).
LEASE = timedelta(seconds=60)
BATCH = 32
THREADS = 16
# Of one target at most so many in a batch, so that one receiver never fills it.
PER_TARGET = 8
# After one attempt used up all its time, that target's other rows step aside for so long.
STEP_ASIDE = timedelta(seconds=30)
# A run ends after so many seconds; the schedule starts the next.
LONGEST_RUN = 30.0

_running = threading.Lock()


def dispatch_due(*, longest: float = LONGEST_RUN) -> int:
    """Send whatever is due, batch by batch; return how many attempts were made.

    In one process one run is enough: a second would only keep a worker's thread from the sweeps.
    """
    if not _running.acquire(blocking=False):
        return 0
    try:
        return _dispatch(until=time.monotonic() + longest)
    finally:
        _running.release()


def _dispatch(*, until: float) -> int:
    attempts = 0
    claimed = _claim()
    if not claimed:
        return 0
    with Client() as client, ThreadPoolExecutor(THREADS, thread_name_prefix="deliver") as pool:
        while claimed:
            attempts += len(claimed)
            _attempt(claimed, client, pool)
            claimed = _claim() if time.monotonic() < until else []
    return attempts


def _claim() -> list[Delivery]:
    """Lease the rows that are due, fairly over their targets, and count the attempt."""
    now = db_now()
    due = Delivery.objects.filter(state=Delivery.State.WAITING, next_attempt_at__lte=now)
    if not due.exists():
        return []
    place = Window(
        RowNumber(), partition_by=[F("channel"), F("target")], order_by=F("next_attempt_at").asc()
    )
    # Everybody's first comes before anybody's second.
    fair = due.annotate(place=place).filter(place__lte=PER_TARGET).order_by("place")
    ids = list(fair.values_list("pk", flat=True)[:BATCH])
    with transaction.atomic():
        rows = list(
            Delivery.objects.select_for_update(of=("self",), skip_locked=True)
            .select_related("endpoint", "ticket__access_key")
            .filter(pk__in=ids, state=Delivery.State.WAITING, next_attempt_at__lte=now)
        )
        # An attempt beyond the last was begun and never told of: whoever made it died over it.
        worn = [row.pk for row in rows if row.attempts >= MOST_ATTEMPTS]
        _park(worn, "No attempt came to an end.")
        rows = [row for row in rows if row.attempts < MOST_ATTEMPTS]
        Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(
            attempts=F("attempts") + 1, next_attempt_at=now + LEASE
        )
    places = {pk: place for place, pk in enumerate(ids)}
    for row in rows:
        row.attempts += 1
    return sorted(rows, key=lambda row: places[row.pk])


def _attempt(claimed: list[Delivery], client: Client, pool: ThreadPoolExecutor) -> None:
    """Build, send and note each; whatever one of them does, the others go on."""
    now = db_now()
    sending = {}
    for delivery in claimed:
        try:
            send = prepare(delivery, now)
        except Unbuildable as problem:
            _note(delivery, Outcome("park", error=str(problem)))
        except Exception as problem:  # a row nobody thought of must not hold up the rest
            log.warning("delivery %s cannot be built", delivery.pk, exc_info=True)
            kind = type(problem).__name__
            _note(delivery, Outcome("park", error=f"The message cannot be built ({kind})."))
        else:
            sending[pool.submit(_send, send, client)] = delivery
    for done in as_completed(sending):
        _note(sending[done], done.result())


def _send(send: Send, client: Client) -> Outcome:
    try:
        return send(client)
    except Exception as problem:  # as above; the attempt failed, and that is all
        log.warning("an attempt to deliver failed", exc_info=True)
        return Outcome("retry", error=f"The attempt failed ({type(problem).__name__}).")


def _note(delivery: Delivery, outcome: Outcome) -> None:
    """Write down what became of an attempt. When that fails, the lease ends and it is repeated."""
    try:
        with transaction.atomic():
            _write(delivery, outcome, db_now())
    except Exception:  # the database may be away; the row keeps its lease
        log.warning("the outcome of delivery %s was not stored", delivery.pk, exc_info=True)


def _write(delivery: Delivery, outcome: Outcome, now: datetime) -> None:
    row = Delivery.objects.filter(pk=delivery.pk)
    if outcome.fate in ("sent", "moot"):
        # Even when the lease ran out meanwhile: it did arrive. What was moot was never sent.
        row.update(
            state=Delivery.State.SENT,
            sent_at=now if outcome.fate == "sent" else None,
            next_attempt_at=None,
            last_status=outcome.status,
            last_error=outcome.error[:400],
        )
        return
    if outcome.fate == "gone" and delivery.endpoint is not None:
        # The endpoint's lock comes before its rows', as everywhere.
        switch_off(endpoint_id=delivery.endpoint.pk, why=outcome.error, by=None, now=now)
        row.update(last_status=outcome.status, last_error=outcome.error[:400])
        return
    # Only while the lease is ours; else another attempt has the word.
    ours = row.filter(state=Delivery.State.WAITING, attempts=delivery.attempts)
    error = outcome.error[:400]
    if outcome.fate == "retry" and delivery.attempts < MOST_ATTEMPTS:
        ours.update(
            next_attempt_at=now + RETRY_AFTER[delivery.attempts],
            last_status=outcome.status,
            last_error=error,
        )
    else:
        ours.update(
            state=Delivery.State.PARKED,
            next_attempt_at=None,
            last_status=outcome.status,
            last_error=error,
        )
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


def _park(ids: Iterable[UUID], error: str) -> None:
    Delivery.objects.filter(pk__in=list(ids)).update(
        state=Delivery.State.PARKED, next_attempt_at=None, last_error=error
    )


def deliver_again(*, delivery_id: UUID, by: User) -> Delivery:
    """Let a parked delivery wait for its first attempt again, under the id it always had.

    :raises Refusal: NotVisible, WrongState unless it is parked.
    """
    with transaction.atomic():
        delivery = Delivery.objects.select_for_update(of=("self",)).filter(pk=delivery_id).first()
        if delivery is None:
            raise NotVisible
        if delivery.state != Delivery.State.PARKED:
            raise WrongState("Only a parked delivery can be sent again.")
        now = db_now()
        delivery.state = Delivery.State.WAITING
        delivery.attempts = 0
        delivery.next_attempt_at = now
        delivery.save(update_fields=["state", "attempts", "next_attempt_at"])
        data = {"delivery": str(delivery.pk), "type": delivery.type}
        record(SYSTEM, [Draft("delivery.sent_again", now, actor_for(by), data=data)])
    return delivery
