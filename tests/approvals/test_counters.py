"""What is counted in a window of time."""

import time

import pytest

from approvals.counters import Counter

pytestmark = pytest.mark.db


def test_a_look_at_the_last_window_forgets_nothing_of_this_one():
    counter, hour = Counter(3600, every=100), 3600
    assert [counter.count("openings") for _ in range(3)] == [1, 2, 3]
    assert counter.count("openings", at=time.time() - hour) == 1
    assert counter.count("openings") == 4
