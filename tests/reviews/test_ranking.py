from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviews.ranking import SATURATES, Weights, constants, score

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
shares = st.floats(0, 1)
tickets = st.fixed_dictionaries(
    {
        "impact": st.none() | shares,
        "amount": st.none() | st.floats(0, 1e7),
        "impact_scale": st.just(100_000),
        "confidence": st.none() | shares,
        "compliance": st.booleans(),
        "created_at": st.timedeltas(timedelta(0), 3 * DAY).map(lambda age: NOW - age),
    }
)
weightings = st.just(Weights()) | st.builds(Weights, shares, shares, shares, shares)


def test_the_score_is_the_weighted_sum():
    base, _ = constants(impact=0.5, confidence=0.75, compliance=True, created_at=NOW - DAY / 2)
    assert base == pytest.approx(0.4 * 0.5 + 0.2 * 0.25 + 0.1)
    assert score(base, NOW - DAY / 2, NOW) == pytest.approx(base + 0.3 * 0.5)


def test_the_most_pressing_ticket_scores_one_and_the_least_zero():
    most = constants(impact=1, confidence=0, compliance=True, created_at=NOW - DAY)
    least = constants(impact=0, confidence=1, created_at=NOW)
    assert score(most.rank_base, NOW - DAY, NOW) == pytest.approx(1)
    assert score(least.rank_base, NOW, NOW) == 0


@pytest.mark.parametrize(
    "facts, impact",
    [
        ({}, 0),
        ({"impact": 0.3, "amount": 10**9, "impact_scale": 1}, 0.3),
        ({"impact": 0, "amount": 10**9, "impact_scale": 1}, 0),
        ({"amount": Decimal("2500.00"), "impact_scale": Decimal(10_000)}, 0.25),
        ({"amount": 20_000, "impact_scale": 10_000}, 1),
        ({"amount": -5, "impact_scale": 10}, 0),
        ({"amount": 5, "impact_scale": 0}, 0),
        ({"amount": 5, "impact_scale": -1}, 0),
        ({"amount": 5}, 0),
        ({"impact": 7}, 1),
        ({"impact": -7}, 0),
        ({"impact": float("nan")}, 0),
    ],
)
def test_impact_is_given_or_the_amount_over_the_queue_s_scale(facts, impact):
    got = constants(**facts, confidence=1, created_at=NOW)
    assert got.rank_base == pytest.approx(0.4 * impact)


@pytest.mark.parametrize(
    "confidence, part", [(None, 1), (0, 1), (1, 0), (0.25, 0.75), (9, 0), (-1, 1)]
)
def test_doubt_brings_a_ticket_forward_and_no_confidence_is_full_doubt(confidence, part):
    got = constants(confidence=confidence, created_at=NOW)
    assert got.rank_base == pytest.approx(0.2 * part)


def test_age_counts_in_full_after_24_hours():
    tick = timedelta(minutes=1)
    assert score(0, NOW - SATURATES + tick, NOW) < score(0, NOW - SATURATES, NOW)
    assert score(0, NOW - SATURATES, NOW) == score(0, NOW - 9 * SATURATES, NOW) == 0.3


@given(st.lists(tickets, max_size=12), st.timedeltas(timedelta(0), 2 * DAY), weightings)
def test_the_constants_order_young_and_saturated_tickets_like_the_score(facts, later, weights):
    now = NOW + later
    rows = [(constants(**fact, weights=weights), fact["created_at"]) for fact in facts]

    def scored(row):
        return score(row[0].rank_base, row[1], now, weights)

    young = [row for row in rows if now - row[1] < SATURATES]
    old = [row for row in rows if now - row[1] >= SATURATES]
    for some, key in ((young, 1), (old, 0)):
        by_constant = [scored(row) for row in sorted(some, key=lambda row: -row[0][key])]
        brute_force = sorted(map(scored, some), reverse=True)
        # A double holds rank_young to about 1e-12; closer scores are a tie to people.
        assert by_constant == pytest.approx(brute_force, abs=1e-9)


@given(tickets, tickets, st.timedeltas(timedelta(0), DAY))
def test_two_waiting_tickets_never_change_places_while_both_are_young(one, other, later):
    one, other = ({**fact, "created_at": NOW} for fact in (one, other))
    other["created_at"] = NOW - timedelta(hours=3)
    ranks = [constants(**fact).rank_young for fact in (one, other)]
    if abs(ranks[0] - ranks[1]) < 1e-9:
        return
    now = NOW + later * 0.8
    scores = [score(constants(**fact).rank_base, fact["created_at"], now) for fact in (one, other)]
    assert (scores[0] > scores[1]) == (ranks[0] > ranks[1])
