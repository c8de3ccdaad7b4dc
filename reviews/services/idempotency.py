"""Do a repeated call once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError

from approvals.errors import Busy, IdempotencyInFlight, IdempotencyKeyReused
from approvals.models import User
from audit.clock import db_now
from reviews.models import IdempotentCall
from reviews.services.turns import writing


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer that can be given again."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


def once(
    *,
    caller: User,
    key: str,
    fingerprint: str,
    do: Callable[[], Reply],
    first: Callable[[], None] | None = None,
) -> tuple[Reply, bool]:
    """Answer a call, or give the answer it got before; returns (answer, whether replayed).

    The row is written in the call's own transaction, so a parallel twin waits on the unique
    index until the first commits, and then reads its answer. A refused call leaves no row.

    :param first: what may refuse a call that was not answered before, outside any transaction.
    :raises Refusal: IdempotencyKeyReused for another body, IdempotencyInFlight when the twin
        takes longer than the lock timeout.
    """
    replay = _earlier(caller, key, fingerprint)
    if replay is not None:
        return replay, True
    if first is not None:
        first()
    try:
        with writing():
            call = IdempotentCall.objects.create(
                caller=caller, key=key, fingerprint=fingerprint, created_at=db_now()
            )
            reply = do()
            call.status, call.answer, call.headers = reply.status, reply.body, reply.headers
            call.save(update_fields=["status", "answer", "headers"])
    except IntegrityError:
        replay = _earlier(caller, key, fingerprint)
        if replay is None:
            raise
        return replay, True
    except Busy as problem:
        raise IdempotencyInFlight from problem
    return reply, False


def _earlier(caller: User, key: str, fingerprint: str) -> Reply | None:
    call = IdempotentCall.objects.filter(caller=caller, key=key).first()
    if call is None:
        return None
    if call.fingerprint != fingerprint:
        raise IdempotencyKeyReused
    return Reply(call.status, call.answer, call.headers)
