"""Mails that were given up, and whom they did not reach."""

from dataclasses import dataclass
from datetime import datetime

from approvals.models import User
from reviews.channels import MAILS
from reviews.models import Delivery

# So many of them are looked at, the newest.
_LOOKED_AT = 500


@dataclass(frozen=True, slots=True)
class Unreached:
    """How many mails were given up, and the newest of them."""

    mails: int
    newest: Delivery
    person: User | None


def people_of(deliveries: list[Delivery]) -> dict[str, User]:
    """Return the people that mails are for, by target, in one query."""
    mails = (one.target for one in deliveries if one.channel in MAILS)
    ids = {int(target) for target in mails if target.isdecimal()}
    return {str(one.pk): one for one in User.objects.filter(pk__in=ids)} if ids else {}


def unreached(*, since: datetime) -> Unreached | None:
    """Return what was given up of mails made since then; who was switched off misses nothing."""
    parked = Delivery.objects.filter(
        state=Delivery.State.PARKED, channel__in=MAILS, created_at__gte=since
    )
    rows = list(parked.defer("body").order_by("-id")[:_LOOKED_AT])
    people = people_of(rows)
    rows = [row for row in rows if row.target not in people or people[row.target].is_active]
    if not rows:
        return None
    return Unreached(len(rows), rows[0], people.get(rows[0].target))
