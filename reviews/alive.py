"""Signs of life that web, worker and scheduler share: the heartbeat, and the database's state."""

import time

from django.core.cache import cache
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

HEARTBEAT = "beat-heartbeat"
# A scheduler that ticks every second and was not seen for this long is dead or hopelessly late.
HEARTBEAT_LIMIT = 15.0


SWEPT = "deadlines-swept"
# A sweep through a storm of deadlines takes seconds; one that has not ended for this long hangs.
SWEEP_LIMIT = 60.0


def beat() -> None:
    """Leave the present instant where `/readyz` and the status look."""
    cache.set(HEARTBEAT, time.time(), timeout=None)


def heartbeat_age() -> float | None:
    """Return the seconds since scheduler and worker last showed life; None when they never did.

    :raises Exception: whatever the cache's client raises when it is away.
    """
    return _since(HEARTBEAT)


def swept() -> None:
    """Leave the present instant: a sweep of the deadlines has come to its end."""
    cache.set(SWEPT, time.time(), timeout=None)


def swept_age() -> float | None:
    """Return the seconds since a sweep of the deadlines last ended; None when none ever did.

    :raises Exception: as above.
    """
    return _since(SWEPT)


def _since(name: str) -> float | None:
    at = cache.get(name)
    return None if at is None else max(0.0, time.time() - at)


def pending_migrations() -> list[str]:
    """Return the names of the migrations the database still needs."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]
