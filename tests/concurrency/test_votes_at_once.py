import pytest

from tests.prove import (
    c11_once_per_key,
    d1_one_decision,
    d2_never_stuck,
    d3_counts_once,
    d5_same_content,
    d9_own_work,
    d10_only_people,
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
