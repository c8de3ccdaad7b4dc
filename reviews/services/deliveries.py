"""Send what waits to leave: at least once, under a stable id, and never inside a transaction.

A run claims due rows by moving their next attempt ahead (a lease), sends them, and notes what
became of them. A run that dies leaves rows whose lease ends by itself; another picks them up.
"""

import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from queue import Empty, SimpleQueue
from uuid import UUID

from django.db import transaction
from django.db.models import F, Window, prefetch_related_objects
from django.db.models.functions import RowNumber

from approvals.errors import WrongState
from approvals.models import User
from approvals.rows import the_one
from approvals.trail import tell
from audit.clock import db_now
from audit.services import SYSTEM
from reviews import nudges
from reviews.channels import Outcome, Send, Unbuildable, prepare
from reviews.models import Delivery
from reviews.outbound import Client
from reviews.services.outcomes import MOST_ATTEMPTS, STEP_ASIDE, Told, give_back, note, park

log = logging.getLogger(__name__)

BATCH = 256
THREADS = 16
# To one target at most so many messages are under way at once, so that it never fills a run.
LANES = 8
# Of a claimed batch nothing is built after so many seconds, and nothing begun after so many more;
# the rest is given back. The lease must outlast both and the longest attempt (10 s).
BUILT_WITHIN = 10.0
BEGUN_WITHIN = 20.0
LEASE = timedelta(seconds=60)
# Outcomes are stored so many at a time, or after so long: whoever dies sends no more than these
# again.
NOTED_TOGETHER = 64
NOTED_WITHIN = 0.2
# A row whose attempts ended so often without a word goes alone: it may be what ends its process,
# and then it ends nobody else's attempt. After so many it is sent no more.
GOES_ALONE, MOST_UNFINISHED = 2, 5
# What may be sent again although it arrived: whoever hears it twice knows it by its id.
REPLAYED = frozenset({"webhook", "callback"})
# A run ends after so many seconds; the schedule starts the next.
LONGEST_RUN = 30.0

_running = threading.Lock()


@cache
def _client() -> Client:
    """Return this process's client: connections outlive a run, so that the next finds them open."""
    client = Client()
    atexit.register(client.close)
    return client


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
    with ThreadPoolExecutor(THREADS, thread_name_prefix="deliver") as pool:
        while claimed:
            attempts += _attempt(claimed, pool)
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
    ids = list(due.annotate(place=place).order_by("place").values_list("pk", flat=True)[:BATCH])
    with transaction.atomic():
        rows = list(
            Delivery.objects.select_for_update(skip_locked=True).filter(
                pk__in=ids, state=Delivery.State.WAITING, next_attempt_at__lte=now
            )
        )
        # An attempt beyond these was begun and never told of: whoever made it died over it.
        worn = [
            row
            for row in rows
            if row.attempts >= MOST_ATTEMPTS or row.unfinished >= MOST_UNFINISHED
        ]
        park([row.pk for row in worn], "No attempt came to an end.")
        rows = [row for row in rows if row not in worn]
        calm = [row for row in rows if row.unfinished < GOES_ALONE]
        rows = calm or rows[:1]
        Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(
            attempts=F("attempts") + 1, unfinished=F("unfinished") + 1, next_attempt_at=now + LEASE
        )
    for row in rows:
        row.attempts += 1
    prefetch_related_objects(rows, "endpoint")
    prefetch_related_objects([row for row in rows if not row.endpoint_id], "ticket__access_key")
    places = {pk: place for place, pk in enumerate(ids)}
    return sorted(rows, key=lambda row: places[row.pk])


class _Target:
    """What leaves for one target. A few lanes take from it until it is empty, slow or late."""

    def __init__(self) -> None:
        self.until = 0.0
        self.waiting: deque[tuple[Delivery, Send]] = deque()
        self.slow = False

    def lane(self, told: "SimpleQueue[Told | None]") -> None:
        """Send one after the other; end with None."""
        try:
            while self.waiting and not self.slow and time.monotonic() < self.until:
                try:
                    delivery, send = self.waiting.popleft()
                except IndexError:  # another lane was quicker
                    break
                outcome = _send(send)
                self.slow |= outcome.slow
                told.put((delivery, outcome))
        finally:
            told.put(None)


