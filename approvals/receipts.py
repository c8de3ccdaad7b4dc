"""Say in one signed statement what was decided, by whom, over which bytes, and until when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from audit.chain import instant

RECEIPT_TYPE = "countersign-receipt+jwt"


def receipt_claims(
    *,
    issuer: str,
    ticket_id: object,
    ref: str,
    checkpoint: str,
    decision_id: object,
    round: int,
    outcome: str,
    status: str,
    allowed: bool,
    action_digest: str,
    digest: str,
    voters: Sequence[Mapping[str, Any]],
    by: str,
    nonce: str,
    settled_at: datetime,
    final_at: datetime,
    expires_at: datetime,
) -> dict[str, Any]:
    """Return the claims of a final decision's receipt; the same decision gives the same claims.

    ``voters`` are ``{"name", "choice", "at"}`` (``at`` a datetime), in any order. The receipt is
    valid from ``final_at`` to ``expires_at``, in whole seconds, rounded down.

    :raises ValueError: when an instant has no time zone or the receipt would never be valid.
    """
    if expires_at <= final_at:
        raise ValueError("A receipt must end after it begins.")
    voted = [{"name": v["name"], "choice": v["choice"], "at": instant(v["at"])} for v in voters]
    return {
        "iss": issuer,
        "sub": str(ticket_id),
        "jti": str(decision_id),
        "iat": int(final_at.timestamp()),
        "nbf": int(final_at.timestamp()),
        "exp": int(expires_at.timestamp()),
        "ref": ref,
        "checkpoint": checkpoint,
        "round": round,
        "outcome": outcome,
        "status": status,
        "allowed": allowed,
        "action_digest": action_digest,
        "digest": digest,
        "voters": sorted(voted, key=lambda vote: (vote["at"], vote["name"], vote["choice"])),
        "by": by,
        "nonce": nonce,
        "settled_at": instant(settled_at),
        "final_at": instant(final_at),
        "expires_at": instant(expires_at),
    }
