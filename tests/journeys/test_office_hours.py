"""Asked on Friday evening, escalated on Monday morning, decided; program and webhook hear once.

The service runs in this process, so that its clock can be moved as in other tests.
"""

import threading
import time
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
import uvicorn
from hitl_client import HitlClient

from audit.clock import db_now, shifted
from reviews.api import waiting
from reviews.models import Calendar, Delivery, Queue, Ticket, WebhookEndpoint
from reviews.services.deliveries import dispatch_due
from reviews.services.sweeps import sweep_deadlines
from reviews.signatures import new_secret
from tests.builders import Cast, personal_token
from tests.journeys.driving import Caller, Receiver, Waiting
from tests.servers import free_port
from tests.stories import checkpoint, question, types_told

pytestmark = pytest.mark.real

BERLIN = ZoneInfo("Europe/Berlin")
LADDER = [{"after": "PT1H", "role": "lead"}]


def at(*parts: int) -> "shifted":  # type: ignore[valid-type]
    """Tell what follows as if it were this local time in Berlin."""
    return shifted(datetime(*parts, tzinfo=BERLIN) - db_now())  # type: ignore[arg-type,misc]


@pytest.fixture
def url() -> Iterator[str]:
    """Serve the service from this process."""
    from hitl_project.asgi import application

    port = free_port()
    told = uvicorn.Config(application, port=port, log_level="error", lifespan="off")
    server = uvicorn.Server(told)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def receiver(settings) -> Iterator[Receiver]:
    receiver = Receiver()
    settings.HITL_OUTBOUND_ALLOWED = (("127.0.0.1", "*"),)
    yield receiver
    receiver.stop()


def test_what_is_asked_on_friday_evening_is_decided_on_monday(
    cast: Cast, url: str, receiver: Receiver
) -> None:
    office = Calendar.objects.create(name="Office", time_zone="Europe/Berlin", country="DE")
    Queue.objects.filter(slug="general").update(calendar=office)
    checkpoint("payments", question(escalate=LADDER))
    WebhookEndpoint.objects.create(
        name="books", url=receiver.url, types=["ticket.decided"], secret=new_secret(),
        created_by=cast.ada, created_at=db_now(),
    )  # fmt: skip
    with HitlClient(url, cast.token) as client:
        with at(2027, 5, 7, 17, 50):  # a Friday
            ticket = client.submit_for_review(
                {"payee": "ACME", "total": 900}, checkpoint="payments", title="Pay ACME"
            )
        with at(2027, 5, 10, 9, 49, 50):
            sweep_deadlines()
            assert "escalated" not in _told(ticket["id"])
        with at(2027, 5, 10, 9, 50, 5):
            sweep_deadlines()
            assert _told(ticket["id"])[-1] == "escalated"
            program = Waiting(lambda: client.wait_for_decision(ticket["id"], timeout=40))
            _until_somebody_waits()
            lead = Caller(url, personal_token(cast.lena))
            voted = time.monotonic()
            assert lead.vote(ticket["id"], "approve").status == 201
            decision = program.answer()
            assert time.monotonic() - voted < 1.0
            assert decision["allowed"] is True
            for _ in range(2):
                dispatch_due()

    assert receiver.messages.qsize() == 1
    assert Delivery.objects.filter(channel="webhook", type="ticket.decided").count() == 1


def _told(ticket_id: str) -> list[str]:
    return types_told(Ticket.objects.get(pk=ticket_id))


def _until_somebody_waits() -> None:
    deadline = time.monotonic() + 20
    while not waiting._waiters and time.monotonic() < deadline:
        time.sleep(0.01)
    assert waiting._waiters == 1
