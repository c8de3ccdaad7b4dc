"""Who belongs to a role: the one door through which a person's vote is given or taken."""

from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth.models import Group
from django.db import transaction

from approvals.errors import Invalid
from approvals.linting import RolePeople
from approvals.models import RoleProfile, User
from audit.services import Actor, Draft, record


def set_people(*, role: Group, people: Iterable[User], by: User | None, now: datetime) -> None:
    """Make these people, and no others, the people of a role. Open questions feel it at once.

    :raises Invalid: for a machine, which belongs to no role.
    """
    chosen = {person.pk: person for person in people}
    machines = sorted(person.username for person in chosen.values() if person.is_machine)
    if machines:
        message = f"{machines[0]} is a machine; only people belong to a role."
        raise Invalid(message, errors=[{"pointer": "/people", "message": message}])
    with transaction.atomic():
        Group.objects.select_for_update().get(pk=role.pk)
        before = set(role.user_set.values_list("pk", flat=True))
        joined, left = sorted(chosen.keys() - before), sorted(before - chosen.keys())
        if not joined and not left:
            return
        role.user_set.add(*joined)
        role.user_set.remove(*left)
        actor = Actor(str(by.pk), by.kind, by.label) if by else Actor()
        record(
            f"role:{role.pk}",
            [Draft("role.changed", now, actor, data={"role": role.name, "joined": joined,
                                                     "left": left})],
        )  # fmt: skip


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
