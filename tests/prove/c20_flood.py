"""C20: a program that floods is stopped at its quota, and the others hardly notice.

The flood comes from a process of its own, so that whoever measures does not wait for whoever
floods; but all of them share the machine, so each hand breathes for as long as a way through a
network takes. The flood comes and goes in turns: both figures are of the same minutes. The limit
of calls per minute, which would hold it at 20 a second, is off: what the quota does is measured.
"""

import os
import statistics
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from approvals.models import AccessKey, User
from approvals.services.keys import create_key
from audit.clock import db_now
from reviews.models import Delivery, Ticket
from reviews.services.deliveries import dispatch_due
from tests.prove.cast import Cast, cast, person
from tests.prove.crew import Hand, gather
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene
from tests.prove.web import Client

HANDS = 4
BREATH = 0.02  # seconds between an answer and the next call of a hand
TURNS = 10
EACH = 40  # openings of each program that does not flood
# Of what the flood asks, so many mails per queue and hour.
NOTICES = 10


def p99(took: list[float]) -> float:
    return sorted(took)[int(len(took) * 0.99)]


def others(url: str, owner: User, at: str, calls: int) -> list[float]:
    """Return the seconds that each call of somebody else took: open one, read it."""
    took: list[float] = []
    while len(took) < calls:
        # Programs with a quota of their own; none of them comes near it.
        _, token = create_key(name="other", kind="service", owner=owner, now=db_now())
        client = Client(url, token)
        for number in range(min(EACH, calls - len(took))):
            began = time.monotonic()
            asking = {"title": f"Other {number}", "checkpoint": at}
            status, body, _ = client.call("POST", "/api/v1/tickets", asking)
            assert status == 201, body
            client.call("GET", f"/api/v1/tickets/{body['id']}")
            took.append(time.monotonic() - began)
        client.close()
    return took


def pour(hand: Hand) -> None:
    """Open tickets until the file that stops the flood is there; note what was answered."""
    given = hand.parcel
    client, told, seconds = Client(given["url"], given["token"]), Counter[int](), 0.0
    while not Path(given["stop"]).exists():
        if Path(given["pause"]).exists():
            time.sleep(BREATH)
            continue
        began = time.monotonic()
        asking = {"title": f"Flood {sum(told.values())}", "checkpoint": given["at"]}
        status, _, headers = client.call("POST", "/api/v1/tickets", asking)
        told[status] += 1
        told[0] += status == 429 and "retry-after" not in headers
        time.sleep(BREATH)
        seconds += time.monotonic() - began
    hand.note(told=dict(told), seconds=seconds)
    client.close()


def await_stored(key: AccessKey, quota: int) -> None:
    """Wait until the quota is used up; the flood goes on."""
    deadline = time.monotonic() + 120
    while Ticket.objects.filter(access_key=key).count() < quota:
        assert time.monotonic() < deadline, "the flood did not come"
        time.sleep(0.1)
    connection.close()  # nobody but the web process is at the database while it is measured


def flood(scene: Scene, *, quota: int) -> Figure:
    people: Cast = cast(voters=1, listening=False)
    owner = person("flooder")
    key, token = create_key(name="flood", kind="service", owner=owner, now=db_now())
    # Said to the web process by its environment, as an operator would.
    os.environ |= {"PROVE_OPENINGS": str(quota), "PROVE_MAIL": "1"}
    calls, at = scene.size(600, least=100), people.checkpoint
    stop, pause = (scene.folder / f"{word}-{os.getpid()}" for word in ("stop", "pause"))
    ledger: list[dict[str, Any]] = []
    hour = time.time() // 3600
    with scene.served() as url:
        parcel = {"url": url, "token": token, "at": at, "stop": str(stop), "pause": str(pause)}

        def hands() -> None:
            ledger.extend(gather(pour, hands=HANDS, processes=1, parcel=parcel))

        flooding = threading.Thread(target=hands)
        others(url, people.owner, at, 30)
        flooding.start()
        await_stored(key, quota)
        alone, meanwhile = [], []
        # Turn by turn: a machine that has other work changes from second to second.
        for _ in range(TURNS):
            pause.touch()
            time.sleep(5 * BREATH)
            alone += others(url, people.owner, at, calls // TURNS)
            pause.unlink()
            time.sleep(5 * BREATH)
            meanwhile += others(url, people.owner, at, calls // TURNS)
        stop.touch()
        flooding.join(120)
    told = sum((Counter(line["told"]) for line in ledger), Counter[int]())
    assert told, "the flood ended without a word"
    rate = sum(told.values()) / max(line["seconds"] for line in ledger)
    stored = Ticket.objects.filter(access_key=key).count()
    hours = int(time.time() // 3600 - hour) + 1  # a quota begins anew when the clock strikes
    settings.HITL_NOTICES_PER_HOUR = NOTICES
    while dispatch_due(longest=60):
        pass
    mails: Any = Delivery.objects.filter(channel="email", ticket__access_key=key)
    written = mails.values("ticket").distinct().count()
    baseline, slowed = p99(alone), p99(meanwhile)
    ratio = slowed / baseline
    return figure(
        f"{told.total()} openings of one key at {rate:.0f}/s with a quota of {quota} an hour, "
        f"{stored} stored; p99 of others {baseline * 1000:.0f} ms alone, "
        f"{slowed * 1000:.0f} ms meanwhile, {ratio:.2f} times as long",
        stored_over_quota=max(0, stored - hours * quota),
        neither_stored_nor_429=sum(told[status] for status in told if status not in (201, 429)),
        mails_over_quota=max(0, written - hours * NOTICES),
        p99_three_times_slower=int(ratio >= 3),
        details={
            "p50": [statistics.median(each) for each in (alone, meanwhile)],
            "ratio": round(ratio, 2),
            "mails": written,
            "answers": dict(told),
        },
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
