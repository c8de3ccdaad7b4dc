"""The databases of this run are real, and empty between tests."""

import threading

import pytest
from django.db import IntegrityError, connection, transaction
from redis import Redis

from audit import triggers
from audit.models import ChainHead


def open_a_chain() -> None:
    ChainHead.objects.create(stream="system")


@pytest.mark.db
def test_the_database_is_the_one_this_run_is_about(settings):
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA journal_mode")
            assert cursor.fetchone() == ("wal",)
            cursor.execute("PRAGMA foreign_keys")
            assert cursor.fetchone() == (1,)
        else:
            cursor.execute("SHOW lock_timeout")
            assert cursor.fetchone() == ("3s",)
    assert settings.DATABASES["default"]["ATOMIC_REQUESTS"] is False


@pytest.mark.real
@pytest.mark.parametrize("time", ["first", "second"])
def test_what_a_test_commits_is_gone_for_the_next(time):
    assert ChainHead.objects.count() == 0
    open_a_chain()
    with pytest.raises(IntegrityError), transaction.atomic():
        ChainHead.objects.all().delete()


@pytest.mark.real
def test_triggers_stand_again_after_the_database_was_emptied():
    declared = triggers.declared()
    wanted = {one.installed_name for one in declared if one.statements(connection.vendor)}
    assert triggers.installed(connection) == wanted


@pytest.mark.real
def test_another_thread_sees_what_was_committed():
    seen: list[int] = []

    def look() -> None:
        seen.append(ChainHead.objects.count())
        connection.close()

    open_a_chain()
    thread = threading.Thread(target=look)
    thread.start()
    thread.join(10)
    assert seen == [1]


@pytest.mark.real
def test_redis_is_there_and_empty(redis_url):
    with Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("a", 1)
