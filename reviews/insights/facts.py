"""What is counted: every fact is a few whole numbers under fixed names, which add up.

A fact belongs to the instant at which it happened and to no other: a ticket is *opened* on one
day, *ended* on another, *overturned* on a third. None of these instants ever changes, so the
counts of a past day never do. Sums are whole milliseconds and millionths; adding them up in any
order gives the same.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil, log

ALLOWING = ("approved", "answered")
OUTCOMES = (*ALLOWING, "rejected", "expired", "cancelled")
# Round lengths of time a monitor shows, in seconds …
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
STEPS: tuple[float, ...] = (
    *(1, 2, 5, 10, 30, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 30 * _MINUTE),
    *(_HOUR, 2 * _HOUR, 4 * _HOUR, 8 * _HOUR, _DAY, 2 * _DAY, 7 * _DAY, 30 * _DAY),
)


def _between(low: float, high: float) -> list[float]:
    """Return steps up to and with the higher one, none more than a tenth above the one before."""
    parts = ceil(log(high / low) / log(1.1))
    return [round(low * (high / low) ** (n / parts), 3) for n in range(1, parts + 1)]


# … and the upper bounds of the time-to-decide histogram, fine enough for quantiles that are right
# within a tenth; what is above the last has a bucket of its own. What is stored names a bucket by
# its place, so these never change.
BOUNDS: tuple[float, ...] = (
    STEPS[0],
    *(bound for low, high in pairwise(STEPS) for bound in _between(low, high)),
)
BUCKETS = 10  # of confidence: 0.0 to 0.1, … 0.9 to 1.0
MILLION = 1_000_000

Counts = Counter[str]


@dataclass(frozen=True, slots=True)
class Ended:
    """How one ticket ended: its outcome, who gave it, and what it says of the AI.

    `by` is `people`, `rule`, `bypass`, `timeout` or empty (nobody: it was cancelled).
    """

    outcome: str
    by: str
    in_time: bool
    took: timedelta
    amended: bool = False
    overturned: bool = False
    right: bool | None = None
    confidence: float | None = None

    def counts(self) -> Counts:
        """Return what this adds to the counts of its instant."""
        found: Counts = Counter({self.outcome: 1})
        if self.by not in ("rule", "bypass"):
            found["asked"] = 1
            found["in_time"] = int(self.in_time)
        if self.by:
            found[f"by_{self.by}"] = 1
        if self.by == "rule" and self.outcome in ALLOWING:
            found["auto_approved"] = 1
        if self.overturned:
            found["overturned"] = 1
        if self.by == "people":
            milliseconds = milliseconds_of(self.took)
            found["decide_ms"] = milliseconds
            found[f"decide_{bisect_left(BOUNDS, milliseconds / 1000)}"] = 1
            found["modified"] = int(self.amended)
            self._judge(found)
        return +found

    def _judge(self, found: Counts) -> None:
        if self.right is None:
            return
        found["judged"], found["right"] = 1, int(self.right)
        if self.confidence is not None:
            bucket = bucket_of(self.confidence)
            found[f"said_{bucket}"], found[f"right_{bucket}"] = 1, int(self.right)
            found[f"sure_{bucket}"] = round(self.confidence * MILLION)


def bucket_of(confidence: float) -> int:
    """Return which tenth a confidence lies in; 1.0 belongs to the last one."""
    return min(int(confidence * BUCKETS), BUCKETS - 1)


def milliseconds_of(length: timedelta) -> int:
    """Return a length in whole milliseconds, never below zero."""
    return max(length // timedelta(milliseconds=1), 0)


@dataclass(frozen=True, slots=True)
class Reviewed:
    """One vote: how long its review took, and what it says of the AI."""

    allows: bool
    took: timedelta
    right: bool | None

    def counts(self) -> Counts:
        """Return what this adds to its reviewer's day."""
        return Counter(
            votes=1,
            allows=int(self.allows),
            corrections=int(self.right is False),
            review_ms=milliseconds_of(self.took),
        )


# Nobody looks at one thing for longer without a break: a page left open is not a review.
LONGEST_REVIEW = timedelta(minutes=30)


def review_time(*, asked_at: datetime, held_from: datetime | None, cast_at: datetime) -> timedelta:
    """Return how long a review took: from the claim, else from the question; at most half an hour.

    A claim made before the question (an earlier round's) began with the question.
    """
    began = max(asked_at, held_from or asked_at)
    return min(max(cast_at - began, timedelta(0)), LONGEST_REVIEW)
