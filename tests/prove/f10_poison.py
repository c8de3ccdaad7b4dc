"""F10: messages that end their worker, or cannot be made, are parked; all others arrive."""

import os
import subprocess
import sys
from urllib.parse import urlsplit

from django.db.models import Q

from audit.clock import db_now
from audit.services import Draft
from reviews import outbox
from reviews.models import Delivery
from reviews.services.endpoints import create_endpoint
from tests.prove.cast import cast
from tests.prove.receiver import receiving
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene
from tests.prove.web import ROOT

POISON = ({"poison": "exit"}, {"poison": "raise"}, {"n": 2**60}, {"poison": "exit"}, {"n": 2**61})
# However it goes on, so many workers are started one after the other, two minutes apart.
MOST_WORKERS = 60


def poisoned(scene: Scene, *, messages: int) -> Figure:
    people = cast(voters=1, listening=False)
    bad = max(2, messages // 100)
    now, rows = db_now(), []
    with receiving() as receiver:
        endpoint = create_endpoint(name="Ledger", url=receiver.url, by=people.owner)
        for number in range(messages):
            poison = number % (messages // bad) == 3 and number // (messages // bad)
            is_bad = poison is not False
            body = POISON[int(poison) % len(POISON)] if is_bad else {"n": number}
            rows.append(
                outbox.delivery(
                    Draft("ticket.decided", now), "webhook", str(endpoint.pk), body=body,
                    endpoint=endpoint,
                )
            )  # fmt: skip
        Delivery.objects.bulk_create(rows)
        good = {str(row.pk) for row in rows if row.body.get("n", 2**60) < messages}
        workers = 0
        waiting = Delivery.objects.filter(state="waiting")
        while waiting.exists() and workers < MOST_WORKERS:
            command = [sys.executable, "-m", "tests.prove.poisoned", str(2 * workers)]
            command.append(str(urlsplit(receiver.url).port))
            subprocess.run(command, cwd=ROOT, env=dict(os.environ), check=False, timeout=300)
            workers += 1
        parked = Delivery.objects.filter(state="parked")
        listed = parked.filter(~Q(last_error="")).count()
        lost = {str(pk) for pk in parked.values_list("pk", flat=True)} & good
        return figure(
            f"{messages} messages, {bad} of them poison, {workers} workers one after the other",
            not_delivered=len(good - receiver.ids),
            good_ones_parked=len(lost),
            poison_not_listed=abs(bad - listed),
            left_waiting=waiting.count(),
        )


def run(scene: Scene) -> Figure:
    return poisoned(scene, messages=scene.size(1000, least=200))


def control(scene: Scene) -> Figure:
    """Let what may have ended its worker go in company again and again."""
    scene.switch_off("goes-alone")
    return poisoned(scene, messages=200)


ROW = Row("F10", "Poison among messages stops none of the others, and is listed", run, control)
