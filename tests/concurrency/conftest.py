"""The proofs at a size that takes seconds: the same runs, on threads of this process."""

from pathlib import Path

import pytest

from tests.prove.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Return a small scene on the database of this test; every thread has its own connection."""
    return Scene(folder=tmp_path, scale=0.01, seed=20_261_120, processes=0)
