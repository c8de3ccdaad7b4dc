"""What every test may ask for."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests import serving

MARKS = ("pure", "db", "real", "browser")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Read the marks: none means pure; `db` rolls back, `real` commits."""
    for item in items:
        marks = [mark for mark in MARKS if item.get_closest_marker(mark)]
        if len(marks) > 1:
            raise pytest.UsageError(f"{item.nodeid} has more than one of the marks {marks}.")
        if not marks:
            item.add_marker(pytest.mark.pure)
        elif marks == ["db"]:
            item.add_marker(pytest.mark.django_db)
        elif marks == ["real"]:
            item.add_marker(pytest.mark.django_db(transaction=True))


@pytest.fixture
def redis_url() -> Iterator[str]:
    """Yield the address of an empty Redis that no other test worker uses."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    url = f"{os.environ['TEST_REDIS_URL'].rpartition('/')[0]}/{worker + 1}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


@pytest.fixture(scope="session")
def migrated_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder whose SQLite database is migrated; copy it, do not change it."""
    folder = tmp_path_factory.mktemp("migrated")
    done = serving.manage("migrate", "--verbosity", "0", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def data_folder(migrated_folder: Path, tmp_path: Path) -> Path:
    """Return a migrated data folder of this test's own."""
    return shutil.copytree(migrated_folder, tmp_path / "data")
