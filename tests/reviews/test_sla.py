from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.timing import Escalation as Step
from approvals.timing import Timing as Plan
from reviews.sla import DUE, PRIORITIES, deadlines

OPENED = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PLAIN = Plan()


durations = st.timedeltas(timedelta(seconds=1), timedelta(days=90))
plans = st.builds(
    Plan,
    due=st.none() | durations,
    expires=st.none() | durations,
    escalate=st.lists(st.builds(Step, durations, st.sampled_from("abc")), max_size=4).map(tuple),
)
requests = st.none() | durations.map(lambda after: OPENED + after)


def planned(plan=PLAIN, priority="medium", requested=None):
    return deadlines(
        priority=priority, timing=plan, created_at=OPENED, requested_expires_at=requested
    )


@pytest.mark.parametrize(
    "priority, due, expires",
    [
        ("critical", 1 * HOUR, 24 * HOUR),
        ("high", 4 * HOUR, 24 * HOUR),
        ("medium", 24 * HOUR, 48 * HOUR),
        ("low", 72 * HOUR, 144 * HOUR),
        (None, 24 * HOUR, 48 * HOUR),
    ],
)
def test_priority_sets_due_and_expiry(priority, due, expires):
    got = planned(priority=priority)
    assert got.due_at == OPENED + due
    assert got.expires_at == OPENED + expires
    assert got.due_soon_at == OPENED + due * 3 / 4


def test_an_unknown_priority_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="critical, high, medium, low"):
        planned(priority="urgent")


def test_the_question_s_own_times_win_over_the_priority():
    got = planned(Plan(due=2 * HOUR, expires=6 * HOUR), priority="low")
    assert (got.due_at, got.expires_at) == (OPENED + 2 * HOUR, OPENED + 6 * HOUR)


def test_a_short_expiry_brings_the_due_time_forward():
    got = planned(Plan(expires=timedelta(minutes=5)), priority="low")
    assert got.due_at == got.expires_at == OPENED + timedelta(minutes=5)


def test_escalations_come_in_order_and_never_after_the_end():
    steps = (Step(12 * HOUR, "managers"), Step(2 * HOUR, "leads"), Step(24 * HOUR, "nobody"))
    got = planned(Plan(expires=24 * HOUR, escalate=steps))
    assert got.escalations == (
        (OPENED + 2 * HOUR, "leads"),
        (OPENED + 12 * HOUR, "managers"),
    )


@given(plans, st.sampled_from([*PRIORITIES, None]), requests)
def test_nothing_is_due_after_the_end(plan, priority, requested):
    got = planned(plan, priority, requested)
    assert OPENED < got.due_soon_at <= got.due_at <= got.expires_at
    assert all(OPENED < at < got.expires_at for at, _ in got.escalations)
    assert list(got.escalations) == sorted(got.escalations)


@given(plans, st.sampled_from(PRIORITIES))
def test_an_expiry_by_priority_is_never_before_the_due_time_asked_for(plan, priority):
    got = planned(replace(plan, expires=None), priority)
    due = plan.due or DUE[priority]
    assert got.due_at == OPENED + due
    assert got.expires_at >= OPENED + max(24 * HOUR, 2 * due)


@given(plans, st.sampled_from(PRIORITIES), requests)
def test_a_requester_may_only_bring_the_expiry_forward(plan, priority, requested):
    computed = planned(plan, priority).expires_at
    got = planned(plan, priority, requested).expires_at
    assert got == (computed if requested is None else min(computed, requested))


@given(plans, st.sampled_from(PRIORITIES), st.timedeltas(HOUR, timedelta(days=400)))
def test_a_quarter_of_the_time_is_left_when_it_is_nearly_due(plan, priority, shift):
    got = planned(plan, priority)
    total, left = got.due_at - OPENED, got.due_at - got.due_soon_at
    assert abs(left * 4 - total) <= timedelta(microseconds=4)
    moved = deadlines(priority=priority, timing=plan, created_at=OPENED + shift)
    assert moved.due_at - got.due_at == shift


def test_absurd_durations_end_within_the_calendar():
    got = planned(Plan(due=timedelta.max, expires=None, escalate=(Step(timedelta.max, "a"),)))
    assert got.expires_at == OPENED + timedelta(days=3650)
