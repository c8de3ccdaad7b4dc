"""The key this service signs with, receipts and seals and nothing else, and those before it."""

from functools import cache
from typing import Any

from django.conf import settings
from django.db import transaction

from audit.chain import instant
from audit.clock import db_now
from audit.handovers import hand_over, trusted_keys
from audit.models import AuditEvent
from audit.services import Draft, record
from audit.signing import SigningKey

# Where the handovers are told; sealed like every stream.
STREAM = "key:signing"
HANDED_OVER = "key.handed_over"


def signing_key() -> SigningKey:
    """Return the key receipts and seals are signed with."""
    return _parsed(settings.HITL_SIGNING_KEY)


@cache
def _parsed(pem: str) -> SigningKey:
    # Parsing costs more than signing, and a receipt is signed whenever it is read.
    return SigningKey.from_pem(pem.encode())


def published_keys() -> list[dict[str, Any]]:
    """Return the public keys whose signatures hold, as JWKs, the present one first.

    A process that still signs with the old key publishes the new one as well, so the change
    needs no instant at which all of them restart.
    """
    told = AuditEvent.objects.filter(stream=STREAM, type=HANDED_OVER).order_by("seq")
    return trusted_keys(signing_key().public_jwk(), told.values_list("data", flat=True))


def rotate(*, to: SigningKey) -> None:
    """Publish the next signing key, and the present one as its predecessor.

    From here on what either signs is believed; which one signs is for the environment to say.
    """
    with transaction.atomic():
        now = db_now()
        handover = hand_over(old=signing_key(), new=to, at=instant(now))
        record(STREAM, [Draft(HANDED_OVER, now, data=handover)])
