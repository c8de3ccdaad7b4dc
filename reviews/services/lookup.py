"""Find what a person or program names, within what it may see."""

import re
from uuid import UUID

from django.db.models import CharField, Exists

from approvals.errors import Invalid, NotVisible, RegionNotYours
from approvals.models import Bypass, User
from approvals.services.policies import published
from audit.prepared import PreparedRead
from reviews.flags import ALWAYS_ASKING
from reviews.models import Checkpoint, Region, Ticket

_REF = re.compile(r"[Tt]-(\d{1,18})")


_around = PreparedRead(
    lambda key: (
        Ticket.objects.filter(pk=key)
        .select_related("checkpoint", "queue")
        .only("checkpoint", "queue")
    )
)


def as_uuid(identifier: str) -> UUID | None:
    """Return the id a caller named, or None where it is a ref or a reference."""
    try:
        return UUID(identifier)
    except ValueError:
        return None


def read_surroundings(ticket: Ticket) -> None:
    """Read what a ticket's answer tells beside the ticket itself."""
    (around,) = _around(ticket.pk)
    ticket.checkpoint, ticket.queue = around.checkpoint, around.queue
    ticket.decision.policy = published(ticket.decision.policy_id)


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
    ticket_id = as_uuid(identifier)
    found = visible.filter(pk=ticket_id).first() if ticket_id else None
    if found is None and identifier and "\x00" not in identifier:
        called = visible.filter(reference=identifier).order_by("-id")
        # Their own first. Of others' nobody may choose what somebody takes it for: every key names
        # its tickets as it likes, also like another's, or like a ref.
        found = called.filter(requester=user).first()
        others = [] if found or match else list(called[:2])
        if len(others) > 1:
            raise NotVisible("Several tickets bear this reference; name one by its ref, T-….")
        found = found or next(iter(others), None)
    if found is None:
        raise NotVisible
    return found


# Read with the checkpoint, so that a ticket costs no further query while there is no bypass.
_SOME_BYPASS = Exists(Bypass.objects.filter(ended_at__isnull=True))
_checkpoint_called = PreparedRead(
    lambda slug: Checkpoint.objects.annotate(bypass_running=_SOME_BYPASS).filter(slug=slug),
    field=CharField(),
    probe="no such checkpoint",
)


def find_checkpoint(slug: str, *, by_service: bool) -> Checkpoint:
    """Return the checkpoint a ticket is opened at, with its question.

    :raises Invalid: where there is none in use, or only the service opens tickets there.
    """
    # Nobody but the service opens what only it may open; and there, no switch keeps it from it.
    own = slug in ALWAYS_ASKING
    found = next(iter(_checkpoint_called(slug)), None) if own == by_service else None
    if found is not None and not (own or found.active):
        found = None
    if found is None:
        message = f"There is no checkpoint `{slug}`; GET /api/v1/checkpoints lists them."
        raise Invalid.at("/checkpoint", message)
    found.question = published(found.question_id)
    return found


def find_region(name: str, requester: User) -> Region | None:
    """Return the region a requester names, by its slug or name; None where none is named.

    :raises Refusal: Invalid where there is none, RegionNotYours.
    """
    if not name:
        return None
    region = Region.objects.filter(slug__iexact=name).first() or (
        Region.objects.filter(name__iexact=name).first()
    )
    if region is None:
        raise Invalid.at("/region", f"There is no region `{name}`.")
    if not requester.is_machine and not region.people.filter(pk=requester.pk).exists():
        raise RegionNotYours
    return region


def find_previous(identifier: str, requester: User) -> Ticket | None:
    """Return the ticket a requester says theirs follows; None where none is named.

    :raises Invalid: where there is none they may see.
    """
    if not identifier:
        return None
    try:
        return find_ticket(identifier, user=requester)
    except NotVisible:
        raise Invalid.at("/previous", f"There is no ticket `{identifier}` of yours.") from None
