"""The key this service signs with: receipts, seals and nothing else."""

from functools import cache

from django.conf import settings

from audit.signing import SigningKey


def signing_key() -> SigningKey:
    """Return the key receipts and seals are signed with."""
    return _parsed(settings.HITL_SIGNING_KEY)


@cache
def _parsed(pem: str) -> SigningKey:
    # Parsing costs more than signing, and a receipt is signed whenever it is read.
    return SigningKey.from_pem(pem.encode())
