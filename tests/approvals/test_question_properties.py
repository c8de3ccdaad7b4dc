"""Properties that hold for every question, not only for the ones anybody thought of."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from approvals.options import ALLOWING, REFUSING
from approvals.presets import PRESETS, apply_preset
from approvals.question import (
    Option,
    Question,
    QuestionInvalid,
    parse_question,
    render_question,
    resolve,
)
from approvals.quorum import Cast, Outcome, Seated, Tally, decide, may_fill, may_vote
from approvals.reachability import Demand, can_be_met
from approvals.tightening import tighten
from tests.approvals import strategies as some

LATER = some.MORNING + timedelta(hours=1)
instants = st.integers(0, 9).map(lambda seconds: some.MORNING + timedelta(seconds=seconds))
escalations = st.frozensets(st.sampled_from(some.ROLES), max_size=1)


MANY = settings.default.max_examples  # 100, unless a profile says otherwise
unhurried = settings(max_examples=MANY * 6 // 10, deadline=None)


def errors_of(call: Callable[[], object]) -> list[dict[str, str]]:
    """Return the errors of a refusal, [] when nothing was refused."""
    try:
        call()
    except QuestionInvalid as refused:
        return refused.errors
    return []


def vote(person: Seated, voter: int, choice: str, outcome: str = "") -> Cast:
    return Cast(
        voter,
        choice,
        outcome,
        person.seats,
        True,
        LATER + timedelta(seconds=voter),
        f"v{voter}",
        person.names,
    )


# Reading and writing


@unhurried
@given(some.questions())
def test_reading_what_was_written_gives_the_same_question(question: Question) -> None:
    rendered = render_question(question)
    assert parse_question(rendered) == question
    assert parse_question(json.loads(json.dumps(rendered))) == question
    assert render_question(parse_question(rendered)) == rendered


@unhurried
@given(some.json_values)
def test_no_json_value_does_more_than_be_refused(value: Any) -> None:
    assert errors_of(lambda: parse_question(value))


@unhurried
@given(some.questions(), st.data())
def test_a_question_with_one_value_replaced_is_read_or_refused_with_a_pointer(
    question: Question, data: st.DataObject
) -> None:
    rendered = json.loads(json.dumps(render_question(question)))
    parent, key = rendered, data.draw(st.sampled_from(sorted(rendered)))
    while isinstance(parent[key], dict | list) and parent[key] and data.draw(st.booleans()):
        parent = parent[key]
        places = range(len(parent)) if isinstance(parent, list) else sorted(parent)
        key = data.draw(st.sampled_from(places))
    parent[key] = data.draw(some.json_values)
    errors = errors_of(lambda: parse_question(rendered))
    assert all(error["pointer"].startswith("/") and error["message"] for error in errors)
    if not errors:
        read = parse_question(rendered)
        assert parse_question(render_question(read)) == read


@unhurried
@given(some.questions(), st.integers(0, 9_000), st.none() | st.integers(-(10**9), 10**9))
def test_a_resolved_question_has_numbers_and_resolving_again_changes_nothing(
    question: Question, people: int, amount: int | None
) -> None:
    assume(any(option.effect != "none" for option in question.options))
    ready = resolve(question, eligible=lambda _stage, _need: people, amount=amount)
    for before, stage in zip(question.stages, ready.stages, strict=True):
        assert isinstance(stage.rejections, int)
        assert all(isinstance(need.count, int) and need.count >= 1 for need in stage.needs)
        assert stage.ladder == ()
        assert len(stage.needs) >= len(before.needs)
    again = resolve(ready, eligible=lambda _stage, _need: people + 5, amount=10**9)
    assert again == ready
    assert parse_question(render_question(ready)) == ready


# Tightening


@unhurried
@given(some.questions())
def test_repeating_the_question_tightens_nothing(question: Question) -> None:
    rendered = render_question(question)
    if not question.options:
        del rendered["options"]
    assert tighten(question, rendered) == question
    assert tighten(question, {}) == question


@unhurried
@given(some.questions(), some.questions())
def test_whatever_a_requester_sends_the_result_is_not_looser(
    question: Question, wish: Question
) -> None:
    rendered = render_question(wish)
    for part in rendered:
        wished = {part: rendered[part]}
        if not errors_of(partial(tighten, question, wished)):
            assert_not_looser(question, tighten(question, wished))


@unhurried
@given(some.questions(), st.data())
def test_a_requester_who_drops_and_adds_options_cannot_take_the_no_away(
    question: Question, data: st.DataObject
) -> None:
    own = [option.key for option in question.options]
    wanted: list[Any] = data.draw(st.permutations(own)) if own else []
    wanted = wanted[: data.draw(st.integers(0, len(wanted)))]
    for key in data.draw(st.lists(some.keys, max_size=2)):
        wanted.append(data.draw(st.sampled_from([key, {"key": key, "effect": "allow"}])))
    try:
        result = tighten(question, {"options": wanted})
    except QuestionInvalid:
        return
    assert_not_looser(question, result)


def assert_not_looser(before: Question, after: Question) -> None:
    own = {option.key: option for option in before.options}
    for option in after.options:
        if option.key in own:
            form = own[option.key].form
            assert replace(option, form=form) == own[option.key]
            assert option.form == form or (form is None and option.effect == "answer")
        else:
            assert option.effect == "answer"
    effects = {option.effect for option in after.options}
    if "deny" in {option.effect for option in before.options}:
        assert "deny" in effects or not effects & ALLOWING
    assert replace(after.timing, expires=None) == replace(before.timing, expires=None)
    if after.timing.expires != before.timing.expires:
        assert after.timing.expires is not None
        assert after.timing.expires <= (before.timing.expires or timedelta(hours=24))
    assert (after.repeat, after.options_from) == (before.repeat, before.options_from)
    for old, new in zip(before.stages, after.stages, strict=True):
        assert replace(new, needs=old.needs) == old
        for was, now in zip(old.needs, new.needs, strict=True):
            assert (now.role, now.count) == (was.role, was.count)
            assert not was.people or set() < set(now.people) <= set(was.people)


@unhurried
@given(some.questions(), st.sampled_from(sorted(PRESETS)))
def test_a_preset_keeps_the_roles_the_people_and_the_hold(question: Question, name: str) -> None:
    asked = apply_preset(name, onto=question)
    for before, after in zip(question.stages, asked.stages, strict=True):
        assert [(n.role, n.people) for n in before.needs] == [
            (n.role, n.people) for n in after.needs
        ]
        assert before.ladder == after.ladder
    assert asked.timing.hold == question.timing.hold
    assert asked.timing.escalate == question.timing.escalate
    assert parse_question(render_question(asked)) == asked


# Deciding


@st.composite
def polls(draw: st.DrawFn, *, most: int = 6) -> tuple[Question, list[Cast], frozenset[str]]:
    question = draw(some.ballots())
    return question, draw(some.casts(question, most=most)), draw(escalations)


@unhurried
@given(polls(most=8), st.randoms())
def test_the_order_in_which_votes_are_handed_over_changes_nothing(poll: Any, random: Any) -> None:
    question, casts, escalated = poll
    shuffled = list(casts)
    random.shuffle(shuffled)
    assert decide(question, shuffled, escalated=escalated) == decide(
        question, casts, escalated=escalated
    )


@unhurried
@given(polls(most=8))
def test_votes_that_do_not_count_change_nothing(poll: Any) -> None:
    question, casts, escalated = poll
    effects = {option.key: option.effect for option in question.options}
    counting = [
        cast for cast in casts if cast.eligible and effects.get(cast.choice, "none") != "none"
    ]
    tally = decide(question, casts, escalated=escalated)
    assert tally == decide(question, counting, escalated=escalated)
    assert set(tally.counted) <= {cast.vote_id for cast in counting}
    assert len(set(tally.counted)) == len(tally.counted)


@unhurried
@given(polls(most=8))
def test_a_winner_has_every_need_filled_by_a_different_fitting_person(poll: Any) -> None:
    question, casts, escalated = poll
    tally = decide(question, casts, escalated=escalated)
    by_id = {cast.vote_id: cast for cast in casts}
    if tally.winner is None:
        return
    voters = [by_id[vote_id] for vote_id in tally.counted]
    assert tally.winner.deciding_vote_id in tally.counted
    assert {(cast.choice, cast.outcome) for cast in voters} == {
        (tally.winner.choice, tally.winner.outcome)
    }
    if tally.winner.effect in REFUSING:
        assert tally.rejections >= min(stage.rejections for stage in question.stages)
        return
    demands = [
        (place, need, n)
        for place, stage in enumerate(question.stages)
        for need in stage.needs
        for n in range(int(need.count))
    ]
    assert len(voters) == len(demands) == tally.needed == tally.approvals

    def fits(cast: Cast, place: int, need: Any) -> bool:
        if any((place, role) in cast.seats for role in escalated):
            return True
        named = not need.people or bool(set(need.people) & cast.names)
        return (place, need.role) in cast.seats and named

    # An independent matching: some way of seating these voters fills every need.
    taken: dict[int, int] = {}

    def seat(voter: int, tried: set[int]) -> bool:
        for d, (place, need, _) in enumerate(demands):
            if d not in tried and fits(voters[voter], place, need):
                tried.add(d)
                if d not in taken or seat(taken[d], tried):
                    taken[d] = voter
                    return True
        return False

    assert all(seat(voter, set()) for voter in range(len(voters)))


@unhurried
@given(polls(most=7), st.data())
def test_a_later_vote_never_takes_a_win_away_unless_it_refuses(
    poll: Any, data: st.DataObject
) -> None:
    question, casts, escalated = poll
    before = decide(question, casts, escalated=escalated)
    person = data.draw(some.people(question))
    choice = data.draw(st.sampled_from([option.key for option in question.options]))
    after = decide(question, [*casts, vote(person, 99, choice)], escalated=escalated)
    if before.winner is None:
        return
    if after.winner != before.winner:
        assert after.winner is not None
        assert before.winner.effect in ALLOWING
        assert after.winner.effect in REFUSING
        effects = {option.key: option.effect for option in question.options}
        assert effects[choice] in REFUSING


@st.composite
def agreements(draw: st.DrawFn) -> tuple[Question, list[Cast]]:
    """Return a question and, at any instants, a yes of somebody for each place to fill."""
    question = draw(some.ballots())
    question = replace(question, options=(Option("yes", "Yes", "allow"),))
    found = []
    for place, stage in enumerate(question.stages):
        for need in stage.needs:
            for _ in range(int(need.count)):
                more = draw(some.people(question))
                seats = more.seats | {(place, need.role)}
                person = Seated(seats, frozenset(need.people) or more.names)
                found.append(person)
    found += draw(st.lists(some.people(question), max_size=2))
    casts = [vote(person, voter, "yes") for voter, person in enumerate(found, start=1)]
    return question, [replace(cast, at=draw(instants)) for cast in casts]


@unhurried
@given(agreements(), st.data())
def test_one_more_yes_at_any_time_never_takes_an_approval_away(
    agreement: Any, data: st.DataObject
) -> None:
    question, casts = agreement
    before = decide(question, casts)
    more = replace(vote(data.draw(some.people(question)), 99, "yes"), at=data.draw(instants))
    after = decide(question, [*casts, more])
    assert before.winner is None or after.winner is not None
    assert after.approvals >= before.approvals
    assert after.stage >= before.stage


@unhurried
@given(polls(most=7))
def test_enough_refusals_settle_against_any_number_of_approvals(poll: Any) -> None:
    question, casts, escalated = poll
    no = Option("no", "No", "deny")
    question = replace(question, options=(*question.options, no))
    first = question.stages[0]
    role = first.needs[0].role
    names = frozenset(first.needs[0].people)
    person = Seated(frozenset({(0, role)}), names)
    noes = [vote(person, 100 + n, "no") for n in range(first.rejections)]
    tally = decide(question, [*casts, *noes], escalated=escalated)
    assert tally.winner is not None
    assert tally.winner.effect in REFUSING


@unhurried
@given(some.ballots(most=3), st.data())
def test_when_enough_people_agree_the_question_settles(
    question: Question, data: st.DataObject
) -> None:
    choices = [option.key for option in question.options if option.effect != "none"]
    choice = data.draw(st.sampled_from(choices))
    casts: list[Cast] = []
    for place, stage in enumerate(question.stages):
        for need in stage.needs:
            for name in itertools.islice(itertools.cycle(need.people or ("",)), 0, int(need.count)):
                person = Seated(frozenset({(place, need.role)}), frozenset({name}))
                casts.append(vote(person, len(casts) + 1, choice))
    tally = decide(question, casts, remaining=[])
    assert (tally.winner is not None and tally.winner.choice == choice) or not tally.can_settle
    effect = {option.key: option.effect for option in question.options}[choice]
    if effect in ALLOWING:
        assert tally.winner == Outcome(choice, effect, "", casts[-1].vote_id)


@unhurried
@given(polls(), st.data())
def test_a_vote_that_may_fill_moves_the_tally_and_any_other_moves_nothing(
    poll: Any, data: st.DataObject
) -> None:
    question, casts, escalated = poll
    person = data.draw(some.people(question))
    option = data.draw(st.sampled_from(question.options))
    before = decide(question, casts, escalated=escalated)
    assume(before.winner is None and option.effect != "none")
    may = may_fill(
        question,
        casts,
        choice=option.key,
        outcome="",
        seats=person.seats,
        names=person.names,
        escalated=escalated,
    )
    after = decide(question, [*casts, vote(person, 99, option.key)], escalated=escalated)
    assert ("v99" in after.counted) == may
    if may:
        assert may_vote(
            question, casts, seats=person.seats, names=person.names, escalated=escalated
        )
    else:
        assert replace(after, can_settle=True) == before


# Whether anything can still win, against trying everything


def reachable(
    question: Question,
    casts: list[Cast],
    left: list[Seated],
    escalated: frozenset[str],
    voted: int = 0,
) -> bool:
    """Try every order in which the people left could vote for anything, or not at all."""
    if decide(question, casts, escalated=escalated).winner is not None:
        return True
    outcomes = {"", "fresh"} | {cast.outcome for cast in casts}
    for place, person in enumerate(left):
        rest = left[:place] + left[place + 1 :]
        for option in question.options:
            if option.effect == "none":
                continue
            for outcome in outcomes if option.effect in ALLOWING else {""}:
                more = [*casts, vote(person, 100 + voted, option.key, outcome)]
                if reachable(question, more, rest, escalated, voted + 1):
                    return True
    return False


@st.composite
def tiny_polls(draw: st.DrawFn) -> tuple[Question, list[Cast], list[Seated], frozenset[str]]:
    question = draw(some.ballots())
    # One option of each effect is enough to search through.
    kept = {option.effect: option for option in question.options}
    question = replace(question, options=tuple(kept.values()))
    casts = draw(some.casts(question, most=3))
    left = [draw(some.people(question)) for _ in range(draw(st.integers(0, 3)))]
    return question, casts, left, draw(escalations)


@settings(max_examples=MANY * 3, deadline=None)
@given(tiny_polls())
def test_can_settle_is_exactly_whether_some_votes_would_settle(poll: Any) -> None:
    question, casts, left, escalated = poll
    tally: Tally = decide(question, casts, escalated=escalated, remaining=left)
    assert tally.can_settle == reachable(question, casts, left, escalated)
    assert tally.eligible_left is not None
    assert tally.eligible_left <= len(left)


@unhurried
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 15)), max_size=4),
    st.lists(st.integers(0, 15), max_size=6),
)
def test_demands_can_be_met_exactly_when_no_subset_asks_for_too_many(
    demands: list[tuple[int, int]], people: list[int]
) -> None:
    halls_condition = all(
        sum(number for number, _ in subset)
        <= sum(1 for person in people if any(person & bits for _, bits in subset))
        for size in range(1, len(demands) + 1)
        for subset in itertools.combinations(demands, size)
    )
    met = can_be_met([Demand(*demand) for demand in demands], Counter(people))
    assert met == halls_condition
