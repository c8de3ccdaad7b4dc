"""Metrics, decided from counts alone."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviews.insights.agreement import ai_was_right, confidence_of, model_of
from reviews.insights.facts import BOUNDS, OUTCOMES, STEPS, Counts, Ended, bucket_of, review_time
from reviews.insights.metrics import calibration, ended, latency, metrics

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ENDED = st.builds(
    Ended,
    outcome=st.sampled_from(OUTCOMES),
    by=st.sampled_from(["people", "rule", "bypass", "timeout", ""]),
    in_time=st.booleans(),
    took=st.timedeltas(timedelta(0), timedelta(days=90)),
    amended=st.booleans(),
    overturned=st.booleans(),
    right=st.sampled_from([True, False, None]),
    confidence=st.none() | st.floats(0, 1),
)


@given(st.lists(ENDED))
def test_metrics_of_counts_are_the_shares_of_the_tickets_themselves(tickets: list[Ended]) -> None:
    counts = Counts()
    for one in tickets:
        counts.update(one.counts())
    told, total = metrics(counts), len(tickets)
    assert told["total_decisions"] == total
    if not total:
        assert {told[name] for name in told.keys() - {"total_decisions"}} == {None}
        return
    people = [one for one in tickets if one.by == "people"]
    asked = [one for one in tickets if one.by not in ("rule", "bypass")]
    judged = [one for one in people if one.right is not None]

    def of(part: list[Ended], whole: list[Ended]) -> float | None:
        return pytest.approx(len(part) / len(whole)) if whole else None

    allowed = ("approved", "answered")
    by_rule = [one for one in tickets if one.by == "rule" and one.outcome in allowed]
    assert told["human_review_rate"] == of(asked, tickets)
    assert told["auto_approved_rate"] == of(by_rule, tickets)
    assert told["approval_rate"] == of([o for o in tickets if o.outcome in allowed], tickets)
    assert told["override_rate"] == of([one for one in judged if not one.right], tickets)
    assert told["modification_rate"] == of([one for one in people if one.amended], tickets)
    assert told["sla_compliance"] == of([one for one in asked if one.in_time], asked)
    assert told["ai_accuracy"] == of([one for one in judged if one.right], judged)
    if people:
        mean = sum(one.took.total_seconds() for one in people) / len(people)
        assert told["avg_review_time"] == pytest.approx(mean, abs=0.001)


def test_the_buckets_are_fine_and_hold_every_step_a_monitor_shows() -> None:
    assert set(STEPS) <= set(BOUNDS)
    assert list(BOUNDS) == sorted(set(BOUNDS))
    assert all(high / low <= 1.1001 for low, high in pairwise(BOUNDS))


@given(st.lists(ENDED), st.randoms(use_true_random=False))
def test_counts_add_up_in_any_order(tickets: list[Ended], shuffled: Random) -> None:
    def add(rows: list[Ended]) -> Counts:
        counts = Counts()
        for one in rows:
            counts.update(one.counts())
        return counts

    other = list(tickets)
    shuffled.shuffle(other)
    assert add(tickets) == add(other)
    assert ended(add(tickets)) == len(tickets)


@given(st.lists(st.integers(0, int(BOUNDS[-1])), min_size=1), st.sampled_from([0.5, 0.9]))
def test_a_quantile_is_right_within_a_tenth(seconds: list[int], share: float) -> None:
    counts = Counts()
    for one in seconds:
        counts.update(Ended("approved", "people", True, timedelta(seconds=one)).counts())
    rank = next(n for n in range(1, len(seconds) + 1) if n >= len(seconds) * share)
    exact = sorted(seconds)[rank - 1]
    told = latency(counts, share)
    assert told is not None
    assert told == pytest.approx(exact, rel=0.101, abs=1)


def said(confidence: float, right: bool, times: int) -> Counts:
    counts = Counts()
    for _ in range(times):
        one = Ended("approved", "people", True, timedelta(0), right=right, confidence=confidence)
        counts.update(one.counts())
    return counts


@pytest.mark.parametrize(
    ("right", "wrong", "warns"),
    [(19, 0, False), (17, 3, False), (16, 4, False), (15, 5, True), (2, 18, True)],
)
def test_a_bucket_warns_from_twenty_samples_and_a_tenth_of_distance_on(
    right: int, wrong: int, warns: bool
) -> None:
    (bucket,) = calibration(said(0.9, True, right) + said(0.9, False, wrong))
    assert bucket.samples == right + wrong
    assert bucket.warns is warns


def test_a_few_samples_conclude_nothing() -> None:
    (bucket,) = calibration(said(0.95, False, 19))
    assert (bucket.distance, bucket.enough, bucket.warns) == (pytest.approx(0.95), False, False)


def test_certainty_belongs_to_the_last_bucket() -> None:
    assert [bucket_of(one) for one in (0, 0.09, 0.1, 0.95, 1)] == [0, 0, 1, 9, 9]


@pytest.mark.parametrize(
    ("ai", "choice", "effect", "amended", "right"),
    [
        ({}, "approve", "allow", False, None),
        ({"prediction": "pay"}, "approve", "allow", False, True),
        ({"prediction": "pay"}, "modify", "allow", True, False),
        ({"prediction": "pay"}, "reject", "deny", False, False),
        ({"prediction": "pay"}, "submit", "answer", False, None),
        ({"prediction": "Reject"}, "reject", "deny", False, True),
        ({"prediction": "reject"}, "approve", "allow", False, False),
        ({"options": [{"key": "a"}, {"key": "b"}]}, "a", "answer", False, True),
        ({"options": [{"key": "a"}, {"key": "b"}]}, "b", "answer", False, False),
        ({"options": "none", "prediction": 3}, "approve", "allow", False, True),
    ],
)
def test_an_answer_bears_the_ai_out_or_not(
    ai: dict[str, object], choice: str, effect: str, amended: bool, right: bool | None
) -> None:
    keys = {"approve", "reject", "modify", "submit"}
    assert ai_was_right(ai, choice=choice, effect=effect, keys=keys, amended=amended) is right


@pytest.mark.parametrize("odd", [True, "0.9", None, -0.1, 1.1, float("nan"), []])
def test_a_confidence_that_is_none_counts_as_none(odd: object) -> None:
    assert confidence_of({"confidence": odd}) is None


def test_a_model_is_named_by_a_short_text() -> None:
    assert model_of({"model": "x" * 500}) == "x" * 120
    assert model_of({"model": {"a": 1}}) == model_of({}) == ""


def test_a_review_begins_with_the_claim_and_lasts_half_an_hour_at_most() -> None:
    def took(held: int | None, cast: int) -> float:
        held_from = None if held is None else NOW + timedelta(minutes=held)
        at = NOW + timedelta(minutes=cast)
        return review_time(asked_at=NOW, held_from=held_from, cast_at=at).total_seconds() / 60

    assert took(None, 7) == 7
    assert took(5, 7) == 2
    assert took(-60, 7) == 7
    assert took(None, 300) == 30
