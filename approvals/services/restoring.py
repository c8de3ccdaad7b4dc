"""After a backup was brought back: whatever opened a door since then must not open it again."""

from dataclasses import dataclass

from django.contrib.sessions.models import Session
from django.db import transaction

from approvals.errors import NotAllowed
from approvals.models import AccessKey, DecisionLink, User
from approvals.services.keys import revoke_key
from approvals.trail import tell
from audit.clock import db_now
from audit.services import SYSTEM


@dataclass(frozen=True, slots=True)
class Ended:
    """How many of each were ended."""

    links: int
    sessions: int
    keys: int


def end_open_access(*, by: User, keep_keys: bool = False) -> Ended:
    """End every link that is open, every session and, unless told otherwise, every key.

    A backup does not know which of them were used up or revoked after it was made, so none of them
    can be believed.

    :raises NotAllowed: for a machine, or somebody who cannot sign in.
    """
    if by.is_machine or not by.is_active:
        raise NotAllowed("Only a person who can sign in brings a backup back.")
    with transaction.atomic():
        now = db_now()
        links = DecisionLink.objects.filter(used_at__isnull=True).update(used_at=now)
        sessions, _ = Session.objects.all().delete()
        keys = [] if keep_keys else list(AccessKey.objects.filter(revoked_at__isnull=True))
        for key in keys:
            revoke_key(key=key, by=by, now=now)
        ended = Ended(links, sessions, len(keys))
        facts = {"links": links, "sessions": sessions, "keys": len(keys)}
        tell(SYSTEM, "service.restored", by=by, at=now, data=facts)
    return ended
