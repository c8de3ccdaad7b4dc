import pytest

from tests.prove import a4_story_and_tables, a5_one_chain, a8_key_rotation, f11_no_event_no_change
from tests.prove.scene import Scene

pytestmark = pytest.mark.real


def test_the_events_fold_to_what_the_tables_hold(scene: Scene) -> None:
    found = a4_story_and_tables.run(scene)
    assert found.broken == 0, (found.sentence, found.details)


def test_many_writers_make_one_chain(scene: Scene) -> None:
    found = a5_one_chain.run(scene)
    assert found.broken == 0, (found.sentence, found.details)


def test_nothing_happens_whose_event_cannot_be_written(scene: Scene) -> None:
    found = f11_no_event_no_change.run(scene)
    assert found.broken == 0, (found.sentence, found.details)


def test_what_an_earlier_key_signed_still_verifies(scene: Scene) -> None:
    found = a8_key_rotation.run(scene)
    assert found.broken == 0, (found.sentence, found.details)
