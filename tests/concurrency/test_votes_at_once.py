import pytest

from tests.prove import (
    c11_once_per_key,
    d1_one_decision,
    d2_never_stuck,
    d3_counts_once,
    d4_yes_or_no,
    d5_same_content,
    d6_same_bytes,
    d7_frozen_policy,
    d8_rights_now,
    d9_own_work,
    d10_only_people,
    d12_listed_paths,
    d13_no_silent_yes,
    d14_override_window,
    d15_take_back,
    f12_embedded,
)
from tests.prove.scene import Scene

pytestmark = pytest.mark.real


def test_a_ticket_many_vote_on_has_one_decision_and_one_effect(scene: Scene) -> None:
    found = d1_one_decision.run(scene)
    assert found.broken == 0, (found.sentence, found.details)


def test_a_ticket_is_decided_when_exactly_its_quorum_votes_at_once(scene: Scene) -> None:
    found = d2_never_stuck.run(scene)
    assert found.broken == 0, (found.sentence, found.details)


def test_a_vote_sent_twice_at_once_counts_once_and_is_answered_alike(scene: Scene) -> None:
    found = d3_counts_once.run(scene)
    assert found.broken == 0, (found.sentence, found.details)


def test_a_vote_counts_only_for_the_content_it_saw(scene: Scene) -> None:
    found = d5_same_content.run(scene)
    assert found.broken == 0, (found.sentence, found.details)


def test_nobody_votes_on_their_own_work(scene: Scene) -> None:
    found = d9_own_work.run(scene)
    assert found.broken == 0, (found.sentence, found.details)


def test_no_machine_votes(scene: Scene) -> None:
    found = d10_only_people.run(scene)
    assert found.broken == 0, (found.sentence, found.details)


def test_several_writers_meet_no_busy_database(scene: Scene) -> None:
    found = f12_embedded.run(scene)
    assert found.broken == 0, (found.sentence, found.details)


def test_parallel_calls_under_one_key_are_done_once(scene: Scene) -> None:
    found = c11_once_per_key.by_service(scene, callers=5, keys=4)
    assert found.broken == 0, (found.sentence, found.details)


def test_a_yes_and_a_no_at_once_have_one_answer(scene: Scene) -> None:
    found = d4_yes_or_no.run(scene)
    assert found.broken == 0, (found.sentence, found.details)


def test_what_is_executed_is_what_was_approved_once(scene: Scene) -> None:
    found = d6_same_bytes.run(scene)
    assert found.broken == 0, (found.sentence, found.details)


def test_a_policy_loosened_meanwhile_decides_nothing(scene: Scene) -> None:
    found = d7_frozen_policy.run(scene)
    assert found.broken == 0, (found.sentence, found.details)


def test_a_vote_counts_only_while_its_voter_may_still_give_it(scene: Scene) -> None:
    found = d8_rights_now.run(scene)
    assert found.broken == 0, (found.sentence, found.details)


def test_a_ticket_moves_only_as_listed(scene: Scene) -> None:
    found = d12_listed_paths.run(scene)
    assert found.broken == 0, (found.sentence, found.details)


def test_no_fault_and_no_silence_says_yes(scene: Scene) -> None:
    found = d13_no_silent_yes.run(scene)
    assert found.broken == 0, (found.sentence, found.details)


def test_an_override_at_the_last_moment_is_kept_or_not_and_never_both(scene: Scene) -> None:
    found = d14_override_window.run(scene)
    assert found.broken == 0, (found.sentence, found.details)


def test_inside_its_window_an_answer_can_be_taken_back_and_after_it_never(scene: Scene) -> None:
    found = d15_take_back.run(scene)
    assert found.broken == 0, (found.sentence, found.details)
