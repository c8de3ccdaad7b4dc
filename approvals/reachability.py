"""Whether enough different people are left: everybody has one vote and may fit several needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Demand(NamedTuple):
    """So many people are needed, each fitting at least one of the bits."""

    people: int
    bits: int


def can_be_met(demands: Sequence[Demand], groups: Mapping[int, int]) -> bool:
    """Return whether the demands can be met by different people.

    ``groups`` says how many people fit exactly which bits. Exact (Hall's condition, found by
    augmenting paths), in time that depends on the counts and groups, not on their subsets.
    """
    if sum(demand.people for demand in demands) > sum(groups.values()):
        return False
    spare = dict(groups)
    given = [dict.fromkeys(groups, 0) for _ in demands]

    def find_one(place: int, tried: set[int]) -> bool:
        tried.add(place)
        fitting = [group for group in groups if group & demands[place].bits]
        for group in fitting:
            if spare[group]:
                spare[group] -= 1
                given[place][group] += 1
                return True
        for group in fitting:
            for other in range(len(demands)):
                if other not in tried and given[other][group] and find_one(other, tried):
                    given[other][group] -= 1
                    given[place][group] += 1
                    return True
        return False

    return all(
        find_one(place, set()) for place, demand in enumerate(demands) for _ in range(demand.people)
    )
