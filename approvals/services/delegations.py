"""Lend the right to vote, and end a loan early. That a loan's time is over changes no row."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Q, QuerySet

from approvals.answers import check_text
from approvals.errors import Invalid, NotAllowed
from approvals.models import Delegation, User
from approvals.models.delegation import DelegationQuerySet
from approvals.rows import the_one
from approvals.trail import tell
from audit.clock import db_now

LONGEST = timedelta(days=90)
FARTHEST = timedelta(days=365)
LONGEST_REASON = 400
# Arrange a loan for somebody else; see everybody's.
ARRANGE, SEE = "approvals.add_delegation", "approvals.view_delegation"


def start_delegation(
    *,
    lender: User,
    delegate: User,
    ends_at: datetime,
    by: User,
    starts_at: datetime | None = None,
    roles: Iterable[Group] = (),
    reason: str = "",
) -> Delegation:
    """Lend one person's votes to another; from now on where no later start is given.

    :param roles: only these roles' votes; none means all the lender has, also later ones.
    :raises Refusal: NotAllowed to arrange it for somebody else, Invalid for what no loan can be.
    """
    check_text(reason, at="/reason")
    reason, named = " ".join(reason.split()), {role.pk: role for role in roles}
    if len(reason) > LONGEST_REASON:
        raise _wrong("/reason", f"Write at most {LONGEST_REASON} characters.")
    _check_maker(lender=lender, delegate=delegate, reason=reason, by=by)
    with transaction.atomic():
        # Whoever lends or is lent to is locked, so that two loans at once cannot make a chain.
        identities = {lender.identity, delegate.identity}
        people = User.objects.filter(kind=User.Kind.HUMAN, identity__in=identities)
        list(people.select_for_update(no_key=True).order_by("pk").values_list("pk"))
        now = db_now()
        starts_at = max(starts_at or now, now)
        _check_people(lender, delegate)
        _check_time(starts_at, ends_at, now)
        _check_roles(lender, named)
        _check_others(lender, delegate, starts_at, ends_at)
        loan = Delegation.objects.create(
            lender=lender,
            delegate=delegate,
            limited=bool(named),
            reason=reason,
            starts_at=starts_at,
            ends_at=ends_at,
            made_by=by,
            made_at=now,
        )
        loan.roles.set(named.values())
        data = {
            "lender": lender.pk,
            "delegate": delegate.pk,
            "roles": sorted(role.name for role in named.values()) or None,
            "starts_at": starts_at.isoformat(),
            "ends_at": ends_at.isoformat(),
        }
        tell(f"delegation:{loan.pk}", "delegation.started", by=by, at=now, reason=reason, data=data)
    return loan


def end_delegation(*, delegation_id: UUID, by: User) -> Delegation:
    """End a loan at once; its votes on open questions count no more. Ending twice changes nothing.

    :raises Refusal: NotVisible, NotAllowed for anybody but those concerned and who may arrange it.
    """
    with transaction.atomic():
        rows = Delegation.objects.select_for_update(of=("self",), no_key=True)
        loan = the_one(rows.filter(pk=delegation_id))
        if by.pk not in (loan.lender_id, loan.delegate_id) and not by.has_perm(ARRANGE):
            raise NotAllowed
        now = db_now()
        if loan.ended_at is None and now < loan.ends_at:
            loan.ended_at = now
            loan.save(update_fields=["ended_at"])
            tell(f"delegation:{loan.pk}", "delegation.ended", by=by, at=now)
    return loan


def delegations_seen_by(user: User) -> DelegationQuerySet:
    """Return the loans a person gave or holds; all of them for who may see them."""
    if user.has_perm(SEE) or user.has_perm(ARRANGE):
        return _with_people().prefetch_related("roles")
    return delegations_of(user).prefetch_related("roles")


def delegations_of(user: User) -> DelegationQuerySet:
    """Return the loans a person gave or holds."""
    return _with_people().filter(Q(lender=user) | Q(delegate=user))


def _with_people() -> DelegationQuerySet:
    return Delegation.objects.select_related("lender", "delegate", "made_by")


def possible_delegates(lender: User) -> QuerySet[User]:
    """Return the people who share a role with somebody, by name."""
    return (
        User.objects.filter(kind=User.Kind.HUMAN, is_active=True)
        .filter(groups__in=lender.groups.values("pk"))
        .exclude(identity=lender.identity)
        .distinct()
        .order_by("first_name", "last_name", "username")
    )


def _check_maker(*, lender: User, delegate: User, reason: str, by: User) -> None:
    if by.pk == lender.pk:
        return
    if not by.has_perm(ARRANGE):
        raise NotAllowed("You lend your own votes; only a manager arranges it for somebody else.")
    if by.identity in (delegate.identity, lender.identity):
        raise NotAllowed("Nobody gives somebody else's vote to themselves; ask another manager.")
    if not reason:
        raise _wrong("/reason", "Say why you arrange this for somebody else.")


def _check_people(lender: User, delegate: User) -> None:
    for person, at in ((lender, "/lender"), (delegate, "/delegate")):
        if person.is_machine:
            raise _wrong(at, "A machine has no vote, neither to lend nor to use.")
        if not person.is_active:
            raise _wrong(at, f"{person.label} is switched off.")
    if lender.identity == delegate.identity:
        raise _wrong("/delegate", "This is the same person; choose somebody else.")


def _check_time(starts_at: datetime, ends_at: datetime, now: datetime) -> None:
    if ends_at <= now:
        raise _wrong("/ends_at", "It would already be over; choose a later end.")
    if starts_at > now + FARTHEST:
        raise _wrong("/starts_at", "It begins within a year.")
    if ends_at <= starts_at:
        raise _wrong("/ends_at", "It would end before it begins.")
    if ends_at - starts_at > LONGEST:
        raise _wrong("/ends_at", f"A loan lasts at most {LONGEST.days} days.")


def _check_roles(lender: User, named: dict[int, Group]) -> None:
    held = set(lender.groups.values_list("pk", flat=True))
    for key, role in named.items():
        if key not in held:
            raise _wrong("/roles", f"{lender.label} does not hold the role {role.name}.")


def _check_others(lender: User, delegate: User, starts_at: datetime, ends_at: datetime) -> None:
    """Refuse what would make a chain, a circle, or the same loan twice.

    A lent vote is lent no further, so nobody lends in the time in which somebody lends to them.
    """
    meanwhile = Delegation.objects.filter(
        ended_at__isnull=True, starts_at__lt=ends_at, ends_at__gt=starts_at
    )
    both = (lender.identity, delegate.identity)
    pairs = meanwhile.filter(
        Q(lender__identity__in=both) | Q(delegate__identity__in=both)
    ).values_list("lender__identity", "delegate__identity")
    for giving, taking in pairs:
        if (giving, taking) == both:
            raise _wrong("/delegate", f"{delegate.label} already votes for {lender.label} then.")
        if giving == delegate.identity:
            message = f"{delegate.label} is away then and lends their own votes."
            raise _wrong("/delegate", message)
        if taking == lender.identity:
            message = f"{lender.label} votes for somebody else then; end that first."
            raise _wrong("/lender", message)


def _wrong(pointer: str, message: str) -> Invalid:
    return Invalid.at(pointer, message, detail=message)
