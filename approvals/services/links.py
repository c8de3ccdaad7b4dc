"""Make, find and spend the links that let one person open one round from a mail."""

import hmac
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from approvals.errors import LinkExpired, LinkUsed, MachineCannotVote
from approvals.links import LIFETIME, new_token, token_hash
from approvals.models import Decision, DecisionLink, User


def issue_link(*, decision: Decision, person: User, now: datetime) -> tuple[DecisionLink, str]:
    """Make a link for one person and one round; return it with its token, which is stored nowhere.

    :raises MachineCannotVote: a link is for people.
    """
    if person.is_machine:
        raise MachineCannotVote
    token = new_token()
    link = DecisionLink.objects.create(
        token_hash=token_hash(token),
        decision=decision,
        person=person,
        created_at=now,
        expires_at=now + LIFETIME,
    )
    return link, token


def find_link(token: str) -> DecisionLink | None:
    """Return the link of this token, spent and expired ones too, or None.

    Every token costs the same work: one hash, one look into the index, one comparison.
    """
    wanted = token_hash(token)
    link = _links().filter(token_hash=wanted).first()
    same = hmac.compare_digest(link.token_hash if link else token_hash(""), wanted)
    return link if link is not None and same else None


def read_link(link_id: UUID) -> DecisionLink | None:
    """Return a link by its id, which opens nothing by itself, or None."""
    return _links().filter(pk=link_id).first()


def _links() -> QuerySet[DecisionLink]:
    return DecisionLink.objects.select_related("person", "decision")


def use_link(*, link_id: UUID, now: datetime) -> None:
    """Spend a link, in the transaction of the vote it is spent on.

    Of many at once one changes the row and the others wait for its end: they then find it used,
    or, when that vote was refused and undone, still good.

    :raises Refusal: LinkUsed, LinkExpired.
    """
    good = DecisionLink.objects.filter(pk=link_id, used_at__isnull=True, expires_at__gt=now)
    if good.update(used_at=now):
        return
    spent = DecisionLink.objects.filter(pk=link_id, used_at__isnull=False).exists()
    raise LinkUsed if spent else LinkExpired
