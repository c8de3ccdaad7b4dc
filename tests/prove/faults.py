"""Faults that strike inside the service's own processes, and mechanisms a control takes from them.

Named in the environment of each process that shall have them. Nothing of this is in the product.
"""

import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

NAME = "PROVE_FAULTS"
DEATHS = "PROVE_DEATHS"
BEGUN = "PROVE_BEGUN"


def apply() -> None:
    """Patch this process with what its environment names."""
    for name in filter(None, os.environ.get(NAME, "").split(",")):
        _FAULTS[name]()


def _dying_after_commit() -> None:
    """Kill the process between a commit and all that would be published about it.

    A file in the folder of deaths allows one death; who takes it away dies of it.
    """
    from django.db import transaction

    from reviews import nudges

    nudge = nudges.after_commit
    deaths = Path(os.environ[DEATHS])

    def die() -> None:
        for death in deaths.iterdir():
            try:
                death.unlink()
            except FileNotFoundError:
                continue
            os.kill(os.getpid(), signal.SIGKILL)

    def after_commit(**told: Any) -> None:
        transaction.on_commit(die)
        nudge(**told)

    nudges.after_commit = after_commit


def _rows_after_commit() -> None:
    """Write what leaves once the decision is committed, as designs do that have no outbox."""
    from django.db import transaction

    from reviews import nudges, outbox
    from reviews.models import Delivery

    def store_all(many: Any) -> None:
        for rows, about, _ in many:
            nudges.after_commit(about=about, deliveries=bool(rows))
            transaction.on_commit(lambda rows=rows: Delivery.objects.bulk_create(rows))

    outbox.store_all = store_all


def _at_most_once() -> None:
    """Take a message as sent when it is taken up, as queues do that acknowledge early."""
    from reviews.models import Delivery
    from reviews.services import deliveries

    claim = deliveries._claim

    def claiming() -> Any:
        rows = claim()
        ids = [row.pk for row in rows]
        Delivery.objects.filter(pk__in=ids).update(state="sent", next_attempt_at=None)
        return rows

    deliveries._claim = claiming


def _short_lease() -> None:
    """Give up on a dead dispatcher after five seconds instead of sixty."""
    from reviews.services import deliveries

    deliveries.LEASE = timedelta(seconds=5)


def _without_lease() -> None:
    """Take messages up without saying so to anybody else who looks for what is due."""
    from reviews.services import deliveries

    deliveries.LEASE = timedelta(0)


def _without_nudges() -> None:
    """Leave every task to whoever sends it by hand."""
    from reviews import nudges

    nudges._put = lambda _: None


def _impatient_broker() -> None:
    """Acknowledge a message once its task has ended, and give it out again after two seconds.

    Each time a task begins or ends, a file is left that is named by its message.
    """
    from celery import signals
    from django.conf import settings

    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {
        "visibility_timeout": 2,
        "unacked_restore_interval": 0.5,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": 2,
    }
    settings.CELERY_TASK_ACKS_LATE = True
    place = Path(os.environ[BEGUN])

    def leave(word: str, task_id: str) -> None:
        (place / f"{word} {task_id} {os.getpid()} {time.monotonic_ns()}").touch()

    def begins(task_id: str, **_: Any) -> None:
        leave("begun", task_id)

    def ends(task_id: str, **_: Any) -> None:
        leave("ended", task_id)

    signals.task_prerun.connect(begins, weak=False)
    signals.task_postrun.connect(ends, weak=False)


def begun(folder: Path, *, ended: bool = False) -> list[str]:
    """Return the message of each task that was begun, or ended, in the processes of this folder."""
    names = [path.name.split() for path in (folder / "begun").iterdir()]
    return [message for word, message, *_ in names if word == ("ended" if ended else "begun")]


def _publishing_in_the_request() -> None:
    """Tell the broker inside the vote's transaction, and wait for it."""
    from celery import current_app

    from reviews import nudges

    def publish(**_: Any) -> None:
        current_app.send_task(nudges.DISPATCH, retry=True)

    nudges.after_commit = publish


_FAULTS: dict[str, Callable[[], None]] = {
    "dying-after-commit": _dying_after_commit,
    "rows-after-commit": _rows_after_commit,
    "at-most-once": _at_most_once,
    "short-lease": _short_lease,
    "without-lease": _without_lease,
    "without-nudges": _without_nudges,
    "impatient-broker": _impatient_broker,
    "publishing-in-the-request": _publishing_in_the_request,
}
