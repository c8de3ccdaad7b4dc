"""Make, check and revoke access keys."""

import hmac
import secrets
import zlib
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address, ip_network

from django.db import models, transaction

from approvals.errors import Invalid, WrongState
from approvals.models import AccessKey, User
from approvals.trail import tell
from audit.models import AuditEvent
from audit.prepared import PreparedRead

GRACE = timedelta(hours=24)
SERVICE_SCOPES = (AccessKey.Scope.SUBMIT, AccessKey.Scope.READ, AccessKey.Scope.RECEIPT)
PERSONAL_SCOPES = (AccessKey.Scope.READ, AccessKey.Scope.VOTE, AccessKey.Scope.SUBMIT)


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def _token(prefix: str) -> str:
    body = f"hitl_{prefix}_{secrets.token_urlsafe(32)}"
    return body + _checksum(body)


def create_key(
    *,
    name: str,
    kind: str,
    owner: User,
    scopes: Sequence[str] | None = None,
    expires_at: datetime | None = None,
    networks: Sequence[str] = (),
    now: datetime,
    by: User | None = None,
) -> tuple[AccessKey, str]:
    """Make a key and return it with its token, which is stored nowhere and shown once.

    A service key gets a machine of its own to act as; a personal token acts as its owner.

    :raises Invalid: for scopes the kind of key cannot carry, and for a token of somebody else:
        whoever makes it sees it.
    """
    if kind == AccessKey.Kind.PERSONAL and by is not None and by.pk != owner.pk:
        raise Invalid.at("/owner", "A personal token is made by its owner.")
    allowed = SERVICE_SCOPES if kind == AccessKey.Kind.SERVICE else tuple(AccessKey.Scope)
    default = SERVICE_SCOPES if kind == AccessKey.Kind.SERVICE else PERSONAL_SCOPES
    chosen = [str(scope) for scope in (default if scopes is None else scopes)]
    wrong = sorted(set(chosen) - {str(scope) for scope in allowed})
    if wrong or owner.is_machine:
        problem = (
            f"This kind of key cannot carry {', '.join(wrong)}." if wrong else "Name a person."
        )
        raise Invalid.at("/scopes", problem)
    prefix = secrets.token_hex(4)
    token = _token(prefix)
    maker = by or owner
    with transaction.atomic():
        acts_as = owner
        if kind == AccessKey.Kind.SERVICE:
            acts_as = User(username=f"key-{prefix}", first_name=name[:150], kind=User.Kind.MACHINE)
            acts_as.set_unusable_password()
            acts_as.save()
        key = AccessKey.objects.create(
            name=name,
            kind=kind,
            prefix=prefix,
            hash=mark_of(token),
            scopes=chosen,
            networks=_networks(networks),
            user=acts_as,
            owner=owner,
            made_by=maker,
            callback_secret="whsec_" + b64encode(secrets.token_bytes(32)).decode(),
            created_at=now,
            expires_at=expires_at,
        )
        facts = {"prefix": prefix, "kind": kind, "scopes": chosen, "owner": owner.pk}
        tell(f"key:{key.pk}", "key.created", by=maker, at=now, data=facts)
    return key, token


def renewers_of(key: AccessKey) -> list[User]:
    """Return who ever renewed a key: they were shown its token, as its maker was."""
    if not key.previous_hash:
        return []
    told = AuditEvent.objects.filter(stream=f"key:{key.pk}", type="key.renewed")
    ids = [int(one) for one in told.values_list("actor_id", flat=True)]
    return list(User.objects.filter(pk__in=ids, kind=User.Kind.HUMAN))


_with_prefix = PreparedRead(
    lambda prefix: AccessKey.objects.select_related("user", "owner").filter(prefix=prefix),
    field=models.CharField(),
    probe="no prefix",
)


def find_key(token: str) -> AccessKey | None:
    """Return the key a token belongs to, or None; whether it is still good is another question."""
    body, checksum = token[:-8], token[-8:]
    parts = body.split("_", 2)
    if len(parts) != 3 or parts[0] != "hitl" or _checksum(body) != checksum:
        return None
    found = _with_prefix(parts[1])
    if not found:
        return None
    return found[0] if opens(found[0], mark_of(token)) else None


def mark_of(token: str) -> str:
    """Return what may be kept of a token while somebody stays connected with it."""
    # The secret has 256 random bits, so a plain hash is as good as a slow one.
    return sha256(token.encode()).hexdigest()


def opens(key: AccessKey, mark: str) -> bool:
    """Tell whether a token with this mark is the key's, its present one or the one before it.

    The one before it was renewed: good for its time of grace, and never for longer; the key then
    expires with it.
    """
    if hmac.compare_digest(key.hash, mark):
        return True
    if not key.previous_hash or not hmac.compare_digest(key.previous_hash, mark):
        return False
    ends = [end for end in (key.previous_until, key.expires_at) if end is not None]
    key.expires_at = min(ends)
    return True


def admits(key: AccessKey, address: str) -> bool:
    """Tell whether a key may be used from this address."""
    if not key.networks:
        return True
    try:
        there = ip_address(address)
    except ValueError:
        return False
    return any(there in ip_network(network) for network in key.networks)


def _networks(given: Sequence[str]) -> list[str]:
    try:
        return [str(ip_network(text.strip(), strict=False)) for text in given]
    except ValueError as problem:
        message = "Write addresses like 192.0.2.7 or 192.0.2.0/24."
        raise Invalid.at("/networks", message) from problem


def is_good(key: AccessKey, *, now: datetime) -> bool:
    """Tell whether a key may be used at this instant."""
    expired = key.expires_at is not None and key.expires_at <= now
    return not (expired or key.revoked_at or not key.user.is_active or not key.owner.is_active)


def revoke_key(*, key: AccessKey, by: User, now: datetime) -> None:
    """Make a key useless from this instant on. Revoking twice changes nothing."""
    with transaction.atomic():
        key = AccessKey.objects.select_for_update(of=("self",)).get(pk=key.pk)
        if key.revoked_at:
            return
        key.revoked_at, key.previous_hash = now, ""
        key.save(update_fields=["revoked_at", "previous_hash"])
        tell(f"key:{key.pk}", "key.revoked", by=by, at=now)


def renew_key(*, key: AccessKey, by: User, now: datetime) -> tuple[AccessKey, str]:
    """Give a key a new token; the one before it works for a day, so that nothing stops meanwhile.

    The new token is shown once. A personal token is renewed by the person it belongs to.

    :raises Invalid: for somebody else's personal token.
    :raises WrongState: for a key that is revoked.
    """
    if key.kind == AccessKey.Kind.PERSONAL and by.pk != key.owner_id:
        raise Invalid("A personal token is renewed by its owner.")
    token = _token(key.prefix)
    with transaction.atomic():
        key = AccessKey.objects.select_for_update(of=("self",)).get(pk=key.pk)
        if key.revoked_at:
            raise WrongState("This key is revoked; make a new one.")
        key.previous_hash, key.previous_until = key.hash, now + GRACE
        key.hash = mark_of(token)
        if key.expires_at is not None:
            # As long as it was made for, counted from now.
            key.expires_at = now + (key.expires_at - key.created_at)
        key.save(update_fields=["hash", "previous_hash", "previous_until", "expires_at"])
        tell(f"key:{key.pk}", "key.renewed", by=by, at=now, data={"prefix": key.prefix})
    return key, token
