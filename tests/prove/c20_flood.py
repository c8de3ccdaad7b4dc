"""C20: a program that floods is stopped at its quota, and the others hardly notice."""

import os
import threading
import time
from typing import Any

from django.conf import settings

from approvals.models import User
from approvals.services.keys import create_key
from audit.clock import db_now
from reviews.models import Delivery, Ticket
from reviews.services.deliveries import dispatch_due
from tests.prove.cast import Cast, cast, person
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene
from tests.prove.web import Client

HANDS = 3
# Of what the flood asks, so many mails per queue and hour.
NOTICES = 10


def p99(took: list[float]) -> float:
    return sorted(took)[int(len(took) * 0.99)]


def others(url: str, owner: User, at: str, calls: int) -> list[float]:
    """Return the seconds that each call of somebody else took: open one, read it."""
    _, token = create_key(name="other", kind="service", owner=owner, now=db_now())
    client, took = Client(url, token), []
    for number in range(calls):
        began = time.monotonic()
        asking = {"title": f"Other {number}", "checkpoint": at}
        status, body, _ = client.call("POST", "/api/v1/tickets", asking)
        assert status == 201, body
        client.call("GET", f"/api/v1/tickets/{body['id']}")
        took.append(time.monotonic() - began)
    client.close()
    return took


def pour(url: str, token: str, at: str, until: threading.Event, told: list[int]) -> None:
    client, number = Client(url, token), 0
    while not until.is_set():
        number += 1
        asking = {"title": f"Flood {number}", "checkpoint": at}
        status, _, headers = client.call("POST", "/api/v1/tickets", asking)
        told.append(status)
        if status == 429 and "retry-after" not in headers:
            told.append(0)
    client.close()


def flood(scene: Scene, *, quota: int) -> Figure:
    people: Cast = cast(voters=1, listening=False)
    owner = person("flooder")
    key, token = create_key(name="flood", kind="service", owner=owner, now=db_now())
    # Said to the web process by its environment, as an operator would.
    os.environ |= {"PROVE_OPENINGS": str(quota), "PROVE_MAIL": "1"}
    calls = scene.size(250, least=60)
    told: list[int] = []
    at = people.checkpoint
    with scene.served() as url:
        others(url, people.owner, at, 20)
        baseline = p99(others(url, people.owner, at, calls))
        stop = threading.Event()
        hands = [
            threading.Thread(target=pour, args=(url, token, at, stop, told)) for _ in range(HANDS)
        ]
        for hand in hands:
            hand.start()
        while len(told) < 2 * quota:  # the quota is used up, and the flood goes on
            time.sleep(0.05)
        meanwhile = p99(others(url, people.owner, at, calls))
        stop.set()
        for hand in hands:
            hand.join(60)
    stored = Ticket.objects.filter(access_key=key).count()
    settings.HITL_NOTICES_PER_HOUR = NOTICES
    while dispatch_due(longest=60):
        pass
    mails: Any = Delivery.objects.filter(channel="email", ticket__access_key=key)
    written = mails.values("ticket").distinct().count()
    ratio = meanwhile / baseline
    return figure(
        f"{len(told)} openings of one key with a quota of {quota} an hour, {stored} stored; "
        f"p99 of others {baseline * 1000:.0f} ms before, {meanwhile * 1000:.0f} ms meanwhile",
        stored_over_quota=max(0, stored - quota),
        neither_stored_nor_429=sum(status not in (201, 429) for status in told),
        mails_over_quota=max(0, written - NOTICES),
        p99_three_times_slower=int(ratio >= 3),
        details={"ratio": round(ratio, 2), "mails": written},
    )


def run(scene: Scene) -> Figure:
    return flood(scene, quota=scene.size(300, least=80))


def control(scene: Scene) -> Figure:
    """Store whatever comes."""
    scene.switch_off("quota")
    return flood(scene, quota=80)


ROW = Row(
    "C20", "A flood from one key ends at its quota; others are served as before", run, control
)
