"""Who should get a ticket next: the qualified person with the least to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# How much each part counts; the source is requirement S4.5.
OPEN, MINUTES, DECISIVE = 0.5, 0.3, 0.2
# Somebody who approves less often than this is not put off for ever.
LEAST_RATE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One person and how busy they are.

    ``may_vote`` is said of this ticket: their role, region and hours, and that it is not their own
    work. ``away`` means that they lend their vote to somebody now. ``minutes`` is what a review
    takes them on average, ``approval_rate`` from 0 to 1.
    """

    id: int
    may_vote: bool
    domains: frozenset[str] = frozenset()
    open: int = 0
    capacity: int = 20
    away: bool = False
    minutes: float = 0.0
    approval_rate: float = 1.0


def is_qualified(candidate: Candidate, *, domain: str = "") -> bool:
    """Return whether a ticket of this field may be given to somebody; no field is everybody's."""
    fits = not domain or domain.casefold() in {known.casefold() for known in candidate.domains}
    return (
        candidate.may_vote and fits and not candidate.away and candidate.open < candidate.capacity
    )


def load(candidate: Candidate) -> float:
    """Return how busy somebody is; less is better.

    0.5 · open tickets + 0.3 · average review minutes + 0.2 / approval rate, the rate floored.
    """
    decisive = DECISIVE / max(candidate.approval_rate, LEAST_RATE)
    return OPEN * candidate.open + MINUTES * candidate.minutes + decisive


def least_loaded(candidates: Iterable[Candidate], *, domain: str = "") -> Candidate | None:
    """Return the qualified person with the least load, of equals the lowest id; None: nobody is."""
    qualified = (one for one in candidates if is_qualified(one, domain=domain))
    return min(qualified, key=lambda one: (load(one), one.id), default=None)
