"""The Celery application, and the heartbeat that proves scheduler and worker alive together."""

import os

from celery import Celery
from django.conf import settings
from django_structlog.celery.steps import DjangoStructLogInitStep
from kombu.transport.virtual import Channel

from reviews.alive import beat

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hitl_project.settings")
# Read the settings now: what is wrong in the environment stops `celery` as it stops `manage.py`.
settings.SECRET_KEY  # noqa: B018

app = Celery("hitl_project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.steps["worker"].add(DjangoStructLogInitStep)
# No task is given back to a broker that went away: the schedule brings the next.
Channel.do_restore = False


@app.task(name="hitl_project.celery.beat_heartbeat")
def beat_heartbeat() -> None:
    """Leave the present instant where `/readyz` looks."""
    beat()
