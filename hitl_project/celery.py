"""The Celery application, and the heartbeat that proves scheduler and worker alive together."""

import os
import time

from celery import Celery
from django.conf import settings
from django.core.cache import cache
from django_structlog.celery.steps import DjangoStructLogInitStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hitl_project.settings")
# Read the settings now: what is wrong in the environment stops `celery` as it stops `manage.py`.
settings.SECRET_KEY  # noqa: B018

app = Celery("hitl_project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.steps["worker"].add(DjangoStructLogInitStep)

HEARTBEAT = "beat-heartbeat"


@app.task(name="hitl_project.celery.beat_heartbeat")
def beat_heartbeat() -> None:
    """Leave the present instant where `/readyz` looks."""
    cache.set(HEARTBEAT, time.time(), timeout=None)


def heartbeat_age() -> float | None:
    """Return the seconds since scheduler and worker last showed life; None when they never did.

    :raises Exception: whatever the cache's client raises when it is away.
    """
    at = cache.get(HEARTBEAT)
    return None if at is None else max(0.0, time.time() - at)
