"""Counted figures, read as the numbers people steer by.

Every share is None where nothing is there to take a share of: no number is better than a made-up
one. docs/reference/figures.md says the formula of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reviews.insights.facts import ALLOWING, BOUNDS, BUCKETS, MILLION, OUTCOMES

# Below this nothing is concluded: a chart says so instead of drawing.
ENOUGH = 20
# A bucket whose confidence and accuracy lie further apart than this wants another calibration.
TOO_FAR = 0.1


@dataclass(frozen=True, slots=True)
class Bucket:
    """What became of the AI's statements of one tenth of confidence."""

    least: float
    samples: int
    confidence: float
    accuracy: float

    @property
    def distance(self) -> float:
        """Return how far the AI was off: above zero where it was too sure of itself."""
        return self.confidence - self.accuracy

    @property
    def enough(self) -> bool:
        """Tell whether there are enough samples to conclude anything."""
        return self.samples >= ENOUGH

    @property
    def warns(self) -> bool:
        """Tell whether this bucket wants another calibration."""
        return self.enough and abs(self.distance) > TOO_FAR


def ended(counts: Mapping[str, int]) -> int:
    """Return how many tickets ended."""
    return sum(counts.get(outcome, 0) for outcome in OUTCOMES)


def approved(counts: Mapping[str, int]) -> int:
    """Return how many of them may go ahead."""
    return sum(counts.get(outcome, 0) for outcome in ALLOWING)


def metrics(counts: Mapping[str, int]) -> dict[str, Any]:
    """Return the metrics of a period, under their usual names; times in seconds, shares 0 to 1."""
    total, asked, judged = ended(counts), counts.get("asked", 0), counts.get("judged", 0)
    people = counts.get("by_people", 0)
    return {
        "total_decisions": total,
        "human_review_rate": share(asked, total),
        "auto_approved_rate": share(counts.get("auto_approved", 0), total),
        "approval_rate": share(approved(counts), total),
        "override_rate": share(judged - counts.get("right", 0), total),
        "modification_rate": share(counts.get("modified", 0), total),
        "avg_review_time": share(counts.get("decide_ms", 0) / 1000, people),
        "sla_compliance": share(counts.get("in_time", 0), asked),
        "ai_accuracy": share(counts.get("right", 0), judged),
        "confidence_calibration": calibration_error(calibration(counts)),
        "approval_latency_p50": latency(counts, 0.5),
        "approval_latency_p90": latency(counts, 0.9),
        "overturned_rate": share(counts.get("overturned", 0), approved(counts)),
        "bypassed_rate": share(counts.get("by_bypass", 0), total),
    }


def share(part: float, whole: int) -> float | None:
    """Return a part of a whole, or None of nothing."""
    return part / whole if whole else None


def latency(counts: Mapping[str, int], quantile: float) -> float | None:
    """Return the seconds within which this share of people's decisions was made.

    Read from the histogram, so within a tenth of the exact one; what is slower than the last bound
    counts as that bound.
    """
    buckets = [counts.get(f"decide_{n}", 0) for n in range(len(BOUNDS) + 1)]
    wanted = sum(buckets) * quantile
    if not wanted:
        return None
    seen, below = 0, 0.0
    for bound, number in zip(BOUNDS, buckets, strict=False):
        if seen + number >= wanted:
            return below + (bound - below) * (wanted - seen) / number
        seen, below = seen + number, float(bound)
    return below


def calibration(counts: Mapping[str, int]) -> list[Bucket]:
    """Return the buckets of confidence that hold anything, the least sure first."""
    found = []
    for n in range(BUCKETS):
        samples = counts.get(f"said_{n}", 0)
        if samples:
            sure = counts.get(f"sure_{n}", 0) / MILLION / samples
            right = counts.get(f"right_{n}", 0) / samples
            found.append(Bucket(n / BUCKETS, samples, sure, right))
    return found


def calibration_error(buckets: list[Bucket]) -> float | None:
    """Return the mean distance between confidence and accuracy, weighed by samples."""
    samples = sum(bucket.samples for bucket in buckets)
    return share(sum(abs(b.distance) * b.samples for b in buckets), samples)
