"""What people did, written into the audit trail in their name."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from approvals.models import User
from audit.services import THE_SERVICE, Actor, Draft, record


def actor_for(user: User | None) -> Actor:
    """Return how the audit trail names a user; nobody is the service itself."""
    return THE_SERVICE if user is None else Actor(str(user.pk), user.kind, user.label)


def tell(
    stream: str,
    type: str,
    *,
    by: User | None,
    at: datetime,
    reason: str = "",
    data: Mapping[str, Any] | None = None,
) -> Draft:
    """Write one fact into a stream, in the transaction of what it tells of; return it."""
    draft = Draft(type, at, actor_for(by), reason=reason, data=data or {})
    record(stream, [draft])
    return draft
