"""Decisions on a Redis stream, for systems beside us that read events and have no address."""

from datetime import datetime
from functools import lru_cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from audit.canonical import canonical_bytes
from reviews.channels.outcome import Outcome, Send, Unbuildable
from reviews.models import Delivery
from reviews.outbound import Client

# About so many entries are kept; Redis cuts whole blocks of them.
LONGEST = 100_000
_PATIENCE = 3.0  # seconds for one command, and for the connection


def prepare_stream(delivery: Delivery, now: datetime) -> Send:  # noqa: ARG001
    """Return the entry: `id` of the ticket, `decision`, and the whole `event` as JSON.

    An entry may come twice, as every delivery may; `id` inside the event stays the same.

    :raises Unbuildable: when there is no Redis any more.
    """
    url = settings.REDIS_URL
    if not url:
        raise Unbuildable("REDIS_URL is not set any more, so there is no stream.")
    fields: dict[Any, Any] = {
        "id": str(delivery.body["event"]["subject"]),
        "decision": str(delivery.body["decision"]),
        "event": canonical_bytes(delivery.body["event"]),
    }

    def send(_client: Client) -> Outcome:
        try:
            _connection(url).xadd(delivery.target, fields, maxlen=LONGEST, approximate=True)
        except redis.RedisError as problem:
            slow = isinstance(problem, redis.TimeoutError)
            return Outcome("retry", error=f"Redis said no ({type(problem).__name__}).", slow=slow)
        return Outcome("sent")

    return send


@lru_cache(maxsize=4)
def _connection(url: str) -> redis.Redis:
    """Return a client that threads share; it opens connections as they are needed."""
    return redis.Redis.from_url(
        url,
        socket_timeout=_PATIENCE,
        socket_connect_timeout=_PATIENCE,
        # The row is tried again by the table; a second try in here would only hold the thread.
        retry=Retry(NoBackoff(), 0),
    )
