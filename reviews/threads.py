"""Work with the database on behalf of a coroutine."""

from collections.abc import Callable
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.db import connections

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """Return what blocking work returns; no connection stays behind in the thread it ran in."""

    def alone() -> T:
        try:
            return work()
        finally:
            # This thread belongs to no request; nobody else would give its connection back.
            connections.close_all()

    return await sync_to_async(alone, thread_sensitive=False)()
