"""Who gets a ticket: the qualified person with the least load, and nobody else."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviews.balancing import Candidate, is_qualified, least_loaded, load

FIELDS = ["medical", "legal", "Financial"]

candidates = st.builds(
    Candidate,
    id=st.integers(1, 50),
    may_vote=st.booleans(),
    domains=st.frozensets(st.sampled_from(FIELDS)),
    open=st.integers(0, 6),
    capacity=st.integers(0, 6),
    away=st.booleans(),
    minutes=st.floats(0, 30),
    approval_rate=st.floats(0, 1),
)


def by_force(people, domain):
    """Return the id the requirement's own formula gives, by trying everybody."""
    scored = []
    for person in people:
        if not person.may_vote or person.away or person.open >= person.capacity:
            continue
        if domain and domain.lower() not in [field.lower() for field in person.domains]:
            continue
        rate = max(person.approval_rate, 0.05)
        score = person.open * 0.5 + person.minutes * 0.3 + (1 / rate) * 0.2
        scored.append((score, person.id))
    return min(scored)[1] if scored else None


@given(
    st.lists(candidates, max_size=12, unique_by=lambda one: one.id),
    st.sampled_from(["", "medical", "LEGAL", "financial", "unheard of"]),
)
def test_the_one_chosen_is_the_one_the_formula_names(people, domain):
    chosen = least_loaded(people, domain=domain)
    expected = by_force(people, domain)
    if chosen is None or expected is None:
        assert chosen is None
        assert expected is None
        return
    assert is_qualified(chosen, domain=domain)
    best = next(one for one in people if one.id == expected)
    # 0.2 / r and 1 / r · 0.2 differ in the last bit; of such equals either may come first.
    assert load(chosen) == pytest.approx(load(best), abs=1e-9)


FREE = Candidate(id=1, may_vote=True, domains=frozenset({"medical"}), open=2, minutes=3.0)


def test_the_parts_count_as_the_requirement_says():
    assert load(replace(FREE, approval_rate=0.5)) == pytest.approx(0.5 * 2 + 0.3 * 3 + 0.2 / 0.5)


def test_somebody_who_never_approves_is_floored_and_not_put_off_for_ever():
    assert load(replace(FREE, approval_rate=0.0)) == load(replace(FREE, approval_rate=0.05))


@pytest.mark.parametrize(
    "change",
    [{"may_vote": False}, {"away": True}, {"capacity": 2}, {"domains": frozenset({"legal"})}],
)
def test_whoever_may_not_decide_is_away_full_or_of_another_field_gets_nothing(change):
    assert least_loaded([FREE], domain="Medical") == FREE
    assert least_loaded([replace(FREE, **change)], domain="Medical") is None


def test_of_equals_the_lowest_id_comes_first_however_they_are_listed():
    equals = [replace(FREE, id=number) for number in range(1, 9)]
    random.Random(4).shuffle(equals)
    chosen = least_loaded(equals)
    assert chosen is not None
    assert chosen.id == 1
