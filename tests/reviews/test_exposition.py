"""What Prometheus reads, and the dashboard that stands on it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from approvals.errors import TooManyVotes
from reviews.services.counting import count_figures
from tests.builders import Cast
from tests.stories import later, refused

pytestmark = pytest.mark.db

DASHBOARD = Path(__file__).parents[2] / "docs" / "operations" / "grafana-countersign.json"
_NAME = re.compile(r"countersign_\w+")


def scraped() -> dict[str, dict[tuple[str, ...], float]]:
    """Return every sample by its name and the values of its labels."""
    answer = Client().get("/metrics")
    assert answer.status_code == 200
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_a_monitor_reads_what_came_and_what_became_of_it(cast: Cast) -> None:
    paid, refused_one, _waits = (cast.open() for _ in range(3))
    with later(minutes=6):
        cast.vote(paid, cast.ann, "approve")
        cast.vote(refused_one, cast.ann, "reject")
        for _ in range(2):  # what happened just now, then the same when it is counted
            found = scraped()
            assert found["countersign_tickets_opened_total"]["general",] == 3
            assert found["countersign_tickets_decided_total"]["general", "approved"] == 1
            assert found["countersign_tickets_decided_total"]["general", "rejected"] == 1
            assert found["countersign_tickets_waiting"]["general",] == 1
            assert found["countersign_decide_seconds_count"]["general",] == 2
            assert found["countersign_decide_seconds_sum"]["general",] == pytest.approx(720, abs=5)
            assert found["countersign_decide_seconds_bucket"]["general", "300.0"] == 0
            assert found["countersign_decide_seconds_bucket"]["general", "+Inf"] == 2
            assert found["countersign_oldest_waiting_seconds"][()] == pytest.approx(360, abs=5)
            with later(minutes=10):
                count_figures()


def test_an_empty_house_has_figures_too(cast: Cast) -> None:
    found = scraped()
    assert found["countersign_tickets_opened_total"]["general",] == 0
    assert found["countersign_oldest_waiting_seconds"][()] == 0
    assert found["countersign_figures_readable"][()] == 1


def test_a_vote_refused_by_pace_is_counted(cast: Cast, settings: object) -> None:
    settings.HITL_VOTES_PER_HOUR = 1  # type: ignore[attr-defined]
    before = scraped()["countersign_votes_refused_by_pace_total"][()]
    cast.vote(cast.open(), cast.ann, "approve")
    with refused(TooManyVotes):
        cast.vote(cast.open(), cast.ann, "approve")
    assert scraped()["countersign_votes_refused_by_pace_total"][()] == before + 1


def test_a_scrape_makes_as_many_queries_after_many_tickets_as_after_few(cast: Cast) -> None:
    cast.open()
    with later(minutes=10):
        count_figures()
        scraped()
        with CaptureQueriesContext(connection) as few:
            scraped()
    for _ in range(12):
        ticket = cast.open(region="")
        cast.vote(ticket, cast.ann, "approve")
    with later(minutes=20):
        count_figures()
        scraped()
        with CaptureQueriesContext(connection) as many:
            scraped()
    assert len(many) == len(few) <= 16


def _expressions() -> Iterator[str]:
    told = json.loads(DASHBOARD.read_text())
    for panel in told["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from (one["definition"] for one in told["templating"]["list"] if "definition" in one)


def test_every_figure_the_dashboard_names_is_exposed(cast: Cast) -> None:
    ticket = cast.open()
    cast.vote(ticket, cast.ann, "approve")
    named = {name for expression in _expressions() for name in _NAME.findall(expression)}
    assert len(named) >= 10
    assert named <= scraped().keys()


def test_the_dashboards_panels_lie_side_by_side() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not cells & taken
        taken |= cells
