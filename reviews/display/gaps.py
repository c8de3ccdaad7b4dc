"""What will not work as somebody means it: roles that are empty, too small, or one person."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Count, Q

from approvals.models import RoleProfile, User


def people_in_roles() -> dict[str, int]:
    """Return how many people who can sign in each role has; by ticket appointed ones have -1."""
    active = Q(user__is_active=True, user__kind=User.Kind.HUMAN)
    counts = Group.objects.annotate(people=Count("user", filter=active, distinct=True))
    found = dict(counts.values_list("name", "people"))
    by_ticket = RoleProfile.objects.filter(kind=RoleProfile.Kind.REQUESTERS_MANAGER)
    return found | dict.fromkeys(by_ticket.values_list("role__name", flat=True), -1)


def gaps_of(question: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each role of a question with too few people."""
    people = people_in_roles()
    said = []
    for stage in question["stages"]:
        for need in stage["needs"]:
            there, count = people.get(need["role"], 0), need["count"]
            if there == 0:
                said.append(f"Nobody is in {need['role']}: “{stage['name']}” waits for ever.")
            elif isinstance(count, int) and 0 < there < count:
                said.append(
                    f"{need['role']} has {there} of the {count} people “{stage['name']}” needs."
                )
            elif there == count == 1:
                said.append(
                    f"{need['role']} has one person; nobody can answer while they are away, "
                    "nor their own requests."
                )
        rungs = [rung["role"] for rung in stage["ladder"] if not people.get(rung["role"], 0)]
        said += [f"Nobody is in {role}, which the ladder asks." for role in rungs]
    return list(dict.fromkeys(said))