def _attempt(claimed: Sequence[Delivery], pool: ThreadPoolExecutor) -> int:
    """Build, send and note each; whatever one of them does, the others go on.

    Return how many attempts were made.
    """
    now, building = db_now(), time.monotonic() + BUILT_WITHIN
    targets: dict[tuple[str, str], _Target] = {}
    unbuilt: list[Told] = []
    late: list[Delivery] = []
    for place, delivery in enumerate(claimed):
        if place and time.monotonic() >= building:
            late = list(claimed[place:])
            break
        send = _built(delivery, now)
        if isinstance(send, Outcome):
            unbuilt.append((delivery, send))
            continue
        target = targets.setdefault((delivery.channel, delivery.target), _Target())
        target.waiting.append((delivery, send))
    if unbuilt:
        note(unbuilt)
    give_back(late, after=timedelta(0))
    told: SimpleQueue[Told | None] = SimpleQueue()
    lanes, until = 0, time.monotonic() + BEGUN_WITHIN
    for target in targets.values():
        target.until = until
        for _ in range(min(LANES, len(target.waiting))):
            pool.submit(target.lane, told)
            lanes += 1
    _note_all(told, lanes)
    left = len(late)
    for target in targets.values():
        rows = [delivery for delivery, _ in target.waiting]
        if rows:
            give_back(rows, after=STEP_ASIDE if target.slow else timedelta(0))
            left += len(rows)
    return len(claimed) - left


def _built(delivery: Delivery, now: datetime) -> Send | Outcome:
    try:
        return prepare(delivery, now)
    except Unbuildable as problem:
        return Outcome("park", error=str(problem))
    except Exception as problem:  # a row nobody thought of must not hold up the rest
        log.warning("delivery %s cannot be built", delivery.pk, exc_info=True)
        kind = type(problem).__name__
        return Outcome("park", error=f"The message cannot be built ({kind}).")


def _note_all(told: "SimpleQueue[Told | None]", lanes: int) -> None:
    """Store outcomes as they come in, some at a time, until every lane has ended."""
    some: list[Told] = []
    store_at = 0.0
    while lanes:
        try:
            one = told.get(timeout=max(0.0, store_at - time.monotonic()) if some else None)
        except Empty:
            one = None
        else:
            if one is None:
                lanes -= 1
        if one is not None:
            if not some:
                store_at = time.monotonic() + NOTED_WITHIN
            some.append(one)
        if some and (len(some) >= NOTED_TOGETHER or time.monotonic() >= store_at or not lanes):
            note(some)
            some = []


def _send(send: Send) -> Outcome:
    began = time.monotonic()
    try:
        outcome = send(_client())
    except Exception as problem:  # as above; the attempt failed, and that is all
        log.warning("an attempt to deliver failed", exc_info=True)
        outcome = Outcome("retry", error=f"The attempt failed ({type(problem).__name__}).")
    if outcome.fate in ("sent", "moot"):
        return outcome
    return replace(outcome, milliseconds=round((time.monotonic() - began) * 1000))


def deliver_again(*, delivery_id: UUID, by: User) -> Delivery:
    """Let a message wait for its first attempt again, under the id it always had.

    A parked one of any channel; one that was sent where its receiver knows it by that id.

    :raises Refusal: NotVisible, WrongState while it waits anyway or its endpoint is disabled.
    """
    with transaction.atomic():
        rows = Delivery.objects.select_for_update(of=("self",))
        delivery = the_one(rows.filter(pk=delivery_id))
        sent = delivery.state == Delivery.State.SENT
        if delivery.state == Delivery.State.WAITING:
            raise WrongState("This message waits for its next attempt anyway.")
        if sent and delivery.channel not in REPLAYED:
            raise WrongState("This message arrived; only webhooks and callbacks are told again.")
        if delivery.endpoint is not None and delivery.endpoint.disabled_at is not None:
            raise WrongState("The endpoint is disabled; enable it first.")
        now = db_now()
        delivery.state = Delivery.State.WAITING
        delivery.attempts = delivery.unfinished = 0
        delivery.next_attempt_at = now
        delivery.save(update_fields=["state", "attempts", "unfinished", "next_attempt_at"])
        data = {"delivery": str(delivery.pk), "type": delivery.type}
        tell(SYSTEM, "delivery.sent_again", by=by, at=now, data=data)
        nudges.after_commit(about=delivery.pk, deliveries=True)
    return delivery
