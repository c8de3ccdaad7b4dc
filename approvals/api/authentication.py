"""Who calls: a bearer key stands for the machine or the person it acts as."""

import re
from datetime import UTC, datetime

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from approvals.models import AccessKey, User
from approvals.services import key_use
from approvals.services.keys import admits, find_key, is_good
from audit.clock import db_now

_TOKEN = re.compile(r"hitl_[0-9a-f]{8}_[A-Za-z0-9_-]{16,128}")


def is_bearer(header: bytes) -> bool:
    """Tell whether an `Authorization` header claims to carry one of our keys."""
    return header.partition(b" ")[0].lower() == b"bearer"


def key_of(header: bytes, *, address: str) -> AccessKey | None:
    """Return the key a bearer header carries, or None where it is not good from this address."""
    token = token_of(header)
    key = find_key(token) if _TOKEN.fullmatch(token) else None
    seen_at = datetime.now(UTC)  # shown to people; whether a key expired the database tells
    good = key is not None and is_good(key, now=db_now() if key.expires_at else seen_at)
    if key is None or not good or not admits(key, address):
        return None
    key_use.note(key.pk, seen_at, address)
    return key


def token_of(header: bytes) -> str:
    """Return what a bearer header carries, whatever it is."""
    return header.partition(b" ")[2].strip().decode("ascii", "replace")


class AccessKeyAuthentication(BaseAuthentication):
    """Take `Authorization: Bearer hitl_…`; `request.auth` is then the key."""

    def authenticate(self, request: Request) -> tuple[User, AccessKey] | None:
        """Return the user a key acts as, and the key; None without a bearer header.

        :raises AuthenticationFailed: for a key that is unknown, expired or revoked, all alike.
        """
        given = get_authorization_header(request)
        if not is_bearer(given):
            return None
        key = key_of(given, address=request.META.get("REMOTE_ADDR", ""))
        if key is None:
            raise AuthenticationFailed("This key is unknown, expired or revoked.")
        return key.user, key

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        """Return what an unauthenticated answer asks for."""
        return 'Bearer realm="countersign"'
