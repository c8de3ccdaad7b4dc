"""What every test may ask for."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis

from tests import serving

if TYPE_CHECKING:
    from django.db.backends.base.operations import BaseDatabaseOperations

    from tests.builders import Cast

# It brings its own database, so it runs once, in the half of the run that is about that one.
collect_ignore = (
    [] if os.environ.get("TEST_DATABASE", "sqlite") == "sqlite" else ["test_hitl_process.py"]
)

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


@pytest.fixture(scope="session", autouse=True)
def _emptying_between_real_tests() -> Iterator[None]:
    """Let the emptying after a `real` test past the triggers that protect rows from deletion.

    The product has no way around them; this one needs a superuser or a schema change.
    """
    from django.db.backends.base.operations import BaseDatabaseOperations

    from audit import triggers

    emptying = BaseDatabaseOperations.execute_sql_flush

    def past_triggers(self: "BaseDatabaseOperations", sql_list: list[str]) -> None:
        alias = self.connection.alias
        if self.connection.vendor == "postgresql":
            emptying(self, ["SET LOCAL session_replication_role = replica", *sql_list])
            return
        triggers.drop_all(using=alias)
        try:
            emptying(self, sql_list)
        finally:
            triggers.install_all(using=alias)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseDatabaseOperations, "execute_sql_flush", past_triggers)
        yield


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


@pytest.fixture(autouse=True)
def _fresh_counters(request: pytest.FixtureRequest) -> None:
    """Forget the rate limits of earlier tests: user ids come again after a rollback."""
    if request.node.get_closest_marker("django_db"):
        from django.core.cache import cache

        from approvals.api.throttles import MINUTE
        from reviews.services.quotas import HOUR

        cache.clear()
        MINUTE.forget()
        HOUR.forget()


@pytest.fixture
def cast(db: None) -> "Cast":
    """Everybody in the stories, the `general` checkpoint, its queue and a service key."""
    from tests.builders import make_cast

    return make_cast()


@pytest.fixture
def story(cast: "Cast") -> Iterator["Cast"]:
    """The cast again; when the story is told, its chains verify and fold to what the tables say."""
    from tests.stories import everything_told_is_true

    yield cast
    everything_told_is_true()
