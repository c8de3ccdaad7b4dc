"""Who belongs to a role: the one door through which a person's vote is given or taken."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.core.exceptions import ValidationError
from django.db import transaction

from approvals import permissions
from approvals.errors import Invalid
from approvals.linting import RolePeople
from approvals.models import RoleProfile, User
from approvals.models.user import check_time_zone
from approvals.reading import QuestionInvalid
from approvals.rosters import read_shifts
from approvals.trail import tell


def set_people(*, role: Group, people: Iterable[User], by: User | None, now: datetime) -> None:
    """Make these people, and no others, the people of a role. Open questions feel it at once.

    :raises Invalid: for a machine, which belongs to no role.
    """
    chosen = {person.pk: person for person in people}
    machines = sorted(person.username for person in chosen.values() if person.is_machine)
    if machines:
        message = f"{machines[0]} is a machine; only people belong to a role."
        raise Invalid.at("/people", message, detail=message)
    with transaction.atomic():
        Group.objects.select_for_update().get(pk=role.pk)
        before = set(role.user_set.values_list("pk", flat=True))
        joined, left = sorted(chosen.keys() - before), sorted(before - chosen.keys())
        if not joined and not left:
            return
        role.user_set.add(*joined)
        role.user_set.remove(*left)
        _tell(role, {"joined": joined, "left": left}, by=by, now=now)


def make_role(*, name: str, description: str, by: User, now: datetime) -> Group:
    """Make a role; it has no people and no rights yet.

    :raises Invalid: for a name that is taken or empty.
    """
    name = " ".join(name.split())
    if not 0 < len(name) <= 150 or Group.objects.filter(name__iexact=name).exists():
        message = "There is a role of this name." if name else "Give it a name."
        raise Invalid.at("/name", message, detail=message)
    with transaction.atomic():
        role = Group.objects.create(name=name)
        RoleProfile.objects.create(role=role, description=description[:200])
        _tell(role, {"made": True}, by=by, now=now)
    return role


def set_profile(
    *,
    role: Group,
    kind: str,
    description: str,
    hours: Sequence[dict[str, Any]],
    time_zone: str,
    by: User | None,
    now: datetime,
) -> None:
    """Say how a role gets its people, and when they are on call.

    :raises Invalid: for hours or a time zone that cannot be read.
    """
    try:
        read_shifts(hours)
        check_time_zone(time_zone)
    except QuestionInvalid as problem:
        raise Invalid(errors=problem.errors) from problem
    except ValidationError as problem:
        errors = [{"pointer": "/time_zone", "message": problem.messages[0]}]
        raise Invalid(errors=errors) from problem
    with transaction.atomic():
        Group.objects.select_for_update().get(pk=role.pk)
        profile = RoleProfile.objects.filter(role=role).first() or RoleProfile(role=role)
        before = {name: getattr(profile, name) for name in _PROFILE}
        given = (kind, description, list(hours), time_zone)
        after = dict(zip(_PROFILE, given, strict=True))
        if before == after:
            return
        for name, value in after.items():
            setattr(profile, name, value)
        profile.save()
        changes = [
            {"field": name.replace("_", " "), "before": str(before[name]), "after": str(value)}
            for name, value in after.items()
            if before[name] != value
        ]
        if changes:
            _tell(role, {"changes": changes}, by=by, now=now)


_PROFILE = ("kind", "description", "hours", "time_zone")


def set_rights(*, role: Group, rights: Iterable[Permission], by: User, now: datetime) -> None:
    """Make these rights, and no others, what a role's people may do on the pages of the service."""
    with transaction.atomic():
        Group.objects.select_for_update().get(pk=role.pk)
        before = {right.pk: right.codename for right in role.permissions.all()}
        after = {right.pk: right.codename for right in rights}
        if before == after:
            return
        role.permissions.set(after)
        given = sorted(after[pk] for pk in after.keys() - before.keys())
        taken = sorted(before[pk] for pk in before.keys() - after.keys())
        _tell(role, {"given": given, "taken": taken}, by=by, now=now)


def take_votes(*, role: Group, policy_slug: str, by: User, now: datetime) -> None:
    """Take a role's vote on a policy away, on every version; open questions feel it at once."""
    with transaction.atomic():
        Group.objects.select_for_update().get(pk=role.pk)
        permissions.revoke_votes(role=role, policy_slug=policy_slug)
        _tell(role, {"no_longer_votes_on": policy_slug}, by=by, now=now)


def _tell(role: Group, facts: dict[str, Any], *, by: User | None, now: datetime) -> None:
    tell(f"role:{role.pk}", "role.changed", by=by, at=now, data={"role": role.name, **facts})


def people_of(names: Iterable[str]) -> dict[str, RolePeople]:
    """Return who may answer for these roles: their people who can sign in, by role name."""
    kinds = dict(Group.objects.filter(name__in=names).values_list("name", "profile__kind"))
    people: dict[str, dict[int, frozenset[int | str]]] = {name: {} for name in kinds}
    seated = User.objects.filter(kind=User.Kind.HUMAN, is_active=True, groups__name__in=kinds)
    for pk, username, role in seated.values_list("pk", "username", "groups__name"):
        people[role][pk] = frozenset((pk, username))
    appointed = RoleProfile.Kind.REQUESTERS_MANAGER
    return {
        name: RolePeople({}, appointed=True) if kind == appointed else RolePeople(people[name])
        for name, kind in kinds.items()
    }
