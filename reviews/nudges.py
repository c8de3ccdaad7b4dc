"""Tell workers and waiting callers, after the commit, that there is something to look at.

A nudge may be lost: the sweeps find every row all the same. So it never waits, never raises,
and never stands between a person and their vote.
"""

import asyncio
import logging
import queue
import threading
from dataclasses import dataclass

from celery import current_app
from channels.layers import get_channel_layer
from django.db import transaction

log = logging.getLogger(__name__)

CAPACITY = 1000
# By name: the tasks import the services, and the services nudge.
DISPATCH = "reviews.tasks.dispatch_deliveries"
PATIENCE = 0.25  # seconds a message may take; then it is dropped like any other lost nudge


@dataclass(frozen=True, slots=True)
class Nudge:
    ticket_id: str
    deliveries: bool


_waiting: "queue.Queue[Nudge]" = queue.Queue(maxsize=CAPACITY)
_starting = threading.Lock()
_thread: threading.Thread | None = None


def channel_name(ticket_id: str) -> str:
    """Return the name of the channel group on which one ticket's changes are announced."""
    return f"ticket.{ticket_id}"


def after_commit(*, ticket_id: str, deliveries: bool) -> None:
    """Nudge once the present transaction is committed; dropped when too many wait."""
    transaction.on_commit(lambda: _put(Nudge(ticket_id, deliveries)))


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
    while True:
        nudge = _waiting.get()
        try:
            _publish(nudge, loop)
        except Exception as problem:  # whatever is down, the sweep is the guarantee
            log.debug("nudge not published: %s", problem)


def _publish(nudge: Nudge, loop: asyncio.AbstractEventLoop) -> None:
    layer = get_channel_layer()
    if layer is not None:
        message = {"type": "ticket.changed", "id": nudge.ticket_id}
        sending = layer.group_send(channel_name(nudge.ticket_id), message)
        loop.run_until_complete(asyncio.wait_for(sending, PATIENCE))
    if nudge.deliveries:
        current_app.send_task(DISPATCH, retry=False, expires=5)
