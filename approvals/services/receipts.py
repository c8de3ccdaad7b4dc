"""Sign what was decided, and stamp it once."""

from datetime import datetime, timedelta
from typing import Any

from approvals.errors import AlreadyConsumed, NotVisible, SchemaMismatch, WrongState
from approvals.models import AccessKey, Decision, Receipt

VALID_FOR = timedelta(days=7)


def is_consumable(decision: Decision, *, now: datetime) -> bool:
    """Tell whether a decision permits an execution at this instant."""
    return (
        decision.effect in {"allow", "answer"}
        and decision.revoked_at is None
        and decision.closed_at is None
        and decision.final_at is not None
        and decision.final_at <= now <= decision.final_at + VALID_FOR
    )


def consume(
    *, decision: Decision, key: AccessKey, nonce: str, digest: str, now: datetime
) -> Receipt:
    """Stamp a receipt before execution. Only the first stamp succeeds.

    The caller holds the subject's lock.

    :raises Refusal: WrongState where nothing is permitted, SchemaMismatch for another action,
        AlreadyConsumed for a second stamp.
    """
    standing = Receipt.objects.filter(decision=decision).first()
    if standing is not None:
        # Whoever lost the first answer repeats the call under its Idempotency-Key.
        raise AlreadyConsumed(consumed_at=standing.consumed_at.isoformat())
    if not is_consumable(decision, now=now):
        raise WrongState("There is no standing approval to consume.")
    if digest != decision.executed_digest:
        raise SchemaMismatch(
            "This is not the action that was approved.",
            errors=[{"pointer": "/digest", "message": "Differs from the approved action_digest."}],
        )
    return Receipt.objects.create(
        decision=decision, nonce=nonce, digest=digest, consumed_at=now, consumed_with=key
    )


def record_result(
    *, decision: Decision, consumption_id: str, result: str, detail: Any, now: datetime
) -> Receipt:
    """Note how the execution went, once.

    :raises Refusal: NotVisible for another consumption, WrongState when already recorded.
    """
    receipt = Receipt.objects.filter(decision=decision).first()
    if receipt is None or str(receipt.pk) != consumption_id:
        raise NotVisible("There is no such consumption of this ticket's receipt.")
    if receipt.recorded_at is not None:
        if receipt.result == result:
            return receipt
        raise WrongState("The result of this receipt is already recorded.")
    receipt.result, receipt.result_detail, receipt.recorded_at = result, detail, now
    receipt.save(update_fields=["result", "result_detail", "recorded_at"])
    return receipt
