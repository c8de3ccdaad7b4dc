"""Tell workers and waiting callers, after the commit, that there is something to look at.

A nudge may be lost: the sweeps find every row all the same. So it never waits, never raises,
and never stands between a person and their vote.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from celery import current_app
from channels.layers import get_channel_layer
from django.db import transaction

from reviews import statsd

log = logging.getLogger(__name__)

CAPACITY = 1000
# One message for all that changed meanwhile: telling Redis costs as much as a third of a vote.
GROUP = "changes"
PAUSE = 0.01  # seconds between two announcements
MOST = 200  # changes in one announcement
# By name: the tasks import the services, and the services nudge.
DISPATCH = "reviews.tasks.dispatch_deliveries"
BREATHER = 0.1  # seconds between two calls of the dispatcher
PATIENCE = 0.25  # seconds a message may take; then it is dropped like any other lost nudge


@dataclass(frozen=True, slots=True)
class Nudge:
    about: str
    deliveries: bool
    seq: str = ""
    types: tuple[str, ...] = ()


_waiting: "queue.Queue[Nudge]" = queue.Queue(maxsize=CAPACITY)
_starting = threading.Lock()
_thread: threading.Thread | None = None


def after_commit(
    *, about: object, deliveries: bool, seq: str = "", types: Sequence[str] = ()
) -> None:
    """Nudge once the present transaction is committed; dropped when too many wait.

    :param about: the id of the ticket, or of whatever else there is to look at.
    :param seq: the id of the ticket's latest event. `types` are what happened.
    """
    nudge = Nudge(str(about), deliveries, seq, tuple(types))
    transaction.on_commit(lambda: _put(nudge))


def announce(*, ticket_id: str, what: str) -> None:
    """Tell those who watch a ticket of something that changed no row."""
    _put(Nudge(ticket_id, deliveries=False, types=(what,)))


def _put(nudge: Nudge) -> None:
    _ensure_thread()
    try:
        _waiting.put_nowait(nudge)
    except queue.Full:
        log.debug("nudge dropped, the sweep will find it")


def _ensure_thread() -> None:
    global _thread
    if _thread is not None and _thread.is_alive():
        return
    with _starting:
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_publish_forever, name="nudges", daemon=True)
            _thread.start()


def _publish_forever() -> None:
    # One loop for good: a fresh one per nudge costs a millisecond, and a new connection to Redis.
    loop = asyncio.new_event_loop()
    dispatch = _Dispatch()
    while True:
        try:
            nudges = [_waiting.get(timeout=dispatch.patience())]
        except queue.Empty:
            dispatch.now()
            continue
        with suppress(queue.Empty):
            while len(nudges) < MOST:
                nudges.append(_waiting.get_nowait())
        _announce(nudges, loop)
        statsd.count(what for nudge in nudges for what in nudge.types)
        if any(nudge.deliveries for nudge in nudges):
            dispatch.soon()
        time.sleep(PAUSE)


def _announce(nudges: Sequence[Nudge], loop: asyncio.AbstractEventLoop) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    changes = [[nudge.about, nudge.seq, list(nudge.types)] for nudge in nudges]
    message = {"type": "tickets.changed", "changes": changes}
    try:
        loop.run_until_complete(asyncio.wait_for(layer.group_send(GROUP, message), PATIENCE))
    except Exception as problem:  # whatever is down, waiting callers look again by themselves
        log.debug("change not announced: %s", problem)


class _Dispatch:
    """Wake the dispatcher: at once, but at most ten times a second; one run takes all that wait."""

    def __init__(self) -> None:
        self._next = 0.0
        self._owed = False

    def soon(self) -> None:
        self._owed = True
        if time.monotonic() >= self._next:
            self.now()

    def now(self) -> None:
        self._owed = False
        self._next = time.monotonic() + BREATHER
        try:
            current_app.send_task(DISPATCH, retry=False, expires=5)
        except Exception as problem:  # whatever is down, the sweep is the guarantee
            log.debug("dispatcher not nudged: %s", problem)

    def patience(self) -> float | None:
        """Return the seconds until an owed call is due, or None where none is."""
        return max(0.0, self._next - time.monotonic()) if self._owed else None
