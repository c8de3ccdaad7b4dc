"""Celery with nothing in it: `celery -A tests.bench.floor.bare_celery worker`."""

import os
import time

from celery import Celery

app = Celery("bare", broker=os.environ["REDIS_URL"], set_as_current=False)
app.conf.task_ignore_result = True
app.conf.task_default_queue = "bare"


@app.task(ignore_result=True)
def nothing() -> None:
    """Do nothing."""


@app.task(ignore_result=True)
def last() -> None:
    """Say when it was reached."""
    import redis

    redis.Redis.from_url(os.environ["REDIS_URL"]).set("bare:ended", time.monotonic())
