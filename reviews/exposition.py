"""What Prometheus reads of the work, gathered at each scrape from figures and short queries.

A scrape costs the same with a million tickets: what is past was counted before, what waits is the
difference of what came and what went, and the oldest of each lane is the first of an index.
"""

import logging
from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from audit.clock import shown_now
from reviews import statsd
from reviews.insights.facts import BOUNDS, OUTCOMES, STEPS, Counts
from reviews.insights.metrics import ended
from reviews.models import Checkpoint, Delivery
from reviews.services import figures

log = logging.getLogger(__name__)


class Work(Collector):
    """The figures of tickets and deliveries."""

    def describe(self) -> list[Metric]:
        """Name nothing beforehand: registering must not ask the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every figure as it stands; the process's own are told without a database too."""
        try:
            found = [*_work()]
        except DatabaseError as problem:
            log.warning("figures cannot be read: %s", problem)
            found = []
        yield GaugeMetricFamily(
            "countersign_figures_readable",
            "1 while the database answers; the figures of the work are absent otherwise",
            value=bool(found),
        )
        yield from found


def _work() -> Iterator[Metric]:
    now = shown_now()
    found = _by_checkpoint(now)
    yield from _tickets(found)
    oldest = figures.waiting_since(scope=figures.Scope())
    yield GaugeMetricFamily(
        "countersign_oldest_waiting_seconds",
        "Age of the oldest ticket that waits for people; 0 where none does",
        value=_age(oldest, now),
    )
    yield _latency(found)
    yield from _deliveries()


def _age(oldest: datetime | None, now: datetime) -> float:
    return 0.0 if oldest is None else max((now - oldest).total_seconds(), 0.0)


def _tickets(found: dict[str, Counts]) -> Iterator[Metric]:
    opened = CounterMetricFamily(
        "countersign_tickets_opened", "Tickets opened", labels=["checkpoint"]
    )
    decided = CounterMetricFamily(
        "countersign_tickets_decided",
        "Tickets that ended, by how",
        labels=["checkpoint", "outcome"],
    )
    overturned = CounterMetricFamily(
        "countersign_tickets_overturned",
        "Approvals undone later: revoked, or overridden after the act",
        labels=["checkpoint"],
    )
    waiting = GaugeMetricFamily(
        "countersign_tickets_waiting",
        "Tickets opened and not ended: they wait for people, or for who asked",
        labels=["checkpoint"],
    )
    late = CounterMetricFamily(
        "countersign_tickets_late",
        "Tickets people were asked about and that ended after they were due",
        labels=["checkpoint"],
    )
    for slug, counts in sorted(found.items()):
        opened.add_metric([slug], counts["opened"])
        for outcome in OUTCOMES:
            decided.add_metric([slug, outcome], counts[outcome])
        overturned.add_metric([slug], counts["overturned"])
        waiting.add_metric([slug], counts["opened"] - ended(counts))
        late.add_metric([slug], counts["asked"] - counts["in_time"])
    yield from (opened, decided, overturned, waiting, late)


def _latency(found: dict[str, Counts]) -> Metric:
    latency = HistogramMetricFamily(
        "countersign_decide_seconds",
        "Seconds from question to answer, where people gave it",
        labels=["checkpoint"],
    )
    for slug, counts in sorted(found.items()):
        seen, buckets = 0, []
        for n, bound in enumerate(BOUNDS):
            seen += counts[f"decide_{n}"]
            if bound in STEPS:
                buckets.append((str(float(bound)), seen))
        seen += counts[f"decide_{len(BOUNDS)}"]
        buckets.append(("+Inf", seen))
        latency.add_metric([slug], buckets, sum_value=counts["decide_ms"] / 1000)
    return latency


def send_gauges() -> None:
    """Tell a StatsD agent what waits; nothing is read where there is none."""
    if not settings.STATSD_HOST:
        return
    now = shown_now()
    for slug, counts in _by_checkpoint(now).items():
        statsd.gauge({"tickets.waiting": counts["opened"] - ended(counts)}, checkpoint=slug)
    oldest = figures.waiting_since(scope=figures.Scope())
    values = {"oldest_waiting_seconds": _age(oldest, now)}
    statsd.gauge({**values, **{f"deliveries.{state}": n for state, n in _undelivered().items()}})


def _by_checkpoint(now: datetime) -> dict[str, Counts]:
    slugs = dict(Checkpoint.objects.values_list("pk", "slug"))
    totals = figures.totals(now=now)
    return {slug: totals.get(key, Counts()) for key, slug in slugs.items()}


def _undelivered() -> dict[str, int]:
    # Neither grows with the tickets: what was sent is in neither.
    states = (Delivery.State.WAITING, Delivery.State.PARKED)
    return {str(state): Delivery.objects.filter(state=state).count() for state in states}


def _deliveries() -> Iterator[Metric]:
    what = {
        "waiting": "Messages that wait to leave",
        "parked": "Messages that could not be delivered and wait for somebody",
    }
    for state, number in _undelivered().items():
        yield GaugeMetricFamily(f"countersign_deliveries_{state}", what[state], value=number)
