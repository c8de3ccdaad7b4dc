"""Find what a person or program names, within what it may see."""

import re
from uuid import UUID

from approvals.errors import NotVisible
from approvals.models import User
from reviews.models import Ticket

_REF = re.compile(r"[Tt]-(\d{1,18})")


def find_ticket(identifier: str, *, user: User) -> Ticket:
    """Return the ticket with this id, ref (`T-1042`) or reference, if the user may see it.

    :raises NotVisible: also for a ticket that exists but is not theirs to see.
    """
    visible = Ticket.objects.visible_to(user).select_related(
        "decision__policy", "checkpoint", "queue", "region"
    )
    match = _REF.fullmatch(identifier)
    if match:
        found = visible.filter(ref=int(match[1])).first()
        if found:
            return found
    try:
        found = visible.filter(pk=UUID(identifier)).first()
    except ValueError:
        found = None
    if found is None and "\x00" not in identifier:
        # A reference is unique per key; somebody who sees several takes the latest.
        found = visible.filter(reference=identifier).order_by("-id").first() if identifier else None
    if found is None:
        raise NotVisible
    return found
