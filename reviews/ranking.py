"""Order a queue by importance and age without ever rescoring a row.

The age term grows at the same rate for every ticket until it saturates, so among young tickets
the order never changes and one constant per ticket gives it; among saturated ones another does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

SATURATES = timedelta(hours=24)
_SECONDS = SATURATES.total_seconds()


@dataclass(frozen=True)
class Weights:
    """Say how much each part counts; a queue may set its own."""

    impact: float = 0.4
    age: float = 0.3
    confidence: float = 0.2
    compliance: float = 0.1


class Constants(NamedTuple):
    """Hold the two numbers a ticket is ordered by, the higher the earlier."""

    rank_base: float
    rank_young: float


def constants(
    *,
    impact: float | None = None,
    amount: Decimal | float | None = None,
    impact_scale: Decimal | float | None = None,
    confidence: float | None = None,
    compliance: bool = False,
    created_at: datetime,
    weights: Weights = Weights(),
) -> Constants:
    """Return what to order by: ``rank_young`` among tickets younger than 24 h, else ``rank_base``.

    ``impact`` (0–1) wins over ``amount`` as a share of the queue's ``impact_scale``; neither is 0.
    A missing ``confidence`` counts as none at all, so the ticket comes earlier. What lies
    outside 0–1 is cut to it.
    """
    if impact is None and amount is not None and impact_scale is not None and impact_scale > 0:
        impact = float(amount) / float(impact_scale)
    rank_base = (
        weights.impact * _share(impact)
        + weights.confidence * (1 - _share(confidence))
        + weights.compliance * bool(compliance)
    )
    return Constants(rank_base, rank_base - weights.age * created_at.timestamp() / _SECONDS)


def score(
    rank_base: float, created_at: datetime, now: datetime, weights: Weights = Weights()
) -> float:
    """Return a ticket's score at ``now``: its base plus the age term, full after 24 h."""
    return rank_base + weights.age * min((now - created_at).total_seconds() / _SECONDS, 1.0)


def _share(value: float | None) -> float:
    # `not >` instead of `<=`: a NaN is no importance and no confidence.
    if value is None or not value > 0:
        return 0.0
    return min(float(value), 1.0)
